"""Signals to be read, with who sent them and the value they carry. -- signalfd(2), sigtimedwait(2)

>>> import os
>>> from signal import SIGRTMIN
>>> from unixipc.signals import SignalStream, send
>>> with SignalStream(SIGRTMIN) as stream:
...     send(os.getpid(), SIGRTMIN, value=42)
...     stream.receive().value
42
"""

from __future__ import annotations

from .._native import signals as _signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SignalInfo", "SignalStream", "try_wait_for", "wait_for"]


class SignalInfo(_signals.SignalRecord):
    """One signal: who sent it (`pid`, `uid`), how (`code`: 0 kill, -1 with a value, above 0 the kernel), what it says.

    `value` is what sigqueue(3) or a `SignalTimer` sent, else 0; `status` is the child's exit status or signal, of
    SIGCHLD, else 0. Of `on_ready`: `fd` and what it is ready for, `band` (POLLIN, ...). Of a `SignalTimer`: its id,
    `timer`, and how many more expirations it stands for, `overrun`. Frozen; equal if all of it is; picklable.
    """

    __slots__ = ()


_signals.use_info_class(SignalInfo)


class SignalStream(_signals.SignalDescriptor):
    """These signals, one after the other, from a descriptor. ``for info in stream`` goes on for ever. -- signalfd(2)

    While it is open no handler runs for them: they are blocked in the thread that opens it, and a thread that does not
    block them (of a C library, say) and is given one gives it back and blocks it from then on. Any thread may receive;
    of signals that are sent to one *thread*, only that thread. ``signal.signal`` for one of them meanwhile undoes this.
    Standard signals that come while one is pending are merged by the kernel: one may mean many. Real-time ones
    (SIGRTMIN and up) queue, up to RLIMIT_SIGPENDING, in the order in which they were sent (what other threads gave back
    may come late).

    OSError(EINVAL) for SIGKILL and SIGSTOP; OSError(EBUSY) for a signal that a `Counter` has, or that the library
    wakes its own threads with; EMFILE, ENFILE; ValueError for none at all, and for what is no signal.

    The five fates: **close** puts action and masks back, whichever thread does it; what is pending is delivered then.
    A thread that was started meanwhile has inherited the block, and keeps it. **remove**: nothing to remove. **fork**:
    the child reads its own signals from it. **exec** closes it, and the new program starts with the signals blocked;
    not if `spawn` or a pipeline starts it, which hands on only what you have blocked yourself. **kill -9**: nothing is
    left.
    """

    signals: frozenset[int]

    def __new__(cls, *signals: int) -> SignalStream:
        """Open it for these signals."""
        if not signals:
            raise ValueError("a stream needs at least one signal")
        stream = _signals.open_signals(cls, signals, "signals")
        stream.signals = _signals.named(signals)
        return stream

    def __init__(self, *signals: int) -> None: ...

    def __iter__(self) -> Iterator[SignalInfo]:
        """Receive for ever."""
        while True:
            yield self.receive()


def try_wait_for(signals: Iterable[int]) -> SignalInfo | None:
    """Take one of these that is pending (they must be blocked); None if there is none. -- sigtimedwait(2)"""
    return _signals.take_now(frozenset(signals))


def wait_for(signals: Iterable[int], timeout: float | None = None) -> SignalInfo:
    """Wait for one of these and take it: no handler runs. -- sigwaitinfo(2)

    They are kept from every thread meanwhile, as by a `SignalStream`, whose errors it has. TimeoutError when the time
    is up. Block them yourself before you cause them, or one may come before the wait.
    """
    wanted = frozenset(signals)
    with _signals.Blocking(wanted, running_handlers=False), SignalStream(*wanted) as stream:
        return stream.receive(timeout)
