"""FIFOs: a pipe with a name in the file system, for processes that know nothing of each other. -- fifo(7)

>>> from unixipc import Fifo
>>> with Fifo.temporary() as fifo:
...     reader = fifo.reader(persistent=True)
...     with fifo.writer() as writer:
...         writer.write_all(b"hello")
...     reader.read(100)
b'hello'
>>> reader.close()

Only the name is on the disk. The bytes are in the kernel, and are lost when the last end is closed.

An end is in blocking mode, as the programs that inherit it expect; its tries do not wait, whatever others set.

The five fates: **close** an end: the FIFO and its bytes live while any end is open; `Fifo.close` forgets the name.
**remove** takes the name away, if it is still ours; open ends go on. **fork** copies open ends. **exec** closes them.
**kill -9** closes them: readers see the end of the stream, writers `PeerGone`; the name stays, and ``ensure`` takes
it up.
"""

from __future__ import annotations

import errno
import os
import stat

from . import _wait
from ._call import explained, failure
from ._native.descriptor import ReadEnd
from ._native.file import open_end_once, open_owned
from ._native.within import Closes
from .errors import ObjectRemoved
from .pipe import PipeReader, PipeWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self, TypeAlias, TypeVar

    Path: TypeAlias = "str | os.PathLike[str]"
    End = TypeVar("End", "FifoReader", "FifoWriter")

__all__ = ["Fifo", "FifoReader", "FifoWriter"]

POLLHUP = 0x10


class FifoReader(PipeReader):
    """A pipe reader whose end of stream means: writers were here, and the last one has left.

    A reader that was opened before any writer (`Fifo.try_reader`) waits for the first instead of seeing an end.
    A persistent reader never sees an end: between writers it waits, without using the processor.
    """

    def __init__(self, fd: int, name: object) -> None:
        super().__init__(fd, name)
        self.use_fifo()

    def try_read(self, n: int) -> bytes | None:
        """Up to `n` bytes that are here now; b"" when the last writer has left; None for not now. -- read(2)"""
        data = ReadEnd.try_read(self, n)
        if data == b"" and n:
            if not _wait.ready_now(self, _wait.READABLE) & POLLHUP:
                return None  # no hang-up on record: no writer has been here since we opened it
            data = ReadEnd.try_read(self, n)  # a writer may have come, written and left between the first look and now
        return data

    def read(self, n: int, timeout: float | None = None) -> bytes:
        """Wait for up to `n` bytes; b"" when the last writer has left. -- read(2)"""
        return _wait.on_descriptor(self, _wait.READABLE, self.try_read, n, timeout=timeout)


class FifoWriter(PipeWriter):
    """A pipe writer: `PeerGone` when the last reader has left."""

    def __init__(self, fd: int, name: object) -> None:
        super().__init__(fd, name)
        self.use_fifo()


class Fifo(Closes):
    """A FIFO's name. `create` (must not exist), `open` (must), `ensure` (either), `temporary` (gone at close and exit).

    Errors: FileExistsError, FileNotFoundError, PermissionError, and OSError(EINVAL) if the path is something else.
    """

    def __init__(self, path: Path, identity: tuple[int, int]) -> None:
        self.path = os.fspath(path)
        self._identity = identity
        self._clean: Callable[[], object] | None = None  # of a temporary one: runs once, at the latest at exit

    @classmethod
    def create(cls, path: Path, mode: int = 0o600) -> Self:
        """Make a new FIFO with exactly these permissions. FileExistsError if the path exists. -- mkfifo(3)"""
        _checked_mode(mode)
        try:
            os.mkfifo(path, mode)
        except OSError as error:
            raise explained(error, "mkfifo(3)", path) from None
        return cls(path, _finish(path, mode))

    @classmethod
    def open(cls, path: Path) -> Self:
        """A FIFO that exists. FileNotFoundError if not, OSError(EINVAL) if it is something else. -- stat(2)"""
        try:
            found = os.stat(path)
        except OSError as error:
            raise explained(error, "stat(2)", path) from None
        if not stat.S_ISFIFO(found.st_mode):
            raise failure(errno.EINVAL, "stat(2)", path, "this path exists and is not a FIFO; it was left as it is")
        return cls(path, (found.st_dev, found.st_ino))

    @classmethod
    def ensure(cls, path: Path, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- mkfifo(3)"""
        while True:  # ends: each turn somebody else has made or removed the name in between
            try:
                return cls.create(path, mode)
            except (FileExistsError, ObjectRemoved):
                pass
            try:
                return cls.open(path)
            except FileNotFoundError:
                if os.path.islink(path):
                    raise

    @classmethod
    def temporary(cls, mode: int = 0o600) -> Self:
        """A FIFO in a new private folder; both go at `close`, at the latest when the interpreter ends."""
        import tempfile
        import weakref

        _checked_mode(mode)
        folder = tempfile.mkdtemp(prefix="unixipc-")
        try:
            fifo = cls.create(os.path.join(folder, "fifo"), mode)
        except BaseException:
            os.rmdir(folder)
            raise
        fifo._clean = weakref.finalize(fifo, _remove_temporary, fifo.path, fifo._identity, os.getpid())
        return fifo

    def try_reader(self, *, persistent: bool = False) -> FifoReader:
        """Open the reading end at once, whether or not a writer is there; reading waits for the first. -- open(2)"""
        flags = (os.O_RDWR if persistent else os.O_RDONLY) | os.O_NONBLOCK
        return self._checked(open_end_once(FifoReader, self.path, flags))

    def reader(self, *, persistent: bool = False, timeout: float | None = None) -> FifoReader:
        """Open the reading end, waiting for a writer. `persistent`: at once, and no end between writers. -- open(2)

        A persistent reader holds the FIFO open for writing too (O_RDWR, Linux): it neither sees the end of the stream
        nor spins on hang-ups when writers come and go.
        """
        if persistent:
            return self.try_reader(persistent=True)
        return self._wait_open(FifoReader, os.O_RDONLY, timeout)

    def try_writer(self) -> FifoWriter | None:
        """Open the writing end if a reader is there, else None. -- open(2), ENXIO"""
        try:
            return self._checked(open_end_once(FifoWriter, self.path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            raise

    def writer(self, timeout: float | None = None) -> FifoWriter:
        """Open the writing end, waiting for a reader. A time-out leaves nothing open. -- open(2)"""
        return self._wait_open(FifoWriter, os.O_WRONLY, timeout)

    def _wait_open(self, kind: type[End], flags: int, timeout: float | None) -> End:
        # open(2) of a FIFO has no timed form and nothing to poll: it sleeps in the kernel until the other side comes
        call: Callable[..., End] = open_end_once
        return self._checked(_wait.in_kernel(call, kind, self.path, flags, timeout=timeout, name=self.path))

    def _checked(self, end: End) -> End:
        try:
            is_one = stat.S_ISFIFO(os.fstat(end.fileno()).st_mode)
        except OSError as error:
            end.close()
            raise explained(error, "fstat(2)", self.path) from None
        if not is_one:
            end.close()
            raise failure(errno.EINVAL, "open(2)", self.path, "something that is not a FIFO took the name's place")
        return end

    def stat(self) -> os.stat_result:
        """What the name stands for. -- stat(2)"""
        return os.stat(self.path)

    def remove(self) -> None:
        """Take the name away; open ends go on. `ObjectRemoved` if the name is another object's now. -- unlink(2)"""
        _remove(self.path, self._identity)

    def close(self) -> None:
        """Forget the name. A temporary FIFO is removed, with its folder, by the process that made it."""
        if self._clean is not None:
            self._clean()

    def __repr__(self) -> str:
        return f"<Fifo {self.path!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        return Fifo.open, (self.path,)


def _checked_mode(mode: int) -> None:
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"permissions are 0..0o7777, not {mode:#o}")


def _finish(path: Path, mode: int) -> tuple[int, int]:
    """The new FIFO's identity, after giving back the permissions that the umask took."""
    try:
        with open_owned(path, os.O_PATH | os.O_NOFOLLOW) as made:  # a name can be replaced, this not
            found = os.fstat(made.fileno())
            if stat.S_ISFIFO(found.st_mode) and stat.S_IMODE(found.st_mode) != mode:
                os.chmod(f"/proc/self/fd/{made.fileno()}", mode)
    except FileNotFoundError:
        found = None
    except OSError as error:
        os.unlink(path)
        raise explained(error, "mkfifo(3)", path) from None
    if found is None or not stat.S_ISFIFO(found.st_mode):
        raise failure(errno.EIDRM, "mkfifo(3)", path, "somebody removed or replaced the new FIFO at once")
    return found.st_dev, found.st_ino


def _remove(path: str, identity: tuple[int, int]) -> None:
    try:
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) == identity:
            os.unlink(path)
            return
    except OSError as error:
        raise explained(error, "unlink(2)", path) from None
    raise failure(errno.EIDRM, "unlink(2)", path, "another object has this name now; it was not touched")


def _remove_temporary(path: str, identity: tuple[int, int], owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork's copy of the handle: the maker removes it
    try:
        _remove(path, identity)
    except (FileNotFoundError, ObjectRemoved):
        pass  # removed or replaced by somebody else: no longer ours
    try:
        os.rmdir(os.path.dirname(path))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):  # somebody put something there: theirs to clean
            raise explained(error, "rmdir(2)") from None
