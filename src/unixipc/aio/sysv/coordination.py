"""Awaitable reader-writer locks and barriers on semaphore sets. -- semop(2)"""

from __future__ import annotations

from contextlib import asynccontextmanager

from ... import sysv
from .. import _drive
from ._object import Wrapped, nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

__all__ = ["Barrier", "ReadWriteLock"]


class ReadWriteLock(Wrapped):
    """Many readers or one writer; `unixipc.sysv.ReadWriteLock`, awaitable."""

    sync: sysv.ReadWriteLock

    @classmethod
    async def ensure(cls, key: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing."""
        return cls(await _drive.in_thread(sysv.ReadWriteLock.ensure, key, mode, give_back=nothing))

    @classmethod
    async def temporary(cls, mode: int = 0o600) -> Self:
        """One without a key, removed at `close`."""
        return cls(sysv.ReadWriteLock.temporary(mode))

    def try_acquire(self) -> bool:
        """Hold it alone now; False if somebody holds it."""
        return self.sync.try_acquire()

    def try_acquire_shared(self) -> bool:
        """Hold it with other readers now; False if a writer holds it or waits."""
        return self.sync.try_acquire_shared()

    async def acquire(self, timeout: float | None = None) -> None:
        """Wait until nobody holds it, and hold it alone."""
        await _drive.in_thread(self.sync.acquire, timeout, give_back=lambda _: self.sync.release())

    def release(self) -> None:
        """Hold it no longer."""
        self.sync.release()

    async def acquire_shared(self, timeout: float | None = None) -> None:
        """Wait until no writer holds it or waits, and hold it with other readers."""
        await _drive.in_thread(self.sync.acquire_shared, timeout, give_back=lambda _: self.sync.release_shared())

    def release_shared(self) -> None:
        """Read no longer."""
        self.sync.release_shared()

    @asynccontextmanager
    async def writing(self, timeout: float | None = None) -> AsyncIterator[None]:
        """For ``async with``: alone."""
        await self.acquire(timeout)
        try:
            yield
        finally:
            self.release()

    @asynccontextmanager
    async def reading(self, timeout: float | None = None) -> AsyncIterator[None]:
        """For ``async with``: with other readers."""
        await self.acquire_shared(timeout)
        try:
            yield
        finally:
            self.release_shared()


class Barrier(Wrapped):
    """Processes wait here for each other; `unixipc.sysv.Barrier`, awaitable."""

    sync: sysv.Barrier

    @classmethod
    async def ensure(cls, key: int, parties: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing."""
        return cls(await _drive.in_thread(sysv.Barrier.ensure, key, parties, mode, give_back=nothing))

    @classmethod
    async def temporary(cls, parties: int, mode: int = 0o600) -> Self:
        """One without a key, removed at `close`."""
        return cls(sysv.Barrier.temporary(parties, mode))

    @property
    def parties(self) -> int:
        """How many wait for each other."""
        return self.sync.parties

    @property
    def waiting(self) -> int:
        """How many have arrived and wait at this moment."""
        return self.sync.waiting

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have arrived; True for the one that came last. A cancelled one has not arrived."""
        return await _drive.in_thread(self.sync.wait, timeout, give_back=nothing)
