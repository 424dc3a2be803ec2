"""An event counter in the kernel that a descriptor stands for. -- eventfd(2)

>>> from unixipc import EventFd
>>> with EventFd() as event:
...     event.add(3)
...     event.take()
3

The five fates: **close** frees this handle, the counter lives while any handle does. **remove**: it has no name.
**fork** and sending it over a socket share the counter. **exec** closes it, unless passed by number.
**kill -9** of a process that added or took leaves the counter as it was after its last whole operation.
"""

from __future__ import annotations

from . import _wait
from ._native.descriptor import Counter

__all__ = ["EventFd"]


class EventFd(Counter):
    """A 64-bit counter: `add` raises it, `take` waits until it is above 0 and takes it. -- eventfd(2)

    `take` gives the whole count and sets it to 0; with ``semaphore=True`` it takes 1 and gives 1. `add` waits while
    the count would pass 2**64 - 2. Errors: EMFILE, ENFILE when made; `ClosedError` after close.
    """

    def __init__(self, initial: int = 0, *, semaphore: bool = False) -> None:
        if not 0 <= initial < 2**32:
            raise ValueError(f"initial must be 0..2**32-1, not {initial}")
        super().__init__(initial, semaphore)
        self.semaphore = semaphore

    def add(self, n: int = 1, timeout: float | None = None) -> None:
        """Raise the count by `n`, waiting while it would pass the limit. -- eventfd(2)"""
        _wait.on_descriptor(self, _wait.WRITABLE, lambda: self.try_add(n) or None, timeout=timeout)

    def take(self, timeout: float | None = None) -> int:
        """Wait until the count is above 0 and take it. -- eventfd(2)"""
        return _wait.on_descriptor(self, _wait.READABLE, self.try_take, timeout=timeout)
