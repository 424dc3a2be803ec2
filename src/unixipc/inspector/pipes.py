"""Pipes and FIFOs, and who holds their ends. -- pipe(7), fifo(7), proc(5)"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import termios
from contextlib import suppress

from .._fd import check_kind, number_of
from .._record import record
from .procfs import End, ends, identity, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._fd import HasFileno
    from .procfs import RawEnd, Snapshot

__all__ = ["Holder", "PipeRow", "fifo_rows", "holders", "pipe_rows"]


@record
class PipeRow:
    """A pipe ("pipe", its id is the inode number) or an open FIFO ("fifo", major:minor:inode): who has which end.

    A FIFO that was opened for both is on both sides. Ends in flight over a socket, and those of processes that we may
    not look into, are not seen. `capacity_bytes`, and `unread_bytes` that nobody has read yet: only the kernel's own
    file tells them, so they are None unless this process has an end itself. To open another's end would make one more
    reader or writer of it, and a duplicate (pidfd_getfd(2)) would hold back the end of the stream: a look may not.
    """

    kind: str
    id: int | str
    path: str | None
    readers: tuple[End, ...]
    writers: tuple[End, ...]
    capacity_bytes: int | None
    unread_bytes: int | None


def pipe_rows(seen: Snapshot) -> list[PipeRow]:
    """Every pipe that somebody has open. -- pipe(7)"""
    return [_row("pipe", inode, None, raw) for inode, raw in sorted(seen.pipes.items())]


def fifo_rows(seen: Snapshot) -> list[PipeRow]:
    """Every FIFO that somebody has open; one that nobody has is a mere name. -- fifo(7)"""
    return [
        _row("fifo", identity(*which), seen.paths[which], raw)
        for which, raw in sorted(seen.files.items())
        if stat.S_ISFIFO(seen.stats[which].st_mode)
    ]


def _row(kind: str, number: int | str, path: str | None, raw: list[RawEnd]) -> PipeRow:
    found = ends(raw)
    readers, writers = (tuple(each for each in found if getattr(each, side)) for side in ("reads", "writes"))
    return PipeRow(kind, number, path, readers, writers, *_fill(found, int(str(number).rpartition(":")[2])))


def _fill(found: tuple[End, ...], inode: int) -> tuple[int | None, int | None]:
    """By a descriptor of our own, if it is still this pipe's."""
    me = os.getpid()
    for end in found:
        if end.pid == me:
            with suppress(OSError):  # closed meanwhile
                told = fcntl.fcntl(end.number, fcntl.F_GETPIPE_SZ), fcntl.ioctl(end.number, termios.FIONREAD, bytes(4))
                if os.fstat(end.number).st_ino == inode:
                    return told[0], int.from_bytes(told[1], sys.byteorder)
    return None, None


@record
class Holder:
    """A descriptor that holds an end open: whose, its number there, and which end (a FIFO opened O_RDWR: both)."""

    pid: int
    command: str
    number: int
    reads: bool
    writes: bool


def holders(end: int | HasFileno) -> tuple[Holder, ...]:
    """Every descriptor, in every process we may look into, that holds an end of this pipe or FIFO open. -- proc(5)

    Why does the reader see no end of the stream? Because one of those that `writes` has not closed it. Ours are
    listed too. Ends of other users' processes need root (ptrace rights); ends in flight over a socket show nowhere.
    OSError(EINVAL) if `end` is no pipe.
    """
    this = check_kind(number_of(end), stat.S_ISFIFO, "pipe")
    seen = snapshot()
    raw = seen.files.get((this.st_dev, this.st_ino)) or seen.pipes.get(this.st_ino) or []  # a FIFO; a pipe
    return tuple(Holder(each.pid, seen.command(each.pid), each.number, each.reads, each.writes) for each in ends(raw))
