"""What does a Unix socket cost beyond the kernel? 64 bytes sent and received, in one process on one CPU."""

from __future__ import annotations

import atexit
import socket
from itertools import repeat

from unixipc.sockets import pair

from . import harness
from .harness import Effort, Loop, Report

DATA = b"x" * 64
PAIRS, ROUNDS = 3000, 20
MESSAGES, BYTES, BY_HAND = "unixipc send + receive", "unixipc write + read", "socket.send + recv"
PACKETS, PACKETS_BY_HAND = "unixipc seqpacket send + receive", "socket seqpacket send + recv"


def ours(kind: str, sending: str, receiving: str) -> Loop:
    """`receiving` is "receive" (an object with the data, the end, what came along) or "read" (bytes)."""
    a, b = pair(kind)
    atexit.register(a.close)
    atexit.register(b.close)

    def loop(n: int) -> None:
        send, receive = getattr(a, sending), getattr(b, receiving)
        for _ in repeat(None, n):
            send(DATA)
            receive(64)

    return loop


def by_hand(kind: int) -> Loop:
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    atexit.register(a.close)
    atexit.register(b.close)

    def loop(n: int) -> None:
        send, receive = a.send, b.recv
        for _ in repeat(None, n):
            send(DATA)
            receive(64)

    return loop


def multiprocessing_pipe() -> Loop:
    from multiprocessing import Pipe

    a, b = Pipe()

    def loop(n: int) -> None:
        send, receive = a.send_bytes, b.recv_bytes
        for _ in repeat(None, n):
            send(DATA)
            receive()

    return loop


def run(effort: Effort) -> list[Report]:
    harness.pin(harness.PRODUCER)
    n = effort.n(PAIRS)
    cases = [
        harness.loop_case(MESSAGES, "ours", lambda: ours("stream", "send", "receive"), n),
        harness.loop_case(BYTES, "ours", lambda: ours("stream", "write", "read"), n),
        harness.loop_case(BY_HAND, "stdlib", lambda: by_hand(socket.SOCK_STREAM), n),
        harness.c_case("C send + recv", "pair", "stream", n),
        harness.loop_case("multiprocessing.Pipe, duplex", "stdlib", multiprocessing_pipe, n),
        harness.loop_case(PACKETS, "ours", lambda: ours("seqpacket", "send", "receive"), n),
        harness.loop_case(PACKETS_BY_HAND, "stdlib", lambda: by_hand(socket.SOCK_SEQPACKET), n),
        harness.c_case("C seqpacket send + recv", "pair", "seqpacket", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("socket_pair", "64 B into a Unix socket and out again, one process", "ns", rows, BY_HAND)
    report.at_most(1.15, MESSAGES, BY_HAND)
    report.at_most(1.15, BYTES, BY_HAND)
    report.notes.append("our seqpacket brings credentials along: they tell an empty message from the end")
    return [report]


if __name__ == "__main__":
    harness.answer(run)
