"""The ways to get one: what `codec` says is what it carries. For type checkers; the code is in `queue`."""

from typing import Any, Literal, overload

from ..._generic import Array, T, U
from ...codec import CodecFor, CodecLike
from .queue import MessageQueue, _Made

class QueueWays(_Made[T]):
    @overload
    @classmethod
    async def create(
        cls, key: int, mode: int = ..., codec: None = None, capacity_bytes: int | None = None
    ) -> MessageQueue[bytes]: ...
    @overload
    @classmethod
    async def create(
        cls, key: int, mode: int = ..., *, codec: Literal["numpy"], capacity_bytes: int | None = None
    ) -> MessageQueue[Array]: ...
    @overload
    @classmethod
    async def create(
        cls, key: int, mode: int = ..., *, codec: CodecFor[U], capacity_bytes: int | None = None
    ) -> MessageQueue[U]: ...
    @overload
    @classmethod
    async def create(
        cls, key: int, mode: int = ..., codec: CodecLike | None = ..., capacity_bytes: int | None = None
    ) -> MessageQueue[Any]: ...
    @overload
    @classmethod
    async def ensure(
        cls, key: int, mode: int = ..., codec: None = None, capacity_bytes: int | None = None
    ) -> MessageQueue[bytes]: ...
    @overload
    @classmethod
    async def ensure(
        cls, key: int, mode: int = ..., *, codec: Literal["numpy"], capacity_bytes: int | None = None
    ) -> MessageQueue[Array]: ...
    @overload
    @classmethod
    async def ensure(
        cls, key: int, mode: int = ..., *, codec: CodecFor[U], capacity_bytes: int | None = None
    ) -> MessageQueue[U]: ...
    @overload
    @classmethod
    async def ensure(
        cls, key: int, mode: int = ..., codec: CodecLike | None = ..., capacity_bytes: int | None = None
    ) -> MessageQueue[Any]: ...
    @overload
    @classmethod
    async def open(
        cls,
        key: int,
        codec: None = None,
    ) -> MessageQueue[bytes]: ...
    @overload
    @classmethod
    async def open(
        cls,
        key: int,
        codec: Literal["numpy"],
    ) -> MessageQueue[Array]: ...
    @overload
    @classmethod
    async def open(
        cls,
        key: int,
        codec: CodecFor[U],
    ) -> MessageQueue[U]: ...
    @overload
    @classmethod
    async def open(
        cls,
        key: int,
        codec: CodecLike | None = ...,
    ) -> MessageQueue[Any]: ...
    @overload
    @classmethod
    async def temporary(
        cls, mode: int = ..., codec: None = None, capacity_bytes: int | None = None
    ) -> MessageQueue[bytes]: ...
    @overload
    @classmethod
    async def temporary(
        cls, mode: int = ..., *, codec: Literal["numpy"], capacity_bytes: int | None = None
    ) -> MessageQueue[Array]: ...
    @overload
    @classmethod
    async def temporary(
        cls, mode: int = ..., *, codec: CodecFor[U], capacity_bytes: int | None = None
    ) -> MessageQueue[U]: ...
    @overload
    @classmethod
    async def temporary(
        cls, mode: int = ..., codec: CodecLike | None = ..., capacity_bytes: int | None = None
    ) -> MessageQueue[Any]: ...
