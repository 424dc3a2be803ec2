"""What a process does with its signals, read from outside. -- proc_pid_status(5)"""

from __future__ import annotations

import operator

from .._call import explained
from .._native import signals as _signals
from .._record import record
from .._text import text_of

__all__ = ["SignalState", "state_of"]


@record
class SignalState:
    """The signals that a process blocks (its main thread), ignores and catches, and those that wait for it."""

    blocked: frozenset[int]
    ignored: frozenset[int]
    caught: frozenset[int]
    pending: frozenset[int]


def state_of(pid: int) -> SignalState:
    """Of any process that we may look at. ProcessLookupError if there is none. -- proc_pid_status(5)"""
    pid = operator.index(pid)
    try:
        lines = text_of(f"/proc/{pid}/status").split("\n")
        fields = dict(line.split(":\t", 1) for line in lines if line.startswith(("Sig", "Shd")))
    except FileNotFoundError:
        raise ProcessLookupError(3, "No such process", f"process {pid}") from None
    except OSError as error:
        raise explained(error, "open(2)", f"process {pid}") from None
    pending = _decoded(fields["SigPnd"]) | _decoded(fields["ShdPnd"])
    return SignalState(_decoded(fields["SigBlk"]), _decoded(fields["SigIgn"]), _decoded(fields["SigCgt"]), pending)


def _decoded(hexadecimal: str) -> frozenset[int]:
    bits = int(hexadecimal, 16)
    return _signals.named(number for number in range(1, 65) if bits >> (number - 1) & 1)
