"""An IPC namespace of one's own: System V objects and POSIX queues that nobody else sees, and that end with it.

Call it before anything else, at the top of a test run: what the process had open of the old namespace stays behind.
"""

from __future__ import annotations

import os

from .._native.sysv import new_ipc_namespace

__all__ = ["enter_own_ipc_namespace"]


def enter_own_ipc_namespace() -> None:
    """Give this thread, and every process and thread that it makes, a fresh namespace. -- unshare(2), CLONE_NEWIPC

    Without privilege it needs a user namespace, which only a process of one thread can enter; its own user and group
    keep their numbers. PermissionError, OSError(ENOSPC) or OSError(EINVAL) where neither is allowed.
    """
    try:
        new_ipc_namespace(False)
    except PermissionError:
        uid, gid = os.getuid(), os.getgid()
        new_ipc_namespace(True)
        _write("setgroups", "deny")
        _write("uid_map", f"{uid} {uid} 1")
        _write("gid_map", f"{gid} {gid} 1")


def _write(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
