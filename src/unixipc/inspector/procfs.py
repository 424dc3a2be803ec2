"""The only reader of other processes' /proc. What vanishes or may not be read while we look is left out. -- proc(5)"""

from __future__ import annotations

import os

from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OpenFile", "command_of", "open_files"]

ACCESS_MODE = 0o3


@record
class OpenFile:
    """One descriptor of one process: what it leads to and how it was opened (open(2) flags)."""

    pid: int
    number: int
    device: int
    inode: int
    flags: int


def open_files() -> Iterator[OpenFile]:
    """Every descriptor of every process that this one may look into, by pid and number."""
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
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
