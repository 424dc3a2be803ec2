"""The ways to get one: what `codec` says is what it carries. For type checkers; the code is in `_segment`."""

from typing import Any, Literal, overload

from .._generic import Array, T, U
from ..codec import CodecFor, CodecLike
from ._segment import Channel, Name, WhenFull
from .queue import Queue
from .topic import Topic

class QueueWays(Channel[T]):
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        codec: None = None,
    ) -> Queue[bytes]: ...
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        *,
        codec: Literal["numpy"],
    ) -> Queue[Array]: ...
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        *,
        codec: CodecFor[U],
    ) -> Queue[U]: ...
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        codec: CodecLike | None = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    def create(
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
    def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Queue[U]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    def ensure(
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
    def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Queue[U]: ...
    @overload
    @classmethod
    def ensure(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    def temporary(
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
    def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Queue[U]: ...
    @overload
    @classmethod
    def temporary(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: None = None,
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: Literal["numpy"],
    ) -> Queue[Array]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: CodecFor[U],
    ) -> Queue[U]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: CodecLike | None = ...,
    ) -> Queue[Any]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: None = None,
    ) -> Queue[bytes]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
    ) -> Queue[Array]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: CodecFor[U],
    ) -> Queue[U]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
    ) -> Queue[Any]: ...

class TopicWays(Channel[T]):
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        codec: None = None,
    ) -> Topic[bytes]: ...
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        *,
        codec: Literal["numpy"],
    ) -> Topic[Array]: ...
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        *,
        codec: CodecFor[U],
    ) -> Topic[U]: ...
    @overload
    def __new__(
        cls,
        fd: int,
        name: str | None = None,
        codec: CodecLike | None = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    def create(
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
    def create(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Topic[U]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    def ensure(
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
    def ensure(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Topic[U]: ...
    @overload
    @classmethod
    def ensure(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., codec: None = None, mode: int = ...
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    def temporary(
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
    def temporary(
        cls, name: Name, capacity_bytes: int = ..., when_full: WhenFull = ..., *, codec: CodecFor[U], mode: int = ...
    ) -> Topic[U]: ...
    @overload
    @classmethod
    def temporary(
        cls,
        name: Name,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
        mode: int = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: None = None,
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: Literal["numpy"],
    ) -> Topic[Array]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: CodecFor[U],
    ) -> Topic[U]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: Name,
        codec: CodecLike | None = ...,
    ) -> Topic[Any]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: None = None,
    ) -> Topic[bytes]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: Literal["numpy"],
    ) -> Topic[Array]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        *,
        codec: CodecFor[U],
    ) -> Topic[U]: ...
    @overload
    @classmethod
    def anonymous(
        cls,
        capacity_bytes: int = ...,
        when_full: WhenFull = ...,
        codec: CodecLike | None = ...,
    ) -> Topic[Any]: ...
