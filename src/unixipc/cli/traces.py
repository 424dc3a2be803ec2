"""What a run could leave on the machine: children, descriptors, names in its folder, System V and POSIX objects."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from .. import sysv
from .._text import text_of
from ..process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

POSIX_FOLDERS = (("/dev/shm", "shared memory"), ("/dev/mqueue", "queue"))
OUR_NAME = re.compile(r"(sem\.)?unixipc-(\d+)-")


class Traces:
    """Remembers what there is; `left_behind` names what has come since."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._before = _everything()

    def left_behind(self) -> list[str]:
        """A line for each child (zombies too), descriptor, name and object that was not there before."""
        after = _everything()
        new = [text for key, text in sorted(after.items()) if not self._was_there(key, text)]
        names = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
        return new + [f"path {os.path.join(self.folder, name)}" for name in names]

    def _was_there(self, key: str, text: str) -> bool:
        """A number may have been given to another file; a child may have slept then and run now."""
        before = self._before.get(key)
        return before is not None and (before == text or key.startswith("child"))


def _everything() -> dict[str, str]:
    return _descriptors() | _children() | _system_v() | _posix()


def _descriptors() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listdir itself had open
            found[f"fd {number}"] = f"fd {number} {os.readlink(f'/proc/self/fd/{number}')}"
    return found


def _children() -> dict[str, str]:
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, _, rest = text_of(f"/proc/{pid}/stat").rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid():
            found[f"child {pid} zombie" if state == "Z" else f"child {pid}"] = f"child {name}) state {state}"
    return found


def _system_v() -> dict[str, str]:
    """The kernel does not say whose an object is. Ours is what this user made and no living stranger has used."""
    me = os.geteuid()
    return {text: text for text, uid, pids in _objects() if uid == me and not any(map(_is_a_stranger, pids))}


def _objects() -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """Every System V object: what to call it, who made it, which processes are known to have used it."""
    for queue in sysv.queues():
        pids: tuple[int, ...] = (queue.last_sender_pid, queue.last_receiver_pid)
        yield f"message queue {queue.id}", queue.permissions.creator_uid, pids
    for each in sysv.semaphore_sets():
        yield f"semaphore set {each.id}", each.permissions.creator_uid, _last_pids(each.id)
    for segment in sysv.segments():
        pids = (segment.creator_pid, segment.last_pid)
        yield f"shared memory {segment.id}", segment.permissions.creator_uid, pids


def _last_pids(set_id: int) -> tuple[int, ...]:
    with suppress(OSError):  # removed while we looked, or not ours to read
        return tuple(semaphore.last_pid for semaphore in sysv.SemaphoreSet(set_id))
    return ()


def _posix() -> dict[str, str]:
    """Names that this library has made, with the pid of their maker in them; others do not tell whose they are."""
    found = {}
    for folder, kind in POSIX_FOLDERS:
        names = os.listdir(folder) if os.path.isdir(folder) else ()  # a queue has a name there only if it is mounted
        for name in names:
            made = OUR_NAME.match(name)
            if made and not _is_a_stranger(int(made[2])):
                text = f"POSIX {'semaphore' if made[1] else kind} {name}"
                found[text] = text
    return found


def _is_a_stranger(pid: int) -> bool:
    """Whether this process lives and is not this one (our children have ended)."""
    if pid in (0, os.getpid()):
        return False
    try:
        with Process(pid) as process:
            return not process.has_ended()
    except ProcessLookupError:
        return False
