"""Where a robust lock lives: in memory of the caller's, or in a small file of its own in /dev/shm."""

from __future__ import annotations

import errno
import os

from .._call import failure
from .._creation import checked_mode, create_or_open
from .._native import posix as _posix
from .._native import robust as _robust
from ..errors import LayoutError
from ..mapping import map_anonymous
from ..posix import SharedMemory
from ..posix._names import checked_name, without_name
from ..posix.memory import FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, TypeVar

    from typing_extensions import Buffer

    R = TypeVar("R", bound=_robust.RobustCalls)

CALL = "shm_open(3)"


class Placed:
    """What all four have in common: create, attach, open, ensure, temporary, remove. Mixed into the native class."""

    __slots__ = ()
    KIND = 0

    @classmethod
    def attach(cls, buffer: Buffer, offset_bytes: int = 0) -> Self:
        """The one that is in this memory, which stays mapped until `close`. LayoutError: there is none. -- mmap(2)"""
        return _robust.attach_to(cls, cls.KIND, buffer, offset_bytes)  # type: ignore[type-var]

    @classmethod
    def open(cls, name: str) -> Self:
        """The one of this name. FileNotFoundError, PermissionError; LayoutError for any other file. -- shm_open(3)"""
        return _open(cls, cls.KIND, name)  # type: ignore[type-var]

    def remove(self) -> None:
        """Take the name away; who has the lock keeps it. FileNotFoundError, ObjectRemoved. -- shm_unlink(3)"""
        _remove(self)  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).open, (_named(self),)  # type: ignore[arg-type]


def create(cls: type[R], kind: int, slots: int, where: str | Buffer, offset: int, mode: int) -> R:
    """Make a new one, in memory or by name."""
    if isinstance(where, str):
        return _create_named(cls, kind, slots, where, mode)
    return _robust.create_in(cls, kind, slots, where, offset)


def ensure(cls: type[R], kind: int, slots: int, where: str | Buffer, offset: int, mode: int) -> R:
    """Use the one that is there, or make it."""
    if isinstance(where, str):
        name = where
        return create_or_open(lambda: _create_named(cls, kind, slots, name, mode), lambda: _open(cls, kind, name))
    return _robust.create_in(cls, kind, slots, where, offset, or_attach=True)


def temporary(cls: type[R], kind: int, slots: int, name: str) -> R:
    """One in anonymous memory, shared with the children that are forked later."""
    return _robust.create_in(cls, kind, slots, map_anonymous(_robust.size_bytes(slots)), 0, name)


def checked_slots(slots: int, what: str) -> int:
    """A number of slots that can be."""
    if not 1 <= slots <= _robust.MOST_SLOTS:
        raise failure(errno.EINVAL, "futex(2)", None, f"{what} are 1..{_robust.MOST_SLOTS}, not {slots}")
    return slots


def _create_named(cls: type[R], kind: int, slots: int, name: str, mode: int) -> R:
    """Nobody sees it before it is one: it gets its name last."""
    name = slashed(name)
    path = FOLDER + checked_name(name, CALL)
    checked_mode(mode)
    with SharedMemory.temporary(_robust.size_bytes(slots)) as memory:
        made = _robust.create_in(cls, kind, slots, memory.map(), 0, name)
        try:
            os.fchmod(memory.fileno(), mode)  # whatever the umask is
            made.file = _identity(memory)
            _posix.give_name(memory, path, name)
        except FileNotFoundError as error:  # it names the descriptor by its path there
            made.close()
            raise without_name(error, name) from None
        except BaseException:
            made.close()
            raise
    return made


def _open(cls: type[R], kind: int, name: str) -> R:
    name = slashed(name)
    with SharedMemory.open(name) as memory:
        if memory.size_bytes < _robust.BLOCK_BYTES:
            raise LayoutError("size of the file", f"at least {_robust.BLOCK_BYTES} bytes", memory.size_bytes)
        made = _robust.attach_to(cls, kind, memory.map(), 0, name)
        made.file = _identity(memory)
    return made


def slashed(name: str) -> str:
    """The name as the room of POSIX objects has it: channels take a word, so these do too."""
    return f"/{name}" if isinstance(name, str) and name and "/" not in name else name


def _identity(memory: SharedMemory) -> tuple[int, int]:
    found = os.fstat(memory.fileno())
    return found.st_dev, found.st_ino


def _named(lock: _robust.RobustCalls) -> str:
    lock.check_open()
    if lock.file is None or lock.name is None:
        raise TypeError("a lock without a name of its own cannot be pickled: attach() to its memory instead")
    return lock.name


def _remove(lock: _robust.RobustCalls) -> None:
    lock.check_open()
    if lock.file is None or lock.name is None:
        raise failure(errno.ENOENT, "shm_unlink(3)", lock.name, "this lock has no name of its own")
    with SharedMemory.open(lock.name, readonly=True) as memory:
        if _identity(memory) != lock.file:
            raise failure(errno.EIDRM, "shm_unlink(3)", lock.name, "its name was given to another object")
        memory.remove()
