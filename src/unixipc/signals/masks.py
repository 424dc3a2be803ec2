"""Signals that have to wait: each thread's mask, and sleeping with another one. -- signal(7)

>>> from signal import SIGUSR1, SIG_IGN, raise_signal
>>> from unixipc.signals import blocked, handling, pending
>>> with handling(SIGUSR1, SIG_IGN), blocked(SIGUSR1):
...     SIGUSR1 in pending()
False
"""

from __future__ import annotations

import errno

from .. import _wait
from .._call import failure
from .._fd import number_of
from .._native import signals as _signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._fd import HasFileno

__all__ = ["blocked", "mask", "pending", "pselect", "suspend"]

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32
_COUNTS_AS = {POLLIN: POLLIN | POLLHUP | POLLERR, POLLOUT: POLLOUT | POLLERR, POLLPRI: POLLPRI}  # as select(2) has it


def mask() -> frozenset[int]:
    """The signals that wait in this thread. -- pthread_sigmask(3)"""
    return _signals.mask_now()


class blocked(_signals.Blocking):
    """For ``with``: these signals wait too, in this thread; gives the mask that it had. -- pthread_sigmask(3)

    Other threads may take a signal that is sent to the process: block it before they start, they inherit the mask.
    Afterwards the mask is what it was, and the handlers of what came meanwhile run. SIGKILL and SIGSTOP are never
    blocked: the kernel leaves them out. ValueError for what is no signal; RuntimeError when entered twice, or left in
    another thread.

    The five fates: **close** (the end of the block) restores the mask. **remove**: nothing to remove. **fork** and
    **exec** keep the mask, in the new process and in the new program. **kill -9** is not blocked.
    """

    def __init__(self, *signals: int) -> None:
        super().__init__(signals)
        self.signals = _signals.named(signals)

    def __repr__(self) -> str:
        return f"<blocked {', '.join(sorted(map(str, self.signals)))}>"


def pending() -> frozenset[int]:
    """The signals that have come and wait. -- sigpending(2)"""
    return _signals.pending_signals()


def suspend(mask: Iterable[int] = (), timeout: float | None = None) -> None:
    """Sleep with only these signals blocked until a handler has run; in one step with the sleep. -- sigsuspend(2)

    Block the signal first, look at your flag, then suspend: it cannot come in between. TimeoutError when the time is
    up.
    """
    sleep = _Sleep([], [], mask)
    _wait.wait(lambda: sleep.struck or None, sleep, _wait.Deadline(timeout), "signals")


def pselect(
    readable: Sequence[int | HasFileno] = (),
    writable: Sequence[int | HasFileno] = (),
    exceptional: Sequence[int | HasFileno] = (),
    timeout: float | None = None,
    mask: Iterable[int] = (),
) -> tuple[list[int | HasFileno], list[int | HasFileno], list[int | HasFileno]]:
    """What is ready, with only the signals of `mask` blocked while asleep. -- pselect(2)

    Three empty lists when the time is up, or a handler has run. At most 64 descriptors, of any number (ValueError);
    OSError(EBADF) if one of them is not open.
    """
    sides = ((readable, POLLIN), (writable, POLLOUT), (exceptional, POLLPRI))
    things = [(thing, event) for side, event in sides for thing in side]
    numbers = [number_of(thing) for thing, _ in things]
    if min(numbers, default=0) < 0:  # poll(2) passes over these
        raise failure(errno.EBADF, "pselect(2)", f"fd {min(numbers)}")
    sleep = _Sleep(numbers, [event for _, event in things], mask)
    try:
        _wait.wait(sleep.result, sleep, _wait.Deadline(timeout), "descriptors")
    except TimeoutError:
        sleep(0)  # with no time at all: what is ready, and what is pending
    ready: tuple[list[int | HasFileno], ...] = ([], [], [])
    for (thing, event), got in zip(things, sleep.found, strict=True):
        if got & POLLNVAL:
            raise failure(errno.EBADF, "pselect(2)", f"fd {number_of(thing)}")
        if got & _COUNTS_AS[event]:
            ready[(POLLIN, POLLOUT, POLLPRI).index(event)].append(thing)
    return ready[0], ready[1], ready[2]


class _Sleep:
    """One sleep of the corridor, with another signal mask: was one handled (`struck`), what was ready (`found`)."""

    def __init__(self, numbers: list[int], events: list[int], mask: Iterable[int]) -> None:
        self.numbers, self.events, self.mask = numbers, events, frozenset(mask)
        _signals.Blocking(self.mask)  # ValueError for what is no signal, however short the time
        self.found, self.struck = [0] * len(numbers), False

    def __call__(self, until_ns: int) -> None:
        found = _signals.poll_with_mask(self.numbers, self.events, until_ns, self.mask)
        if found is None:
            self.struck = True
        else:
            self.found = found

    def result(self) -> bool | None:
        return self.struck or any(self.found) or None
