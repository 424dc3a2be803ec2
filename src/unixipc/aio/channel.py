"""Awaitable queues and topics in shared memory.

One thread of the process sleeps for all tasks; see `_sleeper`. A cancelled or timed-out receive has taken nothing.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from .. import channel
from .._native import ring as _ring
from ..channel import QueueStatus, SubscriberStatus, TopicStatus
from . import _drive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from contextlib import AbstractAsyncContextManager as Lent
    from typing import Any, Literal, Self

    from typing_extensions import Buffer

    from .._generic import Array, T, T_co, T_contra
    from ..channel._segment import Channel, Name, WhenFull
    from ..codec import CodecLike
    from ._channel_ways import QueueWays, TopicWays
else:
    T = TypeVar("T")
    T_co = TypeVar("T_co", covariant=True)
    T_contra = TypeVar("T_contra", contravariant=True)

__all__ = [
    "Publisher",
    "Queue",
    "QueueStatus",
    "Receiver",
    "Sender",
    "Subscriber",
    "SubscriberStatus",
    "Topic",
    "TopicStatus",
]


class _Sending(_drive.Twin["_ring.SenderCalls[T_contra]"], Generic[T_contra]):
    """What senders and publishers have in common."""

    @overload
    def try_send(self: _Sending[bytes], data: Buffer) -> bool: ...
    @overload
    def try_send(self, data: T_contra) -> bool: ...
    def try_send(self, data: Any) -> bool:
        """Append a message now; False if there is no room."""
        return self.sync.try_send(data)

    @overload
    async def send(self: _Sending[bytes], data: Buffer, timeout: float | None = None) -> None: ...
    @overload
    async def send(self, data: T_contra, timeout: float | None = None) -> None: ...
    async def send(self, data: Any, timeout: float | None = None) -> None:
        """Append a message; wait for room. TimeoutError: it was not sent."""
        (body,) = self.sync._batch((data,))
        await _drive.on_word(self.sync._turn(body), timeout)

    @overload
    async def send_many(self: _Sending[bytes], messages: Iterable[Buffer], timeout: float | None = None) -> None: ...
    @overload
    async def send_many(self, messages: Iterable[T_contra], timeout: float | None = None) -> None: ...
    async def send_many(self, messages: Iterable[Any], timeout: float | None = None) -> None:
        """Append all of them, in this order; wait for room. TimeoutError (and EAGAIN) has `sent`, how many went."""
        batch = self.sync._batch(messages)
        turn = self.sync._turn(batch)
        try:
            await _drive.on_word(turn, timeout)
        except OSError as error:
            _ring.note_sent(error, turn.done, len(batch))
            raise

    def try_reserve(self, length_bytes: int) -> _ring.Loan[memoryview] | None:
        """Room for a message to be written in place, now; None if there is none."""
        return self.sync.try_reserve(length_bytes)

    @asynccontextmanager
    async def reserve(self, length_bytes: int, timeout: float | None = None) -> AsyncIterator[memoryview]:
        """Wait for it. For ``async with``: the bytes to write; sent at the end, or not at all after an error."""
        with await _drive.on_word(self.sync._turn(None, length_bytes), timeout) as buffer:
            yield buffer


class _Receiving(_drive.Twin["_ring.Receiving[T_co]"], Generic[T_co]):
    """What receivers and subscribers have in common."""

    @property
    def persistent(self) -> bool:
        """Whether it outlives the senders, and ends with the channel."""
        return self.sync.persistent

    def try_receive(self) -> T_co | None:
        """The next message, None for not now. EOFError once all senders have left and nothing can come any more."""
        return self.sync.try_receive()

    async def receive(self, timeout: float | None = None) -> T_co:
        """Wait for the next message. EOFError once all senders have left and nothing can come any more."""
        return self.sync._decoded(await _drive.on_word(self.sync._turn(None), timeout))

    def try_receive_many(self, most: int = 1000) -> list[T_co]:
        """Those that are there now, `most` at most; [] for not now. EOFError as in `try_receive`."""
        return self.sync.try_receive_many(most)

    async def receive_many(self, most: int = 1000, timeout: float | None = None) -> list[T_co]:
        """Wait for one message, and take those that are there with it, `most` at most: a list."""
        return self.sync._decoded_many(await _drive.on_word(self.sync._turn(most), timeout))

    @overload
    def try_peek(self: _Receiving[_ring._Unknown]) -> _ring.Loan[Any] | None: ...
    @overload
    def try_peek(self: _Receiving[bytes]) -> _ring.Loan[memoryview] | None: ...
    @overload
    def try_peek(self: _Receiving[Array]) -> _ring.Loan[Array] | None: ...
    @overload
    def try_peek(self) -> _ring.Loan[Any] | None: ...
    def try_peek(self) -> _ring.Loan[Any] | None:
        """The next message in place, None for not now: see `peek`."""
        return self.sync.try_peek()

    @overload
    def peek(self: _Receiving[_ring._Unknown], timeout: float | None = None) -> Lent[Any]: ...
    @overload
    def peek(self: _Receiving[bytes], timeout: float | None = None) -> Lent[memoryview]: ...
    @overload
    def peek(self: _Receiving[Array], timeout: float | None = None) -> Lent[Array]: ...
    @overload
    def peek(self, timeout: float | None = None) -> Lent[Any]: ...
    @asynccontextmanager
    async def peek(self, timeout: float | None = None) -> AsyncIterator[Any]:
        """Wait for the next message, in place. For ``async with``: a read-only view of it, without a copy."""
        with await _drive.on_word(self.sync._turn("peek"), timeout) as view:
            yield view

    async def __aiter__(self) -> AsyncIterator[T_co]:
        try:
            while True:
                yield await self.receive()
        except EOFError:
            return


class Sender(_Sending[T_contra]):
    """`unixipc.channel.Sender`, awaitable."""

    sync: channel.Sender[T_contra]


class Receiver(_Receiving[T_co]):
    """`unixipc.channel.Receiver`, awaitable; ``async for`` ends when the last sender has left."""

    sync: channel.Receiver[T_co]

    def try_lease(self) -> _ring.Loan[T_co] | None:
        """The next message on trust, None for not now: see `lease`."""
        return self.sync.try_lease()

    @asynccontextmanager
    async def lease(self, timeout: float | None = None) -> AsyncIterator[T_co]:
        """Wait for the next message, on trust. For ``async with``: it is ours for good at the end."""
        with await _drive.on_word(self.sync._turn("lease"), timeout) as message:
            yield message


class Publisher(_Sending[T_contra]):
    """`unixipc.channel.Publisher`, awaitable."""

    sync: channel.Publisher[T_contra]


class Subscriber(_Receiving[T_co]):
    """`unixipc.channel.Subscriber`, awaitable; ``async for`` ends when the last publisher has left."""

    sync: channel.Subscriber[T_co]

    @property
    def missed(self) -> int:
        """How many messages this subscriber was too slow for; always 0 if it is waited for."""
        return self.sync.missed

    @property
    def lag(self) -> int:
        """How many messages there are that it has not taken yet."""
        return self.sync.lag


class _Channels(_drive.DescriptorTwin["Channel[T]"], Generic[T]):
    """What queues and topics have in common: the ways to get one."""

    _of: type[Channel[Any]]

    @classmethod
    async def create(
        cls,
        name: Name,
        capacity_bytes: int = 1 << 20,
        when_full: WhenFull = "wait",
        codec: CodecLike | None = None,
        mode: int = 0o600,
    ) -> Self:
        """Make a new channel. FileExistsError if the name is in use. -- open(2), link(2)"""
        return cls(cls._of.create(name, capacity_bytes, when_full, codec, mode))

    @classmethod
    async def open(cls, name: Name, codec: CodecLike | None = None) -> Self:
        """The channel of this name. FileNotFoundError, or LayoutError if it is something else. -- open(2)"""
        return cls(cls._of.open(name, codec))

    @classmethod
    async def ensure(
        cls,
        name: Name,
        capacity_bytes: int = 1 << 20,
        when_full: WhenFull = "wait",
        codec: CodecLike | None = None,
        mode: int = 0o600,
    ) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- open(2)"""
        return cls(cls._of.ensure(name, capacity_bytes, when_full, codec, mode))

    @classmethod
    async def temporary(
        cls,
        name: Name,
        capacity_bytes: int = 1 << 20,
        when_full: WhenFull = "wait",
        codec: CodecLike | None = None,
        mode: int = 0o600,
    ) -> Self:
        """Open it, or make it; the last process that closes it, or ends, removes it. -- open(2), unlink(2)"""
        return cls(cls._of.temporary(name, capacity_bytes, when_full, codec, mode))

    @classmethod
    async def anonymous(
        cls, capacity_bytes: int = 1 << 20, when_full: WhenFull = "wait", codec: CodecLike | None = None
    ) -> Self:
        """One without a name: for forked children, and for whom its descriptor is sent to. -- open(2), O_TMPFILE"""
        return cls(cls._of.anonymous(capacity_bytes, when_full, codec))

    def remove(self) -> None:
        """Take the name away; who has it open goes on. FileNotFoundError if somebody was faster. -- unlink(2)"""
        self.sync.remove()


if not TYPE_CHECKING:
    QueueWays = TopicWays = _Channels


class Queue(QueueWays[T]):
    """`unixipc.channel.Queue`, with awaitable senders and receivers."""

    sync: channel.Queue[T]

    _of = channel.Queue

    def sender(self) -> Sender[T]:
        """Become a sender. -- fcntl(2), F_OFD_SETLK"""
        return Sender(self.sync.sender())

    def receiver(self, persistent: bool = False) -> Receiver[T]:
        """Become a receiver. -- fcntl(2), F_OFD_SETLK"""
        return Receiver(self.sync.receiver(persistent))

    def stat(self) -> QueueStatus:
        """How it is now. -- fcntl(2), F_OFD_GETLK"""
        return self.sync.stat()


class Topic(TopicWays[T]):
    """`unixipc.channel.Topic`, with awaitable publishers and subscribers."""

    sync: channel.Topic[T]

    _of = channel.Topic

    def publisher(self) -> Publisher[T]:
        """Become a publisher. -- fcntl(2), F_OFD_SETLK"""
        return Publisher(self.sync.publisher())

    def subscriber(self, when_slow: Literal["wait", "tell"] = "wait", persistent: bool = False) -> Subscriber[T]:
        """Become a subscriber, from the next message on. -- fcntl(2), F_OFD_SETLK"""
        return Subscriber(self.sync.subscriber(when_slow, persistent))

    def stat(self) -> TopicStatus:
        """How it is now. -- fcntl(2), F_OFD_GETLK"""
        return self.sync.stat()
