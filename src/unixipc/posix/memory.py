"""POSIX shared memory: files in memory, by name. -- shm_overview(7)

>>> from unixipc import posix
>>> with posix.SharedMemory.temporary(4096) as memory, memory.map() as mine, memory.map("r") as yours:
...     mine.buffer[:5] = b"hello"
...     bytes(yours.buffer[:5])
b'hello'
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from .._call import explained, failure
from .._creation import checked_mode, create_or_open
from .._fd import check_kind
from .._native import mapping as _mapping
from .._native import posix as _posix
from .._native.lease import LeaseCalls
from .._native.locks import LockCalls
from ..mapping._reserve import resize
from ._names import checked_name, without_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, TypeVar

    S = TypeVar("S", bound="SharedMemory")

__all__ = ["SharedMemory", "remove_memory"]

FOLDER = "/dev/shm"
"""Where the C library keeps them."""


class SharedMemory(_mapping.Mappable):
    """A shared memory object by name ("/name"); `map` makes its bytes appear in this process.

    `create` (must not exist), `open` (must), `ensure` (either), `temporary` (gone with its last user);
    ``SharedMemory(fd)`` takes over a descriptor, of one that was sent over a Unix socket for example. Its memory is set
    aside when it is made: a /dev/shm that is too small is OSError(ENOSPC) then, not a SIGBUS later. Nothing removes a
    name behind anyone's back, the end of the interpreter neither.

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(EINVAL) for a size below 1 or a name that is
    not "/" and one word; OSError(ENOSPC) when /dev/shm is full; OSError(ENOMEM) when the machine is.

    The five fates: **close** forgets it; what is mapped stays mapped. **remove** takes the name; the memory lives
    until the last handle and mapping are gone. **fork** shares it. **exec** closes it. **kill -9** closes it; name and
    bytes stay, half written ones too. A temporary one goes with its last user.
    """

    def __init__(self, fd: int, name: object = None) -> None:
        check_kind(fd, stat.S_ISREG, "shared memory object")
        super().__init__(fd, name)

    @classmethod
    def create(cls, name: str, size_bytes: int, mode: int = 0o600) -> Self:
        """Make a new object, all zero. FileExistsError if the name is in use. -- shm_open(3)

        Nobody sees it before it has its size and its memory: it gets its name last.
        """
        path = _path(name)
        made = _unnamed(cls, name, size_bytes, mode)
        try:
            _posix.give_name(made, path, name)
        except FileNotFoundError as error:  # it names the descriptor by its path there
            made.close()
            raise without_name(error, name) from None
        except BaseException:
            made.close()
            raise
        return made

    @classmethod
    def open(cls, name: str, readonly: bool = False) -> Self:
        """The object of this name. -- shm_open(3)"""
        return _posix.open_memory(cls, name, readonly)

    @classmethod
    def ensure(cls, name: str, size_bytes: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- shm_open(3)

        OSError(EINVAL) if the object of this name is smaller. What C programs make with shm_open and ftruncate has
        length 0 in between: while they have it open it is theirs, and what nobody has open any more is taken over.
        """
        if _is_empty(_path(name)):
            _fill_leftover(cls, name, size_bytes, mode)
        made = create_or_open(lambda: cls.create(name, size_bytes, mode), lambda: cls.open(name))
        try:
            there = made.size_bytes
        except BaseException:
            made.close()
            raise
        if there < size_bytes:
            made.close()
            hint = f"an object of {there} bytes has this name, {size_bytes} were asked for"
            raise failure(errno.EINVAL, "shm_open(3)", name, hint)
        return made

    @classmethod
    def temporary(cls, size_bytes: int) -> Self:
        """One that never has a name: children and who is sent the descriptor have it, kill -9 ends it. -- open(2)"""
        return _unnamed(cls, None, size_bytes, 0o600)

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return os.fstat(self.fileno()).st_size

    def resize(self, size_bytes: int) -> None:
        """Make it this long; what is new is zero, and set aside. -- ftruncate(2), posix_fallocate(3)

        Mappings, of other processes too, of what is cut off have zeros there, and tell (``Mapping.check``).
        """
        if size_bytes < 1:
            raise failure(errno.EINVAL, "ftruncate(2)", self.name, f"at least 1 byte, not {size_bytes}")
        try:
            resize(self, size_bytes)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                error.add_note(
                    "/dev/shm has too little room: df /dev/shm; mount -o remount,size=... /dev/shm "
                    "(a container's size: docker run --shm-size=...)"
                )
            raise

    def remove(self) -> None:
        """Take the name away. -- shm_unlink(3)

        FileNotFoundError if somebody was faster; ObjectRemoved if the name is another object's by now, which stays.
        """
        mine, name = os.fstat(self.fileno()), self._named()
        try:
            there = os.stat(_path(name), follow_symlinks=False)
        except OSError as error:
            raise explained(error, "shm_unlink(3)", name) from None
        if (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            hint = "its name was taken away, and given to another object"
            raise failure(errno.EIDRM, "shm_unlink(3)", name, hint)
        _posix.unlink_memory(name)

    def _named(self) -> str:
        if not isinstance(self.name, str):
            raise failure(errno.ENOENT, "shm_unlink(3)", None, "this object has no name")
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        self.check_open()
        if self.name is None:
            raise TypeError("what has no name cannot be pickled: send its descriptor over a Unix socket instead")
        readonly = fcntl.fcntl(self.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        return type(self).open, (self._named(), readonly)


def remove_memory(name: str) -> None:
    """Take the name of a shared memory object away, without opening it. -- shm_unlink(3)"""
    _posix.unlink_memory(checked_name(name, "shm_unlink(3)"))


PATIENCE_S = 10.0
"""For others who take over a leftover: each needs no longer than its memory takes to be set aside."""


def _is_empty(path: str) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _fill_leftover(cls: type[SharedMemory], name: str, size_bytes: int, mode: int) -> None:
    """Make an object of length 0 whole, if nobody has it open: a lease on it, which keeps openers waiting, tells.

    Those who would do so at once take turns (a lock on the folder), and do not have it open meanwhile.
    """
    checked_mode(mode)
    folder = LockCalls(FOLDER.rstrip("/"), -1, "flock", False, 0, 0, -1, PATIENCE_S)
    try:
        folder.acquire()
        if _is_empty(_path(name)):
            with cls.open(name) as leftover:
                _fill(leftover, size_bytes, mode)
    except (FileNotFoundError, PermissionError):
        pass  # somebody has removed it, or owns it: what follows says so
    finally:
        folder.close()


def _fill(leftover: SharedMemory, size_bytes: int, mode: int) -> None:
    """The lease is given to the only one who has it open: nobody else is just about to."""
    lease = LeaseCalls(leftover.fileno(), "write")
    try:
        if lease.try_acquire():
            _permit(leftover, mode)
            leftover.resize(size_bytes)
    finally:
        lease.close()


def _path(name: str) -> str:
    return FOLDER + checked_name(name, "shm_open(3)")


def _unnamed(cls: type[S], name: str | None, size_bytes: int, mode: int) -> S:
    """A new object without a name, with its size, its memory and its permissions."""
    checked_mode(mode)
    if size_bytes < 1:
        raise failure(errno.EINVAL, "shm_open(3)", name, f"at least 1 byte, not {size_bytes}")
    try:
        fd = os.open(FOLDER, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise explained(error, "shm_open(3)", FOLDER) from None
    try:
        made = cls(fd, name)
    except BaseException:
        os.close(fd)
        raise
    try:
        _permit(made, mode)
        made.resize(size_bytes)
    except BaseException:
        made.close()
        raise
    return made


def _permit(made: SharedMemory, mode: int) -> None:
    """These permissions, whatever the umask is."""
    try:
        os.fchmod(made.fileno(), mode)
    except OSError as error:
        raise explained(error, "fchmod(2)", made.name) from None
