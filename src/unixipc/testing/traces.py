"""Leave no trace: what this process has on the machine now, and what is left of it later.

>>> from unixipc import pipe
>>> from unixipc.testing.traces import leaves_no_trace
>>> with leaves_no_trace():
...     reader, writer = pipe()
...     reader.close(); writer.close()
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator

from .._record import record

__all__ = ["Traces", "leaves_no_trace", "left_since", "look"]

SETTLE_SECONDS = 2.0
SLEEPER = "unixipc sleeper"  # unixipc.aio's


@record
class Traces:
    """Descriptors, children, threads, System V ids, names in /dev/shm and /dev/mqueue, sockets' abstract names."""

    descriptors: frozenset[str]
    children: frozenset[str]
    threads: frozenset[str]
    system_v: frozenset[str]
    shared_memory: frozenset[str]
    queues: frozenset[str]
    sockets: frozenset[str]


def look() -> Traces:
    """What this process, and the machine it runs on, have now."""
    open_now = _descriptors()
    names = _names("/dev/shm"), _names("/dev/mqueue"), _abstract_names(open_now)
    return Traces(open_now, _children(), _threads(), _system_v(), *names)


def left_since(before: Traces, settle_seconds: float = SETTLE_SECONDS) -> dict[str, list[str]]:
    """What is there now and was not then, by kind; empty if nothing. Gives what is just ending time to end."""
    deadline = time.monotonic() + settle_seconds
    while left := _difference(before, look()):
        if time.monotonic() > deadline:
            break
        gc.collect()
        time.sleep(0.005)  # a thread or process on its way out has nothing to wait on: this is a test's patience
    return left


@contextlib.contextmanager
def leaves_no_trace() -> Iterator[None]:
    """AssertionError with a list of what is left, if anything is."""
    before = look()
    yield
    if left := left_since(before):
        raise AssertionError(f"left behind: {left}")


def _difference(before: Traces, after: Traces) -> dict[str, list[str]]:
    then, now = before._asdict(), after._asdict()  # type: ignore[attr-defined]
    return {kind: new for kind in now if (new := sorted(now[kind] - then[kind]))}


def _descriptors() -> frozenset[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed the folder
            found.add(f"{number} -> {os.readlink(f'/proc/self/fd/{number}')}")
    own = f"/proc/{os.getpid()}/fd"
    return frozenset(each for each in found if own not in each)


def _children() -> frozenset[str]:
    """Children by pid, zombies included; of every thread of this process."""
    found: set[str] = set()
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{thread}/children") as pids:
            found.update(pids.read().split())
    return frozenset(found)


def _threads() -> frozenset[str]:
    """But for the one that sleeps for all tasks: it stays with the process."""
    alive = [thread for thread in threading.enumerate() if thread.name != SLEEPER]
    return frozenset(f"{thread.name} ({thread.ident})" for thread in alive)


def _system_v() -> frozenset[str]:
    found: set[str] = set()
    for kind in ("msg", "sem", "shm"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/sysvipc/{kind}") as lines:
            found.update(f"{kind} {line.split()[1]}" for line in list(lines)[1:])
    return frozenset(found)


def _names(folder: str) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if os.path.isdir(folder) else frozenset()


def _abstract_names(descriptors: frozenset[str]) -> frozenset[str]:
    """Names in the abstract namespace that sockets of this process are bound to."""
    mine = {each.split("[")[1].rstrip("]") for each in descriptors if "socket:[" in each}
    if not mine:
        return frozenset()
    with open("/proc/net/unix", errors="surrogateescape") as lines:
        rows = [line.split() for line in lines]
    return frozenset(row[7] for row in rows if len(row) > 7 and row[6] in mine)
