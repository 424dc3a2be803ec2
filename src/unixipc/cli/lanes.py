"""What `ipc bench` measures: each mechanism as a lane that carries messages of one size one way.

A lane is made in the parent before the fork, so both processes have it. Then one calls `start_sending`, the other
`start_receiving`, both `close`; the parent at last `remove`. All waits have a time limit.
"""

from __future__ import annotations

from .. import sysv
from ..channel import Queue
from ..event import EventFd
from ..mapping import map_anonymous
from ..pipe import pipe
from ..posix import MessageQueue, Semaphore, SharedMemory
from ..sockets import pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Closable(Protocol):
        """What `Lane.own` takes."""

        def close(self) -> object:
            """Give it back."""


PATIENCE_S = 10.0
CHANNEL_BYTES = 1 << 20


class Lane:
    """Messages of `size` bytes, one way. `send` and `receive` are set by the start."""

    name = ""
    send: Callable[[bytes], object]
    receive: Callable[[], object]

    def __init__(self, size: int) -> None:
        """Make the kernel objects."""
        self.size = size
        self._owned: list[Closable] = []
        try:
            self.make()
        except BaseException:
            self.close()
            self.remove()
            raise

    def own(self, *ends: Closable) -> None:
        """Remember what `close` closes."""
        self._owned += ends

    def make(self) -> None:
        """Make what both sides need."""
        raise NotImplementedError

    def start_sending(self) -> None:
        """In the sender, after the fork."""
        raise NotImplementedError

    def start_receiving(self) -> None:
        """In the receiver, after the fork."""
        raise NotImplementedError

    def close(self) -> None:
        """Close everything that is open in this process."""
        for name in ("send", "receive"):  # they may look into memory that is about to go
            self.__dict__.pop(name, None)
        for end in self._owned:
            end.close()

    def remove(self) -> None:
        """In the parent, at the end: take away what would outlive the processes."""


class PipeLane(Lane):
    """pipe(7): write, and read exactly as much."""

    name = "pipe"

    def make(self) -> None:  # noqa: D102
        self.reader, self.writer = pipe()
        self.own(self.reader, self.writer)

    def start_sending(self) -> None:  # noqa: D102
        self.reader.close()
        self.send = lambda message: self.writer.write_all(message, PATIENCE_S)

    def start_receiving(self) -> None:  # noqa: D102
        self.writer.close()
        self.receive = lambda: self.reader.read_exactly(self.size, PATIENCE_S)


class StreamLane(Lane):
    """unix(7), SOCK_STREAM: write, and read exactly as much."""

    name = "socket, stream"

    def make(self) -> None:  # noqa: D102
        self.there, self.here = pair("stream")
        self.own(self.there, self.here)

    def start_sending(self) -> None:  # noqa: D102
        self.here.close()
        self.send = lambda message: self.there.write_all(message, PATIENCE_S)

    def start_receiving(self) -> None:  # noqa: D102
        self.there.close()
        self.receive = lambda: self.here.read_exactly(self.size, PATIENCE_S)


class PacketLane(Lane):
    """unix(7), SOCK_SEQPACKET: the kernel keeps the borders."""

    name = "socket, seqpacket"

    def make(self) -> None:  # noqa: D102
        self.there, self.here = pair("seqpacket")
        self.own(self.there, self.here)

    def start_sending(self) -> None:  # noqa: D102
        self.here.close()
        self.send = lambda message: self.there.send(message, timeout=PATIENCE_S)

    def start_receiving(self) -> None:  # noqa: D102
        self.there.close()
        self.receive = self._receive

    def _receive(self) -> bytes:
        received = self.here.receive(self.size, timeout=PATIENCE_S)
        if received.eof:
            raise EOFError("the sender has left")
        return received.data


class SystemVQueueLane(Lane):
    """msgsnd(2), msgrcv(2)."""

    name = "System V queue"

    def make(self) -> None:  # noqa: D102
        most = sysv.limits().message_bytes
        if self.size > most:
            raise ValueError(f"longer than kernel.msgmax = {most}")
        self.queue = sysv.MessageQueue.temporary()
        self.send = lambda message: self.queue.send(message, timeout=PATIENCE_S)
        self.receive = lambda: self.queue.receive(timeout=PATIENCE_S)

    def start_sending(self) -> None:  # noqa: D102
        pass

    def start_receiving(self) -> None:  # noqa: D102
        pass

    def remove(self) -> None:  # noqa: D102
        if hasattr(self, "queue"):
            self.queue.close()  # only its maker takes it away


class PosixQueueLane(Lane):
    """mq_send(3), mq_receive(3)."""

    name = "POSIX queue"

    def make(self) -> None:  # noqa: D102
        most, room = _queue_limit("msgsize_max"), _queue_limit("msg_max")
        if self.size > most:
            raise ValueError(f"longer than fs.mqueue.msgsize_max = {most}")
        self.queue = MessageQueue.temporary(min(10, room), self.size)
        self.own(self.queue)

    def start_sending(self) -> None:  # noqa: D102
        self.send = lambda message: self.queue.send(message, timeout=PATIENCE_S)

    def start_receiving(self) -> None:  # noqa: D102
        self.receive = lambda: self.queue.receive(timeout=PATIENCE_S)


def _queue_limit(name: str) -> int:
    with open(f"/proc/sys/fs/mqueue/{name}") as number:
        return int(number.read())


class Slot(Lane):
    """Memory for one message, and two wake-ups: it is free; it is full."""

    def use(
        self,
        buffer: memoryview,
        wait_free: Callable[[], object],
        tell_full: Callable[[], object],
        wait_full: Callable[[], object],
        tell_free: Callable[[], object],
    ) -> None:
        """Send and receive by these."""
        size = self.size

        def send(message: bytes) -> None:
            wait_free()
            buffer[:size] = message
            tell_full()

        def receive() -> bytes:
            wait_full()
            message = bytes(buffer[:size])
            tell_free()
            return message

        self.send, self.receive = send, receive

    def start_sending(self) -> None:  # noqa: D102
        pass

    def start_receiving(self) -> None:  # noqa: D102
        pass


class SystemVMemoryLane(Slot):
    """shmat(2), semop(2)."""

    name = "System V memory, semaphores"

    def make(self) -> None:  # noqa: D102
        self.memory = sysv.SharedMemory.temporary(self.size)
        self.segment = self.memory.attach()
        self.own(self.segment, self.memory)
        self.turns = sysv.SemaphoreSet.temporary([1, 0])
        free, full = self.turns[0], self.turns[1]
        self.use(
            self.segment.buffer,
            lambda: free.acquire(timeout=PATIENCE_S),
            full.release,
            lambda: full.acquire(timeout=PATIENCE_S),
            free.release,
        )

    def remove(self) -> None:  # noqa: D102
        if hasattr(self, "turns"):
            self.turns.close()


class PosixMemoryLane(Slot):
    """shm_open(3), sem_wait(3)."""

    name = "POSIX memory, semaphores"

    def make(self) -> None:  # noqa: D102
        free, full = Semaphore.temporary(1), Semaphore.temporary(0)
        self.own(free, full)
        with SharedMemory.temporary(self.size) as memory:
            mapping = memory.map()
        self.own(mapping)
        self.use(
            mapping.buffer,
            lambda: free.acquire(PATIENCE_S),
            full.release,
            lambda: full.acquire(PATIENCE_S),
            free.release,
        )


class MappedLane(Slot):
    """mmap(2), eventfd(2)."""

    name = "mapped memory, event counters"

    def make(self) -> None:  # noqa: D102
        free, full = EventFd(1, semaphore=True), EventFd(semaphore=True)
        mapping = map_anonymous(self.size)
        self.own(free, full, mapping)
        self.use(
            mapping.buffer,
            lambda: free.take(PATIENCE_S),
            lambda: full.add(1, PATIENCE_S),
            lambda: full.take(PATIENCE_S),
            lambda: free.add(1, PATIENCE_S),
        )


class ChannelLane(Lane):
    """A channel's queue: messages in shared memory, futex(2) only when somebody sleeps."""

    name = "channel"

    def make(self) -> None:  # noqa: D102
        self.queue = Queue.anonymous(max(CHANNEL_BYTES, 4 * self.size))
        self.own(self.queue)

    def start_sending(self) -> None:  # noqa: D102
        sender = self.queue.sender()
        self.own(sender)
        self.send = lambda message: sender.send(message, PATIENCE_S)

    def start_receiving(self) -> None:  # noqa: D102
        receiver = self.queue.receiver()
        self.own(receiver)
        self.receive = lambda: receiver.receive(PATIENCE_S)


LANES: dict[str, type[Lane]] = {
    lane.name: lane
    for lane in (
        PipeLane,
        StreamLane,
        PacketLane,
        SystemVQueueLane,
        PosixQueueLane,
        SystemVMemoryLane,
        PosixMemoryLane,
        MappedLane,
        ChannelLane,
    )
}
"""Every mechanism that is measured, in the order of the guide."""
