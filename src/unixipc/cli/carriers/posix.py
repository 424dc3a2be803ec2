"""POSIX: a message queue, and shared memory with semaphores. -- mq_overview(7), sem_overview(7), shm_overview(7)

All objects lose their names as soon as they are made: nothing of them can outlive the processes.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from ... import _wait
from ...errors import ClosedError
from ...posix import MessageQueue, Semaphore, SharedMemory
from ..delivery import PATIENCE_S
from .meeting import RECEIVER, SENDER, Meeting
from .slots import RING_BYTES, SLOTS, Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...mapping import Mapping
    from ...posix import Message

SMALLEST_LIMIT = 8192
"""Of a message, unless the administrator says less: fs.mqueue.msgsize_max."""


class PosixQueue(Meeting):
    """mq_send(3), mq_receive(3): on Linux a queue is a descriptor, so each waits for it and for the other's pidfd."""

    name = "POSIX queue"

    def make_common(self) -> None:  # noqa: D102
        self.chunk_bytes = min(SMALLEST_LIMIT, _limit("msgsize_max", SMALLEST_LIMIT))
        self.queue = MessageQueue.temporary(min(10, _limit("msg_max", 10)), self.chunk_bytes)
        self.own(self.queue)

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        self.beside_the_other(self.queue, _wait.WRITABLE, lambda: self.queue.try_send(message) or None)

    def receive_message(self) -> bytes:  # noqa: D102
        message: Message = self.beside_the_other(self.queue, _wait.READABLE, self.queue.try_receive)
        return message.body


def _limit(name: str, unknown: int) -> int:
    try:
        with open(f"/proc/sys/fs/mqueue/{name}") as number:
            return int(number.read())
    except FileNotFoundError:
        return unknown


class PosixMemory(Slots):
    """shm_open(3), sem_wait(3): one semaphore counts the full slots, one the free ones.

    A semaphore does not tell that the other process has ended, and is no descriptor: a second thread waits for the
    other's pidfd, and then releases the semaphore in which the first one sleeps. A turn without a message is the end:
    the sender may have been killed when the message was complete and not yet counted.
    """

    name = "POSIX memory, semaphore"

    def make_memory(self) -> Mapping:  # noqa: D102
        self.turns, self.is_over = (Semaphore.temporary(SLOTS), Semaphore.temporary(0)), False
        self.own(*self.turns)
        with SharedMemory.temporary(RING_BYTES) as memory:
            return memory.map()

    def start_sending(self) -> None:  # noqa: D102
        super().start_sending()
        self._release_when_the_other_ends()

    def start_receiving(self) -> None:  # noqa: D102
        super().start_receiving()
        self._release_when_the_other_ends()

    def _release_when_the_other_ends(self) -> None:
        def watch() -> None:
            with suppress(OSError, ClosedError):  # we are ending too
                self.other.wait_end()
                self.is_over = True
                self.turns[self.me].release()

        Thread(target=watch, daemon=True).start()

    def wait_for_turn(self) -> None:  # noqa: D102
        self.turns[self.me].acquire(PATIENCE_S)
        if self.is_over:
            self.turns[self.me].release()  # nobody else will: no later wait may sleep

    def give_turn(self) -> None:  # noqa: D102
        self.turns[SENDER if self.me == RECEIVER else RECEIVER].release()
