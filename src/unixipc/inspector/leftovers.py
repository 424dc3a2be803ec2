"""Objects that nobody uses any more, with the traces that say so, and how sure that is. -- sysvipc(7), shm_overview(7)

The kernel does not know whose an object is: it lives until somebody removes it, and anybody who has its key, id or name
may come back to it. What it does keep are traces of use: who has it open, mapped or attached, who waits in it, which
process was the last to send, receive, attach or change, which locks are held. `orphans` weighs them and says which.
"""

from __future__ import annotations

import os
from contextlib import suppress

from .. import sysv
from .._record import record
from . import channels, posix, system_v
from .calls import QUEUE_CALLS
from .procfs import has_ended, owner_of, shows_calls, snapshot, threads_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from .procfs import Snapshot

    Certainty = Literal["sure", "likely", "possible"]

__all__ = ["Orphan", "orphans", "orphans_in"]

LOOKS = 20
"""How often to look at a thread that runs: who waits leaves the call now and then, for a moment, and comes back."""


@record
class Orphan:
    """An object without a user that is known: `kind` and `id` as in `ls`, and why we think so.

    `certainty`: "sure": nobody uses it, and everybody who is known to have used it has ended (segments), or its own
    protocol says that nobody is left (channels, by the kernel's locks). "likely": every process in the traces has
    ended, and nobody is seen to use it. "possible": a part of that could not be seen, or a process in the traces lives
    and has only let go of it, or there are no traces but that nobody has it open. `sure` is whether it is "sure".
    """

    kind: str
    id: int | str
    key: sysv.Key | None
    owner_uid: int
    why: str
    certainty: Certainty

    @property
    def sure(self) -> bool:
        """Whether it may be removed without harm to anybody who is known."""
        return self.certainty == "sure"


def orphans() -> list[Orphan]:
    """Everything that nobody seems to use: System V and POSIX objects, channels and topics. -- sysvipc(7), proc(5)

    A queue: its last sender and last receiver have ended, and nobody is seen to wait in it. A set: the last process
    that changed each semaphore has ended, and nobody waits. A segment: nobody has it attached. What was never used, or
    was used from another pid namespace, tells nothing, so it is not listed; nor is a set that we may not read. A name
    in /dev/shm or of a POSIX queue: nobody has it open or mapped. A channel: its members are gone.

    It is a snapshot, and no proof for tomorrow: see `Orphan`. A pid that was given to a new process looks alive.
    """
    return orphans_in(snapshot())


def orphans_in(seen: Snapshot) -> list[Orphan]:
    """The same, from a look at the processes that was taken already."""
    return [*_queues(seen), *_sets(seen), *_segments(seen), *_posix(seen), *_channels(seen), *_topics(seen)]


def _queues(seen: Snapshot) -> Iterator[Orphan]:
    found = system_v.queue_rows(seen)
    if not found:
        return
    waited_in, unseen_uids, running = _queues_waited_in(seen)
    for queue in found:
        users = [(queue.sent_at, queue.last_sender_pid), (queue.received_at, queue.last_receiver_pid)]
        known = [pid for at, pid in users if at is not None]
        if not known or queue.id in waited_in or not all(map(has_ended, known)):
            continue
        unseen = unseen_uids is None or any(_lets_in(queue, uid) for uid in unseen_uids)
        doubt = ", nobody is seen to wait"
        if unseen:
            doubt = "; a process that may not be looked at could wait in it"
        elif running:
            doubt += "; a process that runs at this moment could be about to"
        yield _orphan(queue, _why_queue(queue) + doubt, "possible" if unseen or running else "likely")


def _lets_in(queue: system_v.QueueRow, uid: int) -> bool:
    return bool(queue.mode & 0o077) or uid in (queue.owner_uid, queue.creator_uid)


def _why_queue(queue: system_v.QueueRow) -> str:
    sender = "nobody ever sent" if queue.sent_at is None else f"last sender {queue.last_sender_pid} has ended"
    receiver = f"last receiver {queue.last_receiver_pid} has ended"
    if queue.received_at is None:
        receiver = "nobody ever received"
    return f"{sender}, {receiver}; {queue.messages} messages in it"


def _sets(seen: Snapshot) -> Iterator[Orphan]:
    for each in system_v.set_rows(seen):
        semaphores = each.semaphores or ()
        waiting = sum(semaphore.waiters + semaphore.zero_waiters for semaphore in semaphores)
        pids = {semaphore.last_pid for semaphore in semaphores}
        known = sorted(pids - {0})
        if known and not waiting and all(map(has_ended, known)):
            why = f"last changed by {', '.join(map(str, known))}: ended; nobody waits"
            yield _orphan(each, why, "possible" if 0 in pids else "likely")


def _segments(seen: Snapshot) -> Iterator[Orphan]:
    for segment in system_v.segment_rows(seen):
        if segment.attached:
            continue
        users = {"creator": segment.creator_pid, "last user": segment.last_pid}
        if segment.attached_at is None:
            del users["last user"]
        fates = "".join(f", {_fate(who, pid)}" for who, pid in users.items())
        gone = all(map(has_ended, users.values()))
        yield _orphan(segment, f"nobody has it attached{fates}", "sure" if gone else "possible")


def _fate(who: str, pid: int) -> str:
    if not pid:
        return f"{who} in another pid namespace"
    return f"{who} {pid} {'has ended' if has_ended(pid) else 'lives'}"


def _posix(seen: Snapshot) -> Iterator[Orphan]:
    """A name alone proves nothing: whoever made it may mean to come back."""
    rows: list[posix.MemoryRow | posix.SemaphoreRow | posix.QueueRow] = [
        *posix.memory_rows(seen), *posix.semaphore_rows(seen), *posix.queue_rows(seen)
    ]  # fmt: skip
    for each in rows:
        if not each.used_by:
            yield _orphan(each, f"nobody has it open{_but_for(seen)}", "possible")


def _but_for(seen: Snapshot) -> str:
    return f" ({len(seen.hidden)} processes may not be looked into)" if seen.hidden else ""


def _channels(seen: Snapshot) -> Iterator[Orphan]:
    for each in channels.channel_rows(seen):
        if each.capacity_bytes is None or each.senders or each.receivers:
            continue
        if verdict := _verdict(seen, each, each.depth or 0, each.sent):
            yield _orphan(each, *verdict)


def _topics(seen: Snapshot) -> Iterator[Orphan]:
    for each in channels.topic_rows(seen):
        if not each.publishers and not each.subscribers and (verdict := _verdict(seen, each, 0, each.published)):
            yield _orphan(each, *verdict)


def _verdict(
    seen: Snapshot, of: channels.ChannelRow | channels.TopicRow, depth: int, ever: int | None
) -> tuple[str, Certainty] | None:
    """Why nobody is left, if so. The locks of members and of users are the kernel's: they tell in any pid namespace."""
    if of.temporary:
        return None if of.in_use else ("temporary, and the lock that each of its users has is held by nobody", "sure")
    if of.used_by:
        return None
    alone = f"nobody has it open{_but_for(seen)}"
    if not of.dead:
        what = f"{depth} messages in it" if ever else "it was never used"
        return f"no member is alive; {alone}; {what}", "possible"
    died = f"members {', '.join(map(str, of.dead))} ended without leaving; no member is alive"
    if depth:
        return f"{died}; {alone}; {depth} messages in it", "likely"
    return f"{died}; {alone}; nothing is in it", "likely" if _hides_a_user(seen, of) else "sure"


def _hides_a_user(seen: Snapshot, of: channels.ChannelRow | channels.TopicRow) -> bool:
    """Whether a process that may not be looked into is allowed to have it open."""
    return any(_lets_in_file(of, pid) for pid in seen.hidden)


def _lets_in_file(of: channels.ChannelRow | channels.TopicRow, pid: int) -> bool:
    try:
        return bool(of.mode & 0o077) or owner_of(pid) in (0, of.owner_uid)
    except OSError:  # it has ended
        return False


def _orphan(
    row: system_v.QueueRow | system_v.SetRow | system_v.SegmentRow | posix.MemoryRow | posix.SemaphoreRow
    | posix.QueueRow | channels.ChannelRow | channels.TopicRow, why: str, certainty: Certainty
) -> Orphan:  # fmt: skip
    return Orphan(row.kind, row.id, getattr(row, "key", None), row.owner_uid, why, certainty)


def _queues_waited_in(seen: Snapshot) -> tuple[set[int], set[int] | None, bool]:
    """The ids of queues that somebody sleeps in; whose processes we could not look at (None: nobody's). -- proc(5)

    And whether somebody ran at every look: he may have left the call for a moment, and wait for a processor.
    """
    calls = QUEUE_CALLS.get(os.uname().machine)
    if calls is None or not shows_calls():
        return set(), None, False
    waited_in: set[int] = set()
    unseen: set[int] = set()
    running = list(seen.pids)
    for _ in range(LOOKS):
        running = [pid for pid in running if _runs(pid, calls, waited_in, unseen)]
        if not running:
            break
        os.sched_yield()
    return waited_in, unseen, bool(running)


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
