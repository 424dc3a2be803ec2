"""Reader-writer locks that outlive readers and writers. -- futex(2), set_robust_list(2)

>>> from unixipc import robust
>>> lock = robust.RWLock.temporary()
>>> with lock.reading():
...     lock.try_acquire()
False
>>> with lock.writing():
...     lock.try_acquire_shared()
False
>>> lock.close()
"""

from __future__ import annotations

from .._native import robust as _robust
from . import _placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from typing_extensions import Buffer

    from ..errors import OwnerDied

__all__ = ["RWLock"]

MOST_READERS = 63
"""Usually: with the lock itself that is a page."""


class RWLock(_placed.Placed, _robust.RWLockCalls):
    """Many readers (at most `readers`, 1 to 1024) or one writer, threads of any processes. 64 bytes, and 64 a reader.

    Where it can be, and how it is made: as `Mutex`. A waiting writer keeps new readers out, so writers do not starve
    (writers that never pause starve readers). One that reads may read once more, but not write.
    ``with lock.reading()``, ``with lock.writing()``; `acquire` and `release` are the writer's.

    Errors: TimeoutError, which names who has it. OwnerDied (with `pid`): you have it, and a writer was killed half-way.
    A writer repairs and calls `recover`; a reader gets OwnerDied too, and reads what may be half changed: it
    releases, and writes. A ``with`` that raises OwnerDied has released it again. OSError(EDEADLK), RuntimeError,
    PermissionError, OSError(ENOSYS), LayoutError.

    The five fates: **close** releases what this thread has, and is refused while another thread of the process has it
    by this handle. **remove** takes the name. **fork**: the child has nothing. **exec** is as kill -9. **kill -9** of a
    reader leaves nothing behind; of a writer: OwnerDied for those who come next, until one has recovered it. Those who
    sleep notice within half a second.
    """

    __slots__ = ()
    KIND = _robust.RWLOCK

    @staticmethod
    def size_bytes(readers: int = MOST_READERS) -> int:
        """How much memory it needs."""
        return _robust.size_bytes(_checked(readers))

    @classmethod
    def create(
        cls, where: str | Buffer, offset_bytes: int = 0, *, readers: int = MOST_READERS, mode: int = 0o600
    ) -> Self:
        """Make a new one in zeroed memory, or by name. FileExistsError: there is one. -- futex(2), shm_open(3)"""
        return _placed.create(cls, cls.KIND, _checked(readers), where, offset_bytes, mode)

    @classmethod
    def ensure(
        cls, where: str | Buffer, offset_bytes: int = 0, *, readers: int = MOST_READERS, mode: int = 0o600
    ) -> Self:
        """Use it, or make it if it is missing; one that is there keeps its size. -- futex(2), shm_open(3)"""
        return _placed.ensure(cls, cls.KIND, _checked(readers), where, offset_bytes, mode)

    @classmethod
    def temporary(cls, *, readers: int = MOST_READERS) -> Self:
        """One that this process and those it forks have, and that ends with them. -- mmap(2)"""
        return _placed.temporary(cls, cls.KIND, _checked(readers), "temporary reader-writer lock")

    @property
    def most_readers(self) -> int:
        """How many can read at a time."""
        return self.slot_count

    def reading(self, timeout: float | None = None) -> Any:
        """For ``with``: read with others."""
        return _robust.OwnerHold(self, self.acquire_shared, self.release_shared, timeout, None)

    def writing(self, timeout: float | None = None, repair: Callable[[OwnerDied], object] | None = None) -> Any:
        """For ``with``: write. `repair` is called when a writer was killed; if it returns, the state is sound."""
        return _robust.OwnerHold(self, self.acquire, self.release, timeout, repair)

    def __repr__(self) -> str:
        return f"<RWLock {self.name} {_state(self)}>"


def _checked(readers: int) -> int:
    return _placed.checked_slots(readers, "readers")


def _state(lock: RWLock) -> str:
    if lock.closed:
        return "closed"
    readers, writer = lock.readers, lock.writer
    how = f"{len(readers)} readers" if readers else "free"
    if writer is not None:
        how = f"written by process {writer}" if not readers else f"{how}, process {writer} waits to write"
    return how + (", suspect" if lock.suspect else "")
