"""What the tour finds out about a mechanism: whether everything arrives, and what a killed sender leaves behind."""

from __future__ import annotations

import time
from signal import SIGKILL

from .._record import record
from ..process import Exited, Killed
from .crossing import carrying
from .main import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .cargo import Cargo
    from .carriers import Carrier
    from .crossing import Crossing

    Progress = Callable[[int], object]

AFTER_KILL_S = 10.0


@record
class Delivery:
    """What a whole run carried; `complaints` is empty if every file arrived as it must be and nothing was left."""

    files: int
    bytes: int
    messages: int
    seconds: float
    complaints: tuple[str, ...]


@record
class AfterKill:
    """What happened when the sender was killed half-way.

    `noticed`: the receiver saw it by itself, `how` says by what, `seconds` is the time from the kill to its end.
    `files`: how many had arrived whole. `torn`: how many were taken for whole and were not. `left_behind`: on the
    machine.
    """

    ok: bool
    noticed: bool
    how: str
    seconds: float
    files: int
    torn: int
    left_behind: tuple[str, ...]


def deliver(kind: type[Carrier], cargo: Cargo, progress: Progress) -> Delivery:
    """Carry the whole cargo and judge it."""
    crossing = None
    trouble: list[str] = []
    try:
        with carrying(kind, cargo) as crossing:
            for arrived in crossing.listen():
                progress(arrived)
    except (OSError, ValueError, EOFError) as error:
        trouble.append(explain(error))
    if crossing is None:
        return Delivery(0, 0, 0, 0.0, tuple(trouble))
    trouble += _complaints(crossing)
    messages, seconds = crossing.last.get("messages", 0), crossing.last.get("seconds", 0.0)
    return Delivery(crossing.accepted, crossing.bytes, messages, seconds, tuple(trouble))


def _complaints(crossing: Crossing) -> list[str]:
    found = list(crossing.complaints)
    end = crossing.last.get("end", "lost")
    if end != "complete":
        found.append(f"receiver: {crossing.last.get('how') or 'it ended without a word'}")
    expected = (len(crossing.cargo.items), crossing.cargo.bytes)
    if (crossing.accepted, crossing.bytes) != expected:
        got = f"{crossing.accepted} files and {crossing.bytes} bytes"
        found.append(f"{got} are right, not {expected[0]} files and {expected[1]} bytes")
    if crossing.last.get("wrong"):
        found.append(f"the receiver itself found {crossing.last['wrong']} wrong")
    for who, child in (("sender", crossing.sender), ("receiver", crossing.receiver)):
        if child.status != Exited(0):
            found.append(f"{who}: {child.status}")
    return found + [f"left behind: {thing}" for thing in crossing.left_behind]


def kill_half_way(kind: type[Carrier], cargo: Cargo, progress: Progress) -> AfterKill:
    """Carry again, kill the sender when half of the bytes have arrived, and see what becomes of the receiver."""
    try:
        with carrying(kind, cargo, pause_at=cargo.bytes * 3 // 4) as crossing:
            killed_at = _kill_at_half(crossing, progress)
            for _ in crossing.listen(AFTER_KILL_S):
                pass
            seconds = time.monotonic() - killed_at
    except (OSError, ValueError, EOFError) as error:
        return AfterKill(False, False, explain(error), 0.0, 0, 0, ())
    how = crossing.last.get("how") or "; ".join(crossing.complaints) or f"not at all: {crossing.receiver.status}"
    noticed = crossing.last.get("end") == "cut" and crossing.receiver.status == Exited(0)
    killed = crossing.sender.status == Killed(SIGKILL)
    ok = noticed and killed and not crossing.wrong and not crossing.left_behind
    return AfterKill(ok, noticed, how, seconds, crossing.accepted, crossing.wrong, crossing.left_behind)


def _kill_at_half(crossing: Crossing, progress: Progress) -> float:
    """When it was killed; the sender does not get beyond three quarters, so it is still there."""
    for arrived in crossing.listen():
        progress(arrived)
        if arrived * 2 >= crossing.cargo.bytes or crossing.last:  # or the receiver has given up already
            break
    now = time.monotonic()
    crossing.sender.kill()
    return now
