"""A /dev/shm and a /dev/mqueue of one's own, for a process and those that it starts."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
MS_NOSUID_NODEV = 2 | 4
MS_REC_PRIVATE = 16384 | 1 << 18
LIBC = ctypes.CDLL(None, use_errno=True)


def enter_own_shared_memory() -> None:
    """Both are empty in it; call it in an IPC namespace of one's own: its queues they are. -- mount_namespaces(7)"""
    call(LIBC.unshare(CLONE_NEWNS))
    mount("none", "/", None, MS_REC_PRIVATE)  # what we mount is seen by nobody else
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID_NODEV, "mode=1777,size=64m")  # a container begins with as much
    if os.path.isdir("/dev/mqueue"):
        mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID_NODEV)


def mount(what: str, where: str, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [each and each.encode() for each in (what, where, kind, options)]
    call(LIBC.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]))


def call(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
