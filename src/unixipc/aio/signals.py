"""Awaitable signals: streams, counters, timers, and waiting for one. -- signal(7), signalfd(2), timerfd_create(2)"""

from __future__ import annotations

from .. import _wait, signals
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ..signals import SignalInfo, TimerLeft

__all__ = ["Counter", "Latch", "SignalStream", "Timer", "try_wait_for", "wait_for"]


class SignalStream(_drive.DescriptorTwin[signals.SignalStream]):
    """These signals, one after the other; `unixipc.signals.SignalStream`, awaitable; ``async for`` goes on for ever."""

    def __init__(self, *numbers: int) -> None:
        super().__init__(signals.SignalStream(*numbers))

    @property
    def signals(self) -> frozenset[int]:
        """What it reads."""
        return self.sync.signals

    def try_receive(self) -> SignalInfo | None:
        """The next signal, None for not now."""
        found: SignalInfo | None = self.sync.try_receive()
        return found

    async def receive(self, timeout: float | None = None) -> SignalInfo:
        """Wait for the next signal. A cancelled wait has taken none. -- signalfd(2)"""
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.try_receive, timeout=timeout)

    async def __aiter__(self) -> AsyncIterator[SignalInfo]:
        while True:
            yield await self.receive()


class Counter(_drive.Twin[signals.Counter]):
    """Counts a signal in the C handler; `unixipc.signals.Counter`, awaitable."""

    def __init__(self, signal: int) -> None:
        super().__init__(signals.Counter(signal))

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
        """The value that the last signal carried; else 0."""
        return self.sync.last_value

    def take(self) -> int:
        """The count, which is 0 from then on, in one step."""
        return self.sync.take()

    def try_wait(self) -> int | None:
        """The count, None while it is 0."""
        return self.sync.try_wait()

    async def wait(self, timeout: float | None = None) -> int:
        """Wait until the count is above 0; the count. -- poll(2)"""
        return await _drive.on_descriptor(self.sync.event, _wait.READABLE, self.sync.try_wait, timeout=timeout)

    def fileno(self) -> int:
        """A descriptor that is readable once the signal has come."""
        return self.sync.fileno()


class Latch(Counter):
    """A flag that a signal sets; `unixipc.signals.Latch`, awaitable."""

    sync: signals.Latch

    def __init__(self, signal: int) -> None:
        _drive.Twin.__init__(self, signals.Latch(signal))

    @property
    def is_set(self) -> bool:
        """Whether the signal has come since it was made, or since `clear`."""
        return self.sync.is_set

    def clear(self) -> None:
        """Forget that it came."""
        self.sync.clear()

    def __bool__(self) -> bool:
        return self.is_set


class Timer(_drive.DescriptorTwin[signals.Timer]):
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
        super().__init__(signals.Timer(seconds, every_seconds, clock=clock, **options))  # type: ignore[arg-type]

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
        """Set it anew."""
        self.sync.set(seconds, every_seconds, at_seconds=at_seconds, cancelled_by_clock_set=cancelled_by_clock_set)

    def stop(self) -> None:
        """Turn it off."""
        self.sync.stop()

    def left(self) -> TimerLeft | None:
        """How long until it expires; None when it is off."""
        return self.sync.left()

    def try_wait(self) -> int | None:
        """How often it has expired since the last time, None for not yet."""
        return self.sync.try_wait()

    async def wait(self, timeout: float | None = None) -> int:
        """Wait until it has expired; how often since the last time. A cancelled wait has taken nothing. -- read(2)"""
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_wait, timeout=timeout)


def try_wait_for(numbers: Iterable[int]) -> SignalInfo | None:
    """Take one of these that is pending (they must be blocked); None if there is none. -- sigtimedwait(2)"""
    return signals.try_wait_for(numbers)


async def wait_for(signals: Iterable[int], timeout: float | None = None) -> SignalInfo:
    """Wait for one of these and take it: no handler runs; as `unixipc.signals.wait_for`. -- sigwaitinfo(2)"""
    async with SignalStream(*frozenset(signals)) as stream:
        return await stream.receive(timeout)
