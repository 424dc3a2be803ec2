"""Tables that are full: no free descriptor, no room in /dev/shm, every limit at its lowest."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from errno import EAGAIN, EFBIG, EMFILE, ENOMEM, ENOSPC

__all__ = ["NOT_WITH", "TABLES"]

FILLER = "/dev/shm/uipc-faults-filler"


@contextlib.contextmanager
def limit(which: int, value: int) -> Iterator[None]:
    """Lower this process's soft limit for a while."""
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))


@contextlib.contextmanager
def descriptors(free: int) -> Iterator[None]:
    """So many numbers are left, and no more."""
    lowest = os.dup(0)
    os.close(lowest)
    with limit(resource.RLIMIT_NOFILE, lowest + free):
        yield


@contextlib.contextmanager
def sysctl(name: str, value: str) -> Iterator[None]:
    """Of our own IPC namespace."""
    path = f"/proc/sys/{name}"
    with open(path) as file:
        before = file.read()
    with open(path, "w") as file:
        file.write(value)
    try:
        yield
    finally:
        with open(path, "w") as file:
            file.write(before)


@contextlib.contextmanager
def no_room() -> Iterator[None]:
    """/dev/shm is full. (It is small and our own: conftest.py.)"""
    if os.statvfs("/dev/shm").f_blocks > 1000:
        raise OSError(ENOSPC, "not tried: this /dev/shm is everybody's", FILLER)
    filler = os.open(FILLER, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            while True:
                os.write(filler, bytes(4096))
        yield
    finally:
        os.close(filler)
        os.unlink(FILLER)


def limited(name: str) -> Callable[[], AbstractContextManager[None]]:
    return lambda: limit(getattr(resource, name), 0)


Tables = dict[str, tuple[Callable[[], AbstractContextManager[None]], set[int]]]

FEW: Tables = {
    f"{free} descriptors left": (lambda free=free: descriptors(free), {EMFILE}) for free in (0, 1, 2, 3, 5, 8)
}
SIGNALS: Tables = {"RLIMIT_SIGPENDING": (limited("RLIMIT_SIGPENDING"), {EAGAIN})}
LOCKED: Tables = {"RLIMIT_MEMLOCK": (limited("RLIMIT_MEMLOCK"), {ENOMEM})}

TABLES: dict[str, Tables] = {
    "scenarios_streams": FEW | SIGNALS,
    "scenarios_sockets": FEW | SIGNALS,
    "scenarios_locks": FEW | SIGNALS | LOCKED,
    "scenarios_processes": SIGNALS,
    "scenarios_posix": FEW
    | SIGNALS
    | {
        "RLIMIT_MSGQUEUE": (limited("RLIMIT_MSGQUEUE"), {EMFILE}),
        "RLIMIT_FSIZE": (limited("RLIMIT_FSIZE"), {EFBIG}),
        "a full /dev/shm": (no_room, {ENOSPC}),
    },
    "scenarios_system_v": FEW
    | {
        "no queue": (lambda: sysctl("kernel/msgmni", "0"), {ENOSPC}),
        "no set": (lambda: sysctl("kernel/sem", "32000 0 500 0"), {ENOSPC}),
        "no segment": (lambda: sysctl("kernel/shmmni", "0"), {ENOSPC}),
    },
}
"""File of scenarios -> what to fill -> (how, what a refusal may say)."""

NOT_WITH = {
    ("a_pipeline", "descriptors"): "it starts programs, whose loader needs descriptors too",
    ("a_signal_sent", "RLIMIT_SIGPENDING"): "the kernel sends an ordinary signal all the same, without its value",
    ("a_notified_queue", "RLIMIT_SIGPENDING"): "the kernel sends an ordinary signal all the same, without its value",
}
"""(scenario, in the table's name) -> why it is not tried."""
