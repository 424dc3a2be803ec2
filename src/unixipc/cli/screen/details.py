"""Of the chosen line: every field, and links to who has to do with it, or what it has to do with."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from ..main import printable
from ..seeing import plain
from .sheet import Column, Line
from .tables import ObjectLine, OrphanLine, ProcessLine, WaitLine, duration, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...inspector import Edge
    from .looking import Look

__all__ = ["LINKS", "Link", "fields_of", "links_of"]

NAME_WIDTH = 15


class Link(Line):
    """Somebody or something to follow to: `sheet` and `target` say where it is listed."""

    def __init__(self, how: str, what: str, more: str, sheet: str, target: Any) -> None:
        self.how, self.what, self.more, self.sheet, self.target = how, what, more, sheet, target
        self.key = how, what, more


LINKS = (
    Column("how", 9, lambda link: str(link.how), lambda link: link.how),
    Column("who or what", 0, lambda link: f"{link.what}  {link.more}", lambda link: link.what),
)


def fields_of(line: Any, look: Look) -> Table:
    """Every field, one a line; what is new since the last look is bold."""
    if isinstance(line, ObjectLine):
        return _joined(_of_object(line))
    if isinstance(line, WaitLine):
        return _joined(_of_wait(line, look))
    if isinstance(line, OrphanLine):
        return _joined(_of_orphan(line))
    assert isinstance(line, ProcessLine)
    return _joined(_of_process(line))


def _joined(fields: Iterator[tuple[str, str, bool]]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(overflow="fold", min_width=4, max_width=NAME_WIDTH)
    grid.add_column(overflow="fold", ratio=1)
    for name, value, changed in fields:
        grid.add_row(Text(name, "dim"), Text(printable(value), "bold" if changed else ""))
    return grid


def _of_object(line: ObjectLine) -> Iterator[tuple[str, str, bool]]:
    for name, value in line.row._asdict().items():
        yield name, _told(name, value), name in line.change.changed
    rates = {"per second": line.change.growth_s, "in": line.change.entered_s, "out": line.change.left_s}
    told = ", ".join(f"{name} {rate:+.1f}" for name, rate in rates.items() if rate)
    if told:
        yield "since the last look", told, True


def _told(name: str, value: Any) -> str:
    """A field for people: times of day, permissions in octal, records and tuples in one line."""
    if value is None:
        return "-"
    if name.endswith("_at") and isinstance(value, int):
        return datetime.fromtimestamp(value).isoformat(" ")
    if name == "mode" and isinstance(value, int):
        return f"{value:04o}"
    if isinstance(value, tuple):
        return "; ".join(_told("", each) for each in value) or "none"
    if hasattr(value, "_asdict"):
        return " ".join(f"{key}={plain(each)}" for key, each in value._asdict().items())
    return str(plain(value))


def _of_wait(line: WaitLine, look: Look) -> Iterator[tuple[str, str, bool]]:
    for cycle in look.cycles:
        if line.first.pid in cycle.pids:
            yield "circle", str(cycle), True
    yield "process", f"{line.first.pid} {line.first.command}, thread {line.first.tid}", False
    yield "for at least", duration(line.waiting_s), False
    for wait in line.waits:
        limit = ", with a time limit" if wait.limited else ""
        what = f"{wait.does} {wait.kind} {wait.id}{limit}: " if wait.kind else ""
        yield f"{wait.call or 'call'}", f"{what}{wait.text}", False
    yield "command line", look.words.get(line.first.pid, ""), False


def _of_orphan(line: OrphanLine) -> Iterator[tuple[str, str, bool]]:
    yield "certainty", line.orphan.certainty, line.orphan.sure
    yield "why", line.orphan.why, False
    for name, value in line.row._asdict().items():
        yield name, _told(name, value), False


def _of_process(line: ProcessLine) -> Iterator[tuple[str, str, bool]]:
    yield "pid", str(line.pid), False
    yield "command", line.command, False
    yield "command line", line.words, False
    yield "objects", ", ".join(f"{how} {count}" for how, count in sorted(line.how.items())) or "nothing", False
    if line.circle:
        yield "circle", line.circle, True


# links --------------------------------------------------------------------------------------------------------------


def links_of(line: Any, look: Look) -> list[Link]:
    """Where Enter leads to from here."""
    if isinstance(line, ProcessLine):
        names = {(row.kind, row.id): named(row) for row in look.objects}
        return [_to_object(edge, names) for edge in look.edges if edge.pid == line.pid]
    if isinstance(line, WaitLine):
        return _from_wait(line)
    row = line.row
    found = [_to_process(edge) for edge in look.edges if (edge.kind, edge.id) == (row.kind, row.id)]
    return [_to_row(row), *found] if isinstance(line, OrphanLine) else found


def _to_process(edge: Edge) -> Link:
    more = edge.detail if edge.sure else f"likely: {edge.detail}"
    return Link(edge.how, f"{edge.pid} {edge.command}", more, "processes", edge.pid)


def _to_object(edge: Edge, names: dict[tuple[str, Any], str]) -> Link:
    name = names.get((edge.kind, edge.id), edge.id)
    more = edge.detail if edge.sure else f"likely: {edge.detail}"
    return Link(edge.how, f"{edge.kind} {name}", more, "objects", (edge.kind, edge.id))


def _to_row(row: Any) -> Link:
    return Link("is", f"{row.kind} {named(row)}", "", "objects", (row.kind, row.id))


def _from_wait(line: WaitLine) -> list[Link]:
    links = [Link("who", f"{line.first.pid} {line.first.command}", "", "processes", line.first.pid)]
    for wait in line.waits:
        if wait.kind and wait.id is not None:
            links.append(Link("waits for", f"{wait.kind} {wait.id}", wait.text, "objects", (wait.kind, wait.id)))
        for each in wait.enders:
            why = each.why if each.sure else f"likely: {each.why}"
            links.append(Link("ended by", f"{each.pid} {each.command}", why, "processes", each.pid))
    return list({link.key: link for link in links}.values())
