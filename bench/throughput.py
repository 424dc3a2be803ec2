"""How fast do bytes go from one process to another? Blocks of 64 KiB, sender and receiver on a CPU each."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import repeat

from unixipc import pipe
from unixipc.sockets import pair

from . import harness
from .harness import CONSUMER, PRODUCER, Case, Effort, Report, Side

BLOCK = 65536
DATA = b"x" * BLOCK
BLOCKS, ROUNDS = 1000, 5
PIPE, C_PIPE = "unixipc pipe", "C pipe"
SOCKET, C_SOCKET = "unixipc socket", "C socket"

Sides = Iterator[tuple[Side, Side]]


def sender(write: Callable[[bytes], object], blocks: int, prepare: Callable[[], object]) -> Side:
    def side(start: Callable[[], None]) -> None:
        prepare()
        start()
        for _ in repeat(None, blocks):
            write(DATA)

    return side


def receiver(read: Callable[[int], bytes], blocks: int, prepare: Callable[[], object]) -> Side:
    """Reads what there is, up to a block at a time, until all have come: the loop of the C program."""

    def side(start: Callable[[], None]) -> None:
        prepare()
        start()
        left = blocks * BLOCK
        while left:
            left -= len(read(BLOCK)) or stop()

    return side


def stop() -> int:
    raise EOFError("the sender ended early")


@contextmanager
def our_pipe(blocks: int) -> Sides:
    source, sink = pipe()
    with source, sink:
        yield sender(sink.write_all, blocks, source.close), receiver(source.read, blocks, sink.close)


@contextmanager
def our_socket(blocks: int) -> Sides:
    a, b = pair()
    with a, b:
        yield sender(a.write_all, blocks, b.close), receiver(b.read, blocks, a.close)


@contextmanager
def os_pipe(blocks: int) -> Sides:
    source, sink = (open(fd, mode, buffering=0) for fd, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    with source, sink:
        write, read = partial(os.write, sink.fileno()), partial(os.read, source.fileno())
        yield sender(write, blocks, source.close), receiver(read, blocks, sink.close)


@contextmanager
def std_socket(blocks: int) -> Sides:
    a, b = socket.socketpair()
    with a, b:
        yield sender(a.sendall, blocks, b.close), receiver(b.recv, blocks, a.close)


@contextmanager
def multiprocessing_pipe(blocks: int) -> Sides:
    from multiprocessing import Pipe

    source, sink = Pipe(duplex=False)
    with source, sink:
        yield sender(sink.send_bytes, blocks, source.close), receiver(lambda _: source.recv_bytes(), blocks, sink.close)


@contextmanager
def zmq_ipc(blocks: int) -> Sides:
    import zmq

    with tempfile.TemporaryDirectory() as folder:  # a context has threads: each process makes its own after the fork
        address = f"ipc://{folder}/s"

        def send_all(start: Callable[[], None]) -> None:
            with zmq.Context() as context, context.socket(zmq.PUSH) as push:
                push.connect(address)
                sender(push.send, blocks, int)(start)

        def receive_all(start: Callable[[], None]) -> None:
            with zmq.Context() as context, context.socket(zmq.PULL) as pull:
                pull.bind(address)
                receiver(lambda _n: pull.recv(), blocks, int)(start)

        yield send_all, receive_all


def megabytes_per_second(blocks: int, ns: float) -> float:
    return blocks * BLOCK * 1e3 / ns


def c_case(name: str, kind: str, blocks: int) -> Case | None:
    rate = partial(megabytes_per_second, blocks)
    return harness.c_case(name, "throughput", kind, BLOCK, blocks, PRODUCER, CONSUMER, convert=rate)


def python_case(name: str, kind: str, way: Callable[[int], AbstractContextManager], blocks: int) -> Case:
    def once() -> float:
        with way(blocks) as (send_all, receive_all):
            return megabytes_per_second(blocks, harness.two_processes(send_all, receive_all))

    return Case(name, kind, once)


def pipes(effort: Effort) -> Report:
    blocks = effort.n(BLOCKS)
    cases = [
        python_case(PIPE, "ours", our_pipe, blocks),
        python_case("os.write, os.read", "stdlib", os_pipe, blocks),
        c_case(C_PIPE, "pipe", blocks),
        python_case("multiprocessing.Pipe", "stdlib", multiprocessing_pipe, blocks),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("throughput", "pipe: blocks of 64 KiB between two processes", "MB/s", rows, C_PIPE)
    report.at_least(0.95, PIPE, C_PIPE)
    return report


def sockets(effort: Effort) -> Report:
    blocks = effort.n(BLOCKS)
    cases = [
        python_case(SOCKET, "ours", our_socket, blocks),
        python_case("socket.sendall, recv", "stdlib", std_socket, blocks),
        c_case(C_SOCKET, "stream", blocks),
        python_case("pyzmq PUSH/PULL ipc", "peer", zmq_ipc, blocks) if harness.has("zmq") else None,
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("throughput", "Unix socket: blocks of 64 KiB between two processes", "MB/s", rows, C_SOCKET)
    report.at_least(0.95, SOCKET, C_SOCKET)
    return report


def run(effort: Effort) -> list[Report]:
    return [pipes(effort), sockets(effort)]


if __name__ == "__main__":
    harness.answer(run)
