"""What does a lock on a file cost that nobody holds? And how soon does the next one have it after a release?"""

from __future__ import annotations

import atexit
import fcntl
import os
import tempfile
from collections.abc import Callable
from functools import cache, partial
from itertools import count, islice

from unixipc.locks import FileLock, RecordLock

from . import harness
from .harness import CONSUMER, PRODUCER, Case, Effort, Loop, Report, Side
from .sysv import in_turns

Pair = tuple[Callable[[], object], Callable[[], object]]
"""Acquire and release of one lock."""
Way = Callable[[str, int], Pair]
"""The lock number i of a path, opened anew."""

FLOCK, C_FLOCK = "unixipc FileLock", "C flock"
OFD, C_OFD = "unixipc RecordLock", "C fcntl, F_OFD_SETLKW"
FILELOCK = "filelock"
PAIRS, TURNS, ROUNDS, TURN_ROUNDS = 1000, 500, 40, 5
"""Few pairs a slice: about a millisecond, within which the scheduler seldom lets somebody else in between."""
LIMIT_S = 60.0


@cache
def folder() -> str:
    made = tempfile.TemporaryDirectory(prefix="unixipc-bench-")
    atexit.register(made.cleanup)
    return made.name


def new_path() -> str:
    """A new empty file."""
    number, path = tempfile.mkstemp(dir=folder())
    os.close(number)
    return path


def our_free_file(path: str, i: int) -> Pair:
    lock = FileLock(f"{path}.{i}")
    return lock.acquire, lock.release


def our_free_record(path: str, i: int) -> Pair:
    lock = RecordLock(path, i, 1)
    return lock.acquire, lock.release


def our_file(path: str, i: int) -> Pair:
    lock = FileLock(f"{path}.{i}")
    return partial(lock.acquire, LIMIT_S), lock.release


def our_record(path: str, i: int) -> Pair:
    lock = RecordLock(path, i, 1)
    return partial(lock.acquire, LIMIT_S), lock.release


def fcntl_flock(path: str, i: int) -> Pair:
    file = open(f"{path}.{i}", "w")
    return partial(fcntl.flock, file, fcntl.LOCK_EX), partial(fcntl.flock, file, fcntl.LOCK_UN)


def theirs_filelock(path: str, i: int) -> Pair:
    import filelock

    lock = filelock.FileLock(f"{path}.{i}", timeout=LIMIT_S)
    return lock.acquire, lock.release


def theirs_fasteners(path: str, i: int) -> Pair:
    import fasteners

    lock = fasteners.InterProcessLock(f"{path}.{i}")
    return partial(lock.acquire, timeout=LIMIT_S), lock.release


def theirs_portalocker(path: str, i: int) -> Pair:
    import portalocker

    lock = portalocker.Lock(f"{path}.{i}", timeout=LIMIT_S)
    return lock.acquire, lock.release


PEERS: tuple[tuple[str, Way, int], ...] = (
    (FILELOCK, theirs_filelock, 5),
    ("fasteners", theirs_fasteners, 10),
    ("portalocker", theirs_portalocker, 2),
)
"""The last: how many turns, as they sleep between two looks."""


def alone(way: Way) -> Loop:
    return in_turns(*way(new_path(), 0))


def uncontended(effort: Effort) -> Report:
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(FLOCK, "ours", partial(alone, our_free_file), n),
        harness.loop_case(OFD, "ours", partial(alone, our_free_record), n),
        harness.loop_case("fcntl.flock", "stdlib", partial(alone, fcntl_flock), n),
        *(harness.loop_case(name, "peer", partial(alone, way), n // 20, name) for name, way, _ in PEERS),
        harness.c_case(C_FLOCK, "file_locks", "flock", n, new_path()),
        harness.c_case(C_OFD, "file_locks", "ofd", n, new_path()),
    ]
    report = Report(
        "file_locks",
        "a lock that nobody holds acquired and released",
        "ns",
        harness.interleave(cases, effort, ROUNDS),
        FILELOCK,
    )
    report.at_most(2.0, FLOCK, C_FLOCK)
    report.at_most(2.0, OFD, C_OFD)
    report.at_least(40.0, FILELOCK, FLOCK)
    report.at_least(40.0, FILELOCK, OFD)
    return report


def giving_turns(way: Way, path: str, n: int) -> tuple[Side, Side]:
    """Two processes that take `n` turns each with three locks: see c/file_locks.c."""

    def child(start: Callable[[], None]) -> None:
        locks = [way(path, i) for i in range(3)]
        locks[2][0]()
        start()
        for turn in islice(count(0, 2), n):
            locks[2 * turn % 3][0]()
            locks[(2 * turn + 2) % 3][1]()

    def parent(start: Callable[[], None]) -> None:
        locks = [way(path, i) for i in range(3)]
        locks[0][0]()
        locks[1][0]()
        start()
        for turn in islice(count(0, 2), n):
            locks[2 * turn % 3][1]()
            locks[(2 * turn + 2) % 3][0]()

    return child, parent


def hand_off_case(name: str, kind: str, way: Way, n: int, needs: str | None = None) -> Case | None:
    if needs is not None and not harness.has(needs):
        return None
    return Case(name, kind, lambda: harness.two_processes(*giving_turns(way, new_path(), n)) / (2 * n) / 1e3)


def c_hand_off(name: str, kind: str, n: int) -> Case | None:
    return harness.c_case(name, "file_locks", kind, n, new_path(), PRODUCER, CONSUMER, convert=lambda ns: ns / 1e3)


def hand_off(effort: Effort) -> Report:
    n = effort.n(TURNS)
    cases = [
        hand_off_case(FLOCK, "ours", our_file, n),
        hand_off_case(OFD, "ours", our_record, n),
        hand_off_case("fcntl.flock, no timeout", "stdlib", fcntl_flock, n),
        *(hand_off_case(name, "peer", way, effort.n(few), name) for name, way, few in PEERS),
        c_hand_off(C_FLOCK, "flock", n),
        c_hand_off(C_OFD, "ofd", n),
    ]
    title = "a lock goes from one process to the next, who waits with a timeout"
    report = Report("file_locks", title, "us", harness.interleave(cases, effort, TURN_ROUNDS), FILELOCK)
    report.at_most(1.3, FLOCK, C_FLOCK)
    report.at_most(1.3, OFD, C_OFD)
    return report


def run(effort: Effort) -> list[Report]:
    harness.pin(PRODUCER)
    return [uncontended(effort), hand_off(effort)]


if __name__ == "__main__":
    harness.answer(run)
