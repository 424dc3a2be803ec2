"""Every waiting call on System V semaphores, and on what they guard."""

from __future__ import annotations

import contextlib

from unixipc.sysv import Barrier, ReadWriteLock, Semaphore, SemaphoreSet, SharedMemory
from unixipc.sysv._initialisation import CreationLock

from .waits import Waits


class SemaphoreAcquire(Waits):
    """semop(2)."""

    INITIAL = 0

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.semaphore = self.own(Semaphore.temporary(self.INITIAL))

    def wait(self, timeout):
        return self.semaphore.acquire(timeout=timeout) is None

    def satisfy(self):
        self.semaphore.release()


class SemaphoreHold(SemaphoreAcquire):
    def wait(self, timeout):
        with self.semaphore.hold(timeout=timeout):
            return True


class SemaphoreWaitZero(SemaphoreAcquire):
    INITIAL = 1

    def wait(self, timeout):
        return self.semaphore.wait_zero(timeout=timeout) is None

    def satisfy(self):
        self.semaphore.acquire()


class SemaphoreOp(SemaphoreAcquire):
    """semop(2) of more operations than fit on the stack."""

    def wait(self, timeout):
        return self.semaphore.set.op(*[(0, +1)] * 40, *[(0, -1)] * 41, timeout=timeout) is None


class SemaphoreWaitUntilPossible(SemaphoreAcquire):
    """semop(2) of operations that take themselves back."""

    def wait(self, timeout):
        return self.semaphore.set.wait_until_possible([(0, -1)], timeout=timeout) and self.semaphore.value == 1


class SemaphoreCreation(Waits):
    """flock(2) of the namespace's file, which somebody else holds who is just making a set."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.theirs = self.stack.enter_context(contextlib.ExitStack())
        self.theirs.enter_context(CreationLock(10))

    def wait(self, timeout):
        with SemaphoreSet.create(0x55AA, [1], timeout=timeout) as made:
            made.remove()
        return True

    def satisfy(self):
        self.theirs.close()


class ReadLock(Waits):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.lock = self.own(ReadWriteLock.temporary())
        self.lock.acquire()

    def wait(self, timeout):
        with self.lock.reading(timeout):
            return True

    def satisfy(self):
        self.lock.release()


class WriteLock(ReadLock):
    def wait(self, timeout):
        with self.lock.writing(timeout):
            return True


class BarrierWait(Waits):
    """The other one comes at last, in a thread of its own: it waits too."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.barrier = self.own(Barrier.temporary(2))

    def wait(self, timeout):
        return self.barrier.wait(timeout=timeout) in (True, False)

    def satisfy(self):
        self.barrier.wait(timeout=30)


class GuardedByRecordLock(Waits):
    """fcntl(2), F_OFD_SETLKW."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        path = tmp_path / "guard"
        path.touch()
        self.memory = self.own(SharedMemory.temporary(100))
        self.mine, self.theirs = self.own(*(self.memory.guarded("record_lock", path=str(path)) for _ in range(2)))
        self.holding = self.stack.enter_context(contextlib.ExitStack())
        self.holding.enter_context(self.theirs.writing())

    def wait(self, timeout):
        return self.mine.read(1, timeout=timeout) == b"\0"

    def satisfy(self):
        self.holding.close()


class GuardedBySemaphore(GuardedByRecordLock):
    def __init__(self, tmp_path):
        Waits.__init__(self, tmp_path)
        self.memory, semaphore = self.own(SharedMemory.temporary(100), Semaphore.temporary(1))
        self.mine, self.theirs = self.own(*(self.memory.guarded(semaphore) for _ in range(2)))
        self.holding = self.stack.enter_context(contextlib.ExitStack())
        self.holding.enter_context(self.theirs.writing())


class GuardedBySeqlock(GuardedByRecordLock):
    """futex(2): the writer is at work."""

    def __init__(self, tmp_path):
        Waits.__init__(self, tmp_path)
        self.memory = self.own(SharedMemory.temporary(100))
        self.theirs = self.own(self.memory.guarded("seqlock"))
        self.mine = self.own(self.memory.guarded("seqlock", readonly=True))
        self.holding = self.stack.enter_context(contextlib.ExitStack())
        self.holding.enter_context(self.theirs.writing())


WAITS_FOR_SEMAPHORES = [
    SemaphoreAcquire, SemaphoreHold, SemaphoreWaitZero, SemaphoreOp, SemaphoreWaitUntilPossible, SemaphoreCreation,
    ReadLock, WriteLock, BarrierWait, GuardedByRecordLock, GuardedBySemaphore, GuardedBySeqlock,
]  # fmt: skip
