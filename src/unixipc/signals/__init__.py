"""Signals: actions, masks, values, streams, timers, and flags that are set in the C handler. -- signal(7)

Python's own `signal` module and asyncio's handlers work beside all of it.
"""

from .handlers import Action, action_of, alternate_stack, handling, sigaction
from .latch import Counter, Latch
from .masks import blocked, mask, pending, pselect, suspend
from .ready import on_ready
from .sending import send
from .state import SignalState, state_of
from .streams import SignalInfo, SignalStream, try_wait_for, wait_for
from .timers import SignalTimer, Timer, TimerLeft

__all__ = [
    "Action",
    "Counter",
    "Latch",
    "SignalInfo",
    "SignalState",
    "SignalStream",
    "SignalTimer",
    "Timer",
    "TimerLeft",
    "action_of",
    "alternate_stack",
    "blocked",
    "handling",
    "mask",
    "on_ready",
    "pending",
    "pselect",
    "send",
    "sigaction",
    "state_of",
    "suspend",
    "try_wait_for",
    "wait_for",
]
