"""Processes, objects, and what is between them: holds, reads, writes, maps, waits for."""

from __future__ import annotations

from .._record import record
from .cycles import Cycle, cycles_in
from .edges import Edge, edges_of
from .listing import rows_in
from .procfs import nothing_collected, snapshot
from .scene import Scene
from .waits import Wait, Waiting, waiting_of_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .listing import Row

__all__ = ["Graph", "Why", "everybody", "graph", "graph_of", "waits_for_others", "waits_in", "why"]

NOT_OURS = (None, "file", "thread", "signal", "time")
"""Waits for these say nothing about other processes: `why()` leaves them out."""


@record
class Graph:
    """Everything at (nearly) one moment. `processes`: pid -> command of all with an edge; `objects`: the rows of `ls`.

    `hidden`: processes that we may not look into: what they hold and wait for is not here.
    """

    processes: dict[int, str]
    objects: tuple[Row, ...]
    edges: tuple[Edge, ...]
    cycles: tuple[Cycle, ...]
    hidden: tuple[int, ...]


@record
class Why:
    """Waits with those who could end them, and every circle among them. `hidden`: who may not be looked at."""

    waits: tuple[Wait, ...]
    cycles: tuple[Cycle, ...]
    hidden: tuple[int, ...]


@nothing_collected()
def graph() -> Graph:
    """Who holds, reads, writes, maps and waits for what. -- proc(5), sock_diag(7)"""
    scene = Scene(snapshot())
    return graph_of(scene, rows_in(scene.seen), everybody(scene))


def graph_of(scene: Scene, rows: Sequence[Row], found: dict[int, Waiting]) -> Graph:
    """The same of these objects, from a look that was taken already."""
    edges = [edge for row in rows for edge in edges_of(scene, row)]
    edges += [edge for wait in waits_in(found.values()) if (edge := edge_of(wait))]
    processes = {edge.pid: edge.command for edge in edges}
    return Graph(processes, tuple(rows), tuple(edges), _lasting(found), _hidden(scene, found))


def edge_of(wait: Wait) -> Edge | None:
    """A wait for an object, as an edge."""
    if wait.kind is None or wait.id is None or wait.kind in NOT_OURS:
        return None
    return Edge(wait.pid, wait.command, "waits for", wait.kind, wait.id, True, wait.text)


@nothing_collected()
def why(pid: int | None = None) -> Why:
    """What it waits for and who could end that; without a pid: every wait for anything of others. -- proc(5)

    Circles are found across mechanisms: a process that waits for a semaphore whose holder waits for a file lock, and so
    on; of one process: those that it ends up in. To see what another user's process waits for needs root (ptrace
    rights); of a lock the kernel shows it everybody. ProcessLookupError if there is no such process.
    """
    scene = Scene(snapshot())
    if pid is None:
        found = everybody(scene)
        return Why(waits_for_others(found), _lasting(found), _hidden(scene, found))
    if pid not in scene.seen.pids:
        raise ProcessLookupError(3, "No such process", f"process {pid}")
    found = _from(scene, pid)
    own = [found[pid]] if pid in found else []
    return Why(tuple(waits_in(own)), _lasting(found), _hidden(scene, found))


def _lasting(found: dict[int, Waiting]) -> tuple[Cycle, ...]:
    """Those circles that a second look finds, too.

    What a process has open is seen before what it waits for: it may have closed an end in between.
    """
    seen = cycles_in(found)
    if not seen:
        return ()
    again = waiting_of_all(Scene(snapshot()), sorted({pid for each in seen for pid in each.pids}))
    circles = {frozenset(each.pids) for each in cycles_in(again)}
    return tuple(each for each in seen if frozenset(each.pids) in circles)


def waits_for_others(found: dict[int, Waiting]) -> tuple[Wait, ...]:
    """Every wait for anything of other processes."""
    return tuple(wait for wait in waits_in(found.values()) if wait.kind not in NOT_OURS)


def everybody(scene: Scene) -> dict[int, Waiting]:
    """What every process waits for."""
    return waiting_of_all(scene, scene.seen.pids)


def _from(scene: Scene, pid: int) -> dict[int, Waiting]:
    """The process, those it waits for, those they wait for, and so on."""
    found: dict[int, Waiting] = {}
    ahead = [pid]
    while ahead:
        this = ahead.pop()
        if this in found:
            continue
        if (each := waiting_of_all(scene, [this])) == {}:  # it has ended
            continue
        found |= each
        ahead += [ender.pid for wait in waits_in([found[this]]) for ender in wait.enders]
    return found


def waits_in(found: Iterable[Waiting]) -> list[Wait]:
    """Every wait of every thread of these processes."""
    return [wait for waiting in found for thread in waiting.waits for wait in thread]


def _hidden(scene: Scene, found: dict[int, Waiting]) -> tuple[int, ...]:
    return tuple(sorted((scene.seen.hidden & set(found)) | {pid for pid, each in found.items() if each.hidden}))
