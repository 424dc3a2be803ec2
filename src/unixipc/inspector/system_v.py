"""System V queues, semaphore sets and segments, whoever owns them; how near the limits are. -- sysvipc(7)"""

from __future__ import annotations

from .. import sysv
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .procfs import Snapshot

__all__ = [
    "Limit",
    "QueueRow",
    "SegmentRow",
    "SemaphoreRow",
    "SetRow",
    "attachments",
    "limits",
    "queue_rows",
    "segment_rows",
    "semaphores_of",
    "set_rows",
]

LOOKS = 20
"""How often to look at a thread that runs: who waits leaves the call now and then, for a moment, and comes back."""


@record
class QueueRow:
    """A System V message queue ("sysv-queue"). Times are seconds since 1970, None for never; pid 0: nobody known."""

    kind: str
    id: int
    key: sysv.Key
    mode: int
    owner_uid: int
    owner_gid: int
    creator_uid: int
    creator_gid: int
    messages: int
    used_bytes: int
    capacity_bytes: int
    last_sender_pid: int
    last_receiver_pid: int
    sent_at: int | None
    received_at: int | None
    changed_at: int | None


@record
class SemaphoreRow:
    """One semaphore of a set: who changed it last, how many wait for it to rise, and to become 0."""

    index: int
    value: int
    last_pid: int
    waiters: int
    zero_waiters: int


@record
class SetRow:
    """A System V semaphore set ("sysv-set"). `semaphores` is None where we may not read it; then `count` is known."""

    kind: str
    id: int
    key: sysv.Key
    mode: int
    owner_uid: int
    owner_gid: int
    creator_uid: int
    creator_gid: int
    count: int
    semaphores: tuple[SemaphoreRow, ...] | None
    operated_at: int | None
    changed_at: int


@record
class SegmentRow:
    """A System V shared memory segment ("sysv-segment").

    `attached` counts all attachments; `attached_by` are the processes among them that we may look into.
    """

    kind: str
    id: int
    key: sysv.Key
    mode: int
    owner_uid: int
    owner_gid: int
    creator_uid: int
    creator_gid: int
    size_bytes: int
    attached: int
    attached_by: tuple[int, ...]
    creator_pid: int
    last_pid: int
    attached_at: int | None
    detached_at: int | None
    changed_at: int
    locked: bool
    marked_for_removal: bool


def queue_rows(_seen: Snapshot) -> list[QueueRow]:
    """Every queue of this IPC namespace. -- msgctl(2), MSG_STAT_ANY"""
    return [
        QueueRow(
            "sysv-queue", each.id, *_permissions(each.permissions), each.messages, each.used_bytes, each.capacity_bytes,
            each.last_sender_pid, each.last_receiver_pid, each.sent_at, each.received_at, each.changed_at,
        )
        for each in sysv.queues()
    ]  # fmt: skip


def set_rows(_seen: Snapshot) -> list[SetRow]:
    """Every semaphore set of this IPC namespace. -- semctl(2), SEM_STAT_ANY"""
    return [
        SetRow(
            "sysv-set", each.id, *_permissions(each.permissions), each.semaphores, semaphores_of(each.id),
            each.operated_at, each.changed_at,
        )
        for each in sysv.semaphore_sets()
    ]  # fmt: skip


def semaphores_of(number: int) -> tuple[SemaphoreRow, ...] | None:
    """Each semaphore of the set with this id; None where we may not read it. -- semctl(2)"""
    try:
        return tuple(
            SemaphoreRow(each.index, each.value, each.last_pid, each.waiters, each.zero_waiters)
            for each in sysv.SemaphoreSet(number)
        )
    except OSError:  # not ours to read, or removed meanwhile
        return None


def segment_rows(seen: Snapshot) -> list[SegmentRow]:
    """Every segment of this IPC namespace. -- shmctl(2), SHM_STAT_ANY"""
    users = attachments(seen)
    return [
        SegmentRow(
            "sysv-segment", each.id, *_permissions(each.permissions), each.size_bytes, each.attached,
            tuple(sorted(users.get(each.id, ()))), each.creator_pid, each.last_pid,
            each.attached_at, each.detached_at, each.changed_at, each.locked, each.marked_for_removal,
        )
        for each in sysv.segments()
    ]  # fmt: skip


def attachments(seen: Snapshot) -> dict[int, set[int]]:
    """The processes that have a segment attached, by its id: the kernel shows it as a file with that inode number.

    One of another IPC namespace may have the same id: then our own view of its namespace decides.
    """
    found: dict[int, set[int]] = {}
    for (_device, inode), mappings in seen.maps.items():
        pids = {each.pid for each in mappings if each.path.startswith("/SYSV")}
        if pids := {pid for pid in pids if seen.shares_ipc_namespace(pid)}:
            found.setdefault(inode, set()).update(pids)
    return found


def _permissions(of: sysv.Permissions) -> tuple[sysv.Key, int, int, int, int, int]:
    return of.key, of.mode, of.uid, of.gid, of.creator_uid, of.creator_gid


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
