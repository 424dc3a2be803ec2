"""Every waiting call on robust locks; somebody else, a thread, has the lock."""

from __future__ import annotations

from unixipc import map_anonymous, robust
from unixipc.testing.contracts import OwnThread

from .waits import Waits


class RobustMutex(Waits):
    """futex(2), in a thread's robust list."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.memory = map_anonymous(4096)
        self.lock, theirs = self.make()
        self.theirs = OwnThread(theirs)
        self.own(self.lock, self.theirs)
        self.theirs.acquire()

    def make(self):
        return robust.Mutex.create(self.memory), robust.Mutex.attach(self.memory)

    def wait(self, timeout):
        self.lock.acquire(timeout=timeout)
        self.lock.release()
        return True

    def satisfy(self):
        self.theirs.release()


class RobustHold(RobustMutex):
    def wait(self, timeout):
        with self.lock.hold(timeout=timeout):
            return True


class RobustWaitUntilPossible(RobustMutex):
    def wait(self, timeout):
        return self.lock.wait_until_possible(timeout=timeout) and not self.lock.held


class RobustSemaphore(RobustMutex):
    def make(self):
        return robust.Semaphore.create(self.memory, 1), robust.Semaphore.attach(self.memory)


class RobustSemaphoreUntilPossible(RobustSemaphore):
    def wait(self, timeout):
        return self.lock.wait_until_possible(timeout=timeout) and self.lock.value == 1


class RobustWrite(RobustMutex):
    def make(self):
        return robust.RWLock.create(self.memory), robust.RWLock.attach(self.memory)


class RobustRead(RobustWrite):
    def wait(self, timeout):
        with self.lock.reading(timeout=timeout):
            return True


class RobustWriteAfterReader(RobustWrite):
    """A reader has it."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.theirs.release()
        self.theirs.acquire_shared()

    def satisfy(self):
        self.theirs.release_shared()


class RobustNotification(Waits):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        memory = map_anonymous(4096)
        self.condition = self.own(robust.Condition.create(memory))
        self.theirs = self.own(OwnThread(robust.Condition.attach(memory)))

    def wait(self, timeout):
        with self.condition:
            return self.condition.wait(timeout=timeout) is None

    def satisfy(self):
        self.theirs.acquire()
        self.theirs.notify()
        self.theirs.release()


WAITS_FOR_ROBUST = [
    RobustMutex,
    RobustHold,
    RobustWaitUntilPossible,
    RobustSemaphore,
    RobustSemaphoreUntilPossible,
    RobustWrite,
    RobustRead,
    RobustWriteAfterReader,
    RobustNotification,
]
