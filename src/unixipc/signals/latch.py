"""Signals that only set a flag or count, in the C handler itself. -- sigaction(2)

>>> from signal import SIGUSR1, raise_signal
>>> from unixipc.signals import Counter
>>> with Counter(SIGUSR1) as counter:
...     raise_signal(SIGUSR1); raise_signal(SIGUSR1)
...     counter.count
2
"""

from __future__ import annotations

import operator

from .. import _wait
from .._native.signals import Counting
from .._native.within import Closes
from ..event import EventFd

__all__ = ["Counter", "Latch"]


class Counter(Closes):
    """Counts a signal. It works while the interpreter is inside a long call, and no run of the handler is lost.

    But the kernel merges standard signals that come while one is pending, before any handler runs: there, the count is
    how often the handler ran. Real-time signals (SIGRTMIN and up) queue, up to RLIMIT_SIGPENDING, and are all counted.
    `fileno` is readable after each (an event counter). ``signal.signal`` for it meanwhile ends the counting.

    One counter or stream a signal and process: OSError(EBUSY), as for the signal that the library wakes its own threads
    with. OSError(EINVAL) for SIGKILL, SIGSTOP and what is no signal; EMFILE, ENFILE. Any thread may make one.

    The five fates: **close** puts the action back that was there. **remove**: nothing to remove. **fork**: the child
    counts for itself, from the count so far. **exec** ends it: the default action. **kill -9**: nothing is left.
    """

    def __init__(self, signal: int) -> None:
        if hasattr(self, "_counting"):
            raise RuntimeError(f"{self!r} counts already")
        signal = operator.index(signal)
        self.signal = signal
        self.event = EventFd()
        try:
            self._counting = Counting(signal, self.event.fileno())
        except BaseException:
            self.event.close()
            raise

    @property
    def count(self) -> int:
        """How often the handler has run since it was made, or since `take`."""
        return self._counting.count()

    @property
    def last_value(self) -> int:
        """The value that the last signal carried (sigqueue, a `SignalTimer`); else 0."""
        return self._counting.last_value()

    def take(self) -> int:
        """The count, which is 0 from then on, in one step."""
        self.event.try_take()
        return self._counting.take()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the count is above 0; the count. TimeoutError; `ClosedError` when it is closed. -- poll(2)"""
        return _wait.on_descriptor(self.event, _wait.READABLE, self.try_wait, timeout=timeout)

    def try_wait(self) -> int | None:
        """The count, None while it is 0."""
        self.check_open()
        count = self.count
        if not count:
            self.event.try_take()
            count = self.count  # it may have come in between
        return count or None

    def fileno(self) -> int:
        """A descriptor that is readable once the signal has come."""
        return self.event.fileno()

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"signal {self.signal}"

    def check_open(self) -> None:
        """`ClosedError` once it is closed."""
        self.event.check_open()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._counting.closed

    def close(self) -> None:
        """Put the action back that was there."""
        self._counting.stop()
        self.event.close()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            f"a {type(self).__name__} counts the signals of its own process: it can be neither pickled nor copied"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of signal {self.signal} {'closed' if self.closed else self.count}>"


class Latch(Counter):
    """A flag that a signal sets: the sig_atomic_t pattern. Everything else, the five fates too, as of `Counter`."""

    @property
    def is_set(self) -> bool:
        """Whether the signal has come since it was made, or since `clear`."""
        return self.count > 0

    def clear(self) -> None:
        """Forget that it came."""
        self.take()

    def __bool__(self) -> bool:
        return self.is_set
