"""Which part of the machine is in the picture: around some things, of some kinds, one's own, or only who waits."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from ..._call import failure
from ..main import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .ties import Key, Ties

__all__ = ["around", "meant", "of_kinds", "of_mine", "who_waits", "without_us"]


def meant(ties: Ties, ids: dict[str, Key], things: Iterable[str]) -> set[Key]:
    """What these words mean: pids, commands, or whatever `ipc who` understands. `ids`: "kind:id" -> its object."""
    return {key for thing in things for key in _meant(ties, ids, thing)}


def _meant(ties: Ties, ids: dict[str, Key], thing: str) -> set[Key]:
    called = {("process", str(pid)) for pid, name in ties.processes.items() if thing in (str(pid), name)}
    if called:
        return called
    if thing in ids:
        return {ids[thing]}
    if thing.isdigit() and os.path.exists(f"/proc/{thing}"):
        raise failure(errno.ESRCH, "proc(5)", f"process {thing}", "it has to do with nobody else that can be seen")
    from ...inspector import who

    found = {ids[at] for edge in who(thing) if (at := f"{edge.kind}:{edge.id}") in ids}
    if not found:
        hint = "nobody who can be seen from here uses it: ipc map shows what at least one process has"
        raise failure(errno.ENOENT, "proc(5)", printable(thing), hint)
    return found


def around(ties: Ties, middle: set[Key], depth: int) -> None:
    """Only what can be reached from there: a step leads from a process over an object to whoever else has it."""
    users = ties.users()
    has: dict[int, set[Key]] = {}
    for pid, key in ties.ties:
        has.setdefault(pid, set()).add(key)
    seen = set(middle)
    for _step in range(depth):
        seen |= {("process", str(pid)) for key in seen for pid in users.get(key, ())}
        seen |= {key for kind, number in tuple(seen) if kind == "process" for key in has.get(int(number), ())}
        seen |= {("process", str(pid)) for key in seen for pid in users.get(key, ())}
    ties.keep({(pid, key): tie for (pid, key), tie in ties.ties.items() if {("process", str(pid)), key} <= seen})


def without_us(ties: Ties) -> None:
    """Who looks is not part of what it sees."""
    us = os.getpid()
    ties.keep({(pid, key): tie for (pid, key), tie in ties.ties.items() if us != pid and key != ("process", str(us))})


def of_kinds(ties: Ties, kinds: Iterable[str]) -> None:
    """Only objects of these kinds or families, and who has to do with them."""
    from ...inspector.listing import is_of

    wanted = set(kinds)
    ties.keep({at: tie for at, tie in ties.ties.items() if is_of(at[1][0], wanted)})


def of_mine(ties: Ties) -> None:
    """Only my processes, what they use, and who else uses that."""
    from ...inspector.procfs import owner_of

    mine = set()
    for pid in ties.processes:
        with suppress(OSError):  # it has ended
            if owner_of(pid) == os.geteuid():
                mine.add(pid)
    shared = {key for pid, key in ties.ties if pid in mine}
    ties.keep({(pid, key): tie for (pid, key), tie in ties.ties.items() if pid in mine or key in shared})


def who_waits(ties: Ties) -> None:
    """Only what somebody waits for and somebody else has, and circles: not who reads what may or may not come."""
    from .model import HELD

    waited = {
        key
        for (_pid, key), tie in ties.ties.items()
        if tie.stuck or ("waits for" in tie.hows and (key[0] in HELD or set(tie.hows) == {"waits for"}))
    }
    ties.keep({at: tie for at, tie in ties.ties.items() if (at[1] in waited and at[1][0] != "process") or tie.stuck})
