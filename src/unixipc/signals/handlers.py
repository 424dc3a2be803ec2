"""What happens when a signal comes: actions with their flags and masks. -- sigaction(2)

>>> from signal import SIGUSR1, raise_signal
>>> from unixipc.signals import handling
>>> got = []
>>> with handling(SIGUSR1, lambda number, frame: got.append(number)):
...     raise_signal(SIGUSR1)
>>> got
[10]
"""

from __future__ import annotations

import operator
import signal as _signal
from functools import partial
from signal import SIG_DFL, SIG_IGN, SIGKILL, SIGSTOP

from .._call import explained
from .._native import signals as _signals
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any, TypeAlias

    Handler: TypeAlias = "Callable[[int, FrameType | None], Any] | int | None"

__all__ = ["Action", "action_of", "alternate_stack", "handling", "sigaction"]


@record
class Action:
    """A signal's action. `handler`: SIG_DFL, SIG_IGN, a function, or None: a handler that is not Python's."""

    handler: Any
    restart: bool = False
    mask: frozenset[int] = frozenset()
    nodefer: bool = False
    reset: bool = False
    no_child_wait: bool = False
    no_child_stop: bool = False
    on_stack: bool = False


_NAMES = ("restart", "nodefer", "reset", "no_child_wait", "no_child_stop", "on_stack")


class _Deferring:
    """A handler that runs with further signals blocked, as a C handler does while it runs."""

    def __init__(self, handler: Callable[[int, FrameType | None], Any], signals: frozenset[int]) -> None:
        self.handler, self.signals = handler, signals

    def __call__(self, number: int, frame: FrameType | None) -> None:
        with _signals.Blocking(self.signals):
            self.handler(number, frame)


def action_of(number: int) -> Action:
    """The action that a signal has now. OSError(EINVAL) if there is no such signal. -- sigaction(2)"""
    kind, flags, mask = _signals.action(number)
    return Action(_handler(kind, number), mask=mask, **{name: bool(flags & _signals.FLAGS[name]) for name in _NAMES})


def _handler(kind: str, number: int) -> Handler:
    known = {"default": SIG_DFL, "ignore": SIG_IGN, "foreign": None}
    if kind in known:
        return known[kind]
    handler = _signal.getsignal(number)
    if isinstance(handler, _Deferring):
        return handler.handler
    return handler if callable(handler) else None  # the kernel knows a handler of which Python does not


def sigaction(
    number: int,
    handler: Handler | Action,
    *,
    restart: bool = False,
    mask: Iterable[int] = (),
    nodefer: bool = False,
    reset: bool = False,
    no_child_wait: bool = False,
    no_child_stop: bool = False,
) -> Action:
    """Set a signal's action, and give back what it was: pass that again to restore it. -- sigaction(2)

    `handler` runs in the main thread, between two steps of the interpreter: as ``signal.signal`` has it, and beside it
    and asyncio. `mask`: further signals that wait in the main thread while the handler runs, and then this one too,
    unless `nodefer`; another thread that does not block them may still take them. `restart` (SA_RESTART): C code in a
    system call is not interrupted, and so a Python handler has to wait until the call is over; without it Python's and
    our own calls go on after the handler by themselves (PEP 475). `reset`: once only.
    `no_child_wait`, `no_child_stop`: of SIGCHLD. SA_ONSTACK is always set: see `alternate_stack`.

    ValueError outside of the main thread; OSError(EINVAL) for SIGKILL and SIGSTOP; OSError(EBUSY) for the real-time
    signal that the library wakes its own threads with.
    """
    before = action_of(operator.index(number))
    if isinstance(handler, Action):
        wanted = handler
    else:
        flags = (nodefer, reset, no_child_wait, no_child_stop, callable(handler))
        wanted = Action(handler, restart, frozenset(mask), *flags)
    if wanted.handler is None:
        raise TypeError(f"signal {number} had a handler that is not Python's: only `handling` puts it back")
    _signals.refuse_own([number])
    _signals.Blocking(wanted.mask)  # ValueError for what is no signal, before anything is changed
    with _signals.Blocking([number], running_handlers=False):
        try:
            _signal.signal(number, _called(number, wanted))
        except OSError as error:
            raise explained(error, "sigaction(2)", f"signal {number}", _UNCATCHABLE.get(number)) from None
        _signals.adjust(number, _flags(wanted), wanted.mask, callable(wanted.handler))
    return before


_UNCATCHABLE: dict[int, str] = dict.fromkeys(
    (SIGKILL, SIGSTOP), "SIGKILL and SIGSTOP cannot be caught, blocked or ignored"
)


def _called(number: int, action: Action) -> Any:
    """What Python is to call: with a mask, the handler inside a block."""
    if not (callable(action.handler) and action.mask):
        return action.handler
    return _Deferring(action.handler, action.mask if action.nodefer else action.mask | {number})


def _flags(action: Action) -> int:
    bits = 0
    for name in _NAMES:
        if getattr(action, name):
            bits |= _signals.FLAGS[name]
    return bits


class handling(_signals.Handling):
    """For ``with``: this handler, and afterwards exactly what was there, a C library's handler too. -- sigaction(2)

    `options` are those of `sigaction`, and so are the errors.

    The five fates: **close** (the end of the block) puts the action back. **remove**: nothing to remove. **fork**: the
    child has the handler too. **exec**: the default action, but what is ignored stays ignored. **kill -9** is not
    handled.
    """

    def __init__(self, number: int, handler: Handler, **options: Any) -> None:
        super().__init__(number, partial(sigaction, number, handler, **options))


class alternate_stack(_signals.AlternateStack):
    """For ``with``: the C handlers of this thread run on a stack of their own. -- sigaltstack(2)

    Python's handlers do not, they run later and like any function. But every C handler that Python and this library
    install (Python's own, `Counter`'s and `Latch`'s, a stream's) does, and so does ``faulthandler``'s: with it, that of
    a thread can tell of an overflow of the thread's stack. (For the main thread ``faulthandler`` makes one itself.)

    OSError(ENOMEM) if it is too small or there is no memory; OSError(EPERM) while a handler runs on it, which then
    keeps it; RuntimeError when entered twice, left in another thread, or while another one is set over it.

    The five fates: **close** (the end of the block) puts back the one from before. **remove**: nothing to remove.
    **fork**: the child's only thread keeps its own. **exec** ends it. **kill -9**: nothing is left.
    """

    def __init__(self, size_bytes: int = 1 << 16) -> None:
        super().__init__(size_bytes)
