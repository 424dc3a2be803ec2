"""POSIX queues, semaphores and shared memory by their names. -- mq_overview(7), sem_overview(7), shm_overview(7)"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress

from .._fd import Descriptor
from .._native import posix as _posix
from .._native.file import open_owned
from .._record import record
from .files import glances, way_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .files import Glance
    from .procfs import Snapshot

__all__ = ["MemoryRow", "QueueRow", "SemaphoreRow", "memory_rows", "queue_rows", "semaphore_rows"]

MEMORY = "/dev/shm"
QUEUES = "/dev/mqueue"
OURS = "unixipc."
"""What our own rooms keep in /dev/shm has rows of its own."""
SEMAPHORE_BYTES = 32
FILE_BYTES = 80
"""The size of a queue's file, as the kernel gives it."""
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@record
class QueueRow:
    """A POSIX queue ("posix-queue"; its id is its name).

    `messages`, `max_messages` and `max_message_bytes` are None where we may not open it. `notified_pid`: who asked for
    a signal (`notified_signal`) at the next message. `used_by`: who has it open.
    """

    kind: str
    id: str
    mode: int
    owner_uid: int
    owner_gid: int
    used_bytes: int | None
    messages: int | None
    max_messages: int | None
    max_message_bytes: int | None
    notified_pid: int | None
    notified_signal: int | None
    used_by: tuple[int, ...]


@record
class SemaphoreRow:
    """A POSIX semaphore with a name ("posix-semaphore"). `value` and `waiters`: None where we may not read it."""

    kind: str
    id: str
    mode: int
    owner_uid: int
    owner_gid: int
    value: int | None
    waiters: int | None
    used_by: tuple[int, ...]


@record
class MemoryRow:
    """POSIX shared memory ("posix-memory"): a file in /dev/shm, its size, its memory, who has it open or mapped."""

    kind: str
    id: str
    mode: int
    owner_uid: int
    owner_gid: int
    size_bytes: int
    allocated_bytes: int
    changed_at: int
    used_by: tuple[int, ...]


def files() -> Iterator[tuple[str, os.stat_result]]:
    """Every file in /dev/shm, with its name there; folders, which are no shared memory, are left out."""
    with suppress(OSError), os.scandir(MEMORY) as names:
        for each in sorted(names, key=lambda entry: entry.name):
            with suppress(OSError):  # removed meanwhile
                if stat.S_ISREG((found := each.stat(follow_symlinks=False)).st_mode):
                    yield each.name, found


def memory_rows(seen: Snapshot) -> list[MemoryRow]:
    """Every shared memory by name. -- shm_overview(7)"""
    return [
        MemoryRow(
            "posix-memory", f"/{name}", found.st_mode & 0o7777, found.st_uid, found.st_gid, found.st_size,
            found.st_blocks * 512, int(found.st_mtime), seen.users(found.st_dev, found.st_ino),
        )
        for name, found in files()
        if not name.startswith(("sem.", OURS))
    ]  # fmt: skip


def semaphore_rows(seen: Snapshot) -> list[SemaphoreRow]:
    """Every semaphore by name. -- sem_overview(7)"""
    there = [each for each in files() if each[0].startswith("sem.") and each[1].st_size == SEMAPHORE_BYTES]
    looks = glances([f"{MEMORY}/{name}" for name, _found in there], 8)
    return [
        SemaphoreRow(
            "posix-semaphore", f"/{name[4:]}", found.st_mode & 0o7777, found.st_uid, found.st_gid,
            *_value(look), seen.users(found.st_dev, found.st_ino),
        )
        for (name, found), look in zip(there, looks, strict=True)
    ]  # fmt: skip


def _value(look: Glance | None) -> tuple[int | None, int | None]:
    """The C library's semaphore: on 64-bit machines the value, then how many wait. -- sem_init(3)"""
    if look is None or sys.maxsize < 2**32 or len(look[0]) < 8:
        return None, None
    return int.from_bytes(look[0][:4], sys.byteorder), int.from_bytes(look[0][4:], sys.byteorder)


def queue_rows(seen: Snapshot) -> list[QueueRow]:
    """Every queue of this IPC namespace; those that somebody has open where nothing is mounted. -- mq_overview(7)

    Without a mounted /dev/mqueue, root sees all through a mount of its own that nobody else sees.
    """
    rows: dict[str, QueueRow] = {}
    with suppress(OSError), _folder() as folder:
        rows |= _queue_rows(_named_queues(folder), seen)
    opened = [each for each in _opened_queues(seen) if each[0] not in rows]
    rows |= _queue_rows(opened, seen)
    return [rows[name] for name in sorted(rows)]


def _queue_rows(found: Iterable[tuple[str, str, os.stat_result]], seen: Snapshot) -> dict[str, QueueRow]:
    found = list(found)
    looks = glances([path for _name, path, _status in found], 200)
    return {
        name: _queue_row(name, look, status, seen) for (name, _path, status), look in zip(found, looks, strict=True)
    }


def _named_queues(folder: Descriptor) -> Iterator[tuple[str, str, os.stat_result]]:
    """(name, path to open it by, stat) of every queue, if we may see all."""
    for name in os.listdir(folder.fileno()):
        with suppress(OSError):  # removed meanwhile
            found = os.stat(name, dir_fd=folder.fileno())
            yield f"/{name}", f"/proc/self/fd/{folder.fileno()}/{name}", found


def _folder() -> Descriptor:
    try:
        with _posix.mount_queues() as mount:
            return open_owned(f"/proc/self/fd/{mount.fileno()}", FOLDER_FLAGS, name=QUEUES)
    except OSError:
        return open_owned(QUEUES, FOLDER_FLAGS)


def _opened_queues(seen: Snapshot) -> Iterator[tuple[str, str, os.stat_result]]:
    """Those that somebody has open; a queue without a name any more is among them."""
    for which, found in seen.stats.items():
        pid, number, _mode = seen.files[which][0]
        if found.st_size == FILE_BYTES and is_queue(seen.paths[which], found) and seen.shares_ipc_namespace(pid):
            yield seen.paths[which], way_to(pid, number), found


def is_queue(path: str, found: os.stat_result) -> bool:
    """Whether an open file is a queue: the only ones of 80 bytes with a path of one word, on no mounted device."""
    return (
        found.st_size == FILE_BYTES
        and os.major(found.st_dev) == 0
        and (path.startswith(f"{QUEUES}/") or "/" not in path[1:])
        and stat.S_ISREG(found.st_mode)
    )


def _queue_row(name: str, look: Glance | None, found: os.stat_result, seen: Snapshot) -> QueueRow:
    raw, attributes, _seals = look or (b"", None, None)
    most, most_bytes, now = attributes or (None, None, None)
    facts = dict(word.split(":") for word in raw.decode().split())
    notified = int(facts.get("NOTIFY_PID", 0))
    return QueueRow(
        "posix-queue", name, found.st_mode & 0o7777, found.st_uid, found.st_gid,
        int(facts["QSIZE"]) if "QSIZE" in facts else None, now, most, most_bytes,
        notified or None, int(facts["SIGNO"]) if notified else None, seen.users(found.st_dev, found.st_ino),
    )  # fmt: skip
