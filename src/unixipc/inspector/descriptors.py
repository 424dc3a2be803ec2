"""What a descriptor of a process leads to, and who could end a wait at it. -- proc_pid_fd(5), proc_pid_fdinfo(5)"""

from __future__ import annotations

import os
import stat

from . import posix
from .namespaces import elsewhere
from .procfs import identity, info_of
from .scene import Scene, Thing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .procfs import End

__all__ = ["descriptor", "ended"]


def descriptor(scene: Scene, pid: int, number: int, reads: bool) -> list[Thing]:
    """What a wait at this descriptor is for; nothing if it cannot be seen, or is gone."""
    path = f"/proc/{pid}/fd/{number}"
    try:
        link = os.readlink(path)
    except OSError:
        return []
    if link.startswith("pipe:["):
        return [_pipe(scene, "pipe", int(link[6:-1]), link, _ends(scene.seen.pipes.get(int(link[6:-1]), ())), reads)]
    if link.startswith("socket:["):
        return [_socket(scene, int(link[8:-1]), reads)]
    if link.startswith("anon_inode:"):
        return [_anonymous(scene, pid, number, link.removeprefix("anon_inode:"))]
    return _file(scene, pid, number, link, reads)


def _file(scene: Scene, pid: int, number: int, link: str, reads: bool) -> list[Thing]:
    try:
        found = scene.seen.stat(pid, number)
    except OSError:
        return []
    which = (found.st_dev, found.st_ino)
    if stat.S_ISFIFO(found.st_mode):
        return [_pipe(scene, "fifo", identity(*which), link, _ends(scene.seen.files.get(which, ())), reads)]
    if posix.is_queue(link, found):
        name = link.removeprefix(posix.QUEUES).removesuffix(" (deleted)")
        name = elsewhere(scene.seen, pid, name) or name
        return [_queue(scene, name, _ends(scene.seen.files.get(which, ())), reads)]
    return [Thing("file", identity(*which), "reads" if reads else "writes", link, (), True)]


def _ends(raw: Iterable[tuple[int, int, int]]) -> tuple[set[int], set[int]]:
    """(who may read, who may write)"""
    raw = list(raw)
    return {pid for pid, _, mode in raw if mode & stat.S_IRUSR}, {pid for pid, _, mode in raw if mode & stat.S_IWUSR}


def _pipe(scene: Scene, kind: str, name: int | str, label: str, ends: tuple[set[int], set[int]], reads: bool) -> Thing:
    readers, writers = ends
    if reads:
        enders = scene.enders(writers, "has the write end: could write, or close it")
        return Thing(kind, name, "reads", f"{label} is empty", enders, kind == "fifo")
    return Thing(kind, name, "writes", f"{label} is full", scene.enders(readers, "has the read end"), kind == "fifo")


def _queue(scene: Scene, link: str, ends: tuple[set[int], set[int]], reads: bool) -> Thing:
    readers, writers = ends
    if reads:
        enders = scene.enders(writers, "has it open for sending", False)
        return Thing("posix-queue", link, "receives", f"queue {link} is empty", enders, True)
    enders = scene.enders(readers, "has it open for receiving", False)
    return Thing("posix-queue", link, "sends", f"queue {link} is full", enders, True)


def _socket(scene: Scene, inode: int, reads: bool) -> Thing:
    row = scene.sockets.get(inode)
    if row is None:
        return Thing("socket", inode, "reads" if reads else "writes", "a socket of another family", (), True)
    label = row.name or row.peer_name or f"socket {inode}"
    if row.state == "listening":
        return Thing("socket", inode, "accepts", f"{label} has no connection to accept", (), True)
    enders = scene.enders(_pids(row.peer_holders), "has the other side")
    does, text = ("reads", "has nothing to read") if reads else ("writes", "takes no more")
    return Thing("socket", inode, does, f"{label} {text}", enders, row.type == "dgram" or not row.peer)


def _pids(ends: Iterable[End]) -> set[int]:
    return {end.pid for end in ends}


def _anonymous(scene: Scene, pid: int, number: int, name: str) -> Thing:
    if name == "[pidfd]":
        target = int(info_of(pid, number).get("Pid", "0"))
        return ended(scene, target) if target > 0 else Thing("process", name, "waits for", "a process", (), True)
    if name == "[eventfd]":
        known = info_of(pid, number).get("eventfd-id", "")
        enders = scene.enders((owner for owner, _ in scene.eventfds.get(known, ())), "has the counter")
        return Thing("eventfd", known, "reads", f"counter {known} is 0", enders)
    kinds = {"[timerfd]": "time", "[signalfd]": "signal"}
    return Thing(kinds.get(name, "file"), name, "reads", name, (), True)


def ended(scene: Scene, pid: int) -> Thing:
    """The end of a process."""
    return Thing("process", pid, "waits for", "it has not ended", scene.enders([pid], "could end"))
