"""System V semaphores, sets of them, and what is built of them, as locks and as closable handles."""

from __future__ import annotations

import pickle

import pytest

from unixipc import aio, sysv
from unixipc.testing.contracts import FORMS, ClosableContract, LockContract

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


def twin(form, name, made):
    """The same as this form has it."""
    return made if form.blocking else getattr(aio.sysv, name)(made)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestSemaphoreOfOne(LockContract):
    def make(self, form):
        mine = sysv.Semaphore.temporary(1)
        return twin(form, "Semaphore", mine), twin(form, "Semaphore", pickle.loads(pickle.dumps(mine)))


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestReadWriteLock(LockContract):
    """Writers."""

    def make(self, form):
        mine = sysv.ReadWriteLock.temporary()
        return twin(form, "ReadWriteLock", mine), twin(form, "ReadWriteLock", pickle.loads(pickle.dumps(mine)))


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingASemaphore(ClosableContract):
    def make(self, form):
        return twin(form, "Semaphore", sysv.Semaphore.temporary(0)), []

    def use(self, handle):
        return (handle.try_acquire,)

    def wait_forever(self, handle):
        return (handle.acquire,)


class TestClosingASemaphoreThatIsWaitedToBeZero(TestClosingASemaphore):
    def make(self, form):
        return twin(form, "Semaphore", sysv.Semaphore.temporary(1)), []

    def wait_forever(self, handle):
        return (handle.wait_zero,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingASet(ClosableContract):
    def make(self, form):
        return twin(form, "SemaphoreSet", sysv.SemaphoreSet.temporary([1, 0])), []

    def use(self, handle):
        return (handle.stat,)

    def wait_forever(self, handle):
        return handle.op, (0, -1), (1, -1)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingAReadWriteLock(ClosableContract):
    def make(self, form):
        lock = sysv.ReadWriteLock.temporary()
        lock.acquire()
        return twin(form, "ReadWriteLock", lock), []

    def use(self, handle):
        return (handle.release,)

    def wait_forever(self, handle):
        return (handle.acquire_shared,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingABarrier(ClosableContract):
    WAITERS = 1  # of two

    def make(self, form):
        return twin(form, "Barrier", sysv.Barrier.temporary(2)), []

    def use(self, handle):
        return (handle.remove,)

    def wait_forever(self, handle):
        return (handle.wait,)
