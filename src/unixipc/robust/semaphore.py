"""Semaphores whose permits come back when their holders are killed. -- futex(2), set_robust_list(2)

>>> from unixipc import robust
>>> semaphore = robust.Semaphore.temporary(permits=2)
>>> with semaphore.hold():
...     semaphore.value
1
>>> semaphore.close()
"""

from __future__ import annotations

from .._native import robust as _robust
from . import _placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["Semaphore"]


class Semaphore(_placed.Placed, _robust.SemaphoreCalls):
    """At most `permits` at a time (1 to 1024), threads of any processes. 64 bytes and 64 for each permit.

    Where it can be, and how it is made: as `Mutex`. A permit belongs to the thread that took it.
    ``with semaphore.hold()``. It is not a counter: nothing can be released that was not acquired.

    Errors: TimeoutError, which names the holders; RuntimeError: this thread has no permit by this handle, and
    PermissionError if other threads have; OSError(EINVAL), OSError(ENOSYS), LayoutError.

    The five fates: **close** gives back what this thread has, and is refused while other threads of the process have
    permits by this handle. **remove** takes the name. **fork**: the child has no permit. **exec** and **kill -9** give
    every permit back: who waits has it at the next look, which is within half a second; who tries, at once.
    """

    __slots__ = ()
    KIND = _robust.SEMAPHORE

    @staticmethod
    def size_bytes(permits: int) -> int:
        """How much memory it needs."""
        return _robust.size_bytes(_placed.checked_slots(permits, "permits"))

    @classmethod
    def create(cls, where: str | Buffer, permits: int, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Make a new one in zeroed memory, or by name. FileExistsError: there is one. -- futex(2), shm_open(3)"""
        return _placed.create(cls, cls.KIND, _checked(permits), where, offset_bytes, mode)

    @classmethod
    def ensure(cls, where: str | Buffer, permits: int, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Use it, or make it; one that is there keeps its number of permits. -- futex(2), shm_open(3)"""
        return _placed.ensure(cls, cls.KIND, _checked(permits), where, offset_bytes, mode)

    @classmethod
    def temporary(cls, permits: int) -> Self:
        """One that this process and those it forks have, and that ends with them. -- mmap(2)"""
        return _placed.temporary(cls, cls.KIND, _checked(permits), "temporary semaphore")

    @property
    def permits(self) -> int:
        """How many there are altogether."""
        return self.slot_count

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.value} of {self.permits} free"
        return f"<Semaphore {self.name} {state}>"


def _checked(permits: int) -> int:
    return _placed.checked_slots(permits, "permits")
