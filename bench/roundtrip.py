"""How long do 64 bytes take to another process and back?

On two CPUs, where most of it is waking the other one, and on one, where the library's own cost shows.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import repeat

from unixipc import pipe
from unixipc.sockets import pair

from . import harness
from .harness import CONSUMER, PRODUCER, Case, Effort, Report, Side

DATA = b"x" * 64
TRIPS, ROUNDS = 1000, 3
Sides = Iterator[tuple[Side, Side]]
Send = Callable[[bytes], object]
Receive = Callable[[], object]


def echo(n: int, send: Send, receive: Receive) -> Side:
    def side(start: Callable[[], None]) -> None:
        start()
        for _ in repeat(None, n):
            receive()
            send(DATA)

    return side


def ask(n: int, send: Send, receive: Receive) -> Side:
    def side(start: Callable[[], None]) -> None:
        start()
        for _ in repeat(None, n):
            send(DATA)
            receive()

    return side


@contextmanager
def our_pipes(n: int) -> Sides:
    with ExitStack() as stack:
        ends = [stack.enter_context(end) for end in (*pipe(), *pipe())]
        there, to_there, back, to_back = ends
        yield echo(n, to_back.write, partial(there.read, 64)), ask(n, to_there.write, partial(back.read, 64))


@contextmanager
def our_sockets(n: int) -> Sides:
    a, b = pair()
    with a, b:
        yield echo(n, b.send, partial(b.receive, 64)), ask(n, a.send, partial(a.receive, 64))


@contextmanager
def os_pipes(n: int) -> Sides:
    (there, to_there), (back, to_back) = os.pipe(), os.pipe()
    try:
        yield (
            echo(n, partial(os.write, to_back), partial(os.read, there, 64)),
            ask(n, partial(os.write, to_there), partial(os.read, back, 64)),
        )
    finally:
        for fd in (there, to_there, back, to_back):
            os.close(fd)


@contextmanager
def std_sockets(n: int) -> Sides:
    a, b = socket.socketpair()
    with a, b:
        yield echo(n, b.send, partial(b.recv, 64)), ask(n, a.send, partial(a.recv, 64))


@contextmanager
def multiprocessing_pipe(n: int) -> Sides:
    from multiprocessing import Pipe

    a, b = Pipe()
    with a, b:
        yield echo(n, b.send_bytes, b.recv_bytes), ask(n, a.send_bytes, a.recv_bytes)


@contextmanager
def sysv_queues(n: int) -> Sides:
    import sysv_ipc

    there, back = (sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX) for _ in range(2))
    try:
        yield echo(n, back.send, there.receive), ask(n, there.send, back.receive)
    finally:
        there.remove()
        back.remove()


@contextmanager
def posix_queues(n: int) -> Sides:
    import posix_ipc

    there, back = (posix_ipc.MessageQueue(None, posix_ipc.O_CREX, max_message_size=64) for _ in range(2))
    there.unlink()
    back.unlink()
    try:
        yield echo(n, back.send, there.receive), ask(n, there.send, back.receive)
    finally:
        there.close()
        back.close()


@contextmanager
def zmq_pair(n: int) -> Sides:
    import zmq

    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{folder}/s"

        def side(loop: Callable[..., Side], attach: str) -> Side:
            def prepared(start: Callable[[], None]) -> None:  # a context has threads: made after the fork
                with zmq.Context() as context, context.socket(zmq.PAIR) as end:
                    getattr(end, attach)(address)
                    loop(n, end.send, end.recv)(start)

            return prepared

        yield side(echo, "connect"), side(ask, "bind")


def python_case(
    name: str, kind: str, way: Callable[[int], AbstractContextManager], n: int, cpus: tuple[int, int]
) -> Case:
    def once() -> float:
        with way(n) as (child, parent):
            return harness.two_processes(child, parent, cpus) / n / 1e3

    return Case(name, kind, once)


WAYS = (
    ("unixipc pipes", "ours", our_pipes, None),
    ("unixipc socket pair", "ours", our_sockets, None),
    ("os.write, os.read", "stdlib", os_pipes, None),
    ("socket.send, recv", "stdlib", std_sockets, None),
    ("multiprocessing.Pipe", "stdlib", multiprocessing_pipe, None),
    ("sysv_ipc.MessageQueue", "peer", sysv_queues, "sysv_ipc"),
    ("posix_ipc.MessageQueue", "peer", posix_queues, "posix_ipc"),
    ("pyzmq PAIR ipc", "peer", zmq_pair, "zmq"),
)


def on(cpus: tuple[int, int], effort: Effort) -> Report:
    n = effort.n(TRIPS)
    present = [way for way in WAYS if way[3] is None or harness.has(way[3])]
    cases = [python_case(name, kind, way, n, cpus) for name, kind, way, _ in present]
    cases += [
        harness.c_case(f"C {kind}", "roundtrip", kind, n, *cpus, convert=lambda ns: ns / 1e3)
        for kind in ("pipe", "stream")
    ]
    title = f"64 B to another process and back, {'two CPUs' if len(set(cpus)) == 2 else 'one CPU'}"
    return Report("roundtrip", title, "us", harness.interleave(cases, effort, ROUNDS), "os.write, os.read")


def run(effort: Effort) -> list[Report]:
    return [on((PRODUCER, CONSUMER), effort), on((PRODUCER, PRODUCER), effort)]


if __name__ == "__main__":
    harness.answer(run)
