"""The ways to get one: what `codec` says is what it carries. For type checkers; the code is in `channel`."""

from typing import Any, Literal, overload

from .._generic import Array, T, U
from ..channel._segment import Name, WhenFull
from ..codec import CodecFor, CodecLike
from .channel import Queue, Topic, _Channels

class QueueWays(_Channels[T]):
    @overload
    @classmethod
    async def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    async def create(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
        mode: int = ...,
    ) -> Queue[Array]: ...
    @overload
    @classmethod
    async def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Queue[U]: ...
    @overload
    @classmethod
    async def create(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    async def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    async def ensure(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
        mode: int = ...,
    ) -> Queue[Array]: ...
    @overload
    @classmethod
    async def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Queue[U]: ...
    @overload
    @classmethod
    async def ensure(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    async def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    async def temporary(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
        mode: int = ...,
    ) -> Queue[Array]: ...
    @overload
    @classmethod
    async def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Queue[U]: ...
    @overload
    @classmethod
    async def temporary(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: None = None,
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: Literal["numpy"],
    ) -> Queue[Array]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: CodecFor[U],
    ) -> Queue[U]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: CodecLike | None = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: None = None,
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
    ) -> Queue[Array]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: CodecFor[U],
    ) -> Queue[U]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
    ) -> Queue[Any]: ...

class TopicWays(_Channels[T]):
    @overload
    @classmethod
    async def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    async def create(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
        mode: int = ...,
    ) -> Topic[Array]: ...
    @overload
    @classmethod
    async def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Topic[U]: ...
    @overload
    @classmethod
    async def create(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    async def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    async def ensure(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
        mode: int = ...,
    ) -> Topic[Array]: ...
    @overload
    @classmethod
    async def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Topic[U]: ...
    @overload
    @classmethod
    async def ensure(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    async def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    async def temporary(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
        mode: int = ...,
    ) -> Topic[Array]: ...
    @overload
    @classmethod
    async def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Topic[U]: ...
    @overload
    @classmethod
    async def temporary(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: None = None,
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: Literal["numpy"],
    ) -> Topic[Array]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: CodecFor[U],
    ) -> Topic[U]: ...
    @overload
    @classmethod
    async def open(
        cls,
        name: Name,
        codec: CodecLike | None = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: None = None,
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
    ) -> Topic[Array]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: CodecFor[U],
    ) -> Topic[U]: ...
    @overload
    @classmethod
    async def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
    ) -> Topic[Any]: ...
