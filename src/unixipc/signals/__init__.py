"""Signals: actions, masks, values, streams, and flags that are set in the C handler. -- signal(7)

Python's own `signal` module and asyncio's handlers work beside all of it.
"""

from .handlers import Action, action_of, handling, sigaction
from .latch import Counter, Latch
from .masks import blocked, mask, pending, pselect, suspend
from .sending import send
from .state import SignalState, state_of
from .streams import SignalInfo, SignalStream, try_wait_for, wait_for

__all__ = [
    "Action",
    "Counter",
    "Latch",
    "SignalInfo",
    "SignalState",
    "SignalStream",
    "action_of",
    "blocked",
    "handling",
    "mask",
    "pending",
    "pselect",
    "send",
    "sigaction",
    "state_of",
    "suspend",
    "try_wait_for",
    "wait_for",
]
