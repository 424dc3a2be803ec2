"""Awaitable semaphores. -- sysvipc(7)"""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from ... import sysv
from .. import _drive
from ._object import PATIENCE_S, Object, nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import Self

__all__ = ["Semaphore", "SemaphoreSet"]


class SemaphoreSet(Object):
    """A set; `unixipc.sysv.SemaphoreSet`, awaitable."""

    sync: sysv.SemaphoreSet

    @classmethod
    async def create(
        cls, key: int, initial: Sequence[int], mode: int = 0o600, timeout: float | None = PATIENCE_S
    ) -> Self:
        """Make a new set. FileExistsError if the key is in use. -- semget(2)"""
        args = (key, initial, mode, timeout)
        return cls(await _drive.in_thread(sysv.SemaphoreSet.create, *args, give_back=lambda made: made.remove()))

    @classmethod
    async def open(cls, key: int, timeout: float | None = PATIENCE_S) -> Self:
        """The set of this key, with its values in place. -- semget(2)"""
        return cls(await _drive.in_thread(sysv.SemaphoreSet.open, key, timeout, give_back=nothing))

    @classmethod
    async def ensure(
        cls, key: int, initial: Sequence[int], mode: int = 0o600, timeout: float | None = PATIENCE_S
    ) -> Self:
        """Open it, or make it if it is missing. -- semget(2)"""
        args = (key, initial, mode, timeout)
        return cls(await _drive.in_thread(sysv.SemaphoreSet.ensure, *args, give_back=nothing))

    @classmethod
    async def temporary(cls, initial: Sequence[int], mode: int = 0o600) -> Self:
        """A set without a key, removed at `close`, at the latest when the interpreter ends. -- semget(2)"""
        return cls(sysv.SemaphoreSet.temporary(initial, mode))

    def try_op(self, *ops: Any, undo: bool = False) -> bool:
        """All operations at once, or none: False if that is not possible now."""
        return self.sync.try_op(*ops, undo=undo)

    async def op(self, *ops: Any, undo: bool = False, timeout: float | None = None) -> None:
        """All operations at once, in their order, waiting until that is possible. -- semop(2)"""
        try:
            wait = partial(self.sync.wait_until_possible, ops)
            await _drive.in_kernel(self._attempt, ops, undo, wait=wait, timeout=timeout, name=self.name)
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            # Too many to be done and undone in one step: done in the thread, and taken back if that is possible.
            back = [(_part(op)[0], -_part(op)[1]) for op in reversed(ops)]
            call = partial(self.sync.op, *ops, undo=undo)
            await _drive.in_thread(call, timeout=timeout, give_back=lambda _: self.sync.try_op(*back, undo=undo))

    def _attempt(self, ops: tuple[Any, ...], undo: bool) -> bool | None:
        return self.sync.try_op(*ops, undo=undo) or None

    @property
    def values(self) -> tuple[int, ...]:
        """Every value at one moment."""
        return self.sync.values

    def set(self, values: Sequence[int]) -> None:
        """Reset every value at once; every process's undo is forgotten."""
        self.sync.set(values)

    def __len__(self) -> int:
        return len(self.sync)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int) -> Semaphore:
        return Semaphore(self.sync[index])


def _part(op: Any) -> tuple[int, int]:
    return op if isinstance(op, tuple) else (op.index, op.change)


class Semaphore(Object):
    """One semaphore; `unixipc.sysv.Semaphore`, awaitable."""

    sync: sysv.Semaphore

    @classmethod
    async def create(cls, key: int, initial: int, mode: int = 0o600, timeout: float | None = PATIENCE_S) -> Self:
        """Make a set of one. FileExistsError if the key is in use. -- semget(2)"""
        args = (key, initial, mode, timeout)
        return cls(await _drive.in_thread(sysv.Semaphore.create, *args, give_back=lambda made: made.remove()))

    @classmethod
    async def open(cls, key: int, timeout: float | None = PATIENCE_S) -> Self:
        """The first semaphore of the set of this key. -- semget(2)"""
        return cls(await _drive.in_thread(sysv.Semaphore.open, key, timeout, give_back=nothing))

    @classmethod
    async def ensure(cls, key: int, initial: int, mode: int = 0o600, timeout: float | None = PATIENCE_S) -> Self:
        """Open it, or make it if it is missing. -- semget(2)"""
        args = (key, initial, mode, timeout)
        return cls(await _drive.in_thread(sysv.Semaphore.ensure, *args, give_back=nothing))

    @classmethod
    async def temporary(cls, initial: int, mode: int = 0o600) -> Self:
        """A set of one without a key, removed at `close`, at the latest when the interpreter ends. -- semget(2)"""
        return cls(sysv.Semaphore.temporary(initial, mode))

    @property
    def value(self) -> int:
        """How many could be acquired at this moment."""
        return self.sync.value

    @value.setter
    def value(self, value: int) -> None:
        self.sync.value = value

    def try_acquire(self, n: int = 1, undo: bool = False) -> bool:
        """Take `n` from the value now; False if it is smaller."""
        return self.sync.try_acquire(n, undo)

    async def acquire(self, n: int = 1, undo: bool = False, timeout: float | None = None) -> None:
        """Take `n` from the value, waiting until it is that large. A cancelled one has taken nothing. -- semop(2)"""
        await self._wait(partial(self.sync.try_acquire, n, undo), -n, timeout)

    def release(self, n: int = 1, undo: bool = False) -> None:
        """Add `n` to the value. It never waits, so it is not awaited. -- semop(2)"""
        self.sync.release(n, undo)

    def try_wait_zero(self) -> bool:
        """Whether the value is 0 now."""
        return self.sync.try_wait_zero()

    async def wait_zero(self, timeout: float | None = None) -> None:
        """Wait until the value is 0. -- semop(2)"""
        await self._wait(self.sync.try_wait_zero, 0, timeout)

    async def _wait(self, attempt: Callable[[], bool], change: int, timeout: float | None) -> None:
        wait = partial(self.sync.set.wait_until_possible, ((self.sync.index, change),))
        await _drive.in_kernel(lambda: attempt() or None, wait=wait, timeout=timeout, name=self.name)

    @asynccontextmanager
    async def hold(self, n: int = 1, undo: bool = True, timeout: float | None = None) -> AsyncIterator[Semaphore]:
        """For ``async with``: acquire at the start, release at the end; with `undo` also when we are killed."""
        await self.acquire(n, undo, timeout)
        try:
            yield self
        finally:
            self.release(n, undo)
