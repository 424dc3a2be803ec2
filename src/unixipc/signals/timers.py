"""Timers: one that is read, one that sends a signal with a value. -- timerfd_create(2), timer_create(2)

>>> from unixipc.signals import Timer
>>> with Timer(0.001) as timer:
...     timer.wait(timeout=10)
1

``signal.alarm`` and ``signal.setitimer`` are Python's own: one timer a process, SIGALRM without a value.
"""

from __future__ import annotations

from .. import _wait
from .._native import timers as _timers
from .._native.signals import refuse_own
from .._native.within import Closes
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

__all__ = ["SignalTimer", "Timer", "TimerLeft"]

LONGEST_SECONDS = 9e9  # what 64 bits of nanoseconds hold, nearly


@record
class TimerLeft:
    """The seconds until a timer expires, and then every how many seconds again; None for once."""

    seconds: float
    every_seconds: float | None


class Timer(_timers.TimerDescriptor):
    """A descriptor that is readable after `seconds`, and then `every_seconds` again. -- timerfd_create(2)

    Without `seconds` the first one comes after `every_seconds`; with neither it is off until `set`. `at_seconds`: a
    moment of the clock itself (``time.time()`` of "realtime") instead. 0, or a moment that has passed, is at once.

    `clock`: "monotonic"; "realtime", which follows when the clock is set; "boottime", which goes on while the machine
    sleeps; "realtime_alarm" and "boottime_alarm", which wake it (PermissionError without CAP_WAKE_ALARM). ValueError
    for another clock and for what is no length of time; EMFILE, ENFILE.

    The five fates: **close** frees this handle, the timer lives while any handle does. **remove**: it has no name.
    **fork** and sending it over a socket share it: an expiration is read once. **exec** closes it, unless passed by
    number: then it goes on. **kill -9**: nothing is left.
    """

    clock: str

    def __new__(
        cls,
        seconds: float | None = None,
        every_seconds: float | None = None,
        *,
        at_seconds: float | None = None,
        cancelled_by_clock_set: bool = False,
        clock: str = "monotonic",
    ) -> Timer:
        """Make it, and set it."""
        _check_clock(clock, _timers.CLOCKS)
        timer = _timers.open_timer(cls, clock, f"{clock} timer")
        timer.clock = clock
        try:
            if (seconds, every_seconds, at_seconds) != (None, None, None):
                timer.set(seconds, every_seconds, at_seconds=at_seconds, cancelled_by_clock_set=cancelled_by_clock_set)
        except BaseException:
            timer.close()
            raise
        return timer

    def __init__(
        self,
        seconds: float | None = None,
        every_seconds: float | None = None,
        *,
        at_seconds: float | None = None,
        cancelled_by_clock_set: bool = False,
        clock: str = "monotonic",
    ) -> None: ...

    def set(
        self,
        seconds: float | None = None,
        every_seconds: float | None = None,
        *,
        at_seconds: float | None = None,
        cancelled_by_clock_set: bool = False,
    ) -> None:
        """Set it anew; what had expired and was not read is forgotten. -- timerfd_settime(2)

        `cancelled_by_clock_set`: once somebody sets the clock, `wait` raises OSError(ECANCELED): only of `at_seconds`
        on a "realtime" clock (ValueError).
        """
        if cancelled_by_clock_set and (at_seconds is None or not self.clock.startswith("realtime")):
            raise ValueError("only a moment (at_seconds) of a realtime clock is cancelled when the clock is set")
        self.set_ns(*_moment(seconds, every_seconds, at_seconds), cancelled_by_clock_set)

    def stop(self) -> None:
        """Turn it off; what had expired and was not read is forgotten. -- timerfd_settime(2)"""
        self.set_ns(0, 0, False, False)

    def left(self) -> TimerLeft | None:
        """How long until it expires; None when it is off. -- timerfd_gettime(2)"""
        return _left(self.left_ns())

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has expired; how often since the last time. OSError(ECANCELED) as of `set`. -- read(2)"""
        return _wait.on_descriptor(self, _wait.READABLE, self.try_wait, timeout=timeout)


class SignalTimer(_timers.PosixTimer, Closes):
    """A timer that sends this process a signal with a value. -- timer_create(2)

    The times and the clock are as of `Timer`, and there are "process_cpu" and "thread_cpu": time on a processor, of the
    whole process or of the calling thread. `thread`: the kernel's id of a thread of ours (``threading.get_native_id``)
    that is to get the signal. While it is pending no more are sent: `SignalInfo.overrun` counts them, and
    `SignalInfo.timer` is this timer's `id`. A signal without handler, block or stream has its default action: mostly,
    it ends the process.

    ValueError as of `Timer`, and for a value that has not 32 bits. OSError(EINVAL) for what is no signal or no thread
    of ours, OSError(EBUSY) for the library's own signal; BlockingIOError beyond RLIMIT_SIGPENDING.

    The five fates: **close** deletes it. **remove**: nothing to remove. **fork**: the child has none of them; this
    object is closed there. **exec** deletes it. **kill -9**: nothing is left.
    """

    def __init__(
        self,
        signal: int,
        seconds: float | None = None,
        every_seconds: float | None = None,
        *,
        at_seconds: float | None = None,
        value: int = 0,
        thread: int | None = None,
        clock: str = "monotonic",
    ) -> None:
        _check_clock(clock, {**_timers.CLOCKS, **_timers.CPU_CLOCKS})
        if not -(1 << 31) <= value < 1 << 31:
            raise ValueError(f"a signal's value has 32 bits, {value} does not fit")
        if thread is not None and thread < 1:
            raise ValueError(f"a thread's id is at least 1, not {thread}")
        self.signal, self.value, self.clock = signal, value, clock
        refuse_own([signal])
        self.create(clock, signal, value, thread or 0)
        try:
            if (seconds, every_seconds, at_seconds) != (None, None, None):
                self.set(seconds, every_seconds, at_seconds=at_seconds)
        except BaseException:
            self.close()
            raise

    def set(
        self,
        seconds: float | None = None,
        every_seconds: float | None = None,
        *,
        at_seconds: float | None = None,
    ) -> None:
        """Set it anew. -- timer_settime(2)"""
        self.set_ns(*_moment(seconds, every_seconds, at_seconds))

    def stop(self) -> None:
        """Turn it off. -- timer_settime(2)"""
        self.set_ns(0, 0, False)

    def left(self) -> TimerLeft | None:
        """How long until it expires; None when it is off. -- timer_gettime(2)"""
        return _left(self.left_ns())

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.clock} timer of signal {self.signal}"

    def __repr__(self) -> str:
        return f"<SignalTimer of signal {self.signal} {'closed' if self.closed else f'id {self.id}'}>"


def _check_clock(clock: str, clocks: dict[str, int]) -> None:
    if clock not in clocks:
        raise ValueError(f"clock is one of {', '.join(clocks)}, not {clock!r}")


def _moment(seconds: float | None, every_seconds: float | None, at_seconds: float | None) -> tuple[int, int, bool]:
    """(first, period, whether the first is a moment) in nanoseconds; the kernel's 0 would be off."""
    every_ns = 0 if every_seconds is None else _ns(every_seconds, "every_seconds")
    if every_seconds is not None and not every_ns:
        raise ValueError("every_seconds is at least a nanosecond")
    if seconds is not None and at_seconds is not None:
        raise ValueError("a timer has either seconds or at_seconds")
    if at_seconds is not None:
        return max(1, _ns(at_seconds, "at_seconds")), every_ns, True
    if seconds is None and every_seconds is None:
        raise ValueError("a timer needs seconds, every_seconds or at_seconds; stop() turns it off")
    return every_ns if seconds is None else max(1, _ns(seconds, "seconds")), every_ns, False


def _ns(seconds: float, what: str) -> int:
    if not 0 <= seconds <= LONGEST_SECONDS:  # negative, or not a number
        raise ValueError(f"{what} is from 0 to {LONGEST_SECONDS:.0f}, not {seconds}")
    return int(seconds * 1e9)


def _left(times: tuple[int, int]) -> TimerLeft | None:
    first_ns, every_ns = times
    return TimerLeft(first_ns / 1e9, every_ns / 1e9 if every_ns else None) if first_ns else None
