"""Awaitable guards of shared memory. -- sysvipc(7)"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from ... import sysv
from .. import _drive
from ._object import Object, Wrapped, nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["Guarded", "SharedMemory"]


class SharedMemory(Object):
    """A segment; `unixipc.sysv.SharedMemory`. Only `guarded` gives something to await."""

    sync: sysv.SharedMemory

    @classmethod
    async def create(cls, key: int, size_bytes: int, mode: int = 0o600) -> Self:
        """Make a new segment. FileExistsError if the key is in use. -- shmget(2)"""
        return cls(sysv.SharedMemory.create(key, size_bytes, mode))

    @classmethod
    async def open(cls, key: int) -> Self:
        """The segment of this key. -- shmget(2)"""
        return cls(sysv.SharedMemory.open(key))

    @classmethod
    async def ensure(cls, key: int, size_bytes: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing. -- shmget(2)"""
        return cls(sysv.SharedMemory.ensure(key, size_bytes, mode))

    @classmethod
    async def temporary(cls, size_bytes: int, mode: int = 0o600) -> Self:
        """A segment without a key that vanishes with its last user. -- shmget(2)"""
        return cls(sysv.SharedMemory.temporary(size_bytes, mode))

    def attach(self, readonly: bool = False, at: int | None = None, **named: Any) -> sysv.Segment:
        """Make its bytes appear in this process. -- shmat(2)"""
        return self.sync.attach(readonly, at, **named)

    async def guarded(self, by: Any, **named: Any) -> Guarded:
        """Attach it so that nobody reads what somebody else has half written."""
        make = partial(self.sync.guarded, by, **named)
        return Guarded(await _drive.in_thread(make, give_back=lambda made: made.close()))


class Guarded(Wrapped):
    """A guarded segment; `unixipc.sysv.Guarded`, awaitable."""

    sync: sysv.Guarded

    async def read(self, size_bytes: int | None = None, offset_bytes: int = 0, timeout: float | None = None) -> bytes:
        """A whole copy: all bytes from one moment."""
        return await _drive.in_thread(self.sync.read, size_bytes, offset_bytes, timeout, give_back=nothing)

    async def write(self, data: Buffer, offset_bytes: int = 0, timeout: float | None = None) -> None:
        """Put these bytes there; readers see all of them or none."""
        await _drive.in_thread(self.sync.write, data, offset_bytes, timeout, give_back=nothing)

    @asynccontextmanager
    async def reading(self, timeout: float | None = None) -> AsyncIterator[memoryview]:
        """For ``async with``: the bytes, and nobody writes meanwhile."""
        async with _entered(self.sync.reading(timeout)) as view:
            yield view

    @asynccontextmanager
    async def writing(self, timeout: float | None = None) -> AsyncIterator[memoryview]:
        """For ``async with``: the bytes to change, and nobody reads meanwhile."""
        async with _entered(self.sync.writing(timeout)) as view:
            yield view


@asynccontextmanager
async def _entered(context: AbstractContextManager[memoryview]) -> AsyncIterator[memoryview]:
    view = await _drive.in_thread(context.__enter__, give_back=lambda _view: context.__exit__(None, None, None))
    with view, _Exiting(context):
        yield view


class _Exiting:
    """Ends a context that somebody else has entered."""

    def __init__(self, context: AbstractContextManager[memoryview]) -> None:
        self.context = context

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: Any) -> None:
        self.context.__exit__(*exception)
