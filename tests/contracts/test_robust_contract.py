"""Robust locks are locks, and can be closed; blocking, asyncio and trio. Blocking, their owner is a thread."""

from __future__ import annotations

import pytest

from unixipc import aio, map_anonymous, robust
from unixipc.testing.contracts import FORMS, ClosableContract, LockContract, OwnThread


def placed(kind):
    """Two handles for one lock."""
    memory = map_anonymous(4096)
    if kind == "Semaphore":
        return robust.Semaphore.create(memory, 1), robust.Semaphore.attach(memory)
    cls = getattr(robust, kind)
    return cls.create(memory), cls.attach(memory)


@pytest.fixture(params=["Mutex", "Semaphore", "RWLock", "Condition"], autouse=True)
def kind(request):
    request.instance.kind = request.param


def in_form(form, kind, handle):
    return OwnThread(handle) if form.blocking else getattr(aio.robust, kind)(handle)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestRobustLocks(LockContract):
    """Of a reader-writer lock: writers."""

    def make(self, form):
        return [in_form(form, self.kind, handle) for handle in placed(self.kind)]


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingARobustLock(ClosableContract):
    def make(self, form):
        mine, theirs = placed(self.kind)
        theirs.acquire()
        return (mine if form.blocking else getattr(aio.robust, self.kind)(mine)), [theirs]

    def use(self, handle):
        return (handle.try_acquire,)

    def wait_forever(self, handle):
        return (handle.acquire,)
