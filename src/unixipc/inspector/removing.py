"""Take an orphan away, after one more look at it: who came meanwhile keeps it. -- shmctl(2), unlink(2), fcntl(2)

Each kind has its own last look, under a lock or a lease wherever the kernel has one that newcomers meet:

* a temporary channel: under the lock that each user of it has, and under a lease
* a file in /dev/shm: under a write lease, which the kernel gives only while nobody else, in any namespace, has it open
  or mapped, and which stops whoever opens it now
* a socket's file: under the folder's lock, and once more after it has lost its name
* System V objects have no such lock: they are asked once more, in the call before the last one

A file first gets a name that nobody knows. If it was the wrong one, or somebody came just then, it gets its own back.
"""

from __future__ import annotations

import os
import stat
from contextlib import closing, suppress

from .. import sysv
from .._fd import Descriptor
from .._native import ring as _ring
from .._native.file import flock_once, open_owned
from ..errors import ObjectRemoved
from ..locks import Lease
from ..sockets.address import open_folder
from ..sockets.stream import somebody_is_bound
from . import posix, system_v
from .channels import ChannelRow, TopicRow
from .stale import StaleFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .leftovers import Row

__all__ = ["remove_if_unchanged"]

GONE = "it is gone: somebody else has removed it"
USED = "it was used meanwhile"
BOUND = "a socket is bound to it now"
OPEN = "somebody has it open or mapped, or is just opening it"
ANOTHER = "another object has its name now"
LOCK_EX, LOCK_NB = 2, 4
OPENING = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def remove_if_unchanged(row: Row) -> str | None:
    """Remove it; or leave it, and say why. OSError if the kernel refuses."""
    try:
        return _remove(row)
    except (FileNotFoundError, ObjectRemoved):
        return GONE


def _remove(row: Row) -> str | None:
    if isinstance(row, system_v.SegmentRow):
        return _segment(row)
    if isinstance(row, system_v.SetRow):
        return _set(row)
    if isinstance(row, system_v.QueueRow):
        return _queue(row)
    if isinstance(row, StaleFile):
        return _socket(row) if row.kind == "socket" else "a FIFO is made to stay"
    if isinstance(row, ChannelRow | TopicRow):
        assert row.path is not None  # what has no name is in use
        return (_temporary if row.temporary else _named)(row.path, row)
    if isinstance(row, posix.QueueRow):
        return "a queue is made to stay"
    return _named(f"{posix.MEMORY}/{'sem.' * (row.kind == 'posix-semaphore')}{row.id[1:]}", row)


def _segment(row: system_v.SegmentRow) -> str | None:
    with sysv.SharedMemory(row.id) as memory:
        if not _is_as_seen(row, memory.stat()):
            return USED
        memory.remove()
    try:  # attached in between it lives on, without its key
        with sysv.SharedMemory(row.id):
            return "somebody attached it just then: it is marked, and goes with its last user"
    except ObjectRemoved:
        return None


def _queue(row: system_v.QueueRow) -> str | None:
    with sysv.MessageQueue(row.id) as queue:
        if not _is_as_seen(row, queue.stat()):
            return USED
        queue.remove()
    return None


def _set(row: system_v.SetRow) -> str | None:
    with sysv.SemaphoreSet(row.id) as semaphores:
        now = semaphores.stat()
        if (now.operated_at, now.changed_at) != (row.operated_at, row.changed_at):
            return USED
        if system_v.semaphores_of(row.id) != row.semaphores:
            return USED
        semaphores.remove()
    return None


def _is_as_seen(row: system_v.SegmentRow | system_v.QueueRow, now: sysv.MemoryStat | sysv.QueueStat) -> bool:
    """Nobody attached, sent, received or changed it: the counts, the pids and the times are what they were."""
    return all(getattr(row, name) == getattr(now, name) for name in now.__match_args__ if name != "permissions")


def _temporary(path: str, _row: ChannelRow | TopicRow) -> str | None:
    """Under the lock that is each user's: who comes now finds it locked, and then gone. -- fcntl(2), F_OFD_SETLK

    Programs in C do not take that lock, but have it open.
    """
    with open_owned(path, OPENING) as file:
        size = os.fstat(file.fileno()).st_size
        _kind, _full, temporary, _capacity = _ring.read_facts(os.pread(file.fileno(), 64, 0), size)
        if not temporary:
            return ANOTHER
        if not _ring.use(file.fileno(), 1):
            return "somebody uses it"
        return _under_a_lease(path, file)


def _named(path: str, row: posix.MemoryRow | posix.SemaphoreRow | ChannelRow | TopicRow) -> str | None:
    with open_owned(path, OPENING) as file:
        there = os.fstat(file.fileno())
        if not stat.S_ISREG(there.st_mode) or there.st_uid != row.owner_uid or _differs(row, there):
            return ANOTHER
        return _under_a_lease(path, file)


def _under_a_lease(path: str, file: Descriptor) -> str | None:
    """A write lease: nobody else has it open, and who opens it now waits, and is seen. -- fcntl(2), F_SETLEASE"""
    there = os.fstat(file.fileno())
    with closing(Lease(file, "write")) as lease:
        if not lease.try_acquire():
            return OPEN
        return _unname(path, (there.st_dev, there.st_ino), lambda _folder, _name: OPEN if lease.breaking else None)


def _differs(row: posix.MemoryRow | posix.SemaphoreRow | ChannelRow | TopicRow, there: os.stat_result) -> bool:
    if not isinstance(row, posix.MemoryRow):
        return False
    return (row.size_bytes, row.changed_at) != (there.st_size, int(there.st_mtime))


def _socket(row: StaleFile) -> str | None:
    """Nobody can bind to a file that exists: if nobody is bound to it without its name either, nobody ever will be."""
    folder, _name = open_folder(row.id)
    with folder:  # the lock goes with its descriptor
        if not flock_once(folder.fileno(), LOCK_EX | LOCK_NB, folder.name):
            return "somebody has locked its folder, to bind to a name there"
        return _unname(row.id, row.which, _without_its_name)


def _without_its_name(folder: Descriptor, hidden: str) -> str | None:
    """A new file may have the old one's number."""
    if not stat.S_ISSOCK(os.lstat(hidden, dir_fd=folder.fileno()).st_mode):
        return ANOTHER
    return BOUND if somebody_is_bound(folder, hidden) else None


def _unname(path: str, which: tuple[int, int], last_look: Callable[[Descriptor, str], str | None]) -> str | None:
    """Take the name from this very file and remove it, unless the last look finds a reason to give the name back."""
    folder, name = open_folder(path)
    with folder:
        hidden, at = f".uipc-gc-{os.urandom(6).hex()}", folder.fileno()
        try:
            os.rename(name, hidden, src_dir_fd=at, dst_dir_fd=at)
            found = os.lstat(hidden, dir_fd=at)
            reason = ANOTHER if (found.st_dev, found.st_ino) != which else last_look(folder, hidden)
            if reason is None:
                os.unlink(hidden, dir_fd=at)
                return None
        except BaseException:
            with suppress(FileNotFoundError):  # it was not renamed, or is removed
                _give_back(at, hidden, name)
            raise
        return reason + _give_back(at, hidden, name)


def _give_back(folder: int, hidden: str, name: str) -> str:
    """Its own name, unless another has that by now."""
    try:
        os.link(hidden, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return f"; its name was taken meanwhile: it is {hidden} now"
    except OSError:  # links to others' files may be forbidden, or there are none here
        os.rename(hidden, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        os.unlink(hidden, dir_fd=folder)
    return ""
