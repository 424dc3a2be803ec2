"""Awaitable signals: streams, counters, timers, and waiting for one. -- signal(7), signalfd(2), timerfd_create(2)"""

from __future__ import annotations

from .. import _wait
from .. import signals as _room
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ..signals import SignalInfo, TimerLeft

__all__ = ["Counter", "Latch", "SignalStream", "Timer", "try_wait_for", "wait_for"]


class SignalStream(_drive.DescriptorTwin[_room.SignalStream]):
    """These signals, one after the other; `unixipc.signals.SignalStream`, awaitable; ``async for`` goes on for ever."""

    def __init__(self, *signals: int) -> None:
        super().__init__(_room.SignalStream(*signals))

    @property
    def signals(self) -> frozenset[int]:
        """What it reads."""
        return self.sync.signals

    def try_receive(self) -> SignalInfo | None:
        """The next signal, None for not now. -- read(2)"""
        return self.sync.try_receive()

    async def receive(self, timeout: float | None = None) -> SignalInfo:
        """Wait for the next signal. -- read(2)

        A cancelled wait has taken none.
        """
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.try_receive, timeout=timeout)

    async def __aiter__(self) -> AsyncIterator[SignalInfo]:
        while True:
            yield await self.receive()


class Counter(_drive.Twin[_room.Counter]):
    """Counts a signal in the C handler; `unixipc.signals.Counter`, awaitable."""

    def __init__(self, signal: int) -> None:
        super().__init__(_room.Counter(signal))

    @property
    def signal(self) -> int:
        """What it counts."""
        return self.sync.signal

    @property
    def count(self) -> int:
        """How often the handler has run since it was made, or since `take`."""
        return self.sync.count

    @property
    def last_value(self) -> int:
        """The value that the last signal carried (sigqueue, a `SignalTimer`); else 0."""
        return self.sync.last_value

    def take(self) -> int:
        """The count, which is 0 from then on, in one step."""
        return self.sync.take()

    def try_wait(self) -> int | None:
        """The count, None while it is 0."""
        return self.sync.try_wait()

    async def wait(self, timeout: float | None = None) -> int:
        """Wait until the count is above 0; the count. TimeoutError; `ClosedError` when it is closed. -- poll(2)"""
        return await _drive.on_descriptor(self.sync.event, _wait.READABLE, self.sync.try_wait, timeout=timeout)

    def fileno(self) -> int:
        """A descriptor that is readable once the signal has come."""
        return self.sync.fileno()


class Latch(Counter):
    """A flag that a signal sets; `unixipc.signals.Latch`, awaitable."""

    sync: _room.Latch

    def __init__(self, signal: int) -> None:
        _drive.Twin.__init__(self, _room.Latch(signal))

    @property
    def is_set(self) -> bool:
        """Whether the signal has come since it was made, or since `clear`."""
        return self.sync.is_set

    def clear(self) -> None:
        """Forget that it came."""
        self.sync.clear()

    def __bool__(self) -> bool:
        return self.is_set


class Timer(_drive.DescriptorTwin[_room.Timer]):
    """A descriptor that is readable when a time has come; `unixipc.signals.Timer`, awaitable."""

    def __init__(
        self,
        seconds: float | None = None,
        every_seconds: float | None = None,
        *,
        at_seconds: float | None = None,
        cancelled_by_clock_set: bool = False,
        clock: str = "monotonic",
    ) -> None:
        options = {"at_seconds": at_seconds, "cancelled_by_clock_set": cancelled_by_clock_set}
        super().__init__(_room.Timer(seconds, every_seconds, clock=clock, **options))  # type: ignore[arg-type]

    @property
    def clock(self) -> str:
        """The clock it goes by."""
        return self.sync.clock

    def set(
        self,
        seconds: float | None = None,
        every_seconds: float | None = None,
        *,
        at_seconds: float | None = None,
        cancelled_by_clock_set: bool = False,
    ) -> None:
        """Set it anew; what had expired and was not read is forgotten. -- timerfd_settime(2)"""
        self.sync.set(seconds, every_seconds, at_seconds=at_seconds, cancelled_by_clock_set=cancelled_by_clock_set)

    def stop(self) -> None:
        """Turn it off; what had expired and was not read is forgotten. -- timerfd_settime(2)"""
        self.sync.stop()

    def left(self) -> TimerLeft | None:
        """How long until it expires; None when it is off. -- timerfd_gettime(2)"""
        return self.sync.left()

    def try_wait(self) -> int | None:
        """How often it has expired since the last time, None for not yet. OSError(ECANCELED): the clock was set."""
        return self.sync.try_wait()

    async def wait(self, timeout: float | None = None) -> int:
        """Wait until it has expired; how often since the last time. OSError(ECANCELED) as of `set`. -- read(2)

        A cancelled wait has taken nothing.
        """
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_wait, timeout=timeout)


def try_wait_for(signals: Iterable[int]) -> SignalInfo | None:
    """Take one of these that is pending (they must be blocked); None if there is none. -- sigtimedwait(2)"""
    return _room.try_wait_for(signals)


async def wait_for(signals: Iterable[int], timeout: float | None = None) -> SignalInfo:
    """Wait for one of these and take it: no handler runs. -- sigwaitinfo(2)

    As `unixipc.signals.wait_for`; a cancelled wait has taken none.
    """
    async with SignalStream(*frozenset(signals)) as stream:
        return await stream.receive(timeout)
