"""Numbers of other namespaces: what a process means by a pid, a System V id, the name of a queue. -- namespaces(7)

A container's process has a pid of its own there and another one here; the id of its queue may be the id of another
queue here. So no number that was found in another process's memory or registers is taken for one of ours.
"""

from __future__ import annotations

import os

from .files import stat_by_path
from .procfs import words_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .procfs import Identity, Snapshot

__all__ = ["elsewhere", "has_thread", "is_here", "pid_here", "process_here"]


def elsewhere(seen: Snapshot, pid: int, name: int | str) -> str | None:
    """What to call an IPC object of another namespace that this process is in; None if it is in ours."""
    return None if seen.shares_ipc_namespace(pid) else f"{name} of {ipc_namespace_of(pid)}"


def is_here(path: str, which: Identity) -> bool:
    """Whether a path that the kernel told of a file leads to it from here: another mount namespace has other files."""
    found = stat_by_path(path)  # None: removed, or another's
    return found is not None and (found.st_dev, found.st_ino) == which


def pid_here(number: int, among: Iterable[int]) -> int | None:
    """Which of these processes calls itself by this pid; None: none of them does, or several do."""
    found = {pid for pid in among if pids_in_namespaces(pid)[-1:] == [number]}
    return found.pop() if len(found) == 1 else None


def process_here(thread: int, among: Iterable[int], process: int = 0) -> int | None:
    """Which of these processes has a thread of this number, in its own counting; None: none has, or several have.

    `process`: what that process calls itself, 0 if it is not known.
    """
    found = {pid for pid in among if has_thread(pid, thread, process)}
    return found.pop() if len(found) == 1 else None


def has_thread(pid: int, thread: int, process: int = 0) -> bool:
    """Whether it has a thread that calls itself so."""
    own = pids_in_namespaces(pid)
    if not own or process not in (0, own[-1]):
        return False
    return thread in thread_ids(pid, len(own) == 1)


def ipc_namespace_of(pid: int) -> str:
    """Its IPC namespace as the kernel calls it, such as "ipc:[4026531839]"; "another IPC namespace" if it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/ipc")
    except OSError:
        return "another IPC namespace"


def pids_in_namespaces(pid: int) -> list[int]:
    """Its pid here, in each namespace below, and last as it calls itself; [] once it has ended. -- pid_namespaces(7)"""
    found = [int(each) for each in words_after(f"/proc/{pid}/status", b"NStgid:")]
    return found or [int(each) for each in words_after(f"/proc/{pid}/status", b"Tgid:")]  # a kernel before 4.1


def thread_ids(pid: int, same_namespace: bool) -> set[int]:
    """The numbers of its threads, as they call themselves. -- gettid(2)"""
    try:
        here = [int(each) for each in os.listdir(f"/proc/{pid}/task")]
    except OSError:  # it has ended
        return set()
    if same_namespace:
        return set(here)
    return {int(number) for each in here for number in words_after(f"/proc/{pid}/task/{each}/status", b"NSpid:")[-1:]}
