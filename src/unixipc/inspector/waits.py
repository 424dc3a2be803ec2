"""What a thread that sleeps in a system call waits for, and who could end that. -- proc_pid_syscall(5)"""

from __future__ import annotations

from .._record import record
from .awaited import things
from .calls import has_time_limit, name_of
from .procfs import Call, threads_of, wchan_of
from .scene import Ender, Scene, Thing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Wait", "Waiting", "waiting_of"]


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


def waiting_of(scene: Scene, pid: int) -> Waiting:
    """Of one process. FileNotFoundError once it has ended."""
    calls = list(threads_of(pid))
    hidden = any(call is not None and call.number is None for call in calls)
    waits = tuple(tuple(_waits(scene, call)) for call in calls if call is not None)
    return Waiting(pid, len(calls), hidden, waits)


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
