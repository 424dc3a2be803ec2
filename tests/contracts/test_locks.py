"""The lock contract, tried on the one thing in the house that can be a lock so far: an event counter of one permit."""

from __future__ import annotations

import pytest

from unixipc import EventFd, aio
from unixipc.testing.contracts import FORMS, LockContract


class SyncLock:
    def __init__(self, event):
        self.event = event

    def acquire(self, timeout=None):
        self.event.take(timeout=timeout)

    def try_acquire(self):
        return self.event.try_take() is not None

    def release(self):
        assert self.event.try_add()

    def close(self):
        self.event.close()


class AsyncLock(SyncLock):
    async def acquire(self, timeout=None):
        await self.event.take(timeout=timeout)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestOnePermit(LockContract):
    def make(self, form):
        event = EventFd(1, semaphore=True) if form.blocking else aio.EventFd(1, semaphore=True)
        lock = SyncLock if form.blocking else AsyncLock
        return lock(event), lock(event)
