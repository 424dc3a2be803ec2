"""Awaitable robust locks. -- futex(2), set_robust_list(2)

The kernel knows an owner by its thread, and all tasks of a loop are one thread. So the tries are made by the loop's
thread, what sleeps is a thread that takes nothing, and which task has the lock is noted here: tasks exclude each other
as threads do, by one handle and by two. Any task of the loop may release, as with the loop's own locks.
"""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import Any

import anyio

from .. import _wait, robust
from .._call import failure, name_holders
from .._native import robust as _robust
from ..errors import OwnerDied
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType
    from typing import Self, TypeAlias, TypeVar

    from typing_extensions import Buffer

    Repair: TypeAlias = Callable[[OwnerDied], object] | None
    T = TypeVar("T")

__all__ = ["Condition", "Mutex", "RWLock", "Semaphore"]

MOST_READERS = 63


def _task() -> int:
    return anyio.get_current_task().id


def _deadlock(name: object) -> OSError:
    return failure(errno.EDEADLK, "futex(2)", name, "this task holds it already, and would wait for itself for ever")


def _mend(lock: Any, death: OwnerDied, repair: Repair, release: Callable[[], None]) -> None:
    """What the room's blocks do too: if it is not mended the lock is released, and the next one is told again."""
    try:
        if repair is None:
            raise _robust.given_back(lock.sync, death) from None
        repair(death)
        lock.recover()
    except BaseException:
        if not lock.closed:
            release()
        raise


class _Placed(_drive.Twin[Any]):
    """What all have: a place."""

    ROOM: Any

    @classmethod
    async def attach(cls, buffer: Buffer, offset_bytes: int = 0) -> Self:
        """The one that is in this memory."""
        return cls(cls.ROOM.attach(buffer, offset_bytes))

    @classmethod
    async def open(cls, name: str) -> Self:
        """The one of this name."""
        return cls(cls.ROOM.open(name))

    def remove(self) -> None:
        """Take the name away; who has the lock keeps it. -- shm_unlink(3)"""
        self.sync.remove()


class _Mutual(_Placed):
    """A mutex, also the one of a condition."""

    sync: robust.Mutex | robust.Condition

    @classmethod
    async def create(cls, where: str | Buffer, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Make a new one in zeroed memory, or by name."""
        return cls(cls.ROOM.create(where, offset_bytes, mode=mode))

    @classmethod
    async def ensure(cls, where: str | Buffer, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Use it, or make it if it is missing."""
        return cls(cls.ROOM.ensure(where, offset_bytes, mode=mode))

    @classmethod
    async def temporary(cls) -> Self:
        """One that this process and those it forks have."""
        return cls(cls.ROOM.temporary())

    def __init__(self, sync: robust.Mutex | robust.Condition) -> None:
        super().__init__(sync)
        self._owner: int | None = None

    @property
    def held(self) -> bool:
        """Whether this task holds it, by this handle."""
        return self._owner == _task() and bool(self.sync.held)

    @property
    def holder(self) -> int | None:
        """The process that holds it, None for nobody. It may have changed by now."""
        return self.sync.holder

    @property
    def suspect(self) -> bool:
        """Whether a holder was killed, and nobody has called `recover` since."""
        return self.sync.suspect

    def try_acquire(self) -> bool:
        """Hold it now; False if somebody has it. OwnerDied: held, and its last holder was killed."""
        return self._take(lambda: self.sync.try_acquire(), False)

    def _take(self, attempt: Callable[[], T], missed: T) -> T:
        """Try, and note whose it is."""
        try:
            result = attempt()
        except OwnerDied:
            self._owner = _task()
            raise
        if result != missed:
            self._owner = _task()
        return result

    async def acquire(self, timeout: float | None = None) -> None:
        """Wait until it is ours. A cancelled one holds nothing. TimeoutError names the holder. -- futex(2)"""
        if self._owner == _task() and self.sync.held:
            raise _deadlock(self.name)
        waited = False

        def attempt() -> bool | None:
            nonlocal waited
            before, waited = waited, True
            return self._take(lambda: self.sync.try_for_task(before), None)

        try:
            await _drive.in_kernel(
                attempt,
                wait=self.sync.wait_until_possible,
                timeout=timeout,
                name=self.name,
                give_back=lambda _woken: self.sync.pass_on(),
            )
        except TimeoutError as error:
            name_holders(error, self.sync.held_by())
            raise

    def release(self) -> None:
        """Hold it no longer. It never waits, so it is not awaited. -- futex(2)"""
        self.sync.release()
        self._owner = None

    def recover(self) -> None:
        """Say that what it guards is sound again."""
        self.sync.recover()

    @asynccontextmanager
    async def hold(self, timeout: float | None = None, repair: Repair = None) -> AsyncIterator[Self]:
        """For ``async with``. `repair` is called when the last holder was killed; if it returns, the state is sound."""
        try:
            await self.acquire(timeout)
        except OwnerDied as death:
            _mend(self, death, repair, self.release)
        try:
            yield self
        finally:
            if not self.closed:
                self.release()

    async def __aenter__(self) -> Self:
        try:
            await self.acquire()
        except OwnerDied as death:
            _mend(self, death, None, self.release)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None or not self.closed:
            self.release()


class Mutex(_Mutual):
    """One task or thread at a time; `unixipc.robust.Mutex`, awaitable. ``async with`` acquires and releases."""

    sync: robust.Mutex
    ROOM = robust.Mutex


class Condition(_Mutual):
    """A mutex and a place to wait; `unixipc.robust.Condition`, awaitable."""

    sync: robust.Condition
    ROOM = robust.Condition

    async def wait(self, timeout: float | None = None) -> None:
        """Give the mutex up, sleep until a notification, and hold it again, after a cancel too. -- futex(2)"""
        seen = self.sync.notification
        self.release()
        try:
            wait = self.sync.wait_for_notification
            await _drive.in_thread(wait, seen, timeout, give_back=lambda _notified: None)
        finally:
            if not self.closed:
                with anyio.CancelScope(shield=True):
                    await self.acquire()

    async def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until `predicate()`, called while the mutex is held, gives something true, and return that."""
        deadline = _wait.Deadline(timeout)
        while not (result := predicate()):
            try:
                await self.wait(deadline.left())
            except TimeoutError:
                if result := predicate():
                    break
                raise _wait.timed_out(self.name, "wait", timeout) from None
        return result

    def notify(self, n: int = 1) -> None:
        """Wake `n` of those who wait."""
        self.sync.notify(n)

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.sync.notify_all()


class Semaphore(_Placed):
    """At most so many at a time; `unixipc.robust.Semaphore`, awaitable. The permits belong to the loop's thread."""

    sync: robust.Semaphore
    ROOM = robust.Semaphore

    @classmethod
    async def create(cls, where: str | Buffer, permits: int, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Make a new one in zeroed memory, or by name."""
        return cls(robust.Semaphore.create(where, permits, offset_bytes, mode=mode))

    @classmethod
    async def ensure(cls, where: str | Buffer, permits: int, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Use it, or make it if it is missing."""
        return cls(robust.Semaphore.ensure(where, permits, offset_bytes, mode=mode))

    @classmethod
    async def temporary(cls, permits: int) -> Self:
        """One that this process and those it forks have."""
        return cls(robust.Semaphore.temporary(permits))

    @property
    def value(self) -> int:
        """How many permits are free at this moment."""
        return self.sync.value

    def try_acquire(self) -> bool:
        """Take a permit now; False if there is none."""
        return self.sync.try_acquire()

    async def acquire(self, timeout: float | None = None) -> None:
        """Take a permit, waiting until there is one. A cancelled one has taken none. -- futex(2)"""
        try:
            await _drive.in_kernel(
                lambda: self.sync.try_acquire() or None,
                wait=self.sync.wait_until_possible,
                timeout=timeout,
                name=self.name,
                give_back=lambda _woken: self.sync.pass_on(),
            )
        except TimeoutError as error:
            name_holders(error, self.sync.held_by())
            raise
        self.sync.pass_on()

    def release(self) -> None:
        """Give a permit back. It never waits, so it is not awaited. -- futex(2)"""
        self.sync.release()

    @asynccontextmanager
    async def hold(self, timeout: float | None = None) -> AsyncIterator[Self]:
        """For ``async with``: acquire at the start, release at the end."""
        await self.acquire(timeout)
        try:
            yield self
        finally:
            if not self.closed:
                self.release()


class RWLock(_Placed):
    """Many readers or one writer; `unixipc.robust.RWLock`, awaitable."""

    sync: robust.RWLock
    ROOM = robust.RWLock

    def __init__(self, sync: robust.RWLock) -> None:
        super().__init__(sync)
        self._writer: int | None = None
        self._readers: list[int] = []

    @classmethod
    async def create(
        cls, where: str | Buffer, offset_bytes: int = 0, *, readers: int = MOST_READERS, mode: int = 0o600
    ) -> Self:
        """Make a new one in zeroed memory, or by name."""
        return cls(robust.RWLock.create(where, offset_bytes, readers=readers, mode=mode))

    @classmethod
    async def ensure(
        cls, where: str | Buffer, offset_bytes: int = 0, *, readers: int = MOST_READERS, mode: int = 0o600
    ) -> Self:
        """Use it, or make it if it is missing."""
        return cls(robust.RWLock.ensure(where, offset_bytes, readers=readers, mode=mode))

    @classmethod
    async def temporary(cls, *, readers: int = MOST_READERS) -> Self:
        """One that this process and those it forks have."""
        return cls(robust.RWLock.temporary(readers=readers))

    def try_acquire(self) -> bool:
        """Write now; False if somebody has it. OwnerDied: writes, and a writer was killed."""
        try:
            taken = self.sync.try_acquire()
        except OwnerDied:
            self._writer = _task()
            raise
        if taken:
            self._writer = _task()
        return taken

    async def acquire(self, timeout: float | None = None) -> None:
        """Wait until nobody has it, and write. A cancelled one holds nothing. -- futex(2)"""
        if _task() == self._writer or _task() in self._readers:
            raise _deadlock(self.name)
        deadline = _wait.Deadline(timeout)
        try:
            await self._claim(deadline)
            await self._write(deadline)
        except TimeoutError:
            error = _wait.timed_out(self.name, "wait", timeout)
            name_holders(error, self.sync.kept_out_by(True))
            raise error from None

    async def _claim(self, deadline: _wait.Deadline) -> None:
        waited = False

        def attempt() -> bool | None:
            nonlocal waited
            before, waited = waited, True
            return self.sync.try_claim(before)

        await _drive.in_kernel(
            attempt,
            wait=self.sync.wait_until_possible,
            timeout=deadline.left(),
            name=self.name,
            give_back=lambda _woken: self.sync.pass_on(),
        )

    async def _write(self, deadline: _wait.Deadline) -> None:
        """It is claimed: whatever happens, it is written or given up."""
        try:
            wait = self.sync.wait_until_unread
            await _drive.in_kernel(self.sync.try_write, wait=wait, timeout=deadline.left(), name=self.name)
        except OwnerDied:
            self._writer = _task()
            raise
        except BaseException:
            self.sync.withdraw()
            raise
        self._writer = _task()

    def release(self) -> None:
        """Write no longer. -- futex(2)"""
        self.sync.release()
        self._writer = None

    def try_acquire_shared(self) -> bool:
        """Read now; False if somebody writes or waits to, or all slots are taken."""
        return self._read(lambda: self.sync.try_acquire_shared(), False)

    def _read(self, attempt: Callable[[], T], missed: T) -> T:
        try:
            result = attempt()
        except OwnerDied:
            self._readers.append(_task())
            raise
        if result != missed:
            self._readers.append(_task())
        return result

    async def acquire_shared(self, timeout: float | None = None) -> None:
        """Wait until nobody writes or waits to, and read with others. A cancelled one does not read. -- futex(2)"""
        if _task() == self._writer:
            raise _deadlock(self.name)

        def attempt() -> bool | None:
            again = _task() in self._readers
            return self._read(lambda: self.sync.try_read_for_task(again), None)

        try:
            wait = self.sync.wait_until_readable
            await _drive.in_kernel(attempt, wait=wait, timeout=timeout, name=self.name)
        except TimeoutError as error:
            name_holders(error, self.sync.kept_out_by(False))
            raise

    def release_shared(self) -> None:
        """Read no longer. -- futex(2)"""
        self.sync.release_shared()
        if self._readers:  # this task's, or the latest: they are as good as each other
            self._readers.remove(_task() if _task() in self._readers else self._readers[-1])

    def recover(self) -> None:
        """Say that what it guards is sound again."""
        self.sync.recover()

    @asynccontextmanager
    async def reading(self, timeout: float | None = None) -> AsyncIterator[Self]:
        """For ``async with``: read with others."""
        try:
            await self.acquire_shared(timeout)
        except OwnerDied as death:
            _mend(self, death, None, self.release_shared)
        try:
            yield self
        finally:
            if not self.closed:
                self.release_shared()

    @asynccontextmanager
    async def writing(self, timeout: float | None = None, repair: Repair = None) -> AsyncIterator[Self]:
        """For ``async with``: write. `repair` is called when a writer was killed; if it returns, the state is sound."""
        try:
            await self.acquire(timeout)
        except OwnerDied as death:
            _mend(self, death, repair, self.release)
        try:
            yield self
        finally:
            if not self.closed:
                self.release()
