"""Was that the right answer to the fault? And is anything left?"""

from __future__ import annotations

import os
import sys
from errno import EINTR

from plan import TOLERATED
from world import ChildFailed

from unixipc.testing import traces

__all__ = ["Before", "verdict"]

REFUSED_AS: dict[str, type[BaseException]] = {"malloc": MemoryError, "calloc": MemoryError}


WITHOUT_WORDS = {"fstat": "of a descriptor that is open: for files in memory and pipes no kernel refuses it"}


def verdict(name: str, call: str, error: int, outcome: BaseException | None, tolerated) -> str | None:
    """What is wrong with this outcome of a scenario in which `call` failed once with `error`; None if nothing."""
    base = call.partition("(")[0]
    if any((each, code) in tolerated for each in (call, base) for code in (error, None)):
        return None
    if outcome is None:
        if any((each, code) in TOLERATED for each in (call, base) for code in (error, None)):
            return None
        return "nobody was told"
    if isinstance(outcome, ChildFailed):
        return None
    if isinstance(outcome, REFUSED_AS.get(call, ())):
        return None
    if not isinstance(outcome, OSError):
        return f"{type(outcome).__name__}: {outcome}"
    if error == EINTR:
        return "nobody may see EINTR"
    return wrong_words(outcome, call, error)


def wrong_words(outcome: OSError, call: str, error: int) -> str | None:
    """An error keeps errno, and names the call or the object."""
    if outcome.errno != error:
        return f"another errno: {outcome!r}"
    if not told_in_words(outcome) and call not in WITHOUT_WORDS:
        return f"nothing explains it: {outcome!r}"
    return None


SETTLE_SECONDS = 0.5
SIGNALS = ("SigBlk", "SigIgn", "SigCgt")
ORDINARY = (1 << 31) - 1
"""Of the real-time signals the library keeps some for itself once it has needed them."""


def told_in_words(outcome: BaseException) -> bool:
    """Whether it names the object, or the call."""
    return bool(getattr(outcome, "__notes__", None)) or getattr(outcome, "filename", None) is not None


class Before:
    """What this process had, to be compared with what it has."""

    def __init__(self, injector) -> None:
        self.injector = injector
        self.traces = traces.look()
        self.others = self._others()

    def _others(self) -> dict[str, object]:
        with open("/proc/self/status") as lines:
            told = {line[:6]: int(line[7:], 16) & ORDINARY for line in lines if line.startswith(SIGNALS)}
        with open("/proc/self/timers") as lines:
            timers = sum(line.startswith("ID:") for line in lines)
        return {"mappings": self.injector.mappings(), "timers": timers, "signals": told}

    def left(self, folder: str) -> dict[str, object]:
        """By kind; empty if nothing."""
        left: dict[str, object] = dict(traces.left_since(self.traces, SETTLE_SECONDS))
        if files := os.listdir(folder):
            left["files"] = files
        now = self._others()
        return left | {kind: (was, now[kind]) for kind, was in self.others.items() if now[kind] != was}


class Unraisable(list):
    """What went wrong where nothing can be raised: a warning that something was not closed, for example."""

    def __enter__(self):
        self.before = sys.unraisablehook
        sys.unraisablehook = lambda told: self.append(f"{told.exc_value!r} in {told.object!r}"[:300])
        return self

    def __exit__(self, *_):
        sys.unraisablehook = self.before
