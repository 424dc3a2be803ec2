"""Which mount a path is on, read from the list of mounts: nothing is asked of a file system that may be dead."""

from __future__ import annotations

import os
import re

from ..._record import record
from ..._text import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST_LINKS = 40


@record
class Mount:
    """One line of mountinfo: where, of what type, with which options (the mount's and the file system's)."""

    number: int
    parent: int
    point: str
    root: str
    type: str
    options: frozenset[str]


def mounts() -> list[Mount]:
    """Every mount of this mount namespace, hidden ones too. -- proc_pid_mountinfo(5)"""
    return [_mount(line) for line in text_of("/proc/self/mountinfo").split("\n") if line]


def _mount(line: str) -> Mount:
    own, _, system = line.partition(" - ")
    words, kind = own.split(" "), system.split(" ")
    options = frozenset([*words[5].split(","), *kind[-1].split(",")])
    return Mount(int(words[0]), int(words[1]), _plain(words[4]), _plain(words[3]), kind[0], options)


def _plain(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word)


def covering(path: str, among: list[Mount]) -> Mount:
    """The mount of a path that has no symbolic links.

    A mount hides what was mounted below its point before. So we go as the kernel does: from the root to the first
    mount on the way whose parent is the one that we are in, and on from there.
    """
    numbers = {mount.number for mount in among}
    way = [mount for mount in among if path == mount.point or path.startswith(mount.point.rstrip("/") + "/")]
    best = min((mount for mount in way if mount.parent not in numbers), key=lambda mount: len(mount.point))
    while below := [mount for mount in way if mount.parent == best.number and mount is not best]:
        best = min(below, key=lambda mount: len(mount.point))
    return best


def mount_of(path: str, among: list[Mount], is_remote: Callable[[Mount], bool]) -> Mount:
    """The mount of any path. Links are followed one by one, and none that lies on a remote file system: it may hang."""
    done, pending = "/", path.split("/")
    links = 0
    while pending:
        word = pending.pop(0)
        here = os.path.normpath(os.path.join(done, word))
        if is_remote(mount := covering(here, among)):
            return mount
        try:
            target = os.readlink(here)
        except OSError:
            done = here
            continue
        links += 1
        if links > MOST_LINKS:
            break
        pending = target.split("/") + pending
        done = "/" if target.startswith("/") else done
    return covering(done, among)
