"""Sending signals, with a value if need be. -- kill(2), sigqueue(3), pidfd_send_signal(2)"""

from __future__ import annotations

import operator

from .._native import signals as _signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Target(Protocol):
        """A child or process handle: it never means another process that got the same pid."""

        def send_signal(self, number: int, value: int | None = None) -> None:
            """Send it."""
            ...


__all__ = ["send"]


def send(target: int | Target, signal: int, value: int | None = None) -> None:
    """Send a signal to a pid, or to a `Child` or `Process`; `value` is an int of 32 bits. -- kill(2), sigqueue(3)

    A pid may be another process's by now; a handle never is. A negative pid means a group, 0 our own, as kill(2) has
    it (without a value). Signal 0 only asks whether it is there. ProcessLookupError, PermissionError;
    OSError(EINVAL) if there is no such signal; BlockingIOError when too many signals are pending (RLIMIT_SIGPENDING):
    try again when the receiver has taken some. ValueError for a value that does not fit.
    """
    if not hasattr(signal, "__index__"):
        raise TypeError(f"a signal is a number, such as signal.SIGTERM, not {signal!r}")
    signal, value = operator.index(signal), None if value is None else operator.index(value)
    if not isinstance(target, int):
        if not hasattr(target, "send_signal"):
            raise TypeError(f"a target is a pid, a Child or a Process, not {target!r}")
        target.send_signal(signal, value)
    elif value is None:
        _signals.send_plain(target, signal)
    elif target <= 0:
        raise ValueError("a value goes to one process, not to a group")
    elif not -(1 << 31) <= value < 1 << 31:
        raise ValueError(f"a signal's value has 32 bits, {value} does not fit")
    else:
        _signals.send_value(target, signal, value)
