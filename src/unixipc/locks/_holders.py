"""Who holds which lock on a file. -- fcntl(2), proc_locks(5)"""

from __future__ import annotations

import os
from operator import index

from .._fd import name_of, number_of
from .._native.locks import get_lock
from .._record import record
from .._text import text_of
from ._table import Line, holders_of_line, lines, openers, openings_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from .._fd import HasFileno

    Whence: TypeAlias = Literal["start", "current", "end"]

__all__ = ["Holder", "conflicting", "holders_of", "kept_out_by", "opened_by", "probe"]

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
    """A lock that somebody holds: `pid`, its range.

    `kind`: "flock", "ofd", "posix" or "lease"; `length` 0 means to the end, however far that moves. All but a posix
    lock belong to an opening: its holder is each process that has that, whoever took the lock. `pid` is None where
    that cannot be seen from here, and in what `probe` tells of an OFD lock, as the kernel names no process.
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
    """Every lock on this file that /proc/locks shows, once for each process that has it; or those that wait for it."""
    identity = identity_of(os.stat(file))
    found = [line for line in lines() if line.file == identity and line.waits is waiting]
    if waiting:
        return [_holder(line, line.pid) for line in found]
    link = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.path.realpath(os.fsdecode(file))
    openings = openings_with(found, link)
    pairs = (_holder(line, pid) for line in found for pid in holders_of_line(line, openings) or (None,))
    return list(dict.fromkeys(pairs))


def identity_of(found: os.stat_result) -> str:
    """What /proc/locks calls a file. On btrfs, where stat(2) tells another device, it calls it something else."""
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


def _holder(line: Line, pid: int | None) -> Holder:
    return Holder(pid, line.type, line.shared, line.start, line.length)


def conflicting(holders: list[Holder], kind: str, shared: bool, start: int, length: int) -> list[Holder]:
    """Those that keep such a lock out."""
    family = FAMILIES[kind]
    return [
        each
        for each in holders
        if each.kind in family and not (shared and each.shared) and each.overlaps(start, length)
    ]


def kept_out_by(file: str | bytes | int, kind: str, shared: bool, start: int, length: int) -> tuple[str, list[int]]:
    """Who keeps such a lock of ours out, as a sentence, and the pids that are known."""
    try:
        found = conflicting(holders_of(file), kind, shared, start, length)
        return describe(found), [each.pid for each in found if each.pid is not None]
    except (OSError, ValueError):
        return "who holds it cannot be seen from here", []


def opened_by(fd: int) -> tuple[str, list[int]]:
    """Who else has this opening's file open, as a sentence, and the pids."""
    pids = openers(os.readlink(f"/proc/self/fd/{fd}"), fd)
    return "; ".join(f"open in {_whose(pid)}" for pid in pids) or "who has it open cannot be seen from here", pids


def describe(holders: list[Holder]) -> str:
    """A sentence for an error."""
    if not holders:
        return "nobody holds it any more (or its holder cannot be seen from here)"
    whose: dict[str, None] = {}
    for each in holders:
        whose[f"{'shared' if each.shared else 'held'} by {_whose(each.pid)}"] = None
    return "; ".join(whose)


def _whose(pid: int | None) -> str:
    if pid is None:
        return "an opening whose process cannot be seen from here"
    here = ", this one" if pid == os.getpid() else ""
    try:
        return f"process {pid} ({text_of(f'/proc/{pid}/comm').strip()}{here})"
    except OSError:
        return f"process {pid}"
