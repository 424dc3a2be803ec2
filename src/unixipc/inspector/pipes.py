"""Who holds the ends of a pipe or FIFO. -- pipe(7), proc(5)"""

from __future__ import annotations

import os
import stat

from .._fd import check_kind, number_of
from .._record import record
from .procfs import ACCESS_MODE, command_of, open_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._fd import HasFileno

__all__ = ["Holder", "holders"]


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
    return tuple(
        Holder(each.pid, command_of(each.pid), each.number, *_ends(each.flags & ACCESS_MODE))
        for each in open_files()
        if (each.device, each.inode) == (this.st_dev, this.st_ino)
    )


def _ends(mode: int) -> tuple[bool, bool]:
    return mode in (os.O_RDONLY, os.O_RDWR), mode in (os.O_WRONLY, os.O_RDWR)
