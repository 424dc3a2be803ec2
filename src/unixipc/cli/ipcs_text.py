"""The columns of ipcs(1), character for character (tests/cli/test_ipcs.py compares them with those of util-linux)."""

from __future__ import annotations

import grp
import os
import time

from .. import sysv
from .seeing import user_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NOT_SET = "Not set"
LARGEST = (1 << 64) - 1


def group(gid: int) -> str:
    """A group's name, or number."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def human(size: int) -> str:
    """1536 -> 1.5K: with one digit behind the point, if it is not 0."""
    power = min(max(size.bit_length() - 1, 0) // 10, 6)
    whole, rest = divmod(size, 1 << 10 * power)
    tenths = (rest * 1000 // (1 << 10 * power) + 50) // 100
    if tenths == 10:
        whole, tenths = whole + 1, 0
    return f"{whole}{f'.{tenths}' if tenths else ''}{'BKMGTPE'[power]}"


def columns(*cells: tuple[object, int]) -> str:
    """Each padded on the right to its width, a space between them, and a newline."""
    return " ".join(f"{cell!s:<{width}}" for cell, width in cells) + "\n"


def tens(*cells: object) -> str:
    """Columns of ten characters."""
    return columns(*((cell, 10) for cell in cells))


def sized(size: int, unit: str | None, width: int) -> tuple[str, int]:
    """A column for a size."""
    return (f"{human(size):>6}" if unit == "human" else str(size)), width


def short(at: int | None) -> tuple[str, int]:
    """A column for a moment of this year."""
    return (time.ctime(at)[4:19] if at else NOT_SET), 20


def full(at: int | None) -> str:
    """A moment, in the width that it needs and two more."""
    return f"{time.ctime(at) if at else NOT_SET:<26}"


def owner_of(each: Any) -> str:
    """The owner's name, cut to ten characters as there."""
    return user_name(each.permissions.uid)[:10]


def creators(each: Any) -> str:
    """Mode, creator and owner."""
    seen = each.permissions
    return tens(
        each.id,
        f"{seen.mode:o}",
        user_name(seen.creator_uid),
        group(seen.creator_gid),
        user_name(seen.uid),
        group(seen.gid),
    )


def head(title: str) -> str:
    """A section's first line."""
    return f"------ {title} --------\n"


# ---------------------------------------------------------------------------------------------------------- queues


def queues(view: str, unit: str | None) -> str:
    """The section of the message queues."""
    if view in ("limits", "summary"):
        return _queue_limits(unit) if view == "limits" else _queue_usage(unit)
    title, heading, row = QUEUE_VIEWS[view]
    if view == "default" and unit == "human":
        heading = heading.replace("used-bytes", "size      ")
    return head(title) + heading + "".join(row(each, unit) for each in sysv.queues())


def _queue_row(each: sysv.QueueStat, unit: str | None) -> str:
    key, mode = f"0x{int(each.permissions.key):08x}", f"{each.permissions.mode:o}"
    return columns(
        (key, 10),
        (each.id, 10),
        (owner_of(each), 10),
        (mode, 10),
        sized(each.used_bytes, unit, 12),
        (each.messages, 12),
    )


def _queue_times(each: sysv.QueueStat, _unit: str | None) -> str:
    return columns(
        (each.id, 8), (owner_of(each), 10), short(each.sent_at), short(each.received_at), short(each.changed_at)
    )


def _queue_pids(each: sysv.QueueStat, _unit: str | None) -> str:
    return f"{each.id:<8} {owner_of(each):<10}  {each.last_sender_pid:>5}     {each.last_receiver_pid:>5}\n"


QUEUE_VIEWS: dict[str, tuple[str, str, Callable[..., str]]] = {
    "default": ("Message Queues", columns(
        ("key", 10), ("msqid", 10), ("owner", 10), ("perms", 10), ("used-bytes", 12), ("messages", 12)), _queue_row),
    "time": ("Message Queues Send/Recv/Change Times", columns(
        ("msqid", 8), ("owner", 10), ("send", 20), ("recv", 20), ("change", 20)), _queue_times),
    "pid": ("Message Queues PIDs", tens("msqid", "owner", "lspid", "lrpid"), _queue_pids),
    "creator": ("Message Queues Creators/Owners", tens("msqid", "perms", "cuid", "cgid", "uid", "gid"),
                lambda each, _unit: creators(each)),
}  # fmt: skip


def limit(text: str, size: int, unit: str | None) -> str:
    """A limit that is a number of bytes."""
    return f"{text} = {human(size)}\n" if unit == "human" else f"{text} (bytes) = {size}\n"


def _queue_limits(unit: str | None) -> str:
    allowed = sysv.limits()
    return (
        f"{head('Messages Limits')}max queues system wide = {allowed.queues}\n"
        + limit("max size of message", allowed.message_bytes, unit)
        + limit("default max size of queue", allowed.queue_bytes, unit)
    )


def _queue_usage(unit: str | None) -> str:
    used = sysv.usage()
    space = limit("used space", used.message_bytes, unit) if unit else f"used space = {used.message_bytes} bytes\n"
    return f"{head('Messages Status')}allocated queues = {used.queues}\nused headers = {used.messages}\n{space}"


def _queue_detail(each: sysv.QueueStat, unit: str | None) -> str:
    seen = each.permissions
    small, large = (human, "size") if unit == "human" else (str, "bytes")
    return (
        f"Message Queue msqid={each.id}\n"
        f"uid={seen.uid}\tgid={seen.gid}\tcuid={seen.creator_uid}\tcgid={seen.creator_gid}\tmode={octal(seen.mode)}\n"
        f"c{large}={small(each.used_bytes)}\tq{large}={small(each.capacity_bytes)}\tqnum={each.messages}"
        f"\tlspid={each.last_sender_pid}\tlrpid={each.last_receiver_pid}\n"
        f"send_time={full(each.sent_at)}\nrcv_time={full(each.received_at)}\nchange_time={full(each.changed_at)}\n"
    )


def octal(mode: int) -> str:
    """As C prints it with %#o."""
    return f"0{mode:o}" if mode else "0"


# -------------------------------------------------------------------------------------------------------- segments


def segments(view: str, unit: str | None) -> str:
    """The section of the shared memory."""
    if view in ("limits", "summary"):
        return _memory_limits(unit) if view == "limits" else _memory_usage()
    title, heading, row = MEMORY_VIEWS[view]
    if view == "default" and unit == "human":
        heading = heading.replace("bytes", "size ")
    return head(title) + heading + "".join(row(each, unit) for each in sysv.segments())


def _segment_row(each: sysv.MemoryStat, unit: str | None) -> str:
    key, mode = f"0x{int(each.permissions.key):08x}", f"{each.permissions.mode:o}"
    marks = ("dest" if each.marked_for_removal else "", 6), ("locked" if each.locked else "", 6)
    size = sized(each.size_bytes, unit, 10)
    return columns((key, 10), (each.id, 10), (owner_of(each), 10), (mode, 10), size, (each.attached, 10), *marks)


def _segment_times(each: sysv.MemoryStat, _unit: str | None) -> str:
    return columns(
        (each.id, 10), (owner_of(each), 10), short(each.attached_at), short(each.detached_at), short(each.changed_at)
    )


MEMORY_VIEWS: dict[str, tuple[str, str, Callable[..., str]]] = {
    "default": ("Shared Memory Segments", columns(
        *((each, 10) for each in ("key", "shmid", "owner", "perms", "bytes", "nattch")), ("status", 12)), _segment_row),
    "time": ("Shared Memory Attach/Detach/Change Times", columns(
        ("shmid", 10), ("owner", 10), ("attached", 20), ("detached", 20), ("changed", 20)), _segment_times),
    "pid": ("Shared Memory Creator/Last-op PIDs", tens("shmid", "owner", "cpid", "lpid"),
            lambda each, _unit: tens(each.id, owner_of(each), each.creator_pid, each.last_pid)),
    "creator": ("Shared Memory Segment Creators/Owners", tens("shmid", "perms", "cuid", "cgid", "uid", "gid"),
                lambda each, _unit: creators(each)),
}  # fmt: skip


def _memory_limits(unit: str | None) -> str:
    allowed = sysv.limits()
    scale = 1 if unit else 1024
    page = os.sysconf("SC_PAGESIZE") // scale
    total = allowed.memory_pages * page
    if total > LARGEST:
        total = LARGEST - LARGEST % page
    first = f"{head('Shared Memory Limits')}max number of segments = {allowed.segments}\n"
    rows = (("max seg size", allowed.segment_bytes // scale), ("max total shared memory", total))
    if unit is None:
        return first + "".join(f"{text} (kbytes) = {size}\n" for text, size in rows) + limit("min seg size", 1, unit)
    return first + "".join(limit(text, size, unit) for text, size in (*rows, ("min seg size", 1)))


def _memory_usage() -> str:
    used = sysv.usage()
    return (
        f"{head('Shared Memory Status')}segments allocated {used.segments}\npages allocated {used.memory_pages}\n"
        f"pages resident  {used.resident_pages}\npages swapped   {used.swapped_pages}\n"
        "Swap performance: 0 attempts\t 0 successes\n"  # Linux has counted neither for long
    )


def _segment_detail(each: sysv.MemoryStat, unit: str | None) -> str:
    seen = each.permissions
    mode = seen.mode | each.marked_for_removal * 0o1000 | each.locked * 0o2000
    size = f"size={human(each.size_bytes)}" if unit == "human" else f"bytes={each.size_bytes}"
    return (
        f"Shared memory Segment shmid={each.id}\n"
        f"uid={seen.uid}\tgid={seen.gid}\tcuid={seen.creator_uid}\tcgid={seen.creator_gid}\n"
        f"mode={octal(mode)}\taccess_perms={octal(seen.mode)}\n"
        f"{size}\tlpid={each.last_pid}\tcpid={each.creator_pid}\tnattch={each.attached}\n"
        f"att_time={full(each.attached_at)}\ndet_time={full(each.detached_at)}\nchange_time={full(each.changed_at)}\n"
    )


# ------------------------------------------------------------------------------------------------------------ sets


def sets(view: str, _unit: str | None) -> str:
    """The section of the semaphores."""
    if view == "limits":
        return _set_limits()
    if view == "summary":
        used = sysv.usage()
        return f"{head('Semaphore Status')}used arrays = {used.sets}\nallocated semaphores = {used.semaphores}\n"
    if view == "pid":
        return ""
    title, heading, row = SET_VIEWS[view]
    return head(title) + heading + "".join(row(each) for each in sysv.semaphore_sets())


def _set_row(each: sysv.SetStat) -> str:
    seen = each.permissions
    return tens(f"0x{int(seen.key):08x}", each.id, owner_of(each), f"{seen.mode:o}", each.semaphores)


SET_VIEWS: dict[str, tuple[str, str, Callable[..., str]]] = {
    "default": ("Semaphore Arrays", tens("key", "semid", "owner", "perms", "nsems"), _set_row),
    "time": ("Semaphore Operation/Change Times", columns(
        ("semid", 8), ("owner", 10), ("last-op", 26), ("last-changed", 26)),
        lambda each: f"{each.id:<8} {owner_of(each):<10}  {full(each.operated_at)} {full(each.changed_at)}\n"),
    "creator": ("Semaphore Arrays Creators/Owners", tens("semid", "perms", "cuid", "cgid", "uid", "gid"), creators),
}  # fmt: skip


def _set_limits() -> str:
    allowed = sysv.limits()
    return (
        f"{head('Semaphore Limits')}max number of arrays = {allowed.sets}\n"
        f"max semaphores per array = {allowed.semaphores_per_set}\n"
        f"max semaphores system wide = {allowed.semaphores}\n"
        f"max ops per semop call = {allowed.operations_per_call}\nsemaphore max value = {allowed.semaphore_value}\n"
    )


def _set_detail(each: sysv.SetStat, _unit: str | None) -> str:
    seen = each.permissions
    with sysv.SemaphoreSet(each.id) as found:
        rows = [tens(one.index, one.value, one.waiters, one.zero_waiters, one.last_pid) for one in found]
    return (
        f"Semaphore Array semid={each.id}\n"
        f"uid={seen.uid}\t gid={seen.gid}\t cuid={seen.creator_uid}\t cgid={seen.creator_gid}\n"
        f"mode={octal(seen.mode)}, access_perms={octal(seen.mode)}\nnsems = {each.semaphores}\n"
        f"otime = {full(each.operated_at)}\nctime = {full(each.changed_at)}\n"
        + tens("semnum", "value", "ncount", "zcount", "pid")
        + "".join(rows)
    )


SECTIONS: dict[str, Callable[[str, str | None], str]] = {"queue": queues, "segment": segments, "set": sets}
DETAILS: dict[str, Callable[..., str]] = {"queue": _queue_detail, "segment": _segment_detail, "set": _set_detail}
