"""Locks on ranges of a file's bytes. -- fcntl(2)

>>> import tempfile
>>> from unixipc.locks import RecordLock, probe
>>> file = tempfile.NamedTemporaryFile()
>>> with RecordLock(file.name, start=100, length=10):
...     probe(file, start=0, length=101)
Holder(pid=None, kind='ofd', shared=False, start=100, length=10)
>>> file.close()
"""

from __future__ import annotations

import os

from ._holders import check_range
from ._lock import FileLocking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ._holders import Whence
    from ._lock import PathOrFile

__all__ = ["RecordLock"]


class RecordLock(FileLocking):
    """A lock on the `length` bytes from `start` (0: to the end, however far that moves; negative: those before it).

    `whence`: what `start` counts from, "start", "current" (the position of an open file of yours) or "end". Where that
    is, is looked up once by each acquire, as it begins; what is held then stays where it is, and is what release frees,
    however the file grows. `first_byte()` tells.

    `kind` "ofd", the default: it belongs to an opening, as a flock does. "posix": it belongs to the process; then
    closing *any* descriptor of the file anywhere in the process drops it, two objects in one process do not exclude
    each other, and the kernel refuses what it sees as a deadlock (OSError(EDEADLK)). Both kinds exclude each other, and
    neither knows of flock. A missing file is made, and stays. An exclusive lock needs a file open for writing, a
    shared one a file open for reading (OSError(EBADF)).

    Objects on one open file share its opening and do not exclude each other: their ranges split, merge and convert, as
    `lock_range` does it. Errors as of `FileLock`.

    The five fates: **close** releases it. **remove**: a lock on a file that lost its name is no lock; who waits for it
    gets the file that has the name then. **fork**: the child holds nothing, and does not keep its parent's lock alive.
    **exec** releases it. **kill -9** releases it at once; nothing tells the next holder. On an open file of yours the
    name does not count, and exec releases it unless the file is inheritable; an OFD lock there is its opening's, which
    a forked child has too: it lives until the last of them has closed it. A posix lock is never a child's.
    """

    def __init__(
        self,
        file: PathOrFile,
        start: int = 0,
        length: int = 0,
        *,
        shared: bool = False,
        kind: Literal["ofd", "posix"] = "ofd",
        whence: Whence = "start",
        timeout: float | None = None,
        mode: int = 0o600,
        trust_file_system: bool = False,
    ) -> None:
        if kind not in ("ofd", "posix"):
            raise ValueError(f"kind must be 'ofd' or 'posix', not {kind!r}")
        check_range(start, length, whence)
        if whence == "current" and isinstance(file, (str, bytes, os.PathLike)):
            raise ValueError("a path has no current position: give an open file, or count from 'start' or 'end'")
        super().__init__(
            file,
            kind,
            shared=shared,
            start=start,
            length=length,
            whence=whence,
            mode=mode,
            trust_file_system=trust_file_system,
            timeout=timeout,
        )
