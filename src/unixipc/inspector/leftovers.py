"""Objects that nobody uses any more, with the traces that say so, and how sure that is. -- sysvipc(7), shm_overview(7)

The kernel does not know whose an object is: it lives until somebody removes it, and anybody who has its key, id or name
may come back to it. What it does keep are traces of use: who has it open, mapped or attached, who waits in it, which
process was the last to send, receive, attach or change, which locks are held. `orphans` weighs them and says which;
`collect` removes by that.
"""

from __future__ import annotations

import os
from contextlib import suppress

from .. import sysv
from .._record import record
from . import channels, posix, stale, system_v
from .calls import QUEUE_CALLS
from .families import family_of
from .lineage import Living
from .listing import KINDS, is_of
from .procfs import has_ended, owner_of, shows_calls, snapshot, threads_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import Literal, TypeAlias

    from .procfs import Snapshot

    Certainty = Literal["sure", "likely", "possible"]
    Row: TypeAlias = (
        system_v.QueueRow | system_v.SetRow | system_v.SegmentRow | posix.MemoryRow | posix.SemaphoreRow |
        posix.QueueRow | channels.ChannelRow | channels.TopicRow | stale.StaleFile
    )  # fmt: skip
    Found: TypeAlias = tuple["Orphan", Row]

__all__ = ["Orphan", "orphans", "orphans_in"]

POSSIBLE: tuple[str, Certainty] = ("", "possible")
LOOKS = 20
"""How often to look at a thread that runs: who waits leaves the call now and then, for a moment, and comes back."""


@record
class Orphan:
    """An object without a user that is known: `kind` and `id` as in `ls` (of a file: its path), and why we think so.

    `certainty`: "sure": nobody uses it, and nobody can come back for it: everybody who is known to have used it has
    ended, and it has no key or name that others could find it by; or the kernel itself says that nobody is left (the
    locks of a temporary channel, the file of a dead socket). "likely": nobody uses it, and everybody in the traces has
    ended, but it could be found again by its key or name, or somebody whom the kernel did not note could know its id.
    "possible": a part of that could not be seen, or a process in the traces lives and has only let go of it, or there
    are no traces but that nobody has it open. `sure` is whether it is "sure".

    `used_at`: the last use that the kernel noted, in seconds since 1970; None where it notes none. `size_bytes`: what
    removing it gives back.
    """

    kind: str
    id: int | str
    key: sysv.Key | None
    owner_uid: int
    why: str
    certainty: Certainty
    used_at: int | None = None
    size_bytes: int = 0

    @property
    def sure(self) -> bool:
        """Whether it may be removed without harm to anybody who is known."""
        return self.certainty == "sure"


def orphans(folders: Sequence[str] | None = None) -> list[Orphan]:
    """Everything that nobody seems to use: System V and POSIX objects, channels, stale files. -- sysvipc(7), proc(5)

    A queue: its last sender and last receiver have ended, and nobody is seen to wait in it. A set: the last process
    that changed each semaphore has ended, and nobody waits. A segment: nobody has it attached. What was never used, or
    was used from another pid namespace, tells nothing, so it is not listed; nor is a set that we may not read. A name
    in /dev/shm or of a POSIX queue: nobody has it open or mapped. A channel: its members are gone. A socket's file: no
    socket is bound to it; a FIFO: nobody has it open. These files are looked for in `folders`, by default /run, /tmp
    and others where they usually are.

    It is a snapshot, and no proof for tomorrow: see `Orphan`. A pid that was given to a new process looks alive.
    """
    return orphans_in(snapshot(), folders)


def orphans_in(seen: Snapshot, folders: Sequence[str] | None = None) -> list[Orphan]:
    """The same, from a look at the processes that was taken already."""
    return [orphan for orphan, _row in found(seen, folders)]


def found(seen: Snapshot, folders: Sequence[str] | None = None, kinds: Collection[str] = ()) -> list[Found]:
    """The same from a look that was taken already, each with the row that speaks against it; only of these kinds."""
    living = Living(seen.pids, seen.hides_processes)
    searches: dict[str, Callable[[], Iterator[Found]]] = {
        "sysv-queue": lambda: _queues(seen, living),
        "sysv-set": lambda: _sets(seen, living),
        "sysv-segment": lambda: _segments(seen, living),
        "posix-memory posix-semaphore posix-queue": lambda: _posix(seen),
        "channel": lambda: _channels(seen),
        "topic": lambda: _topics(seen),
        "socket fifo": lambda: _files(seen, folders),
    }
    asked = kinds or KINDS
    wanted = [search for said, search in searches.items() if any(is_of(kind, asked) for kind in said.split())]
    return [(orphan, row) for search in wanted for orphan, row in search() if is_of(orphan.kind, asked)]


def _queues(seen: Snapshot, living: Living) -> Iterator[Found]:
    rows = system_v.queue_rows(seen)
    if not rows:
        return
    waited_in, unseen_uids, running_uids = _queues_waited_in(seen)
    for queue in rows:
        users = [(queue.sent_at, queue.last_sender_pid), (queue.received_at, queue.last_receiver_pid)]
        known = [pid for at, pid in users if at is not None]
        if not known or queue.id in waited_in or not all(map(has_ended, known)):
            continue
        unseen = unseen_uids is None or any(_lets_in(queue, uid) for uid in unseen_uids)
        running = any(_lets_in(queue, uid) for uid in running_uids)
        doubt = ", nobody is seen to wait"
        if unseen:
            doubt = "; a process that may not be looked at could wait in it"
        elif running:
            doubt += "; a process that runs at this moment could be about to"
        used_at = max(at or 0 for at in (queue.sent_at, queue.received_at, queue.changed_at))
        more, certainty = POSSIBLE if unseen or running else _unless_forgotten(queue, used_at, living)
        yield _orphan(queue, _why_queue(queue) + doubt + more, certainty, used_at, queue.used_bytes), queue


def _unless_forgotten(row: system_v.QueueRow | system_v.SetRow, used_at: int, living: Living) -> tuple[str, Certainty]:
    """The kernel notes its last users only: earlier ones may live, unless nobody lives who could have been one."""
    if row.key or row.mode & 0o077 or not living.nobody_remembers((row.owner_uid, row.creator_uid), used_at):
        return "", "likely"
    return "; it has no key, and no process of its owner is as old as its last use", "sure"


def _lets_in(queue: system_v.QueueRow, uid: int) -> bool:
    return bool(queue.mode & 0o077) or uid in (queue.owner_uid, queue.creator_uid)


def _why_queue(queue: system_v.QueueRow) -> str:
    sender = "nobody ever sent" if queue.sent_at is None else f"last sender {queue.last_sender_pid} has ended"
    receiver = f"last receiver {queue.last_receiver_pid} has ended"
    if queue.received_at is None:
        receiver = "nobody ever received"
    return f"{sender}, {receiver}; {queue.messages} messages in it"


def _sets(seen: Snapshot, living: Living) -> Iterator[Found]:
    for each in system_v.set_rows(seen):
        semaphores = each.semaphores or ()
        waiting = sum(semaphore.waiters + semaphore.zero_waiters for semaphore in semaphores)
        pids = {semaphore.last_pid for semaphore in semaphores}
        known = sorted(pids - {0})
        if known and not waiting and all(map(has_ended, known)):
            why = f"last changed by {', '.join(map(str, known))}: ended; nobody waits"
            used_at = max(each.operated_at or 0, each.changed_at)
            more, certainty = POSSIBLE if 0 in pids else _unless_forgotten(each, used_at, living)
            yield _orphan(each, why + more, certainty, used_at), each


def _segments(seen: Snapshot, living: Living) -> Iterator[Found]:
    for segment in system_v.segment_rows(seen):
        if segment.attached:
            continue
        users = {"creator": segment.creator_pid, "last user": segment.last_pid}
        if segment.attached_at is None:
            del users["last user"]
        fates = "".join(f", {_fate(who, pid)}" for who, pid in users.items())
        gone = all(map(has_ended, users.values()))
        more, certainty = _come_back(segment, list(users.values()), living) if gone else POSSIBLE
        used_at = max(at or 0 for at in (segment.attached_at, segment.detached_at, segment.changed_at))
        why = f"nobody has it attached{fates}{more}"
        yield _orphan(segment, why, certainty, used_at, segment.size_bytes), segment


def _come_back(segment: system_v.SegmentRow, users: list[int], living: Living) -> tuple[str, Certainty]:
    """Whether somebody could, now that its users are gone: by its key; or by its id, told by one of them."""
    if segment.key:
        return "; it has a key, by which others may come back to it", "likely"
    if relative := living.relative_of(users):
        return f"; it has no key, but process {relative} of their group or session lives", "likely"
    if living.may_be_more:
        return "; it has no key, but processes of others are not even listed here (hidepid)", "likely"
    return "; it has no key that others could find it by", "sure"


def _fate(who: str, pid: int) -> str:
    if not pid:
        return f"{who} in another pid namespace"
    return f"{who} {pid} {'has ended' if has_ended(pid) else 'lives'}"


def _posix(seen: Snapshot) -> Iterator[Found]:
    """A name alone proves nothing: whoever made it may mean to come back."""
    named: list[posix.MemoryRow | posix.SemaphoreRow] = [*posix.memory_rows(seen), *posix.semaphore_rows(seen)]
    in_use = {_clan(row) for row in named if row.used_by}
    for each in named:
        if not each.used_by:
            more, certainty = _family_says(each, _clan(each) in in_use, bool(seen.hidden) or seen.hides_processes)
            size, at = (each.allocated_bytes, each.changed_at) if isinstance(each, posix.MemoryRow) else (0, None)
            yield _orphan(each, f"nobody has it open{_but_for(seen)}{more}", certainty, at, size), each
    for queue in posix.queue_rows(seen):
        if not queue.used_by:
            yield _orphan(queue, f"nobody has it open{_but_for(seen)}", "possible"), queue


def _clan(row: posix.MemoryRow | posix.SemaphoreRow) -> tuple[str, str, int] | None:
    """Objects of one user that one well-known program made."""
    known = family_of(row.kind, row.id)
    return known and (row.kind, known[0].maker, row.owner_uid)


def _family_says(row: posix.MemoryRow | posix.SemaphoreRow, in_use: bool, hidden: bool) -> tuple[str, Certainty]:
    """What its name tells, if a well-known program gives such names."""
    known = family_of(row.kind, row.id)
    if known is None:
        return "", "possible"
    (family, pid), by = known, f"; by its name {known[0].maker} made it"
    if pid and not has_ended(pid):
        return f"{by}, in process {pid}, which lives", "possible"
    if family.comes_back and in_use:
        return f"{by}, which runs and may come back to it", "possible"
    return f"{by}{f', in process {pid}, which has ended' if pid else ''}", "possible" if hidden else "likely"


def _but_for(seen: Snapshot) -> str:
    return f" ({len(seen.hidden)} processes may not be looked into)" if seen.hidden else ""


def _channels(seen: Snapshot) -> Iterator[Found]:
    for each in channels.channel_rows(seen):
        if each.capacity_bytes is None or each.senders or each.receivers:
            continue
        if verdict := _verdict(seen, each, each.depth or 0, each.sent):
            yield _orphan(each, *verdict, None, each.capacity_bytes), each


def _topics(seen: Snapshot) -> Iterator[Found]:
    for each in channels.topic_rows(seen):
        if not each.publishers and not each.subscribers and (verdict := _verdict(seen, each, 0, each.published)):
            yield _orphan(each, *verdict, None, each.capacity_bytes or 0), each


def _verdict(
    seen: Snapshot, of: channels.ChannelRow | channels.TopicRow, depth: int, ever: int | None
) -> tuple[str, Certainty] | None:
    """Why nobody is left, if so. The locks of members and of users are the kernel's: they tell in any pid namespace."""
    if of.temporary:
        if of.in_use or of.used_by:
            return None
        return "temporary, and the lock that each of its users has is held by nobody", "sure"
    if of.used_by:
        return None
    alone = f"nobody has it open{_but_for(seen)}"
    if not of.dead:
        what = f"{depth} messages in it" if ever else "it was never used"
        return f"no member is alive; {alone}; {what}", "possible"
    died = f"members {', '.join(map(str, of.dead))} ended without leaving; no member is alive"
    what = f"{depth} messages in it" if depth else "nothing is in it"
    return f"{died}; {alone}; {what}; others may come back to its name", "likely"


def _files(seen: Snapshot, folders: Sequence[str] | None) -> Iterator[Found]:
    for each in stale.stale_files(seen, folders):
        if each.kind == "fifo":
            yield _orphan(each, f"nobody has it open{_but_for(seen)}", "possible", each.changed_at), each
        elif each.proven:
            why = "no socket is bound to this file in any namespace, and none can be again"
            yield _orphan(each, why, "sure", each.changed_at), each
        else:
            why = "no socket of this machine is bound to this file; on this file system it could be another's"
            yield _orphan(each, why, "possible", each.changed_at), each


def _orphan(row: Row, why: str, certainty: Certainty, used_at: int | None = None, size_bytes: int = 0) -> Orphan:
    return Orphan(row.kind, row.id, getattr(row, "key", None), row.owner_uid, why, certainty, used_at, size_bytes)


def _queues_waited_in(seen: Snapshot) -> tuple[set[int], set[int] | None, set[int]]:
    """The ids of queues that somebody sleeps in; whose processes we could not look at (None: nobody's). -- proc(5)

    And whose ran at every look: they may have left the call for a moment, and wait for a processor. Processes of other
    IPC namespaces have other queues.
    """
    calls = QUEUE_CALLS.get(os.uname().machine)
    if calls is None or not shows_calls():
        return set(), None, set()
    waited_in: set[int] = set()
    unseen: set[int] = set()
    running = [pid for pid in seen.pids if seen.shares_ipc_namespace(pid)]
    for _ in range(LOOKS):
        running = [pid for pid in running if _runs(pid, calls, waited_in, unseen)]
        if not running:
            break
        os.sched_yield()
    return waited_in, unseen, set(_owners(running))


def _owners(pids: list[int]) -> Iterator[int]:
    for pid in pids:
        with suppress(OSError):  # it has ended
            yield owner_of(pid)


def _runs(pid: int, calls: frozenset[int], waited_in: set[int], unseen: set[int]) -> bool:
    """Note the queues that its threads sleep in; whether one of them, but for the one that looks, runs."""
    running = -1 if pid == os.getpid() else 0
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        for call in threads_of(pid):
            if call is None:
                running += 1
            elif call.number is None:
                unseen.add(owner_of(pid))
                return False
            elif call.number in calls:
                waited_in.add(call.arguments[0])
    return running > 0
