"""Awaitable message queues. -- sysvipc(7)"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ... import sysv
from ...errors import ObjectRemoved
from ...sysv import Message
from .. import _drive
from ._object import Object, nothing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

    from typing_extensions import Buffer

    from ..._generic import T
    from ...codec import CodecLike
    from ._ways import QueueWays
else:
    T = TypeVar("T")


__all__ = ["MessageQueue"]


class _Taken:
    """An empty message, as it came: it cannot be waited for without being taken."""

    def __init__(self, raw: Message[bytes]) -> None:
        self.raw = raw


class _Made(Object, Generic[T]):
    """The ways to get one."""

    sync: sysv.MessageQueue[T]

    @classmethod
    async def create(
        cls, key: int, mode: int = 0o600, codec: CodecLike | None = None, capacity_bytes: int | None = None
    ) -> Self:
        """Make a new queue. FileExistsError if the key is in use. -- msgget(2)"""
        return cls(sysv.MessageQueue.create(key, mode, codec, capacity_bytes))

    @classmethod
    async def open(cls, key: int, codec: CodecLike | None = None) -> Self:
        """The queue of this key. -- msgget(2)"""
        return cls(sysv.MessageQueue.open(key, codec))

    @classmethod
    async def ensure(
        cls, key: int, mode: int = 0o600, codec: CodecLike | None = None, capacity_bytes: int | None = None
    ) -> Self:
        """Open it, or make it if it is missing. -- msgget(2)"""
        return cls(sysv.MessageQueue.ensure(key, mode, codec, capacity_bytes))

    @classmethod
    async def temporary(
        cls, mode: int = 0o600, codec: CodecLike | None = None, capacity_bytes: int | None = None
    ) -> Self:
        """A queue without a key, removed at `close`, at the latest when the interpreter ends. -- msgget(2)"""
        return cls(sysv.MessageQueue.temporary(mode, codec, capacity_bytes))


if not TYPE_CHECKING:
    QueueWays = _Made  # `_ways` says the same by codec


class MessageQueue(QueueWays[T]):
    """A queue; `unixipc.sysv.MessageQueue`, awaitable; ``async for`` receives until the queue is removed."""

    sync: sysv.MessageQueue[T]

    @overload
    def try_send(self: MessageQueue[bytes], body: Buffer, type: int = 1) -> bool: ...
    @overload
    def try_send(self, body: T, type: int = 1) -> bool: ...
    def try_send(self, body: Any, type: int = 1) -> bool:
        """Put one message into the queue; False while there is no room."""
        return self.sync.try_send(body, type)

    @overload
    async def send(self: MessageQueue[bytes], body: Buffer, type: int = 1, timeout: float | None = None) -> None: ...
    @overload
    async def send(self, body: T, type: int = 1, timeout: float | None = None) -> None: ...
    async def send(self, body: Any, type: int = 1, timeout: float | None = None) -> None:
        """Put one message into the queue, waiting for room. -- msgsnd(2)

        A cancel that comes too late cannot take the message back: it was sent, as with a cancel right after it.
        """
        await _drive.checkpoint()
        if not self.sync.try_send(body, type):
            await _drive.in_thread(self.sync.send, body, type, timeout=timeout, give_back=nothing)

    def try_receive(
        self,
        type: int | None = None,
        up_to: int | None = None,
        other_than: int | None = None,
        max_bytes: int | None = None,
        truncate: bool = False,
    ) -> Message[T] | None:
        """The message that `receive` would give, None if none is there."""
        return self.sync.try_receive(type, up_to, other_than, max_bytes, truncate)

    async def receive(
        self,
        type: int | None = None,
        up_to: int | None = None,
        other_than: int | None = None,
        max_bytes: int | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Message[T]:
        """Wait for a message and take it. -- msgrcv(2)"""
        args = (type, up_to, other_than, max_bytes, truncate)
        wait = partial(self._wait_until_there, type, up_to, other_than)
        found: Message[T] | _Taken = await _drive.in_kernel(
            self.sync.try_receive, *args, wait=wait, timeout=timeout, name=self.name, give_back=self._give_back
        )
        return self.sync.decoded(found.raw) if isinstance(found, _Taken) else found

    def _wait_until_there(
        self, type: int | None, up_to: int | None, other_than: int | None, timeout: float | None
    ) -> _Taken | bool:
        found = self.sync.wait_until_there(type, up_to, other_than, timeout)
        return _Taken(found) if isinstance(found, Message) else found

    def _give_back(self, found: _Taken | bool) -> None:
        if isinstance(found, _Taken):
            self.sync.give_back(found.raw)

    def peek(self, index: int = 0) -> Message[T] | None:
        """A copy of the message at `index` in the order of arrival, None past the end."""
        return self.sync.peek(index)

    def resize(self, capacity_bytes: int) -> None:
        """How many bytes it may hold."""
        self.sync.resize(capacity_bytes)

    def __len__(self) -> int:
        return len(self.sync)

    def __bool__(self) -> bool:
        return True

    async def __aiter__(self) -> AsyncIterator[Message[T]]:
        while True:
            try:
                message = await self.receive()
            except ObjectRemoved:
                return
            yield message
