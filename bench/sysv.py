"""What do System V queues, semaphores and segments cost beyond the kernel? And how fast do messages cross?"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

from unixipc import sysv

from . import harness
from .harness import CONSUMER, PRODUCER, Case, Effort, Loop, Report

DATA = b"x" * 64
MEBIBYTE = 1 << 20
QUEUE, C_QUEUE, THEIR_QUEUE = "unixipc send + receive", "C msgsnd + msgrcv", "sysv_ipc send + receive"
SEMAPHORE, C_SEMAPHORE, THEIR_SEMAPHORE = "unixipc acquire + release", "C semop twice", "sysv_ipc acquire + release"
MEMORY, C_MEMORY, THEIR_MEMORY = "unixipc attach + detach", "C shmat + shmdt", "sysv_ipc attach + detach"
STREAM, C_STREAM, THEIR_STREAM = "unixipc", "C", "sysv_ipc"
PAIRS, ATTACHES, MESSAGES, ROUNDS, STREAM_ROUNDS = 3000, 500, 30000, 20, 7


def in_turns(first: Callable[[], object], second: Callable[[], object]) -> Loop:
    def loop(n: int) -> None:
        one, two = first, second
        for _ in repeat(None, n):
            one()
            two()

    return loop


def send_and_receive(queue: Any) -> Loop:
    def loop(n: int) -> None:
        send, receive = queue.send, queue.receive
        for _ in repeat(None, n):
            send(DATA)
            receive()

    return loop


def our_queue() -> Any:
    queue = sysv.MessageQueue.temporary()
    atexit.register(queue.close)
    return queue


def their_queue() -> Any:
    import sysv_ipc

    queue = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX)
    atexit.register(queue.remove)
    return queue


def our_semaphore() -> Loop:
    semaphore = sysv.Semaphore.temporary(1)
    atexit.register(semaphore.close)
    return in_turns(semaphore.acquire, semaphore.release)


def their_semaphore() -> Loop:
    import sysv_ipc

    semaphore = sysv_ipc.Semaphore(None, sysv_ipc.IPC_CREX, initial_value=1)
    atexit.register(semaphore.remove)
    return in_turns(semaphore.acquire, semaphore.release)


def our_memory() -> Loop:
    memory = sysv.SharedMemory.temporary(MEBIBYTE)
    atexit.register(memory.close)

    def loop(n: int) -> None:
        for _ in repeat(None, n):
            memory.attach().detach()

    return loop


def their_memory() -> Loop:
    import sysv_ipc

    memory = sysv_ipc.SharedMemory(None, sysv_ipc.IPC_CREX, size=MEBIBYTE)
    keep = sysv_ipc.attach(memory.id)  # as our handle does: someone has it attached all the time
    memory.detach()
    atexit.register(keep.detach)
    atexit.register(memory.remove)
    return in_turns(memory.attach, memory.detach)


def pairs(effort: Effort) -> Report:
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(QUEUE, "ours", lambda: send_and_receive(our_queue()), n),
        harness.loop_case(THEIR_QUEUE, "peer", lambda: send_and_receive(their_queue()), n, needs="sysv_ipc"),
        harness.c_case(C_QUEUE, "sysv", "queue", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("sysv", "64 B into a message queue and out again, one process", "ns", rows, THEIR_QUEUE)
    report.at_most(0.8, QUEUE, THEIR_QUEUE)
    report.at_most(1.4, QUEUE, C_QUEUE)
    return report


def semaphores(effort: Effort) -> Report:
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(SEMAPHORE, "ours", our_semaphore, n),
        harness.loop_case(THEIR_SEMAPHORE, "peer", their_semaphore, n, needs="sysv_ipc"),
        harness.c_case(C_SEMAPHORE, "sysv", "semaphore", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("sysv", "a free semaphore acquired and released", "ns", rows, THEIR_SEMAPHORE)
    report.at_most(0.8, SEMAPHORE, THEIR_SEMAPHORE)
    report.at_most(1.4, SEMAPHORE, C_SEMAPHORE)
    return report


def segments(effort: Effort) -> Report:
    n = effort.n(ATTACHES)
    cases = [
        harness.loop_case(MEMORY, "ours", our_memory, n),
        harness.loop_case(THEIR_MEMORY, "peer", their_memory, n, needs="sysv_ipc"),
        harness.c_case(C_MEMORY, "sysv", "memory", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("sysv", "1 MiB of shared memory attached and detached", "ns", rows, THEIR_MEMORY)
    report.at_most(1.0, MEMORY, THEIR_MEMORY)
    return report


def per_second(n: int, ns: float) -> float:
    return n * 1e9 / ns


def stream_case(name: str, kind: str, queue: Any, n: int) -> Case:
    def sender(start: Callable[[], None]) -> None:
        send = queue.send
        start()
        for _ in repeat(None, n):
            send(DATA)

    def receiver(start: Callable[[], None]) -> None:
        receive = queue.receive
        start()
        for _ in repeat(None, n):
            receive()

    return Case(name, kind, lambda: per_second(n, harness.two_processes(sender, receiver)))


def streams(effort: Effort) -> Report:
    n = effort.n(MESSAGES)
    cases = [
        stream_case(STREAM, "ours", our_queue(), n),
        stream_case(THEIR_STREAM, "peer", their_queue(), n) if harness.has("sysv_ipc") else None,
        harness.c_case(C_STREAM, "sysv", "stream", n, PRODUCER, CONSUMER, convert=partial(per_second, n)),
    ]
    rows = harness.interleave(cases, effort, STREAM_ROUNDS)
    report = Report("sysv", "a stream of 64 B messages through a queue, two processes", "1/s", rows, THEIR_STREAM)
    report.at_least(1.2, STREAM, THEIR_STREAM)
    return report


def run(effort: Effort) -> list[Report]:
    harness.pin(PRODUCER)
    return [pairs(effort), semaphores(effort), segments(effort), streams(effort)]


if __name__ == "__main__":
    harness.answer(run)
