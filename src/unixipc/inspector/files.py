"""Open files of other processes, without asking a file system that may be dead. -- statx(2), proc_pid_fdinfo(5)

A server that does not answer (NFS, FUSE) lets everybody wait for ever who asks it for anything, be it a file's type.
So nobody is asked: what the kernel knows of an open file is as old as its last answer, and its identity never changes.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from .._call import failure
from .._native import glance as _glance
from .._native import look as _look
from .machine import _mounts
from .reading import bytes_of, info_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Glance: TypeAlias = tuple[bytes, tuple[int, int, int] | None, int | None]

__all__ = ["Files", "first_bytes", "glances", "hides_processes", "remote_type", "stat_by_path", "stat_in", "way_to"]

ASKED_FOR_ALL = ("9p", "beegfs", "cifs", "coda", "gpfs", "lustre", "orangefs", "panfs", "smb3", "smbfs", "vboxsf")
"""Types that may ask their server even for what is known here already: of their files only the identity is told."""
REMOTE = (*ASKED_FOR_ALL, "afs", "autofs", "ceph", "fuse", "nfs", "virtiofs")
"""How the names of types begin whose files may be on another machine, or another process's to answer for."""


class Files:
    """The mounts that were met, by their numbers: each belongs to one mount namespace, and no two have one number."""

    def __init__(self) -> None:
        self._mounts: dict[int, tuple[int, str] | None] = {}
        self._some_ask = any(_is(name, ASKED_FOR_ALL) for name in _types())

    def stat(self, pid: int, number: int) -> os.stat_result:
        """As stat(2); only device, inode and "regular file" where it could not be told without asking. -- statx(2)

        One hole: a mount of such a type (`ASKED_FOR_ALL`) that was taken out of the tree while its files are open.
        """
        if self._some_ask and _is(self._mount(pid, number)[1], ASKED_FOR_ALL):
            return self._identity(pid, number)
        try:
            return _look.stat_known(f"/proc/{pid}/fd/{number}")
        except PermissionError:  # another user's FUSE
            return self._identity(pid, number)

    def are_here(self, pid: int, number: int) -> bool:
        """Whether opening or reading it asks nobody but this kernel; False of a mount that is no longer in the tree."""
        kind = self._mount(pid, number)[1]
        return kind != "" and not is_remote(kind)

    def _identity(self, pid: int, number: int) -> os.stat_result:
        device, _kind = self._mount(pid, number)
        inode = int(info_of(pid, number).get("ino", 0))  # from Linux 5.14 on
        if not inode or not device:
            raise failure(errno.EACCES, "proc_pid_fdinfo(5)", f"{pid}:{number}")
        return os.stat_result((stat.S_IFREG, inode, device, 1, 0, 0, 0, 0, 0, 0), {"st_blocks": 0})

    def _mount(self, pid: int, number: int) -> tuple[int, str]:
        """(device, type) of the file's mount."""
        mount = int(info_of(pid, number).get("mnt_id", 0))
        if mount not in self._mounts:
            self._mounts |= _mounts_of(pid)
            self._mounts.setdefault(mount, None)
        return self._mounts[mount] or (0, "")


def _is(kind: str, names: tuple[str, ...]) -> bool:
    return kind.startswith(names)


def is_remote(kind: str) -> bool:
    """Whether files on a file system of this type may be somebody else's to answer for. ("fuseblk": too.)"""
    return _is(kind, REMOTE)


def _types() -> list[str]:
    """Every type of file system that this kernel has now."""
    lines = (bytes_of("/proc/filesystems") or b"").decode().splitlines()
    return [line.split()[-1] for line in lines if line.strip()]


def _mounts_of(pid: int) -> dict[int, tuple[int, str] | None]:
    found: dict[int, tuple[int, str] | None] = {}
    for line in os.fsdecode(bytes_of(f"/proc/{pid}/mountinfo") or b"").splitlines():
        own, _, system = line.partition(" - ")
        number, _parent, device = own.split(" ")[:3]
        major, _, minor = device.partition(":")
        found[int(number)] = (os.makedev(int(major), int(minor)), system.split(" ")[0])
    return found


IN_MEMORY = "/dev/shm/"


def stat_by_path(path: str) -> os.stat_result | None:
    """As stat(2) of a path here; None where a server would have to be asked, or nothing is there. -- openat2(2)"""
    with suppress(OSError):
        if path.startswith(IN_MEMORY) or not remote_type(path):
            return os.stat(path)
        return _look.stat_cached("/", os.path.abspath(path))
    return None


def remote_type(path: str) -> str:
    """The type of the file system that the path is on, if somebody else may have to answer for it; else ""."""
    mount = _mounts.mount_of(os.path.abspath(path), _mounts.mounts(), lambda each: is_remote(each.type))
    return mount.type if is_remote(mount.type) else ""


def stat_in(start: str, name: str) -> os.stat_result | None:
    """Of a name in a folder of a process (/proc/PID/root, /proc/PID/cwd); None if nothing is there.

    BlockingIOError: not all of the way is known here. For what somebody has just named to the kernel, that means a
    server. Before Linux 5.12 the file system is asked.
    """
    try:
        return _look.stat_cached(start, name)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            return None
    with suppress(OSError):
        return os.stat(f"{start}/{name}")
    return None


def hides_processes() -> bool:
    """Whether processes of others are not even listed. -- proc(5), hidepid"""
    if os.geteuid() == 0:
        return False
    with suppress(OSError):
        options = (each.options for each in _mounts.mounts() if each.point == "/proc")
        return any(option in HIDING for each in options for option in each)
    return False


HIDING = ("hidepid=2", "hidepid=4", "hidepid=invisible", "hidepid=ptraceable")


def glances(paths: Sequence[str], length: int) -> list[Glance | None]:
    """How these regular files begin, and what else only an open file tells; None for those that we may not open.

    Another process opens them: our own locks on them, and our registrations at queues, outlast the look. -- clone(2)
    """
    try:
        return _glance.glance(paths, length)
    except OSError:  # no process to be had
        return [None] * len(paths)


def first_bytes(pid: int, number: int, length: int) -> bytes:
    """How a regular file that it has open begins; b"" if we may not know."""
    (found,) = glances([way_to(pid, number)], length)
    return b"" if found is None else found[0]


def way_to(pid: int, number: int) -> str:
    """A path to open what a descriptor leads to, for `glances`. Who looks has a copy of each descriptor of ours."""
    return f"/proc/{'self' if pid == os.getpid() else pid}/fd/{number}"
