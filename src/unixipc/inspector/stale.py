"""Files of sockets that no socket is bound to any more, and FIFOs that nobody has open. -- unix(7), fifo(7)

The kernel keeps no list of such files, so they are looked for where they usually are, and not in all of the disk.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from .._record import record
from .._text import text_of
from ..sockets.address import open_folder
from ..sockets.stream import somebody_is_bound
from .files import remote_type
from .machine._mounts import mounts
from .sock_diag import unix_sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .procfs import Identity, Snapshot

__all__ = ["StaleFile", "stale_files", "usual_folders"]

USUAL = ("/run", "/tmp", "/var/tmp", "/dev/shm")
DEEP = 3
"""How many folders beneath a usual one are looked into: /run/user/1000/gnupg/S.gpg-agent."""
MOST = 50_000
"""After so many names the search ends."""
SHARED = ("nfs", "cifs", "smb3", "fuse", "afs", "ceph", "9p", "virtiofs", "autofs")
"""File systems whose sockets may be bound on another machine."""


@record
class StaleFile:
    """A socket's file that no socket is bound to ("socket"), or a FIFO that nobody has open ("fifo"); id is its path.

    `proven`: the kernel, which knows the sockets of all namespaces by their file, knows none that is bound to this one.
    """

    kind: str
    id: str
    mode: int
    owner_uid: int
    changed_at: int
    proven: bool
    which: Identity


def usual_folders() -> list[str]:
    """/run, /tmp and the like, the user's own runtime folder, and every folder that a living socket's path is in."""
    folders = [*USUAL, os.environ.get("XDG_RUNTIME_DIR", "")]
    with suppress(OSError):
        folders += [f"/run/user/{name}" for name in os.listdir("/run/user")]
    with suppress(OSError):  # a kernel without unix_diag
        paths = {os.fsdecode(each.name.rstrip(b"\0")) for each in unix_sockets() if each.name[:1] == b"/"}
        folders += sorted({os.path.dirname(path) for path in paths})
    return folders


def stale_files(seen: Snapshot, folders: Sequence[str] | None = None) -> list[StaleFile]:
    """Each of them that is in these folders (in the usual ones), or up to three folders deeper. -- unix(7)

    Not beyond mount points and symbolic links, not where a server would have to answer, which may be dead, and no more
    than 50 000 names.
    """
    devices, uppers = _doubtful()
    rows: dict[Identity, StaleFile] = {}
    for path, found in _special_files(usual_folders() if folders is None else folders):
        which = (found.st_dev, found.st_ino)
        doubtful = found.st_dev in devices or path.startswith(uppers)
        if which not in rows and (row := _row(path, found, which, seen, doubtful)):
            rows[which] = row
    return sorted(rows.values(), key=lambda row: row.id)


def _row(path: str, found: os.stat_result, which: Identity, seen: Snapshot, doubtful: bool) -> StaleFile | None:
    is_socket = stat.S_ISSOCK(found.st_mode)
    if is_socket and is_bound(path):
        return None
    if not is_socket and which in seen.files:
        return None
    kind, mode = "socket" if is_socket else "fifo", stat.S_IMODE(found.st_mode)
    return StaleFile(kind, path, mode, found.st_uid, int(found.st_ctime), is_socket and not doubtful, which)


def is_bound(path: str) -> bool:
    """Whether a socket of any namespace is bound to this file; True where that may not be asked."""
    try:
        folder, name = open_folder(path)
        with folder:
            return somebody_is_bound(folder, name)
    except OSError:
        return True


def _special_files(folders: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Sockets and FIFOs in these folders and beneath them, the nearest first."""
    points = {mount.point for mount in mounts()}
    roots = dict.fromkeys(os.path.realpath(each) for each in folders if each and not remote_type(each))
    todo: list[tuple[str, int, int | None]] = [(path, DEEP, None) for path in roots]
    visited: set[Identity] = set()
    left = MOST
    while todo and left > 0:
        folder, deeper, device = todo.pop(0)
        entries, here = _entries(folder, device, visited)
        left -= len(entries)
        for each in entries:
            if each.is_dir(follow_symlinks=False):
                if each.path in points:  # not even asked what it is: its server may be dead
                    continue
                todo += [(each.path, deeper - 1, here)] if deeper else []
            elif not each.is_file(follow_symlinks=False) and not each.is_symlink():
                with suppress(OSError):  # removed meanwhile
                    found = each.stat(follow_symlinks=False)
                    if stat.S_ISSOCK(found.st_mode) or stat.S_ISFIFO(found.st_mode):
                        yield each.path, found


def _entries(folder: str, device: int | None, visited: set[Identity]) -> tuple[list[os.DirEntry[str]], int]:
    """What is in it, and its device; nothing if we were there, may not look, or it is a mount beneath the last one."""
    try:
        here = os.lstat(folder)
        if (here.st_dev, here.st_ino) in visited or device not in (None, here.st_dev):
            return [], here.st_dev
        visited.add((here.st_dev, here.st_ino))
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name), here.st_dev
    except OSError:
        return [], 0


def _doubtful() -> tuple[set[int], tuple[str, ...]]:
    """Devices and folders in which a file may have a socket that our kernel finds under another number, or not at all.

    Devices of other machines; and an overlay's upper folder: there a socket is bound to the overlay's own file.
    """
    devices: set[int] = set()
    uppers: list[str] = []
    with suppress(OSError):
        for own, system in (line.split(" - ", 1) for line in text_of("/proc/self/mountinfo").split("\n") if line):
            kind, _source, options = system.split()[:3]
            if kind.startswith(SHARED):
                major, minor = own.split()[2].split(":")
                devices.add(os.makedev(int(major), int(minor)))
            elif kind == "overlay":
                uppers += [f"{word[9:]}/" for word in options.split(",") if word.startswith("upperdir=")]
    return devices, tuple(uppers)
