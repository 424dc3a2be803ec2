"""Signals awaited, on asyncio and on trio. A cancel loses none, and doubles none."""

import contextlib
import os
import random
import signal
from signal import SIGRTMIN, SIGUSR1

import anyio
import pytest

from unixipc import ClosedError, Exited, aio, fork, pipe
from unixipc.signals import action_of, blocked, mask, send
from unixipc.testing.contracts import ASYNCIO, TRIO

WAIT = 20
ME = os.getpid
pytestmark = pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)


def pour(rounds, credit, parent):
    for value in range(rounds):
        if value % 200 == 0:
            credit.read_exactly(1, timeout=WAIT)
        send(parent, SIGRTMIN, value)


def test_a_stream_gives_every_value_whoever_is_cancelled(form):
    rounds, source, parent = 3000, random.Random(3), ME()
    taker, giver = pipe()

    async def main():
        values = []
        async with aio.signals.SignalStream(SIGRTMIN) as stream:
            for n in range(rounds):
                if n % 200 == 0:
                    giver.write(b"x")
                while len(values) == n:
                    with anyio.move_on_after(source.choice([0, 1e-5, 1e-4, WAIT])):
                        values.append((await stream.receive()).value)
        return values

    with taker, giver, blocked(SIGRTMIN), fork(pour, rounds, taker, parent) as child:
        assert sorted(form.run(main)) == list(range(rounds))
        assert child.wait(WAIT) == Exited(0)
    assert mask() == frozenset()


def test_async_for_and_close(form):
    async def main():
        seen = []
        async with aio.signals.SignalStream(SIGRTMIN) as stream:
            assert stream.signals == {SIGRTMIN} and stream.try_receive() is None
            for value in range(3):
                send(ME(), SIGRTMIN, value)
            async with contextlib.aclosing(aiter(stream)) as infos:
                async for info in infos:
                    seen.append(info.value)
                    if len(seen) == 3:
                        break
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(closed, stream)
                await anyio.sleep(0.05)
                stream.close()
        return sorted(seen)  # what the watchdog's thread gave back may come late

    async def closed(stream):
        with pytest.raises(ClosedError):
            await stream.receive()

    assert form.run(main) == [0, 1, 2]
    assert mask() == frozenset() and action_of(SIGRTMIN).handler is signal.SIG_DFL


def test_counter_and_latch(form):
    async def main():
        async with aio.signals.Counter(SIGUSR1) as counter, aio.signals.Latch(SIGRTMIN) as latch:
            with pytest.raises(TimeoutError):
                await counter.wait(timeout=0.01)
            assert counter.try_wait() is None and not latch
            for number in (SIGUSR1, SIGRTMIN):
                send(ME(), number)
            assert await counter.wait(WAIT) == 1 and await latch.wait(WAIT) == 1
            assert latch.is_set and counter.take() == 1 and counter.count == 0
            latch.clear()
            assert not latch

    form.run(main)


def test_wait_for(form):
    async def main():
        with pytest.raises(TimeoutError):
            await aio.signals.wait_for([SIGRTMIN], timeout=0.01)
        send(ME(), SIGRTMIN, 42)
        info = await aio.signals.wait_for([SIGRTMIN, SIGUSR1], timeout=WAIT)
        assert info.value == 42 and aio.signals.try_wait_for([SIGRTMIN]) is None

    def child():
        with blocked(SIGRTMIN):
            form.run(main)

    with fork(child) as process:  # one thread: nobody else takes it before the wait
        assert process.wait(60) == Exited(0)


def test_a_timer_is_awaited_and_a_cancelled_wait_has_taken_nothing(form):
    async def main():
        async with aio.signals.Timer(1000) as timer:
            with anyio.move_on_after(0.001):
                await timer.wait()
                pytest.fail("it expired too early")
            assert timer.try_wait() is None and 900 < timer.left().seconds <= 1000
            timer.set(0.02)
            assert await timer.wait(WAIT) == 1
            with pytest.raises(TimeoutError):
                await timer.wait(0.01)
            timer.set(every_seconds=0.001)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await timer.wait()
            assert await timer.wait(WAIT) >= 1
            timer.stop()
            assert timer.left() is None and timer.clock == "monotonic"

    form.run(main)


def test_closing_a_timer_ends_a_task_s_wait(form):
    async def main():
        timer, errors = aio.signals.Timer(), []

        async def waits():
            try:
                await timer.wait(WAIT)
            except ClosedError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waits)
            await anyio.sleep(0.01)
            timer.close()
        assert len(errors) == 1

    form.run(main)
