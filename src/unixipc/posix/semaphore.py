"""POSIX semaphores: a counter in shared memory; without contention no system call is made. -- sem_overview(7)

>>> from unixipc import posix
>>> with posix.Semaphore.temporary(initial=1) as semaphore:
...     with semaphore.hold():
...         semaphore.try_acquire()
False
"""

from __future__ import annotations

import errno

from .._call import failure
from .._creation import checked_mode, create_or_open
from .._native import posix as _posix
from ._names import checked_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

__all__ = ["Semaphore", "remove_semaphore"]

CREATE, EXCLUSIVE = 0o100, 0o200
OPEN = "sem_open(3)"


class Semaphore(_posix.SemaphoreCalls):
    """A semaphore by name ("/name"): `create` (must not exist), `open` (must), `ensure` (either), `temporary`.

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(EINVAL) for a value beyond 2147483647 or a name
    that is not "/" and one word; OSError(EOVERFLOW) for a release beyond that value; OSError(ENOSPC) when /dev/shm is
    full; OSError(EIO) when somebody has made its file there shorter.

    The five fates: **close** forgets it. **remove** takes the name; it lives until the last handle is closed. **fork**
    shares it. **exec** closes it. **kill -9** gives nothing back: what the killed process held is gone for ever, and
    the semaphore stays (a temporary one ends with the last process that has it). Where that matters use
    ``sysv.Semaphore`` with undo, or a lock.
    """

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

    def remove(self) -> None:
        """Take the name away; who has the semaphore keeps it. -- sem_unlink(3)"""
        self.check_open()
        if self.temporary_one:
            raise failure(errno.ENOENT, "sem_unlink(3)", self.name, "a temporary semaphore has no name")
        _posix.unlink_semaphore(self.name)

    def __repr__(self) -> str:
        try:
            state = "closed" if self.closed else f"value {self.value}"
        except OSError:
            state = "damaged"
        return f"<{type(self).__name__} {self.name!r} {state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        self.check_open()
        if self.temporary_one:
            raise TypeError("a temporary semaphore has no name to pickle: only forked processes share it")
        return type(self).open, (self.name,)


def remove_semaphore(name: str) -> None:
    """Take a semaphore's name away without opening it. -- sem_unlink(3)"""
    _posix.unlink_semaphore(checked_name(name, "sem_unlink(3)"))
