"""POSIX semaphores: a counter in shared memory; without contention no system call is made. -- sem_overview(7)

>>> from unixipc import posix
>>> with posix.Semaphore.temporary(initial=1) as semaphore:
...     with semaphore.hold():
...         semaphore.try_acquire()
False
"""

from __future__ import annotations

import errno
import operator

from .._call import failure
from .._creation import checked_mode, create_or_open
from .._native import posix as _posix
from ..errors import LayoutError
from ._names import checked_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from typing_extensions import Buffer

__all__ = ["Semaphore", "remove_semaphore"]

CREATE, EXCLUSIVE = 0o100, 0o200
OPEN = "sem_open(3)"


class Semaphore(_posix.SemaphoreCalls):
    """A semaphore by name ("/name"): `create` (must not exist), `open` (must), `ensure` (either), `temporary`.

    One without a name lies in shared memory of yours: `place` makes it there, `attach` takes the one that is there.

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(EINVAL) for a value beyond 2147483647 or a name
    that is not "/" and one word, or for a file of that name that is no semaphore; OSError(EOVERFLOW) for a release
    beyond that value; OSError(ENOSPC) when /dev/shm is full; `LayoutError` when somebody has damaged it since.

    The five fates: **close** forgets it. **remove** takes the name; it lives until the last handle is closed. **fork**
    shares it. **exec** closes it. **kill -9** gives nothing back: what the killed process held is gone for ever, and
    the semaphore stays (a temporary one ends with the last process that has it). Where that matters use
    ``sysv.Semaphore`` with undo, or a lock.
    """

    SIZE_BYTES = _posix.SEMAPHORE_BYTES
    """How many bytes one takes in memory."""

    @classmethod
    def create(cls, name: str, initial: int, mode: int = 0o600) -> Self:
        """Make a new semaphore. FileExistsError if the name is in use. -- sem_open(3)

        Nobody sees it before it has its value and its permissions: it gets its name last.
        """
        return _posix.open_semaphore(cls, checked_name(name, OPEN), CREATE | EXCLUSIVE, checked_mode(mode), initial)

    @classmethod
    def open(cls, name: str) -> Self:
        """The semaphore of this name. -- sem_open(3)"""
        return _posix.open_semaphore(cls, checked_name(name, OPEN))

    @classmethod
    def ensure(cls, name: str, initial: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- sem_open(3)

        One that is there keeps its value and its mode.
        """
        return create_or_open(lambda: cls.create(name, initial, mode), lambda: cls.open(name))

    @classmethod
    def temporary(cls, initial: int) -> Self:
        """One that never has a name: this process and those it forks have it, and it ends with them. -- sem_init(3)"""
        return _posix.unnamed_semaphore(cls, initial)

    @classmethod
    def place(cls, memory: Buffer, initial: int, offset_bytes: int = 0) -> Self:
        """Make one in shared memory: whoever maps the same bytes can `attach` to it. -- sem_init(3)

        `memory` is a `Mapping` or anything else with a writable buffer; it cannot be closed before the semaphore is.
        Who may come first is for you to settle, as with everything in that memory: placing it again makes it anew,
        under those who wait in it. ValueError unless `SIZE_BYTES` bytes are there, at a multiple of 8.
        """
        return _posix.semaphore_in(cls, memory, offset_bytes, operator.index(initial))

    @classmethod
    def attach(cls, memory: Buffer, offset_bytes: int = 0) -> Self:
        """The one that somebody has placed there, perhaps a C program with sem_init. -- sem_overview(7)

        `LayoutError` if the bytes are none that processes share (sem_init's second argument was 0, or nobody made one).
        """
        return _posix.semaphore_in(cls, memory, offset_bytes)

    def remove(self) -> None:
        """Take the name away; who has the semaphore keeps it. -- sem_unlink(3)"""
        self.check_open()
        if self.temporary_one:
            raise failure(errno.ENOENT, "sem_unlink(3)", self.name, "this semaphore has no name")
        _posix.unlink_semaphore(self.name)

    def __repr__(self) -> str:
        try:
            state = "closed" if self.closed else f"value {self.value}"
        except LayoutError:
            state = "damaged"
        return f"<{type(self).__name__} {self.name!r} {state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        self.check_open()
        if self.temporary_one:
            raise TypeError("this semaphore has no name to pickle: who has the same memory shares it")
        return type(self).open, (self.name,)


def remove_semaphore(name: str) -> None:
    """Take a semaphore's name away without opening it. -- sem_unlink(3)"""
    _posix.unlink_semaphore(checked_name(name, "sem_unlink(3)"))
