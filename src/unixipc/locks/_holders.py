"""Who holds which lock on a file. -- fcntl(2), proc_locks(5)"""

from __future__ import annotations

import os
from operator import index

from .._fd import name_of, number_of
from .._native.locks import get_lock
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from .._fd import HasFileno

    Whence: TypeAlias = Literal["start", "current", "end"]

__all__ = ["Holder", "conflicting", "describe", "holders_of", "probe"]

FAMILIES = {"flock": ("flock",), "ofd": ("ofd", "posix"), "posix": ("ofd", "posix")}
"""Which kinds exclude each other: flock and record locks do not see each other."""


LAST_BYTE = 2**63 - 1
WHENCES = ("start", "current", "end")


def check_range(start: int, length: int, whence: str) -> None:
    """ValueError for what can be no range of a file."""
    if whence not in WHENCES:
        raise ValueError(f"whence must be 'start', 'current' or 'end', not {whence!r}")
    least = 0 if whence == "start" else -LAST_BYTE
    if start < least or start + length < least or max(start, start + length) > LAST_BYTE:
        raise ValueError(f"{length} bytes from {start} are not in a file")


@record
class Holder:
    """A lock that somebody holds: `pid` (None: it belongs to an opening, and the kernel tells no process), its range.

    `kind`: "flock", "ofd", "posix" or "lease"; `length` 0 means to the end, however far that moves. A posix lock of a
    process outside of this PID namespace has no pid either.
    """

    pid: int | None
    kind: str
    shared: bool
    start: int
    length: int

    def overlaps(self, start: int, length: int) -> bool:
        """Whether it has some of these bytes (0: to the end)."""
        if length < 0:
            start, length = start + length, -length
        begins_before = length == 0 or self.start < start + length
        return begins_before and (self.length == 0 or start < self.start + self.length)


def probe(
    file: int | HasFileno,
    start: int = 0,
    length: int = 0,
    shared: bool = False,
    kind: Literal["ofd", "posix"] = "ofd",
    whence: Whence = "start",
) -> Holder | None:
    """The first record lock that would keep such a lock of ours out, or None. -- fcntl(2), F_OFD_GETLK

    Locks of this opening (`kind` "posix": of this process) keep us not out. It knows nothing of flock. By the time you
    look, the answer may be old. `whence`: what `start` counts from; the answer always counts from the start.
    """
    if kind not in ("ofd", "posix"):
        raise ValueError(f"kind must be 'ofd' or 'posix', not {kind!r}")
    start, length = index(start), index(length)
    check_range(start, length, whence)
    found = get_lock(number_of(file), kind == "ofd", shared, start, length, name_of(file), whence)
    if found is None:
        return None
    pid, is_shared, at, long = found
    return Holder(pid if pid > 0 else None, "ofd" if pid == -1 else "posix", is_shared, at, long)


def holders_of(file: str | bytes | int, waiting: bool = False) -> list[Holder]:
    """Every lock on this file that /proc/locks shows; or those that are waited for."""
    with open("/proc/locks") as lines:
        return holders_in(lines.read(), identity_of(os.stat(file)), waiting)


def identity_of(found: os.stat_result) -> str:
    """What /proc/locks calls a file. On btrfs, where stat(2) tells another device, it calls it something else."""
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


def holders_in(table: str, identity: str, waiting: bool = False) -> list[Holder]:
    """The rows of /proc/locks about one file. A chain of waiters is indented: an arrow, after more or fewer spaces."""
    rows = [line.split() for line in table.splitlines() if f" {identity} " in line]
    return [_holder([*row[:1], *row[2:]] if waiting else row) for row in rows if (row[1] == "->") is waiting]


KINDS = {"FLOCK": "flock", "OFDLCK": "ofd", "POSIX": "posix"}


def _holder(row: list[str]) -> Holder:
    _number, kind, _advisory, access, pid, _identity, start, end = row[:8]
    length = 0 if end == "EOF" else int(end) + 1 - int(start)
    known = int(pid) if int(pid) > 0 else None
    return Holder(known, KINDS.get(kind, kind.lower()), access == "READ", int(start), length)


def conflicting(holders: list[Holder], kind: str, shared: bool, start: int, length: int) -> list[Holder]:
    """Those that keep such a lock out."""
    family = FAMILIES[kind]
    return [
        each
        for each in holders
        if each.kind in family and not (shared and each.shared) and each.overlaps(start, length)
    ]


def describe(holders: list[Holder], file: str | bytes | int) -> str:
    """A sentence for an error."""
    if not holders:
        return "nobody holds it any more (or its holder cannot be seen from here)"
    return "; ".join(f"{'shared by' if holder.shared else 'held by'} {_whose(holder, file)}" for holder in holders)


def _whose(holder: Holder, file: str | bytes | int) -> str:
    if holder.pid is not None:
        return _process(holder.pid)
    pids = _with_locks_on(identity_of(os.stat(file)))
    if not pids:
        return "an opening whose process cannot be seen from here"
    return f"an opening of {' and '.join(map(_process, pids))}"


def _process(pid: int) -> str:
    here = ", this one" if pid == os.getpid() else ""
    try:
        with open(f"/proc/{pid}/comm") as name:
            return f"process {pid} ({name.read().strip()}{here})"
    except OSError:
        return f"process {pid}"


def _with_locks_on(identity: str) -> list[int]:
    """The processes with an opening of the file that has OFD locks: each descriptor's fdinfo shows them."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _has_lock_on(name, identity)]


def _has_lock_on(pid: str, identity: str) -> bool:
    try:
        for fd in os.listdir(f"/proc/{pid}/fdinfo"):
            with open(f"/proc/{pid}/fdinfo/{fd}") as info:
                if any("OFDLCK" in line and f" {identity} " in line for line in info if line.startswith("lock:")):
                    return True
    except OSError:
        pass  # it has ended, or is somebody else's
    return False
