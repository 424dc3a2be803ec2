"""System V: a message queue, and shared memory with semaphores. -- sysvipc(7)

Neither a queue nor a segment tells that the other side is gone. A semaphore does: what a process changed with undo the
kernel takes back when that process ends, however it ends, and so wakes whoever waits for it.

All objects are temporary: the parent, who made them, removes them in `remove`, also when it is interrupted before.
"""

from __future__ import annotations

import errno
import struct
from contextlib import contextmanager, suppress
from threading import Thread

from ...errors import ClosedError, ObjectRemoved, PeerGone
from ...sysv import MessageQueue, Op, SemaphoreSet, SharedMemory, limits
from ..delivery import PATIENCE_S
from .carrier import CHUNK_BYTES, Carrier, InPlace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SENDER, RECEIVER = 0, 1
"""Semaphores of the set beside a queue: 1 while that process lives."""
CARGO, SENDER_ENDED = 1, 2
"""Types of messages."""

EMPTY, FULL = 0, 2
"""Semaphores of the set beside a segment: the buffer may be filled, may be emptied. The next one is each one's bell."""
BELL = 1
LENGTH = struct.Struct("<I")


def gone(who: str) -> PeerGone:
    """What the sender gets when the receiver has ended."""
    return PeerGone(errno.EPIPE, "it has ended", who)


@contextmanager
def ending_if_removed() -> Iterator[None]:
    """The parent may be interrupted when it has just started us: it takes everything away, and nobody is to be told."""
    try:
        yield
    except ObjectRemoved:
        raise SystemExit(1) from None


class MessageQueues(Carrier):
    """msgsnd(2), msgrcv(2): both sleep in the queue itself, and a second thread sleeps until the other side ends.

    When the sender has ended, the receiver's thread puts a message of another type into the queue: it comes after all
    that the sender had sent. When the receiver has ended, the sender's thread closes the handle in which send sleeps.
    """

    name = "message queue"

    def make(self) -> None:  # noqa: D102
        allowed = limits()
        self.chunk_bytes = min(CHUNK_BYTES, allowed.message_bytes, allowed.queue_bytes)
        self.queue = MessageQueue.temporary()
        self.alive = SemaphoreSet.temporary([0, 0])

    def start_sending(self) -> None:  # noqa: D102
        self._meet(SENDER, RECEIVER)
        self._at_the_end_of(RECEIVER, self.queue.close)

    def start_receiving(self) -> None:  # noqa: D102
        self._meet(RECEIVER, SENDER)
        self._at_the_end_of(SENDER, lambda: self.queue.send(b"", SENDER_ENDED, PATIENCE_S))

    def _meet(self, me: int, other: int) -> None:
        with ending_if_removed():
            self.alive.op((me, +1), undo=True)
            self.alive.op((other, -1), (other, +1), timeout=PATIENCE_S)

    def _at_the_end_of(self, other: int, then: Callable[[], object]) -> None:
        def watch() -> None:
            with suppress(OSError, ClosedError):  # we are ending too: everything goes
                self.alive[other].wait_zero()
                then()

        Thread(target=watch, daemon=True).start()

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        try:
            self.queue.send(message, CARGO, PATIENCE_S)
        except ClosedError:
            raise gone("receiver") from None

    def receive_message(self) -> bytes:  # noqa: D102
        message = self.queue.receive(timeout=PATIENCE_S)
        if message.type == SENDER_ENDED:
            raise EOFError("the undo of the sender's semaphore: it has ended before its end mark")
        body: bytes = message.body
        return body

    def remove(self) -> None:  # noqa: D102
        self.queue.close()
        self.alive.close()


class SharedBuffer(InPlace):
    """shmat(2), semop(2): a buffer of one message, and semaphores that say whose turn it is.

    Whose turn it is, and its bell, change in one step. Each side sleeps on its bell, and has told the kernel to ring
    the other's when it ends (undo): a bell without a turn means that nobody will ring any more.
    """

    name = "shared memory, semaphore"

    def make(self) -> None:  # noqa: D102
        self.memory = SharedMemory.temporary(LENGTH.size + CHUNK_BYTES)
        self.segment = self.memory.attach()
        self.own(self.segment, self.memory)
        self.turns = SemaphoreSet.temporary([1, 1, 0, 0])

    def start_sending(self) -> None:  # noqa: D102
        self._ring_when_i_end(FULL)

    def start_receiving(self) -> None:  # noqa: D102
        self._ring_when_i_end(EMPTY)

    def _ring_when_i_end(self, turn: int) -> None:
        with ending_if_removed():  # nothing changes now, and +1 at our end: only the second one is undone
            self.turns.op(Op(turn + BELL, +1), Op(turn + BELL, -1, undo=True))

    def _wait_for(self, turn: int) -> bool:
        """False: the other side has ended."""
        self.turns.op((turn + BELL, -1), timeout=PATIENCE_S)
        return self.turns.try_op((turn, -1))

    def _give(self, turn: int) -> None:
        self.turns.op((turn, +1), (turn + BELL, +1))

    def fill(self, put: Callable[[memoryview], int]) -> int:  # noqa: D102
        if not self._wait_for(EMPTY):
            raise gone("receiver")
        with self.segment.buffer[LENGTH.size :] as body:
            length = put(body)
        LENGTH.pack_into(self.segment.buffer, 0, length)
        self._give(FULL)
        return length

    def receive_message(self) -> bytes:  # noqa: D102
        if not self._wait_for(FULL):
            raise EOFError("the undo of the sender's semaphore: it has ended before its end mark")
        (length,) = LENGTH.unpack_from(self.segment.buffer)
        message = bytes(self.segment.buffer[LENGTH.size : LENGTH.size + length])
        self._give(EMPTY)
        return message

    def remove(self) -> None:  # noqa: D102
        self.turns.close()
