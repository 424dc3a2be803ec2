"""Awaitable event counters. -- eventfd(2)"""

from __future__ import annotations

from .. import _wait
from ..event import EventFd as SyncEventFd
from . import _drive

__all__ = ["EventFd"]


class EventFd(_drive.DescriptorTwin[SyncEventFd]):
    """A counter in the kernel; `unixipc.EventFd`, awaitable."""

    def __init__(self, initial: int = 0, *, semaphore: bool = False) -> None:
        super().__init__(SyncEventFd(initial, semaphore=semaphore))

    def try_add(self, n: int = 1) -> bool:
        """Raise the count by `n`; False if it would pass the limit now."""
        return self.sync.try_add(n)

    def try_take(self) -> int | None:
        """The count (1 for a semaphore), None while it is 0."""
        return self.sync.try_take()

    async def add(self, n: int = 1, timeout: float | None = None) -> None:
        """Raise the count by `n`, waiting while it would pass the limit. -- eventfd(2)"""
        await _drive.on_descriptor(self.sync, _wait.WRITABLE, lambda: self.sync.try_add(n) or None, timeout=timeout)

    async def take(self, timeout: float | None = None) -> int:
        """Wait until the count is above 0 and take it. -- eventfd(2)"""
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_take, timeout=timeout)
