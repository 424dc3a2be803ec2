"""System V objects that nobody seems to use any more, and how near the limits are. -- sysvipc(7)

The kernel does not know whose an object is: it lives until somebody removes it, and anybody who has its key or id may
come back to it. What it does keep are traces of use: how many have a segment attached, who waits at a semaphore, which
process was the last to send, receive, attach or change. `orphans` weighs them and says which.
"""

from __future__ import annotations

import os
from _thread import get_native_id
from contextlib import suppress

from .. import sysv
from .._record import record
from ..process import Process
from .procfs import call_of, owner_of, processes, shows_calls, threads_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    Certainty = Literal["likely", "possible"]

__all__ = ["Limit", "Orphan", "limits", "orphans"]

QUEUE_CALLS: dict[str, frozenset[int]] = {
    "x86_64": frozenset((69, 70)),
    "aarch64": frozenset((188, 189)),
    "riscv64": frozenset((188, 189)),
}
"""The numbers of msgsnd(2) and msgrcv(2)."""

LOOKS = 20
"""How often to look at a thread that runs: who waits leaves the call now and then, for a moment, and comes back."""


@record
class Orphan:
    """A System V object without a user that is known: what it is, and why we think so.

    `kind` is "queue", "semaphore set" or "segment". `why` names the traces. `certainty` is never more than "likely":
    every process in the traces has ended, and nobody has it attached or waits in it. It is "possible" where a part of
    that could not be seen, or where a process in the traces lives and has only let go of it.
    """

    kind: str
    id: int
    key: sysv.Key
    owner_uid: int
    why: str
    certainty: Certainty


@record
class Limit:
    """A limit of this IPC namespace, named as in `unixipc.sysv.Limits`; `used` is None where nothing adds up to it."""

    name: str
    value: int
    used: int | None
    sysctl: str


def limits() -> list[Limit]:
    """Every System V limit, how much of it is used by all together, and how to raise it. -- sysvipc(7), proc(5)"""
    allowed, used = sysv.limits(), sysv.usage()
    counted = {
        "queues": used.queues,
        "sets": used.sets,
        "semaphores": used.semaphores,
        "segments": used.segments,
        "memory_pages": used.memory_pages,
    }
    return [Limit(name, getattr(allowed, name), counted.get(name), sysctl) for name, sysctl in sysv.SYSCTLS.items()]


def orphans() -> list[Orphan]:
    """The queues, semaphore sets and segments of this IPC namespace that nobody seems to use. -- sysvipc(7)

    A queue: its last sender and last receiver have ended, and nobody is seen to wait in it. A set: the last process
    that changed each semaphore has ended, and nobody waits. A segment: nobody has it attached. What was never used, or
    was used from another pid namespace, tells nothing, so it is not listed; nor is a set that we may not read.

    It is a snapshot, and no proof: see `Orphan`. A pid that was given to a new process looks alive.
    """
    return [*_queues(), *_sets(), *_segments()]


def _queues() -> Iterator[Orphan]:
    found = sysv.queues()
    if not found:
        return
    waited_in, unseen_uids, running = _queues_waited_in()
    for queue in found:
        users = [(queue.sent_at, queue.last_sender_pid), (queue.received_at, queue.last_receiver_pid)]
        known = [pid for at, pid in users if at is not None]
        if not known or queue.id in waited_in or not all(map(_has_ended, known)):
            continue
        unseen = unseen_uids is None or any(_lets_in(queue.permissions, uid) for uid in unseen_uids)
        doubt = ", nobody is seen to wait"
        if unseen:
            doubt = "; a process that may not be looked at could wait in it"
        elif running:
            doubt += "; a process that runs at this moment could be about to"
        yield _orphan("queue", queue, _why_queue(queue) + doubt, "possible" if unseen or running else "likely")


def _lets_in(permissions: sysv.Permissions, uid: int) -> bool:
    return bool(permissions.mode & 0o077) or uid in (permissions.uid, permissions.creator_uid)


def _why_queue(queue: sysv.QueueStat) -> str:
    sender = "nobody ever sent" if queue.sent_at is None else f"last sender {queue.last_sender_pid} has ended"
    receiver = f"last receiver {queue.last_receiver_pid} has ended"
    if queue.received_at is None:
        receiver = "nobody ever received"
    return f"{sender}, {receiver}; {queue.messages} messages in it"


def _sets() -> Iterator[Orphan]:
    for each in sysv.semaphore_sets():
        with suppress(OSError):  # removed while we look, or not ours to read: then nothing is known
            semaphores = list(sysv.SemaphoreSet(each.id))
            waiting = sum(semaphore.waiters + semaphore.zero_waiters for semaphore in semaphores)
            pids = {semaphore.last_pid for semaphore in semaphores}
            known = sorted(pids - {0})
            if known and not waiting and all(map(_has_ended, known)):
                why = f"last changed by {', '.join(map(str, known))}: ended; nobody waits"
                yield _orphan("semaphore set", each, why, "possible" if 0 in pids else "likely")


def _segments() -> Iterator[Orphan]:
    for segment in sysv.segments():
        if segment.attached:
            continue
        users = {"creator": segment.creator_pid, "last user": segment.last_pid}
        if segment.attached_at is None:
            del users["last user"]
        fates = "".join(f", {_fate(who, pid)}" for who, pid in users.items())
        gone = all(map(_has_ended, users.values()))
        yield _orphan("segment", segment, f"nobody has it attached{fates}", "likely" if gone else "possible")


def _fate(who: str, pid: int) -> str:
    if not pid:
        return f"{who} in another pid namespace"
    return f"{who} {pid} {'has ended' if _has_ended(pid) else 'lives'}"


def _orphan(kind: str, of: sysv.QueueStat | sysv.SetStat | sysv.MemoryStat, why: str, certainty: Certainty) -> Orphan:
    return Orphan(kind, of.id, of.permissions.key, of.permissions.uid, why, certainty)


def _has_ended(pid: int) -> bool:
    """Whether no process has this pid, or only a zombie. 0 is one of another pid namespace: nothing is known of it."""
    if not pid:
        return False
    try:
        with Process(pid) as process:
            return process.has_ended()
    except ProcessLookupError:
        return True


def _queues_waited_in() -> tuple[set[int], set[int] | None, bool]:
    """The ids of queues that somebody sleeps in; whose processes we could not look at (None: nobody's). -- proc(5)

    And whether somebody ran at every look: he may have left the call for a moment, and wait for a processor.
    """
    calls = QUEUE_CALLS.get(os.uname().machine)
    if calls is None or not shows_calls():
        return set(), None, False
    asleep: set[tuple[int, int]] = set()
    unseen: set[int] = set()
    running: list[tuple[int, str]] = []
    for pid in processes():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            try:
                running += _look_at([(pid, thread) for thread in threads_of(pid)], asleep)
            except PermissionError:
                unseen.add(owner_of(pid))
    for _ in range(LOOKS):
        if not running:
            break
        os.sched_yield()
        with suppress(PermissionError):  # it runs another user's program by now
            running = _look_at(running, asleep)
    return {first for call, first in asleep if call in calls}, unseen, bool(running)


def _look_at(threads: list[tuple[int, str]], asleep: set[tuple[int, int]]) -> list[tuple[int, str]]:
    """Add the calls that these sleep in; those that run, but for who looks."""
    running = []
    for pid, thread in threads:
        with suppress(FileNotFoundError, ProcessLookupError):
            if found := call_of(pid, thread):
                asleep.add(found)
            elif int(thread) != get_native_id():
                running.append((pid, thread))
    return running
