"""What do POSIX queues, semaphores and shared memory cost beyond the kernel?"""

from __future__ import annotations

import atexit
import mmap
from itertools import repeat
from typing import Any

from unixipc import posix

from . import harness
from .harness import PRODUCER, Effort, Loop, Report
from .sysv import DATA, MEBIBYTE, in_turns, send_and_receive

QUEUE, C_QUEUE, THEIR_QUEUE = "unixipc send + receive", "C mq_send + mq_receive", "posix_ipc send + receive"
SEMAPHORE, C_SEMAPHORE, THEIR_SEMAPHORE = (
    "unixipc acquire + release",
    "C sem_wait + sem_post",
    "posix_ipc acquire + release",
)
MEMORY, C_MEMORY, THEIR_MEMORY = "unixipc open, map, close", "C shm_open, mmap, close", "posix_ipc + mmap"
STDLIB_MEMORY = "multiprocessing.shared_memory"
PAIRS, OPENS, ROUNDS = 3000, 200, 20


def our_queue() -> Any:
    queue = posix.MessageQueue.temporary(max_message_bytes=len(DATA))
    atexit.register(queue.close)
    return queue


def their_queue() -> Any:
    import posix_ipc

    queue = posix_ipc.MessageQueue(None, posix_ipc.O_CREX, max_message_size=len(DATA))
    queue.unlink()
    atexit.register(queue.close)
    return queue


def our_semaphore() -> Loop:
    semaphore = posix.Semaphore.temporary(1)
    atexit.register(semaphore.close)
    return in_turns(semaphore.acquire, semaphore.release)


def their_semaphore() -> Loop:
    import posix_ipc

    semaphore = posix_ipc.Semaphore(None, posix_ipc.O_CREX, initial_value=1)
    semaphore.unlink()
    atexit.register(semaphore.close)
    return in_turns(semaphore.acquire, semaphore.release)


def our_memory(name: str) -> Loop:
    def loop(n: int) -> None:
        for _ in repeat(None, n):
            with posix.SharedMemory.open(name) as memory, memory.map():
                pass

    return loop


def their_memory(name: str) -> Loop:
    from posix_ipc import SharedMemory

    def loop(n: int) -> None:
        for _ in repeat(None, n):
            memory = SharedMemory(name)
            mapping = mmap.mmap(memory.fd, memory.size)
            memory.close_fd()
            mapping.close()

    return loop


def std_memory(name: str) -> Loop:
    from multiprocessing.shared_memory import SharedMemory

    word = name.lstrip("/")

    def loop(n: int) -> None:
        for _ in repeat(None, n):
            SharedMemory(word).close()

    return loop


def queues(effort: Effort) -> Report:
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(QUEUE, "ours", lambda: send_and_receive(our_queue()), n),
        harness.loop_case(THEIR_QUEUE, "peer", lambda: send_and_receive(their_queue()), n, needs="posix_ipc"),
        harness.c_case(C_QUEUE, "posix", "queue", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("posix", "64 B into a message queue and out again, one process", "ns", rows, THEIR_QUEUE)
    report.at_most(0.9, QUEUE, THEIR_QUEUE)
    return report


def semaphores(effort: Effort) -> Report:
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(SEMAPHORE, "ours", our_semaphore, n),
        harness.loop_case(THEIR_SEMAPHORE, "peer", their_semaphore, n, needs="posix_ipc"),
        harness.c_case(C_SEMAPHORE, "posix", "semaphore", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("posix", "a free semaphore acquired and released", "ns", rows, THEIR_SEMAPHORE)
    report.at_most(1.0, SEMAPHORE, THEIR_SEMAPHORE)
    return report


def memories(effort: Effort) -> Report:
    """Everybody opens the same object. The standard library makes it: its resource tracker wants to have seen that."""
    from multiprocessing.shared_memory import SharedMemory

    n = effort.n(OPENS)
    made = SharedMemory(create=True, size=MEBIBYTE)
    name = f"/{made.name}"
    try:
        cases = [
            harness.loop_case(MEMORY, "ours", lambda: our_memory(name), n),
            harness.loop_case(THEIR_MEMORY, "peer", lambda: their_memory(name), n, needs="posix_ipc"),
            harness.loop_case(STDLIB_MEMORY, "stdlib", lambda: std_memory(name), n),
            harness.c_case(C_MEMORY, "posix", "memory", n),
        ]
        rows = harness.interleave(cases, effort, ROUNDS)
    finally:
        made.close()
        made.unlink()
    report = Report("posix", "1 MiB of shared memory opened, mapped and closed", "ns", rows, THEIR_MEMORY)
    report.at_most(1.0, MEMORY, THEIR_MEMORY)
    report.at_least(2.5, STDLIB_MEMORY, MEMORY)
    return report


def run(effort: Effort) -> list[Report]:
    harness.pin(PRODUCER)
    return [queues(effort), semaphores(effort), memories(effort)]


if __name__ == "__main__":
    harness.answer(run)
