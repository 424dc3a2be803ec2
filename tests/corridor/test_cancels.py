"""10 000 cancels and time-outs against a live peer: nothing is lost, nothing is left."""

from __future__ import annotations

import random

import anyio
import pytest

from unixipc import Exited, aio, fork, pipe, sockets
from unixipc.framing import FrameReader, FrameWriter
from unixipc.testing.contracts import ASYNCIO, TRIO

ROUNDS = 10_000


def numbers(connection, others):
    """The live peer: sends as many numbers as were asked for, as fast as it can, and says the last one twice."""
    others.close()
    for n in range(ROUNDS):
        connection.send(b"%d" % n)


@pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
def test_10_000_cancelled_receives_lose_nothing(form):
    a, b = sockets.pair("seqpacket")
    with fork(numbers, b, a) as child, a:
        b.close()
        received = form.run(lambda: receive_all(aio.sockets.Connection(a)))
        assert child.wait(timeout=60) == Exited(0)
    assert received == [b"%d" % n for n in range(ROUNDS)]


async def receive_all(connection):
    """Each receive is under a scope that is cancelled at a random moment, often before or just as it succeeds."""
    received, source = [], random.Random(4)
    while len(received) < ROUNDS:
        with anyio.CancelScope() as scope:
            how = source.random()
            if how < 0.3:
                scope.cancel()
            elif how < 0.6:
                scope.deadline = anyio.current_time() + source.uniform(0, 2e-4)
            received.append((await connection.receive(100, timeout=30)).data)
    return received


@pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
def test_10_000_cancelled_reads_of_frames_lose_nothing(form):
    reader, writer = pipe()

    def send():
        reader.close()
        frames = FrameWriter(writer)
        for n in range(ROUNDS):
            frames.send(b"%d" % n * (n % 40))

    with fork(send) as child, reader:
        writer.close()
        received = form.run(lambda: receive_frames(aio.framing.FrameReader(aio.PipeReader(reader))))
        assert child.wait(timeout=60) == Exited(0)
    assert received == [b"%d" % n * (n % 40) for n in range(ROUNDS)]


async def receive_frames(frames):
    received, source = [], random.Random(5)
    while len(received) < ROUNDS:
        with anyio.move_on_after(source.choice([0, 1e-5, 1e-4, 30])):
            received.append(await frames.receive())
    return received


def test_10_000_time_outs_lose_nothing():
    reader, writer = pipe()

    def send():
        reader.close()
        frames = FrameWriter(writer)
        for n in range(ROUNDS):
            frames.send(b"%d" % n * (n % 40))

    received, source = [], random.Random(6)
    with fork(send) as child, reader:
        writer.close()
        frames = FrameReader(reader)
        while len(received) < ROUNDS:
            try:
                received.append(frames.receive(timeout=source.choice([0, 1e-5, 1e-4, 30])))
            except TimeoutError:
                continue
        assert child.wait(timeout=60) == Exited(0)
    assert received == [b"%d" % n * (n % 40) for n in range(ROUNDS)]


@pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
@pytest.mark.parametrize("rounds", [300, pytest.param(10_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
def test_cancelled_opens_of_a_fifo_leave_no_thread_and_no_descriptor(form, rounds, tmp_path):
    """Each one is a thread that sleeps in open(2); what is left afterwards is checked after every test."""
    source = random.Random(7)

    async def main():
        fifo = await aio.Fifo.create(tmp_path / "fifo")
        opened = 0
        for _ in range(rounds):
            with anyio.move_on_after(source.choice([0, 1e-5, 1e-4, 1e-3])):
                async with await fifo.reader():
                    opened += 1
        return opened

    assert form.run(main) == 0


@pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
def test_an_open_that_succeeds_while_it_is_cancelled_is_closed(form, tmp_path):
    """A writer comes at the very moment of the cancel: either we have the reader, or nothing is open."""
    source = random.Random(8)

    async def main():
        fifo = await aio.Fifo.create(tmp_path / "fifo")
        ours = 0
        for _ in range(200):
            async with anyio.create_task_group() as tasks:

                async def write():
                    with anyio.move_on_after(0.002):
                        async with await fifo.writer():
                            await anyio.sleep(0.002)

                tasks.start_soon(write)
                with anyio.move_on_after(source.uniform(0, 2e-3)):
                    async with await fifo.reader():
                        ours += 1
        return ours

    form.run(main)
