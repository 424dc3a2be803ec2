"""What do locks that outlive their holder cost beyond C, and how fast do they pass from one process to another?"""

from __future__ import annotations

import atexit
import multiprocessing
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from unixipc import map_anonymous, posix, robust

from . import harness
from .harness import PRODUCER, Case, Effort, Loop, Report
from .sysv import in_turns

PAIR, WITH, PERMIT = "unixipc acquire + release", "unixipc with", "unixipc semaphore, acquire + release"
READ = "unixipc reader, acquire + release"
CALLS, C_PAIR, C_PTHREAD, C_SEMAPHORE = (
    "two Python calls",
    "C owner word",
    "C robust pthread mutex",
    "C sem_wait + sem_post",
)
STDLIB, POSIX = "multiprocessing.Lock", "unixipc.posix.Semaphore"
RING, C_RING, C_OWNER_RING, C_PTHREAD_RING = "unixipc", "C futex", "C owner word", "C robust pthread mutex"
PAIRS, HANDS, ROUNDS, RING_ROUNDS = 20000, 4000, 20, 5


def kept(made: Any) -> Any:
    atexit.register(made.close)
    return made


def our_pair() -> Loop:
    mutex = kept(robust.Mutex.temporary())
    return in_turns(mutex.acquire, mutex.release)


def our_with() -> Loop:
    mutex = kept(robust.Mutex.temporary())

    def loop(n: int) -> None:
        for _ in repeat(None, n):
            with mutex:
                pass

    return loop


def our_permit() -> Loop:
    semaphore = kept(robust.Semaphore.temporary(4))
    return in_turns(semaphore.acquire, semaphore.release)


def our_read() -> Loop:
    lock = kept(robust.RWLock.temporary())
    return in_turns(lock.acquire_shared, lock.release_shared)


def two_calls() -> Loop:
    """What the interpreter takes for calls of the same kind that do nothing but look whether the handle is open."""
    mutex = kept(robust.Mutex.temporary())
    return in_turns(mutex.check_open, mutex.check_open)


def std_pair() -> Loop:
    lock = multiprocessing.Lock()
    return in_turns(lock.acquire, lock.release)


def posix_pair() -> Loop:
    semaphore = kept(posix.Semaphore.temporary(1))
    return in_turns(semaphore.acquire, semaphore.release)


def pairs(effort: Effort) -> Report:
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(PAIR, "ours", our_pair, n),
        harness.loop_case(WITH, "ours", our_with, n),
        harness.loop_case(PERMIT, "ours", our_permit, n),
        harness.loop_case(READ, "ours", our_read, n),
        harness.loop_case(POSIX, "ours", posix_pair, n),
        harness.loop_case(CALLS, "ours", two_calls, n),
        harness.loop_case(STDLIB, "stdlib", std_pair, n),
        harness.c_case(C_PAIR, "robust", "owner", n),
        harness.c_case(C_PTHREAD, "robust", "pthread", n),
        harness.c_case(C_SEMAPHORE, "robust", "semaphore", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("robust", "a free lock taken and given back, one process", "ns", rows, STDLIB)
    report.at_most(1.0, PAIR, STDLIB)
    report.at_most(1.0, C_PAIR, C_PTHREAD)
    return report


def go_round(locks: Sequence[Any], at: int, n: int) -> None:
    """Each holds one, takes the next, and gives the first: which is what the other one waits for."""
    takes, gives = [lock.acquire for lock in locks], [lock.release for lock in locks]
    for _ in repeat(None, n):
        following = (at + 1) % 3
        takes[following]()
        gives[at]()
        at = following
    gives[at]()


def ring(label: str, kind: str, make: Callable[[], Sequence[Any]], n: int) -> Case:
    def once() -> float:
        locks = make()

        def child(start: Callable[[], None]) -> None:
            locks[1].acquire()
            start()
            go_round(locks, 1, n)

        def parent(start: Callable[[], None]) -> None:
            locks[0].acquire()
            start()
            go_round(locks, 0, n)

        return harness.two_processes(child, parent) / (2 * n)

    return Case(label, kind, once)


def our_three() -> list[robust.Mutex]:
    memory = map_anonymous(4096)
    return [robust.Mutex.create(memory, 64 * i) for i in range(3)]


def rings(effort: Effort) -> Report:
    n = effort.n(HANDS)
    cases = [
        ring(RING, "ours", our_three, n),
        ring(POSIX, "ours", lambda: [posix.Semaphore.temporary(1) for _ in range(3)], n),
        ring(STDLIB, "stdlib", lambda: [multiprocessing.Lock() for _ in range(3)], n),
        harness.c_case(C_RING, "robust", "ring-futex", n),
        harness.c_case(C_OWNER_RING, "robust", "ring-owner", n),
        harness.c_case(C_PTHREAD_RING, "robust", "ring-pthread", n),
    ]
    rows = harness.interleave(cases, effort, RING_ROUNDS)
    report = Report("robust", "a lock handed from one process to another, which waits for it", "ns", rows, C_RING)
    report.at_most(1.2, RING, C_RING)
    return report


def run(effort: Effort) -> list[Report]:
    handed_over = rings(effort)
    harness.pin(PRODUCER)
    return [pairs(effort), handed_over]


if __name__ == "__main__":
    harness.answer(run)
