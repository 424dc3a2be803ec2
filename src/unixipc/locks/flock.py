"""Whole-file locks. -- flock(2)

>>> import tempfile, os
>>> from unixipc import FileLock
>>> path = os.path.join(tempfile.mkdtemp(), "x.lock")
>>> with FileLock(path, timeout=10):
...     FileLock(path).try_acquire()
False
"""

from __future__ import annotations

from ._lock import FileLocking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._lock import PathOrFile

__all__ = ["FileLock"]


class FileLock(FileLocking):
    """A lock on a file as a whole; `shared`: others may share it. A missing file is made, and stays.

    A path (a link in its place is refused), or an open file, whose opening then owns the lock. Two objects exclude each
    other, in one thread or in two processes; threads that share an object exclude each other too, and of the objects
    on one open file none excludes another. It knows nothing of record locks. Without a `timeout` of its own `acquire`
    waits as long as the constructor says. ``with lock`` locks as the constructor says, ``with lock.reading()`` and
    ``with lock.writing()`` as they say. An object that nobody refers to any more is released and closed.

    Errors: TimeoutError, which tells who holds it; OSError(EDEADLK) when this thread holds it already; PermissionError;
    OSError(ENOLCK) on a file system where it would not exclude; OSError(ELOOP) for a link.

    The five fates: **close** releases it. **remove**: a lock on a file that lost its name is no lock; who waits for it
    gets the file that has the name then (a folder on the way that was moved away is noticed 0.1 s later at the latest).
    **fork**: the child holds nothing, and does not keep its parent's lock alive. **exec** releases it.
    **kill -9** releases it at once; nothing tells the next holder. A lock on an open file of yours is its opening's
    instead: it does not ask for the name, a forked child or a program that has the opening too keeps it, even after
    kill -9, until the last of them has closed it; exec releases it unless the file is inheritable.
    """

    def __init__(
        self,
        file: PathOrFile,
        timeout: float | None = None,
        *,
        shared: bool = False,
        mode: int = 0o600,
        trust_file_system: bool = False,
    ) -> None:
        super().__init__(file, "flock", shared=shared, mode=mode, trust_file_system=trust_file_system, timeout=timeout)
