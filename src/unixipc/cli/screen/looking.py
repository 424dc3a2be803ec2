"""Looks at the machine, one after the other in a thread of their own: a slow one delays the next, and nobody else."""

from __future__ import annotations

import os
import time
from threading import Condition, Thread

from ..._record import record
from .changes import History, key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ...inspector import Cycle, Edge, Orphan, Wait
    from ...inspector.procfs import Snapshot
    from .changes import Changes

__all__ = ["Look", "Looker", "Looks", "Wanted", "period_s"]

SHARE = 3
"""Of one processor, at most a third: after a look of 0.5 s the next begins 1.5 s after it at the earliest."""


@record
class Wanted:
    """What to look at: these kinds or families (none: all), only what is mine, only what these processes have."""

    kinds: tuple[str, ...] = ()
    mine: bool = False
    pids: tuple[int, ...] = ()


@record
class Look:
    """The machine at (nearly) one moment, and what is new since the look before.

    `commands`: pid -> name of everybody who has to do with something; `words`: their command lines. `hidden`: the
    processes that may not be looked into. `at`: seconds since 1970; `took_s`, and `cost_s` of a processor.
    """

    at: float
    took_s: float
    cost_s: float
    objects: tuple[Any, ...]
    edges: tuple[Edge, ...]
    waits: tuple[Wait, ...]
    cycles: tuple[Cycle, ...]
    orphans: tuple[Orphan, ...]
    commands: dict[int, str]
    words: dict[int, str]
    hidden: tuple[int, ...]
    changes: Changes


class Looks:
    """Takes them; remembers the one before, and the command lines, which are read once for each program."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._history = History()
        self._words: dict[int, tuple[str, str]] = {}

    def take(self) -> Look:
        """All of it from one pass over the processes. -- proc(5)"""
        from ...inspector.connections import everybody, graph_of, waits_for_others
        from ...inspector.leftovers import orphans_in
        from ...inspector.procfs import snapshot
        from ...inspector.scene import Scene

        at, began, cost = time.time(), time.monotonic(), time.thread_time()
        scene = Scene(snapshot())
        found = everybody(scene)
        graph = graph_of(scene, self._rows(scene.seen), found)
        objects = _chosen(self.wanted, graph.objects, graph.edges)
        about = {(row.kind, row.id) for row in objects}
        edges = tuple(edge for edge in graph.edges if (edge.kind, edge.id) in about)
        waits = tuple(wait for wait in waits_for_others(found) if self._is_wanted(wait, about))
        orphans = tuple(each for each in orphans_in(scene.seen) if (each.kind, each.id) in about)
        commands = {pid: scene.seen.command(pid) for pid in _concerned(edges, waits)}
        changes = self._history.next(began, objects, waits)
        words = self._words_of(commands)
        took, cost = time.monotonic() - began, time.thread_time() - cost
        return Look(
            at, took, cost, objects, edges, waits, graph.cycles, orphans, commands, words, graph.hidden, changes
        )

    def _rows(self, seen: Snapshot) -> list[Any]:
        """The rows of the kinds that are wanted, each once."""
        from ...inspector.listing import rows_in

        rows = [row for kind in self.wanted.kinds or (None,) for row in rows_in(seen, kind)]
        return list({key_of(row): row for row in rows}.values())

    def _is_wanted(self, wait: Wait, about: set[tuple[str, int | str]]) -> bool:
        if wait.pid == os.getpid():  # that we wait for a key is no news
            return False
        if wait.pid in self.wanted.pids:
            return True
        return not (self.wanted.pids or self.wanted.kinds or self.wanted.mine) or (wait.kind, wait.id) in about

    def _words_of(self, commands: dict[int, str]) -> dict[int, str]:
        from ...inspector.procfs import arguments_of

        for pid in self._words.keys() - commands.keys():
            del self._words[pid]
        for pid, command in commands.items():
            if pid not in self._words or self._words[pid][0] != command:
                self._words[pid] = command, " ".join(arguments_of(pid))
        return {pid: self._words[pid][1] for pid in commands}


def _chosen(wanted: Wanted, rows: tuple[Any, ...], edges: tuple[Edge, ...]) -> tuple[Any, ...]:
    if wanted.pids:
        theirs = {(edge.kind, edge.id) for edge in edges if edge.pid in wanted.pids}
        rows = tuple(row for row in rows if (row.kind, row.id) in theirs)
    if wanted.mine:
        mine = _of_my_processes(edges)
        rows = tuple(row for row in rows if _is_mine(row, mine))
    return rows


def _is_mine(row: Any, mine: set[tuple[str, int | str]]) -> bool:
    """A pipe, a lock or a mapping has no owner: it is mine if a process of mine has to do with it."""
    owner = getattr(row, "owner_uid", getattr(row, "uid", None))
    return (row.kind, row.id) in mine if owner is None else bool(owner == os.getuid())


def _of_my_processes(edges: tuple[Edge, ...]) -> set[tuple[str, int | str]]:
    owned: dict[int, bool] = {}
    for pid in {edge.pid for edge in edges}:
        try:
            owned[pid] = os.stat(f"/proc/{pid}").st_uid == os.getuid()
        except OSError:  # it has ended
            continue
    return {(edge.kind, edge.id) for edge in edges if owned.get(edge.pid)}


def _concerned(edges: Iterable[Edge], waits: Iterable[Wait]) -> set[int]:
    enders = {each.pid for wait in waits for each in wait.enders}
    return {edge.pid for edge in edges} | {wait.pid for wait in waits} | enders


def period_s(interval_s: float, cost_s: float) -> float:
    """From the beginning of a look to that of the next: the interval, or as much longer as the share needs."""
    return max(interval_s, SHARE * cost_s)


class Looker:
    """Takes looks until it is stopped, and hands each over; the next one waits until that was taken.

    `deliver` is called in the looker's thread with a look, or with the error that it ended in; `taken()` lets it go on.
    """

    def __init__(self, wanted: Wanted, interval_s: float, deliver: Callable[[Look | Exception], object]) -> None:
        self.interval_s = interval_s
        self.paused = False
        self._looks = Looks(wanted)
        self._deliver = deliver
        self._changed = Condition()
        self._asked = self._stopped = self._waiting = False
        self._showing_s = 0.0
        self._began: float | None = None
        self._thread = Thread(target=self._run, name="ipc watch looks", daemon=True)

    def start(self) -> None:
        """The first look begins now."""
        self._thread.start()

    def stop(self) -> None:
        """No further look begins; the one that is being taken goes nowhere."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait until the look that is being taken has ended; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def looking_s(self) -> float:
        """For how long the look that is being taken has taken; 0 between looks."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def look_now(self) -> None:
        """Take one at once, even if paused."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    def set(self, *, interval_s: float | None = None, paused: bool | None = None) -> None:
        """Another pace, from now on."""
        with self._changed:
            self.interval_s = self.interval_s if interval_s is None else interval_s
            self.paused = self.paused if paused is None else paused
            self._changed.notify_all()

    def taken(self, cost_s: float = 0.0) -> None:
        """What was delivered is shown; that cost so much of a processor, too."""
        with self._changed:
            self._waiting = False
            self._showing_s = cost_s
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._stopped:
            began = self._began = time.monotonic()
            try:
                found: Look | Exception = self._looks.take()
            except Exception as error:
                found = error
            self._began = None
            self._hand_over(found)
            self._rest(began, self._showing_s + (found.cost_s if isinstance(found, Look) else 0.0))

    def _hand_over(self, found: Look | Exception) -> None:
        with self._changed:
            if self._stopped:
                return
            self._waiting = True
        self._deliver(found)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._waiting)

    def _rest(self, began: float, cost_s: float) -> None:
        """Until the next one is due; who changes the pace wakes it, to reckon again."""
        with self._changed:
            self._asked = False
            while not self._stopped and not self._asked:
                left = began + period_s(self.interval_s, cost_s) - time.monotonic()
                if left <= 0 and not self.paused:
                    return
                self._changed.wait(None if self.paused else left)
