"""What the sheets show: lines made of a look, and the columns of objects, waits, orphans and processes."""

from __future__ import annotations

import os
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..seeing import name_of, owner_of
from .changes import UNKNOWN, key_of, numbers_of, wait_key
from .sheet import Column, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...inspector import Orphan, Wait
    from .changes import Change, Numbers
    from .looking import Look

__all__ = ["COLUMNS", "LINES", "ObjectLine", "OrphanLine", "ProcessLine", "WaitLine", "compact", "duration", "named"]

FIRST, LAST = ("channel", "topic"), ("memfd", "pipe", "socket", "mapping", "signals")
"""What is listed before, and after, all others: there are many sockets and pipes."""
CERTAINTY = {"sure": 0, "likely": 1, "possible": 2}


class ObjectLine(Line):
    """An object: a row of `ls` with what is new, who waits for it and how many use it."""

    def __init__(self, row: Any, change: Change, waiting: int, users: int) -> None:
        self.key, self.row, self.change = key_of(row), row, change
        self.mark = "new" if change.is_new else ""
        self.waiting, self.users = waiting, users

    def is_meant(self, key: Any) -> bool:
        """A link knows kind and id alone."""
        return key in (self.key, self.key[:2])

    @cached_property
    def numbers(self) -> Numbers:
        """What is counted of it."""
        return numbers_of(self.row)

    @cached_property
    def name(self) -> str:
        """What people call it; the id of what has no name."""
        return named(self.row)

    @cached_property
    def owner(self) -> str:
        """Its owner's name."""
        return owner_of(self.row)

    def searched(self) -> str:
        """Kind, name, id, owner."""
        return f"{self.row.kind}:{self.row.id} {self.name} {self.owner}"


class WaitLine(Line):
    """A thread that waits, for one thing or (it polls) several, and the circle that it is in."""

    def __init__(self, waits: list[Wait], waiting_s: float, circle: str, name: str) -> None:
        self.waits, self.waiting_s, self.circle, self.name = waits, waiting_s, circle, name
        self.first = waits[0]
        self.key = self.first.pid, self.first.tid
        self.mark = "alert" if circle else ""

    @cached_property
    def what(self) -> str:
        """What it does, to what."""
        more = f" and {len(self.waits) - 1} more" if len(self.waits) > 1 else ""
        return f"{self.first.does} {self.first.kind or 'something'} {self.name}{more}"

    @cached_property
    def ended_by(self) -> str:
        """Who could end it."""
        enders = {each.pid: each.command for wait in self.waits for each in wait.enders}
        told = [f"{pid} {command}" for pid, command in enders.items()]
        if any(wait.others for wait in self.waits):
            told.append("others")
        return ", ".join(told) or "nobody known"

    def searched(self) -> str:
        """All that is known of its waits."""
        return " ".join([self.name, *map(str, self.waits)])


class OrphanLine(Line):
    """What nobody seems to use, and why we think so."""

    def __init__(self, orphan: Orphan, row: Any) -> None:
        self.orphan, self.row = orphan, row
        self.key = orphan.kind, orphan.id
        self.mark = "changed" if orphan.sure else ""

    @cached_property
    def name(self) -> str:
        """What people call it."""
        return named(self.row)

    def searched(self) -> str:
        """Kind, name, why, how sure."""
        return f"{self.orphan.kind}:{self.orphan.id} {self.name} {self.orphan.certainty} {self.orphan.why}"


class ProcessLine(Line):
    """A process and how many objects it has to do with, by how."""

    def __init__(self, pid: int, command: str, words: str, how: Counter[str], circle: str) -> None:
        self.key = self.pid = pid
        self.command, self.words, self.how, self.circle = command, words, how, circle
        self.mark = "alert" if circle else ""

    def searched(self) -> str:
        """Pid, name, command line."""
        return f"{self.pid} {self.command} {self.words}"


def names_of(look: Look) -> dict[tuple[str | None, Any], str]:
    """What people call the objects, by kind and id. Of a lock: the file."""
    return {(row.kind, row.id): os.path.basename(named(row)) for row in look.objects}


def named(row: Any) -> str:
    """The name, key or path; what has none is called by its id. A channel's id is its name."""
    name = "" if row.kind in FIRST else name_of(row)
    return name if name and name != "0x00000000" else str(row.id)


# a look, as lines ---------------------------------------------------------------------------------------------------


def objects(look: Look) -> list[ObjectLine]:
    """Channels and topics first, sockets and pipes last."""
    waiting = Counter((wait.kind, wait.id) for wait in look.waits)
    users: dict[tuple[str, Any], set[int]] = {}
    for edge in look.edges:
        if edge.how != "waits for":
            users.setdefault((edge.kind, edge.id), set()).add(edge.pid)
    lines = [
        ObjectLine(
            row, look.changes.of.get(key_of(row), UNKNOWN), max(waiting[row.kind, row.id], _counted_waiters(row)),
            len(users.get((row.kind, row.id), ())),
        )
        for row in look.objects
    ]  # fmt: skip
    return sorted(lines, key=lambda line: _place(line.row))


def _place(row: Any) -> int:
    """With the many: locks that nobody whom we may look into has, and those of a channel's members (on no name)."""
    if row.kind in FIRST:
        return -1
    if row.kind == "lock" and (row.path is None or row.path.startswith("/dev/shm/#")):
        return 1
    return 1 + LAST.index(row.kind) if row.kind in LAST else 0


def _counted_waiters(row: Any) -> int:
    """Those whom the kernel counts without telling who they are."""
    if row.kind == "sysv-set":
        return sum(each.waiters + each.zero_waiters for each in row.semaphores or ())
    if row.kind == "lock":
        return len(row.waiters)
    return (row.waiters or 0) if row.kind == "posix-semaphore" else 0


def waits(look: Look) -> list[WaitLine]:
    """Circles first, then who is seen to wait for the longest time."""
    threads: dict[tuple[int, int], list[Wait]] = {}
    for wait in look.waits:
        threads.setdefault((wait.pid, wait.tid), []).append(wait)
    circles, names = _circles(look), names_of(look)
    lines = [
        WaitLine(
            each, max(look.changes.waiting_s.get(wait_key(wait), 0.0) for wait in each), circles.get(pid, ""),
            names.get((each[0].kind, each[0].id), "" if each[0].id is None else str(each[0].id)),
        )
        for (pid, _tid), each in threads.items()
    ]  # fmt: skip
    return sorted(lines, key=lambda line: (not line.circle, line.circle, -line.waiting_s))


def _circles(look: Look) -> dict[int, str]:
    """Which processes are in a circle, and how sure that is."""
    found: dict[int, str] = {}
    for cycle in look.cycles:
        found |= dict.fromkeys(cycle.pids, "deadlock" if cycle.sure else "deadlock?")
    return found


def orphans(look: Look) -> list[OrphanLine]:
    """The sure ones first."""
    rows = {(row.kind, row.id): row for row in look.objects}
    lines = [OrphanLine(each, rows[each.kind, each.id]) for each in look.orphans if (each.kind, each.id) in rows]
    return sorted(lines, key=lambda line: CERTAINTY[line.orphan.certainty])


def processes(look: Look) -> list[ProcessLine]:
    """Who has to do with the most objects first; before them, who is in a circle."""
    how: dict[int, Counter[str]] = {pid: Counter() for pid in look.commands}
    for pid, verb, _kind, _id in {(edge.pid, edge.how, edge.kind, edge.id) for edge in look.edges}:
        how[pid][verb] += 1
    circles = _circles(look)
    lines = [
        ProcessLine(pid, look.commands[pid], look.words.get(pid, ""), each, circles.get(pid, ""))
        for pid, each in how.items()
    ]
    return sorted(lines, key=lambda line: (not line.circle, -line.how.total(), line.pid))


LINES: dict[str, Callable[[Look], Iterable[Any]]] = {
    "objects": objects,
    "waits": waits,
    "orphans": orphans,
    "processes": processes,
}
"""Each sheet's lines."""


# cells --------------------------------------------------------------------------------------------------------------


def compact(number: float | None) -> str:
    """A number in at most six characters: 9999, 12.3k, 4.56M."""
    if number is None:
        return ""
    size = abs(number)
    for unit, name in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= 10 * unit or (size >= unit and unit > 1e3):
            return f"{number / unit:.{1 if size < 100 * unit else 0}f}{name}"
    return f"{number:.0f}" if number == int(number) or size >= 10 else f"{number:.1f}"


def duration(seconds: float) -> str:
    """As ps has it: 12 s, 3:07, 2:03:07."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _number(
    heading: str, width: int, get: Callable[[Any], float | None], mark: Any = None, from_width: int = 0
) -> Column:
    """A column of numbers: to the right, the largest first."""
    return Column(
        heading, width, lambda line: compact(get(line)), get, mark or (lambda _line: ""), True, True, from_width
    )


def _rate(heading: str, get: Callable[[Any], float | None]) -> Column:
    """Per second; what moves is marked."""
    return _number(heading, 6, get, lambda line: "changed" if get(line) else "quiet")


def _if_changed(*fields: str) -> Callable[[ObjectLine], str]:
    return lambda line: "" if line.change.changed.isdisjoint(fields) else "changed"


def _lost_mark(line: ObjectLine) -> str:
    return "alert" if line.change.lost_s else "" if line.numbers.lost else "quiet"


def _word(heading: str, width: int, get: Callable[[Any], str], from_width: int = 0) -> Column:
    return Column(heading, width, get, get, from_width=from_width)


NAME = Column("name", 0, lambda line: str(line.name), lambda line: line.name, cut_left=True)
CIRCLE = Column("circle", 9, lambda line: str(line.circle), lambda line: line.circle, if_any=True)


OBJECTS = (
    _word("kind", 15, lambda line: str(line.row.kind)),
    NAME,
    _word("owner", 10, lambda line: str(line.owner), 100),
    _number(
        "depth", 6, lambda line: line.numbers.depth, _if_changed("depth", "messages", "semaphores", "value", "waiting")
    ),
    _number(
        "±/s", 6, lambda line: line.change.growth_s, lambda line: "changed" if line.change.growth_s else "quiet", 90
    ),
    _rate("in/s", lambda line: line.change.entered_s),
    _rate("out/s", lambda line: line.change.left_s),
    _number("lost", 5, lambda line: line.numbers.lost, _lost_mark),
    _number("lag", 5, lambda line: line.numbers.lag, _if_changed("subscribers")),
    _number(
        "bytes", 6, lambda line: line.numbers.used_bytes, _if_changed("used_bytes", "size_bytes", "received_bytes"), 90
    ),
    _number("wait", 4, lambda line: line.waiting or None, lambda _line: "changed"),
    _number("users", 5, lambda line: line.users or None, None, 80),
)
WAITS = (
    CIRCLE,
    Column("for", 7, lambda line: duration(line.waiting_s), lambda line: line.waiting_s, right=True, falling=True),
    Column("pid", 7, lambda line: str(line.first.pid), lambda line: line.first.pid, right=True),
    _word("command", 12, lambda line: str(line.first.command)),
    _word("what it does", 0, lambda line: str(line.what)),
    _word("until one of these acts", 0, lambda line: str(line.ended_by)),
)
ORPHANS = (
    _word("certain", 8, lambda line: str(line.orphan.certainty)),
    _word("kind", 15, lambda line: str(line.orphan.kind)),
    _word("name", 16, lambda line: str(line.name)),
    _word("owner", 10, lambda line: owner_of(line.orphan), 100),
    _word("why", 0, lambda line: str(line.orphan.why)),
)
PROCESSES = (
    Column("pid", 7, lambda line: str(line.pid), lambda line: line.pid, right=True),
    _word("command", 15, lambda line: str(line.command)),
    CIRCLE,
    *(_number(how, 6, lambda line, how=how: line.how[how] or None) for how in ("holds", "reads", "writes", "maps")),  # type: ignore[misc]
    _number("waits", 6, lambda line: line.how["waits for"] or None, lambda _line: "changed"),
    _word("command line", 0, lambda line: str(line.words)),
)
COLUMNS = {"objects": OBJECTS, "waits": WAITS, "orphans": ORPHANS, "processes": PROCESSES}
"""Each sheet's columns."""
