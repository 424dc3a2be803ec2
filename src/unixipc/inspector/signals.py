"""What each process does with its signals. -- proc_pid_status(5), signal(7)"""

from __future__ import annotations

from .. import signals
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .procfs import Snapshot

__all__ = ["SignalsRow", "signals_rows"]


@record
class SignalsRow:
    """A process's signals ("signals"; its id is the pid): numbers, in order. `blocked` is its main thread's mask."""

    kind: str
    id: int
    command: str
    pending: tuple[int, ...]
    blocked: tuple[int, ...]
    ignored: tuple[int, ...]
    caught: tuple[int, ...]


def signals_rows(seen: Snapshot) -> list[SignalsRow]:
    """Every process that is not the kernel's own. -- proc_pid_status(5)"""
    found = []
    for pid in seen.pids:
        try:
            state = signals.state_of(pid)
        except OSError:  # it has ended
            continue
        sets = (tuple(sorted(each)) for each in (state.pending, state.blocked, state.ignored, state.caught))
        found.append(SignalsRow("signals", pid, seen.command(pid), *sets))
    return found
