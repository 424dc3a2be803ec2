"""Every waiting call on POSIX queues and semaphores."""

from __future__ import annotations

from unixipc.posix import MessageQueue, Semaphore

from .waits import Waits


class PosixReceive(Waits):
    """ppoll(2), then mq_receive(3)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.queue = self.own(MessageQueue.temporary(1, 10))

    def wait(self, timeout):
        return self.queue.receive(timeout=timeout).body == b"x"

    def satisfy(self):
        self.queue.send(b"x")


class PosixSend(PosixReceive):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.queue.send(b"x")

    def wait(self, timeout):
        return self.queue.send(b"y", timeout=timeout) is None

    def satisfy(self):
        self.queue.receive()


class PosixAcquire(Waits):
    """sem_wait(3)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.semaphore = self.own(Semaphore.temporary(0))

    def wait(self, timeout):
        return self.semaphore.acquire(timeout=timeout) is None

    def satisfy(self):
        self.semaphore.release()


class PosixHold(PosixAcquire):
    def wait(self, timeout):
        with self.semaphore.hold(timeout=timeout):
            return True


class PosixWaitUntilPossible(PosixAcquire):
    """sem_wait(3), given back in the same step."""

    def wait(self, timeout):
        return self.semaphore.wait_until_possible(timeout=timeout) and self.semaphore.value == 1


WAITS_FOR_POSIX = [PosixReceive, PosixSend, PosixAcquire, PosixHold, PosixWaitUntilPossible]
