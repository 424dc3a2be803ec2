"""What is in the picture: nodes, links, circles; and what was left out, which it says."""

from __future__ import annotations

from ..._record import record
from ..main import printable
from ..seeing import detail_of, owner_of, plain, user_name
from .folding import like_each_other

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    from ...inspector import Cycle, Graph
    from .ties import Key, Tie, Ties

    Flow: TypeAlias = Literal["to", "from", "both", "none"]

__all__ = ["Circle", "Link", "Node", "Picture", "picture_of"]

HELD = ("lock", "sysv-set", "posix-semaphore")
"""Kinds that somebody has and others wait for: who waits is on one side, who has it on the other."""
SHOWN = 12
"""So many members and details are told by name, of more the number."""


@record
class Node:
    """A process or an object, or several that are alike. `state`: "", "waits" (for somebody), "stuck" or "ended"."""

    key: str
    role: str
    kind: str
    label: str
    note: str
    count: int
    state: str
    members: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


@record
class Link:
    """Between a process and an object (or another process), by their keys.

    `flow`: which way what is told goes, seen from the process: "to" the object (it writes, it waits), "from" it (it
    reads, it is who has the lock), "both", "none". `leads`: whether the object comes after the process in the picture.
    `waiting`: how many wait there now. `sure`: False where it is only likely. `stuck`: part of a circle.
    """

    process: str
    thing: str
    hows: tuple[str, ...]
    flow: Flow
    leads: bool
    waiting: int
    sure: bool
    stuck: bool
    count: int
    details: tuple[str, ...]


@record
class Circle:
    """Processes that wait for each other: in a line, a step each, and the nodes of it."""

    text: str
    steps: tuple[str, ...]
    sure: bool
    keys: tuple[str, ...]


@record
class Picture:
    """All of it. `hidden`: how many processes may not be looked into; `folded`, `ended`: what was left out as noise."""

    host: str
    time: str
    scope: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    circles: tuple[Circle, ...]
    hidden: int
    folded: int
    ended: int


def picture_of(graph: Graph, ties: Ties, apart: set[Key], merge: bool, **told: Any) -> Picture:
    """Nodes and links of these ties; `merge`: what is alike becomes one node, but for what is in `apart`."""
    if merge:
        processes, things = like_each_other(ties, apart)
    else:
        processes, things = [[pid] for pid in sorted(ties.processes)], [[key] for key in sorted(ties.things)]
    keys: dict[Key, str] = {("process", str(pid)): f"process:{group[0]}" for group in processes for pid in group}
    keys |= {key: f"{group[0][0]}:{group[0][1]}" for group in things for key in group}
    links = _links(ties, keys)
    rows: dict[str, list[Any]] = {}
    for row in graph.objects:
        rows.setdefault(f"{row.kind}:{row.id}", []).append(row)
    states = _states(links)
    nodes = [_process_node(ties, group, states) for group in processes]
    nodes += [_thing_node(ties, group, keys[group[0]], rows, states) for group in things]
    return Picture(nodes=tuple(nodes), links=tuple(links), circles=_circles(graph, ties, keys, links), **told)


def _circles(graph: Graph, ties: Ties, keys: dict[Key, str], links: list[Link]) -> tuple[Circle, ...]:
    found = []
    for cycle in graph.cycles:
        pids = {f"process:{pid}" for pid in cycle.pids if pid in ties.processes}
        things = {link.thing for link in links if link.stuck and link.process in pids}
        if len(pids) == len(cycle.pids):
            keys_of_it = (*sorted(pids), *sorted(things - pids))
            found.append(Circle(printable(str(cycle)), _steps(cycle), cycle.sure, keys_of_it))
    return tuple(found)


def _steps(cycle: Cycle) -> tuple[str, ...]:
    """Of each process: what it does, and what the next would have to do."""
    found = []
    for wait, pid in zip(cycle.waits, (*cycle.pids[1:], cycle.pids[0]), strict=True):
        next_one = next(ender for ender in wait.enders if ender.pid == pid)
        likely = "" if next_one.sure else " (likely)"
        does = f"{wait.command} ({wait.pid}) {wait.does} {wait.kind} {plain(wait.id)}: {wait.text}"
        found.append(printable(f"{does}; {next_one.command} ({pid}) {next_one.why}{likely}"))
    return tuple(found)


# links ----------------------------------------------------------------------------------------------------------------


def _links(ties: Ties, keys: dict[Key, str]) -> list[Link]:
    found: dict[tuple[str, str], list[tuple[int, Key, Tie]]] = {}
    for (pid, key), tie in sorted(ties.ties.items(), key=lambda each: each[0]):
        found.setdefault((keys["process", str(pid)], keys[key]), []).append((pid, key, tie))
    users = ties.users()
    return [_link(*ends, group, users) for ends, group in found.items()]


def _link(process: str, thing: str, group: list[tuple[int, Key, Tie]], users: dict[Key, dict[int, Tie]]) -> Link:
    hows = tuple(sorted({how for _pid, _key, tie in group for how in tie.hows}))
    details = dict.fromkeys(
        printable(f"{pid} {how}: {text}")
        for pid, _key, tie in group
        for how, texts in tie.hows.items()
        for text in texts
    )
    key = group[0][1]
    flow = _flow(key[0], hows)
    return Link(
        process, thing, hows, flow, _leads(flow, key, group, users[key]),
        sum("waits for" in tie.hows for _pid, _key, tie in group),
        all(tie.sure for _pid, _key, tie in group), any(tie.stuck for _pid, _key, tie in group), len(group),
        tuple(_some(list(details))),
    )  # fmt: skip


def _flow(kind: str, hows: tuple[str, ...]) -> Flow:
    if "reads" in hows:
        return "both" if "writes" in hows else "from"
    if "writes" in hows:
        return "to"
    if kind in HELD:
        return "from" if "holds" in hows else "to"
    return "to" if hows == ("waits for",) else "none"


def _leads(flow: Flow, key: Key, group: list[tuple[int, Key, Tie]], users: dict[int, Tie]) -> bool:
    """Whether the process comes before the object: writers, waiters and clients do."""
    pid, _key, tie = group[0]
    if flow == "both":  # as those who keep a FIFO open for themselves, and only read
        return not any("writes" in other.hows and "reads" not in other.hows for other in users.values())
    if flow == "none" and key[0] == "socket":
        return not tie.serves if any(other.serves for other in users.values()) else pid == min(users)
    return flow != "from"


# nodes ----------------------------------------------------------------------------------------------------------------


def _states(links: list[Link]) -> dict[str, str]:
    """A process that waits for what somebody has, or for a process, is told apart from one that reads what may come."""
    found: dict[str, str] = {}
    for link in links:
        if link.stuck:
            found[link.process] = found[link.thing] = "stuck"
        elif (
            link.waiting
            and link.flow == "to"
            and not link.thing.startswith("process:")
            and found.get(link.process) != "stuck"
        ):
            found[link.process] = "waits"
    return found


def _process_node(ties: Ties, pids: list[int], states: dict[str, str]) -> Node:
    from ...inspector.procfs import arguments_of

    key = f"process:{pids[0]}"
    command = printable(ties.processes[pids[0]])
    facts = [("command line", printable(" ".join(arguments_of(pids[0]))[:300])), ("user", _user(pids[0]))]
    if len(pids) > 1:
        facts.insert(0, ("pids", ", ".join(_some([str(pid) for pid in pids]))))
    return Node(
        key, "process", "process", command or "ended", f"{len(pids)} processes" if len(pids) > 1 else str(pids[0]),
        len(pids), states.get(key, "") if command else "ended", tuple(str(pid) for pid in pids),
        tuple((name, value) for name, value in facts if value),
    )  # fmt: skip


def _thing_node(ties: Ties, group: list[Key], key: str, rows: dict[str, list[Any]], states: dict[str, str]) -> Node:
    thing = ties.things[group[0]]
    members = [each for one in group for each in ties.things[one].ids]
    name = printable(thing.name)
    count = len(group) if len(group) > 1 else 1
    facts = [("name", name)] if name else []
    facts.append(("id", ", ".join(_some([printable(each.partition(":")[2]) for each in members]))))
    for row in [row for each in members[:1] for row in rows.get(each, ())][:SHOWN]:
        facts += [("owner", owner_of(row)), ("now", printable(detail_of(row)))]
    label = name or members[0].partition(":")[2]
    return Node(
        key, "object", thing.kind, printable(label), thing.kind, count, states.get(key, ""),
        tuple(printable(each) for each in members), tuple((name, value) for name, value in facts if value),
    )  # fmt: skip


def _user(pid: int) -> str:
    from ...inspector.procfs import owner_of as uid_of

    try:
        return user_name(uid_of(pid))
    except OSError:  # it has ended
        return ""


def _some(texts: list[str]) -> list[str]:
    return texts if len(texts) <= SHOWN else [*texts[:SHOWN], f"and {len(texts) - SHOWN} more"]
