"""From the inspector's graph to ties: each process and each object that it has to do with, once, with every how.

The two ends of a connected socket are one object; connections that one server has at one name are one object too.
"""

from __future__ import annotations

import re

from ..._record import record
from ..seeing import name_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from ...inspector import Edge, Graph

    Key: TypeAlias = tuple[str, str]

__all__ = ["Thing", "Tie", "Ties", "ties_of"]

OTHER_SIDE = ", the other side"
FLOWS = {"reads", "writes", "holds"}
NUMBERS = re.compile(r"[0-9]+|[0-9a-f]+:[0-9a-f]+:[0-9]+")
"""Ids that are no names: the kernel's number, major:minor:inode."""


@record
class Thing:
    """An object of the picture. `ids`: the inspector's "kind:id" of all that it stands for; `name`: "" for none."""

    kind: str
    ids: tuple[str, ...]
    name: str


class Tie:
    """What a process has to do with an object, or with another process: each how with its words."""

    def __init__(self) -> None:
        self.hows: dict[str, list[str]] = {}
        self.sure = True
        self.serves = False
        self.stuck = False

    def add(self, edge: Edge) -> None:
        """One more edge of the two."""
        self.sure = edge.sure and (self.sure or not self.hows)
        words = self.hows.setdefault(edge.how, [])
        if edge.detail not in words:
            words.append(edge.detail)


class Ties:
    """Who has to do with what. A process is ("process", pid)."""

    def __init__(self) -> None:
        self.processes: dict[int, str] = {}
        self.things: dict[Key, Thing] = {}
        self.ties: dict[tuple[int, Key], Tie] = {}

    def users(self) -> dict[Key, dict[int, Tie]]:
        """By object: who uses it, and how."""
        found: dict[Key, dict[int, Tie]] = {}
        for (pid, key), tie in self.ties.items():
            found.setdefault(key, {})[pid] = tie
        return found

    def keep(self, ties: dict[tuple[int, Key], Tie]) -> None:
        """These alone, with the processes and objects that they are between."""
        self.ties = ties
        keys = {key for _pid, key in ties}
        pids = {pid for pid, _key in ties} | {int(number) for kind, number in keys if kind == "process"}
        self.processes = {pid: command for pid, command in self.processes.items() if pid in pids}
        self.things = {key: thing for key, thing in self.things.items() if key in keys}


def ties_of(graph: Graph) -> Ties:
    """Every edge of the graph in its place. Who has ended is kept if somebody waits for what it had."""
    found = Ties()
    rows = {(row.kind, str(row.id)): row for row in graph.objects}
    keys = _Keys(rows)
    for edge in graph.edges:
        if edge.kind == "socket" and edge.detail.endswith(OTHER_SIDE):
            continue  # the other socket has a row of its own
        _add(found, keys, rows, edge)
    for cycle in graph.cycles:
        _mark(found, keys, cycle)
    _drop_plain_maps(found)
    return found


def _add(found: Ties, keys: _Keys, rows: dict[Key, Any], edge: Edge) -> None:
    at = (edge.kind, str(edge.id))
    key = keys.of(at)
    found.processes[edge.pid] = edge.command
    if edge.kind == "process":
        from ...inspector.procfs import command_of

        pid = int(edge.id)
        if pid not in found.processes:
            found.processes[pid] = command_of(pid)
    elif key not in found.things:
        found.things[key] = keys.thing(key)
    tie = found.ties.setdefault((edge.pid, key), Tie())
    tie.add(edge)
    row = rows.get(at)
    if edge.kind == "socket" and row is not None and row.name:
        tie.serves = True


def _mark(found: Ties, keys: _Keys, cycle: Any) -> None:
    """The ties of a circle: who waits for the thing, and who of the circle has it."""
    for wait, ender in zip(cycle.waits, (*cycle.pids[1:], cycle.pids[0]), strict=True):
        key = keys.of((wait.kind, str(wait.id)))
        for pid in (wait.pid, ender):
            if (pid, key) in found.ties:
                found.ties[pid, key].stuck = True


def _drop_plain_maps(found: Ties) -> None:
    """Who sends or receives has it mapped: that need not be said."""
    for tie in found.ties.values():
        if FLOWS & set(tie.hows) and tie.hows.get("maps") == ["open or mapped"]:
            del tie.hows["maps"]


class _Keys:
    """Which object of the picture an object of the machine belongs to."""

    def __init__(self, rows: dict[Key, Any]) -> None:
        self.rows = rows
        self.listeners = {
            row.name: row for row in rows.values() if row.kind == "socket" and row.name and row.state == "listening"
        }
        self.known: dict[Key, Key] = {}
        self.members: dict[Key, list[Key]] = {}
        for at in rows:
            key = self.known[at] = self._key(at)
            self.members.setdefault(key, []).append(at)

    def of(self, at: Key) -> Key:
        """The key of its object; what is in no list (a counter) is its own."""
        return self.known.get(at, at)

    def thing(self, key: Key) -> Thing:
        """The object itself."""
        members = self.members.get(key, [key])
        names = [name for at in members if at in self.rows and (name := _named(self.rows[at]))]
        return Thing(key[0], tuple(":".join(at) for at in members), min(names, default=""))

    def _key(self, at: Key) -> Key:
        row = self.rows[at]
        if at[0] != "socket":
            return at
        peer = self.rows.get(("socket", str(row.peer)))
        server = row if row.name else peer if peer is not None and peer.name else None
        if server is not None:
            ends = server.holders or getattr(self.listeners.get(server.name), "holders", ())  # not accepted yet
            who = sorted({end.pid for end in ends})
            return "socket", f"{server.name} {who}"
        return "socket", str(min(row.id, row.peer or row.id))


def _named(row: Any) -> str:
    """Its path, name or key; what is known by its id alone has none (key 0: private)."""
    name = str(row.id) if row.kind in ("channel", "topic") else name_of(row)
    if row.kind == "socket":
        name = row.name or row.peer_name or ""
    if not name and not NUMBERS.fullmatch(str(plain(row.id))):
        name = str(row.id)
    return "" if name == "0x00000000" else name
