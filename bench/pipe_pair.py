"""What does a pipe cost beyond the kernel? 64 bytes written and read again, in one process on one CPU."""

from __future__ import annotations

import atexit
import os
from itertools import repeat

from unixipc import pipe

from . import harness
from .harness import Effort, Loop, Report

DATA = b"x" * 64
PAIRS, ROUNDS = 5000, 20
OURS, BY_HAND = "unixipc write + read", "os.write + os.read"


def ours() -> Loop:
    reader, writer = pipe()
    atexit.register(reader.close)
    atexit.register(writer.close)

    def loop(n: int) -> None:
        write, read = writer.write, reader.read
        for _ in repeat(None, n):
            write(DATA)
            read(64)

    return loop


def by_hand() -> Loop:
    source, sink = os.pipe()

    def loop(n: int) -> None:
        write, read = os.write, os.read
        for _ in repeat(None, n):
            write(sink, DATA)
            read(source, 64)

    return loop


def multiprocessing_pipe() -> Loop:
    from multiprocessing import Pipe

    source, sink = Pipe(duplex=False)

    def loop(n: int) -> None:
        send, receive = sink.send_bytes, source.recv_bytes
        for _ in repeat(None, n):
            send(DATA)
            receive()

    return loop


def sysv_queue() -> Loop:
    import sysv_ipc

    queue = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX)
    atexit.register(queue.remove)
    return message_loop(queue)


def posix_queue() -> Loop:
    import posix_ipc

    queue = posix_ipc.MessageQueue(None, posix_ipc.O_CREX, max_message_size=64)
    queue.unlink()  # it lives until we close it
    return message_loop(queue)


def message_loop(queue: object) -> Loop:
    def loop(n: int) -> None:
        send, receive = queue.send, queue.receive
        for _ in repeat(None, n):
            send(DATA)
            receive()

    return loop


def run(effort: Effort) -> list[Report]:
    harness.pin(harness.PRODUCER)
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(OURS, "ours", ours, n),
        harness.loop_case(BY_HAND, "stdlib", by_hand, n),
        harness.c_case("C write + read", "pair", "pipe", n),
        harness.loop_case("multiprocessing.Pipe", "stdlib", multiprocessing_pipe, n),
        harness.loop_case("sysv_ipc.MessageQueue", "peer", sysv_queue, n, needs="sysv_ipc"),
        harness.loop_case("posix_ipc.MessageQueue", "peer", posix_queue, n, needs="posix_ipc"),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("pipe_pair", "64 B into a pipe and out again, one process", "ns", rows, BY_HAND)
    report.at_most(1.15, OURS, BY_HAND)
    return [report]


if __name__ == "__main__":
    harness.answer(run)
