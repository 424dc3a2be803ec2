"""Awaitable file locks and leases. -- flock(2), fcntl(2)

A lock has no descriptor to wait for: what waits is a thread, which a cancel interrupts. Tasks exclude each other as
threads do: the owner is the task.
"""

from __future__ import annotations

from functools import partial

import anyio

from .. import locks
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Literal, Self

    from .._fd import HasFileno
    from ..locks import Holder
    from ..locks._holders import Whence
    from ..locks._lock import PathOrFile
    from ..locks.ranges import Kind

__all__ = ["FileLock", "Lease", "RecordLock", "lock_range"]


class _Lock(_drive.Twin[locks.FileLock | locks.RecordLock]):
    """What both have; ``async with`` acquires and releases."""

    @property
    def held(self) -> bool:
        """Whether this object holds the lock, in this process."""
        return self.sync.held

    @property
    def held_shared(self) -> bool:
        """Whether it is held, and as one that others may share."""
        return self.sync.held_shared

    def fileno(self) -> int:
        """The descriptor of the opening that holds the lock, or would."""
        return self.sync.fileno()

    def first_byte(self) -> int:
        """Where the range begins: the one that is held, else as of now."""
        return self.sync.first_byte()

    def holders(self) -> list[Holder]:
        """Who holds locks on this file, of any kind, as far as can be seen from here. -- proc_locks(5)"""
        return self.sync.holders()

    def waiters(self) -> list[Holder]:
        """Who sleeps until it gets a lock on this file, and the lock it will hold then. -- proc_locks(5)"""
        return self.sync.waiters()

    def try_acquire(self, shared: bool | None = None) -> bool:
        """Hold the lock now; False if somebody holds it. -- flock(2), fcntl(2)"""
        return self.sync.try_acquire_for(_task(), self.sync.shared if shared is None else shared)

    async def acquire(self, timeout: float | None = None, shared: bool | None = None) -> None:
        """Wait until the lock is ours. TimeoutError tells who holds it. -- flock(2), fcntl(2)

        `timeout` None: as the constructor was told. A cancelled one holds nothing.
        """
        await _drive.checkpoint()
        how = self.sync.shared if shared is None else shared
        if not self.sync.try_acquire_for(_task(), how):
            limit = self.sync.timeout if timeout is None else timeout
            owner = _task()
            call = partial(self.sync.acquire_for, owner, how, limit)
            await _drive.in_thread(call, give_back=lambda _held: self.sync.release_for(owner))

    def release(self) -> None:
        """Hold the lock no longer. RuntimeError if this object does not hold it. -- flock(2), fcntl(2)

        It never waits, so it is not awaited.
        """
        self.sync.release_for(_task())

    def try_upgrade(self) -> bool:
        """Make the shared lock that we hold exclusive, now and in one step; False if others share it. -- flock(2)

        After False a record lock is still held, shared; a flock is lost.
        """
        return self.sync.convert(False, _task())

    async def upgrade(self, timeout: float | None = None) -> bool:
        """Make the shared lock that we hold exclusive. Whether nobody else had it in between. -- flock(2), fcntl(2)

        False: it was given up and waited for. A timeout, a cancel or an error: it is not held any more.
        """
        await _drive.checkpoint()
        if self.try_upgrade():
            return True
        self.sync.give_up(_task())
        await self.acquire(timeout, False)
        return False

    def downgrade(self) -> None:
        """Share the exclusive lock that we hold; nobody else has it alone in between. -- flock(2), fcntl(2)"""
        self.sync.convert(True, _task())

    def reading(self, timeout: float | None = None) -> _Hold:
        """For ``async with``: hold it shared. -- flock(2), fcntl(2)"""
        return _Hold(self, True, timeout)

    def writing(self, timeout: float | None = None) -> _Hold:
        """For ``async with``: hold it alone. -- flock(2), fcntl(2)"""
        return _Hold(self, False, timeout)

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.sync.leave(error, _task())


def _task() -> int:
    return anyio.get_current_task().id


class _Hold:
    def __init__(self, lock: _Lock, shared: bool, timeout: float | None) -> None:
        self.lock, self.shared, self.timeout = lock, shared, timeout

    async def __aenter__(self) -> _Lock:
        await self.lock.acquire(self.timeout, self.shared)
        return self.lock

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.lock.sync.leave(error, _task())


class FileLock(_Lock):
    """A lock on a whole file; `unixipc.FileLock`, awaitable. Takes the same, or such a lock."""

    def __init__(
        self,
        file: PathOrFile | locks.FileLock,
        timeout: float | None = None,
        *,
        shared: bool = False,
        mode: int = 0o600,
        trust_file_system: bool = False,
    ) -> None:
        if not isinstance(file, locks.FileLock):
            file = locks.FileLock(file, timeout, shared=shared, mode=mode, trust_file_system=trust_file_system)
        super().__init__(file)


class RecordLock(_Lock):
    """A lock on a range of bytes; `unixipc.RecordLock`, awaitable. Takes the same, or such a lock."""

    def __init__(
        self,
        file: PathOrFile | locks.RecordLock,
        start: int = 0,
        length: int = 0,
        *,
        shared: bool = False,
        kind: Kind = "ofd",
        whence: Whence = "start",
        timeout: float | None = None,
        mode: int = 0o600,
        trust_file_system: bool = False,
    ) -> None:
        if not isinstance(file, locks.RecordLock):
            named: dict[str, Any] = {"shared": shared, "kind": kind, "whence": whence, "timeout": timeout, "mode": mode}
            file = locks.RecordLock(file, start, length, trust_file_system=trust_file_system, **named)
        super().__init__(file)


class Lease(_drive.DescriptorTwin[locks.Lease]):
    """A lease; `unixipc.locks.Lease`, awaitable. Takes the same, or such a lease. ``async with`` acquires, closes."""

    def __init__(self, file: Any, *args: Any, **named: Any) -> None:
        super().__init__(file if isinstance(file, locks.Lease) else locks.Lease(file, *args, **named))

    @property
    def held(self) -> Literal["read", "write"] | None:
        """What is held."""
        return self.sync.held

    @property
    def breaking(self) -> Literal["read", "nothing"] | None:
        """None, or what the holder may keep, as somebody waits for it to give way. -- fcntl(2), F_GETLEASE"""
        return self.sync.breaking

    def try_acquire(self) -> bool:
        """Hold the lease now; False if others have the file open (for "read": for writing). -- fcntl(2), F_SETLEASE"""
        return self.sync.try_acquire()

    def acquire(self) -> None:
        """The same, or BlockingIOError, which tells who has it open.

        It never waits: the kernel tells nobody when others have closed the file.
        """
        self.sync.acquire()

    def try_wait_for_break(self) -> Literal["read", "nothing"] | None:
        """What may be kept, "read" or "nothing", if somebody wants to open the file; else None. -- fcntl(2)"""
        return self.sync.try_wait_for_break()

    async def wait_for_break(self, timeout: float | None = None) -> Literal["read", "nothing"]:
        """Wait until somebody wants to open the file; what may be kept: a "read" lease, or "nothing". -- fcntl(2)"""
        wait = self.sync.wait_for_break
        return await _drive.in_kernel(self.try_wait_for_break, wait=wait, timeout=timeout, name=self.name)

    def downgrade(self) -> None:
        """Keep a "read" lease of the "write" lease. -- fcntl(2), F_SETLEASE"""
        self.sync.downgrade()

    def give_way(self) -> None:
        """Downgrade, if that is enough for who waits, else release; nothing if nobody waits. TimeoutError: too late."""
        self.sync.give_way()

    def release(self) -> None:
        """Hold it no longer; who waits for it may open the file. -- fcntl(2), F_SETLEASE"""
        self.sync.release()

    async def __aenter__(self) -> Self:
        self.sync.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.sync.__exit__(kind, error, where)


async def lock_range(
    file: int | HasFileno,
    start: int = 0,
    length: int = 0,
    *,
    shared: bool = False,
    kind: Kind = "ofd",
    timeout: float | None = None,
) -> None:
    """Lock these bytes, waiting until nobody else has any. OSError(EDEADLK) for posix locks in a circle. -- fcntl(2)

    Cancelled in the last moment, it unlocks them.
    """
    await _drive.checkpoint()
    if locks.try_lock_range(file, start, length, shared=shared, kind=kind):
        return
    call = partial(locks.lock_range, file, start, length, shared=shared, kind=kind, timeout=timeout)
    await _drive.in_thread(call, give_back=lambda _none: locks.unlock_range(file, start, length, kind=kind))
