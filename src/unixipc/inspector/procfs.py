"""The only reader of other processes' /proc. What vanishes or may not be read while we look is left out. -- proc(5)"""

from __future__ import annotations

import os
from contextlib import suppress

from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "OpenFile",
    "call_of",
    "calls_of",
    "command_of",
    "open_files",
    "owner_of",
    "processes",
    "shows_calls",
    "threads_of",
]

ACCESS_MODE = 0o3


@record
class OpenFile:
    """One descriptor of one process: what it leads to and how it was opened (open(2) flags)."""

    pid: int
    number: int
    device: int
    inode: int
    flags: int


def processes() -> list[int]:
    """The pid of every process that can be seen from here."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def open_files() -> Iterator[OpenFile]:
    """Every descriptor of every process that this one may look into, by pid and number."""
    for pid in processes():
        yield from _open_files_of(pid)


def _open_files_of(pid: int) -> Iterator[OpenFile]:
    try:
        numbers = sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it has ended, or belongs to somebody else
        return
    for number in numbers:
        try:
            found = os.stat(f"/proc/{pid}/fd/{number}")
            flags = _flags(pid, number)
        except OSError:
            continue
        yield OpenFile(pid, number, found.st_dev, found.st_ino, flags)


def _flags(pid: int, number: int) -> int:
    with open(f"/proc/{pid}/fdinfo/{number}") as lines:
        for line in lines:
            if line.startswith("flags:"):
                return int(line.split()[1], 8)
    return 0


def command_of(pid: int) -> str:
    """The process's name as ps shows it, "" once it has ended. -- proc(5), comm"""
    try:
        with open(f"/proc/{pid}/comm") as name:
            return name.read().rstrip("\n")
    except OSError:
        return ""


def shows_calls() -> bool:
    """Whether this kernel shows which system call a thread sleeps in. -- proc_pid_syscall(5)"""
    return os.path.exists("/proc/self/syscall")


def calls_of(pid: int) -> Iterator[tuple[int, int]]:
    """For each thread that sleeps in a system call: the call's number and its first argument.

    PermissionError if we may not look, FileNotFoundError or ProcessLookupError once it has ended.
    """
    for thread in threads_of(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            if found := call_of(pid, thread):
                yield found


def threads_of(pid: int) -> list[str]:
    """The ids of its threads. FileNotFoundError once it has ended."""
    return os.listdir(f"/proc/{pid}/task")


def call_of(pid: int, thread: str) -> tuple[int, int] | None:
    """The call that this thread sleeps in, and its first argument; None while it runs. Errors as of `calls_of`."""
    with open(f"/proc/{pid}/task/{thread}/syscall") as line:
        words = line.read().split()
    return (int(words[0]), int(words[1], 16)) if len(words) > 2 else None


def owner_of(pid: int) -> int:
    """Its effective user."""
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[2]) for line in lines if line.startswith("Uid:"))
