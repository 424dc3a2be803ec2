"""What a thread that sleeps in a system call waits for, and who could end that. -- proc_pid_syscall(5)"""

from __future__ import annotations

import os
from itertools import islice

from .._record import record
from .awaited import things
from .calls import has_time_limit, name_of
from .procfs import Call, goes_on, threads_of, wchan_of
from .scene import Ender, Scene, Thing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Wait", "Waiting", "places_of", "waiting_of_all"]

LOOKS = 5
"""How often to look at a thread that runs: who waits in slices leaves the call now and then, for a moment."""
MOST_AGAIN = 200
"""At how many processes to look again: a machine on which more than that run is busy with other things than waiting."""


@record
class Wait:
    """A thread that waits for an object: what it does (`does`: "acquires", "reads", "receives", ...), and in words.

    `kind` and `id` are the object's, as in `ls`, or "process", "eventfd", "file", "thread", "signal", "time";
    None where it is not known: then `text` says why. `call` is the system call ("" if we may not look). `enders`: who
    could end the wait; `others`: somebody else could as well, whom the kernel does not tell; `limited`: the call
    has a time limit, which may only mean that the program looks up now and then, as this library does.
    """

    pid: int
    tid: int
    command: str
    call: str
    kind: str | None
    id: int | str | None
    does: str
    text: str
    enders: tuple[Ender, ...]
    others: bool
    limited: bool

    def __str__(self) -> str:
        who = f"{self.pid} ({self.command})"
        what = f"{self.does} {self.kind} {self.id}: {self.text}" if self.kind else self.text
        could = ", ".join(f"{each.pid} ({each.command}) {each.why}{'' if each.sure else '?'}" for each in self.enders)
        return f"{who} {what}; {could or 'nobody who could end it is known'}"


@record
class Waiting:
    """The threads of a process: how many there are, what each that sleeps waits for (several things, if it polls)."""

    pid: int
    threads: int
    hidden: bool
    waits: tuple[tuple[Wait, ...], ...]
    calls: frozenset[tuple[object, ...]]

    @property
    def runs(self) -> bool:
        """Whether a thread of it did not sleep in a call."""
        return len(self.waits) < self.threads


def waiting_of_all(scene: Scene, pids: Iterable[int]) -> dict[int, Waiting]:
    """Of each that has not ended. A thread that runs is looked at again, a few times, in case it sleeps in slices."""
    found = dict(_each(scene, pids))
    awake = (
        pid for pid, each in found.items() if each.runs and not each.hidden and pid != os.getpid() and goes_on(pid)
    )
    running = list(islice(awake, MOST_AGAIN))
    for _ in range(LOOKS if running else 0):
        os.sched_yield()
        again = dict(_each(scene, running))
        found |= {pid: each for pid, each in again.items() if len(each.waits) > len(found[pid].waits)}
        running = [pid for pid in running if found[pid].runs]
        if not running:
            break
    return found


def _each(scene: Scene, pids: Iterable[int]) -> Iterator[tuple[int, Waiting]]:
    for pid in pids:
        try:
            yield pid, waiting_of(scene, pid)
        except PermissionError:  # hidepid: not even how many threads it has
            yield pid, Waiting(pid, 1, True, (), frozenset())
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue


def waiting_of(scene: Scene, pid: int) -> Waiting:
    """Of one process, at one look. FileNotFoundError once it has ended."""
    calls = list(threads_of(pid))
    hidden = any(call is not None and call.number is None for call in calls)
    waits = tuple(tuple(_waits(scene, call)) for call in calls if call is not None)
    return Waiting(pid, len(calls), hidden, waits, places_of(calls))


def places_of(calls: Iterable[Call | None]) -> frozenset[tuple[object, ...]]:
    """Where they sleep: to be compared with a later look. What follows the first two arguments may be a count."""
    return frozenset((call.tid, call.number, *call.arguments[:2]) for call in calls if call is not None)


def _waits(scene: Scene, call: Call) -> Iterator[Wait]:
    command = scene.seen.command(call.pid)
    if call.number is None:
        yield from _from_outside(scene, call, command)
        return
    name = name_of(call.number)
    limited = has_time_limit(name, call.arguments)
    for each in things(scene, call, name) or [Thing("", "", "sleeps", f"it sleeps in {name}", (), True)]:
        yield _wait(call, command, name, each, limited)


def _wait(call: Call, command: str, name: str, of: Thing, limited: bool) -> Wait:
    kind, number = (of.kind, of.id) if of.kind else (None, None)
    return Wait(call.pid, call.tid, command, name, kind, number, of.does, of.text, of.enders, of.others, limited)


def _from_outside(scene: Scene, call: Call, command: str) -> Iterator[Wait]:
    """What can be told of a process that we may not look into: the kernel shows everybody who waits for which lock."""
    found = False
    for line in scene.lock_table:
        if line.waits and line.pid == call.pid:
            found = True
            rows = [row for row in scene.locks if row.id == line.file and any(w.pid == call.pid for w in row.waiters)]
            pids = {pid for row in rows for pid in row.holders or ((row.pid,) if row.pid else ())}
            label = next((row.path for row in rows if row.path), line.file)
            thing = Thing("lock", line.file, "acquires", f"{line.type} lock on {label}", scene.enders(pids, "holds it"))
            yield _wait(call, command, "", thing, False)
    if not found:
        place = wchan_of(call.pid, call.tid)
        where = f"it sleeps in the kernel's {place}; for what, " if place else "what it waits for "
        thing = Thing("", "", "is hidden", f"{where}may not be looked at (ptrace rights needed)", (), True)
        yield _wait(call, command, "", thing, False)
