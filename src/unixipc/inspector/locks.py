"""File locks of every kind with those who wait for them. -- proc_locks(5), flock(2), fcntl(2)

Whose a lock is, is a rule of the chapter of locks (`_table`). Here all openings are known already.
"""

from __future__ import annotations

from .._record import record
from ..locks import _table
from ..locks._table import Line, holders_of_line, parsed
from . import posix
from .procfs import identity, info_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..locks._table import Lock
    from .procfs import Identity, Snapshot

__all__ = ["LockRow", "LockWaiter", "lock_rows"]


@record
class LockWaiter:
    """Somebody who waits for a lock: `pid` is None where the kernel does not tell (OFD)."""

    pid: int | None
    shared: bool
    start: int
    length: int


@record
class LockRow:
    """A lock that is held ("lock"). `id` is the file: major:minor:inode, as in /proc/locks.

    `type`: "flock", "ofd", "posix" or "lease". `length` 0: to the end. `pid`: who took it, if the kernel tells;
    `holders`: the processes that have it (for flock and OFD: that have its opening) and that we may look into.
    `path` is None where nobody that we may look into has the file open.
    """

    kind: str
    id: str
    type: str
    path: str | None
    shared: bool
    start: int
    length: int
    pid: int | None
    holders: tuple[int, ...]
    waiters: tuple[LockWaiter, ...]


def lines(_seen: Snapshot) -> list[Line]:
    """The kernel's table. -- proc_locks(5)"""
    return _table.lines()


def lock_rows(seen: Snapshot) -> list[LockRow]:
    """Every lock that somebody holds. -- proc_locks(5)"""
    table = seen.once(lines)
    holders, paths = _openings(seen, {line.file for line in table})
    waiting: dict[str, list[LockWaiter]] = {}
    for line in table:
        if line.waits:
            waiter = LockWaiter(line.pid, line.shared, line.start, line.length)
            waiting.setdefault(line.number, []).append(waiter)
    return [
        LockRow(
            "lock", line.file, line.type, paths.get(line.file), line.shared, line.start, line.length, line.pid,
            holders_of_line(line, holders), tuple(waiting.get(line.number, ())),
        )
        for line in table
        if not line.waits
    ]  # fmt: skip


def _openings(seen: Snapshot, files: set[str]) -> tuple[dict[Lock, set[int]], dict[str, str]]:
    """The processes whose openings have locks, by lock; what each file is called.

    Looked for by inode number alone, as btrfs gives stat(2) another device than it gives the locks.
    """
    inodes = {int(file.rpartition(":")[2]) for file in files}
    holders: dict[Lock, set[int]] = {}
    paths: dict[str, str] = {}
    for which in seen.files:
        if which[1] in inodes:
            _look_at(seen, which, holders, paths)
    return holders, paths | _named_later(paths)


def _named_later(paths: dict[str, str]) -> dict[str, str]:
    """What began without a name (O_TMPFILE), as our channels do, is called "#1 (deleted)" in the links for ever."""
    nameless = {file for file, path in paths.items() if path.startswith("/dev/shm/#")}
    known = ((identity(found.st_dev, found.st_ino), name) for name, found in (posix.files() if nameless else ()))
    return {file: f"/dev/shm/{name}" for file, name in known if file in nameless}


def _look_at(seen: Snapshot, which: Identity, holders: dict[Lock, set[int]], paths: dict[str, str]) -> None:
    for pid, number, _mode in seen.files[which]:
        for text in info_of(pid, number).get("lock", "").splitlines():
            line = parsed(text)
            holders.setdefault(line.lock, set()).add(pid)
            paths.setdefault(line.file, seen.paths[which])
