"""The kernel's table of locks, and whose an opening's lock is. -- proc_locks(5), proc_pid_fdinfo(5)

/proc/locks repeats the pid of who took a lock. That is the holder of a posix lock. One of an opening (flock, OFD,
a lease) is held by whoever has that opening now: each descriptor's fdinfo tells. Who took it may have ended long ago.
"""

from __future__ import annotations

import errno
import os

from .._native import look as _look
from .._record import record
from .._text import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    Lock: TypeAlias = tuple[str, str, bool, int, int]

__all__ = ["Line", "holders_of_line", "lines", "openers", "openings_with", "parsed"]

OURS_TO_MEND = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Not that a process has ended, or is another user's: to leave it out would be a wrong answer."""
TYPES = {"FLOCK": "flock", "OFDLCK": "ofd", "POSIX": "posix", "LEASE": "lease", "DELEG": "delegation"}


@record
class Line:
    """A line of /proc/locks, or of an opening's fdinfo."""

    number: str
    waits: bool
    type: str
    shared: bool
    pid: int | None
    file: str
    start: int
    length: int

    @property
    def lock(self) -> Lock:
        """What the line is about, whoever it belongs to."""
        return self.file, self.type, self.shared, self.start, self.length


def parsed(line: str) -> Line:
    """For example ``1: POSIX  ADVISORY  WRITE 42 fe:00:7 0 EOF``; ``->`` after the number: it waits for that lock."""
    number, *words = line.split()
    waits = words[0] == "->"
    kind, _mode, access, pid, file, start, end = words[waits : waits + 7]
    length = 0 if end == "EOF" else int(end) + 1 - int(start)
    known = int(pid) if int(pid) > 0 else None
    return Line(number, waits, TYPES.get(kind, kind.lower()), access == "READ", known, file, int(start), length)


def lines() -> list[Line]:
    """The kernel's table. -- proc_locks(5)"""
    return [parsed(line) for line in text_of("/proc/locks").splitlines()]


def holders_of_line(line: Line, openings: Mapping[Lock, Iterable[int]]) -> tuple[int, ...]:
    """The processes that have the lock, as far as can be known: of whom we may not look into, who took it."""
    took = () if line.pid is None else (line.pid,)
    if line.type == "posix":
        return took
    return tuple(sorted(openings.get(line.lock, ()))) or tuple(pid for pid in took if _is_closed_to_us(pid))


def _is_closed_to_us(pid: int) -> bool:
    try:
        os.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        return True
    except OSError:  # it has ended
        pass
    return False


def openings_with(found: list[Line], link: str) -> dict[Lock, set[int]]:
    """The processes whose openings have these locks on one file, which is called `link` in our own /proc/self/fd.

    An opening has one path for all who look at it from here. What was opened by another one takes a look at everything.
    """
    openings: dict[Lock, set[int]] = {}
    wanted = {line.lock for line in found if line.type != "posix"}
    for name in (link, None):
        if wanted - set(openings):
            _look_at_all(wanted, name, openings)
    return openings


def openers(link: str, but_for: int) -> list[int]:
    """The processes that have a file of this name open; of our own descriptors one does not count."""
    ours = (os.getpid(), but_for)
    return [pid for pid in _pids() if any((pid, number) != ours for number in _numbers(pid, link))]


def _look_at_all(wanted: set[Lock], link: str | None, openings: dict[Lock, set[int]]) -> None:
    for pid in _pids():
        for line in _locks_of(pid, link):
            if line.lock in wanted:
                openings.setdefault(line.lock, set()).add(pid)


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _numbers(pid: int, link: str | None) -> list[int]:
    """Its descriptors with this name; none of a process that has ended, or is somebody else's."""
    try:
        found = _look.descriptors_of(pid, {}, {}, {})
    except OSError as error:
        if error.errno in OURS_TO_MEND:
            raise
        return []
    return [number for number, _mode, path in found if link in (None, path)]


def _locks_of(pid: int, link: str | None) -> Iterator[Line]:
    for number in _numbers(pid, link):
        try:
            rows = text_of(f"/proc/{pid}/fdinfo/{number}").splitlines()
        except OSError as error:  # it is closed, or the process has ended
            if error.errno in OURS_TO_MEND:
                raise
            continue
        yield from (parsed(row.removeprefix("lock:")) for row in rows if row.startswith("lock:"))
