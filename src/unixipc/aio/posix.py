"""Awaitable POSIX queues and semaphores; shared memory as it is. -- mq_overview(7), sem_overview(7), shm_overview(7)

A queue is a descriptor: the loop watches it. A semaphore is not: what waits is a thread, which a cancel interrupts. It
takes nothing: it waits until one could be acquired, and then the loop's own thread tries. So a cancel loses nothing.
Nothing waits for shared memory: `SharedMemory` is `unixipc.posix.SharedMemory` itself, and its ways are plain calls.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

from .. import _wait, posix
from ..posix import Message, QueueStat, SharedMemory, remove_memory, remove_queue, remove_semaphore
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self, SupportsIndex

    from typing_extensions import Buffer

__all__ = [
    "Message",
    "MessageQueue",
    "QueueStat",
    "Semaphore",
    "SharedMemory",
    "remove_memory",
    "remove_queue",
    "remove_semaphore",
]


class MessageQueue(_drive.DescriptorTwin[posix.MessageQueue]):
    """A queue; `unixipc.posix.MessageQueue`, awaitable; ``async for`` receives for ever."""

    @classmethod
    async def create(cls, name: str, max_messages: int = 10, max_message_bytes: int = 8192, mode: int = 0o600) -> Self:
        """Make a new queue. FileExistsError if the name is in use. -- mq_open(3)"""
        return cls(posix.MessageQueue.create(name, max_messages, max_message_bytes, mode))

    @classmethod
    async def open(cls, name: str) -> Self:
        """The queue of this name, for both ways if that is permitted, else for the one that is. -- mq_open(3)"""
        return cls(posix.MessageQueue.open(name))

    @classmethod
    async def ensure(cls, name: str, max_messages: int = 10, max_message_bytes: int = 8192, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- mq_open(3)"""
        return cls(posix.MessageQueue.ensure(name, max_messages, max_message_bytes, mode))

    @classmethod
    async def temporary(cls, max_messages: int = 10, max_message_bytes: int = 8192) -> Self:
        """A queue without a name: forked children have it, and whoever is sent its descriptor. -- mq_open(3)"""
        return cls(posix.MessageQueue.temporary(max_messages, max_message_bytes))

    def try_send(self, body: Buffer, priority: SupportsIndex = 0) -> bool:
        """Put one message into the queue; False while it is full. -- mq_send(3)"""
        return self.sync.try_send(body, priority)

    async def send(self, body: Buffer, priority: SupportsIndex = 0, timeout: float | None = None) -> None:
        """Put one message into the queue, waiting for room; a higher priority is received earlier. -- mq_send(3)

        A cancelled one has sent nothing.
        """
        attempt = self.sync.send_or_none
        await _drive.on_descriptor(self.sync, _wait.WRITABLE, attempt, body, priority, timeout=timeout)

    def try_receive(self) -> Message | None:
        """The first message of the highest priority, None if there is none. -- mq_receive(3)"""
        return self.sync.try_receive()

    async def receive(self, timeout: float | None = None) -> Message:
        """Wait for a message and take it: the first of the highest priority. -- mq_receive(3)

        A cancelled one has taken nothing.
        """
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_receive, timeout=timeout)

    @property
    def max_message_bytes(self) -> int:
        """How long a message may be."""
        return self.sync.max_message_bytes

    def stat(self) -> QueueStat:
        """The queue at this moment. -- mq_getattr(3)"""
        return self.sync.stat()

    def notify(self, signal: int | None = None, value: int = 0) -> None:
        """Have `signal` sent to us, with `value`, when a message comes into the empty queue; once. -- mq_notify(3)

        An awaited call that waits withdraws it, as closing any descriptor of the queue does.
        """
        self.sync.notify(signal, value)

    def remove(self) -> None:
        """Take the name away; who has the queue keeps it. -- mq_unlink(3)"""
        self.sync.remove()

    def __len__(self) -> int:
        return len(self.sync)

    def __bool__(self) -> bool:
        return True

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            yield await self.receive()


class Semaphore(_drive.Twin[posix.Semaphore]):
    """A semaphore; `unixipc.posix.Semaphore`, awaitable."""

    SIZE_BYTES = posix.Semaphore.SIZE_BYTES
    """How many bytes one takes in memory."""

    @classmethod
    async def create(cls, name: str, initial: int, mode: int = 0o600) -> Self:
        """Make a new semaphore. FileExistsError if the name is in use. -- sem_open(3)"""
        return cls(posix.Semaphore.create(name, initial, mode))

    @classmethod
    async def open(cls, name: str) -> Self:
        """The semaphore of this name. -- sem_open(3)"""
        return cls(posix.Semaphore.open(name))

    @classmethod
    async def ensure(cls, name: str, initial: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- sem_open(3)"""
        return cls(posix.Semaphore.ensure(name, initial, mode))

    @classmethod
    async def temporary(cls, initial: int) -> Self:
        """One that never has a name: this process and those it forks have it, and it ends with them. -- sem_init(3)"""
        return cls(posix.Semaphore.temporary(initial))

    @classmethod
    async def place(cls, memory: Buffer, initial: int, offset_bytes: int = 0) -> Self:
        """Make one in shared memory: whoever maps the same bytes can `attach` to it. -- sem_init(3)"""
        return cls(posix.Semaphore.place(memory, initial, offset_bytes))

    @classmethod
    async def attach(cls, memory: Buffer, offset_bytes: int = 0) -> Self:
        """The one that somebody has placed there, perhaps a C program with sem_init. -- sem_overview(7)"""
        return cls(posix.Semaphore.attach(memory, offset_bytes))

    @property
    def value(self) -> int:
        """How many could be acquired at this moment. -- sem_getvalue(3)"""
        return self.sync.value

    def try_acquire(self) -> bool:
        """Take one from the value now; False if it is 0. -- sem_trywait(3)"""
        return self.sync.try_acquire()

    async def acquire(self, timeout: float | None = None) -> None:
        """Take one from the value, waiting until it is above 0. -- sem_wait(3)

        A cancelled one has taken nothing.
        """
        wait = self.sync.wait_until_possible
        await _drive.in_kernel(lambda: self.sync.try_acquire() or None, wait=wait, timeout=timeout, name=self.name)

    def release(self) -> None:
        """Add one to the value. OSError(EOVERFLOW) at its maximum, 2147483647. -- sem_post(3)

        It never waits, so it is not awaited.
        """
        self.sync.release()

    @asynccontextmanager
    async def hold(self, timeout: float | None = None) -> AsyncIterator[Semaphore]:
        """For ``async with``: acquire at the start, release at the end."""
        await self.acquire(timeout)
        try:
            yield self
        finally:
            self.release()

    def remove(self) -> None:
        """Take the name away; who has the semaphore keeps it. -- sem_unlink(3)"""
        self.sync.remove()
