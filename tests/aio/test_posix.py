"""POSIX queues and semaphores awaited, on asyncio and on trio: R08. A cancel loses nothing, and doubles nothing."""

from __future__ import annotations

import inspect
import random
import time
from contextlib import aclosing

import anyio
import pytest

from unixipc import ClosedError, Exited, aio, fork, map_anonymous, posix
from unixipc.posix import Message
from unixipc.testing.contracts import ASYNCIO, TRIO

WAIT = 20
PATIENCE = 0.05
pytestmark = [
    pytest.mark.usefixtures("own_ipc_namespace"),
    pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str),
]
ROUNDS = pytest.mark.parametrize(
    "rounds", [500, pytest.param(10_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])]
)


@pytest.fixture
def queue():
    with posix.MessageQueue.temporary(10, 100) as queue:
        yield aio.posix.MessageQueue(queue)


@pytest.fixture
def none():
    with posix.Semaphore.temporary(0) as semaphore:
        yield aio.posix.Semaphore(semaphore)


def run(form, main):
    """Without the form's watchdog, which is too short for the deep ones; pytest's own is on, and so is WAIT."""
    return anyio.run(main, backend=form.backend)


async def fails(error, call, *args, **named):
    with pytest.raises(error) as caught:
        await call(*args, **named)
    return caught.value


# each call ------------------------------------------------------------------------------------------------------------


def test_it_sends_and_receives(form, queue):
    async def main():
        await queue.send(b"later")
        await queue.send(b"urgent", 9)
        assert queue.try_send(b"x", priority=1)
        assert (len(queue), bool(queue)) == (3, True)
        return [await queue.receive() for _ in range(2)] + [queue.try_receive(), queue.try_receive()]

    assert form.run(main) == [Message(9, b"urgent"), Message(1, b"x"), Message(0, b"later"), None]


def test_every_way_to_get_one(form):
    name = f"/unixipc-test-aio-{time.monotonic_ns()}"

    async def main():
        for room, initial in ((aio.posix.MessageQueue, ()), (aio.posix.Semaphore, (1,))):
            async with await room.create(name, *initial) as mine:
                await fails(FileExistsError, room.create, name, *initial)
                async with await room.open(name) as same, await room.ensure(name, *(initial or (3,))) as third:
                    assert mine.name == same.name == third.name == name
                mine.remove()
            assert mine.closed
            await fails(FileNotFoundError, room.open, name)
            async with await room.temporary(*initial or (3,)) as temporary:
                assert not temporary.closed

    form.run(main)


def test_a_task_that_waits_lets_others_run_and_is_woken_by_another_process(form, queue, none):
    async def main():
        got = []

        async def receive():
            got.append(await queue.receive())

        async def acquire():
            await none.acquire()
            got.append(Message(0, b"acquired"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            tasks.start_soon(acquire)
            await anyio.sleep(PATIENCE)
            assert got == []
            with fork(lambda: (queue.sync.send(b"x"), none.release(), None)[-1]) as child:
                assert child.wait(timeout=WAIT) == Exited(0)
        return len(got)

    assert form.run(main) == 2


def test_a_full_queue_makes_the_sender_wait(form, queue):
    async def main():
        async def send():
            for n in range(100):
                await queue.send(b"%d" % n)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            return [int((await queue.receive()).body) for _ in range(100)]

    assert form.run(main) == list(range(100))


def test_async_for_receives(form, queue):
    async def main():
        bodies = []
        for n in range(3):
            await queue.send(b"%d" % n)
        async with aclosing(aiter(queue)) as messages:
            async for message in messages:
                bodies.append(message.body)
                if len(bodies) == 3:
                    break
        return bodies

    assert form.run(main) == [b"0", b"1", b"2"]


def test_a_time_out_takes_nothing(form, queue, none):
    async def main():
        for wait in (queue.receive, none.acquire):
            for timeout in (0, 0.01):
                await fails(TimeoutError, wait, timeout=timeout)
            await fails(ValueError, wait, timeout=-1)
        while queue.try_send(b""):
            pass
        await fails(TimeoutError, queue.send, b"", timeout=0.01)

    form.run(main)
    assert (len(queue), none.value) == (10, 0)


def test_a_wait_withdraws_the_notification(form, queue):
    """The kernel does so when the process closes any descriptor of the queue, and the loop watches a duplicate."""

    async def main():
        queue.sync.notify(0)
        with pytest.raises(OSError, match="busy"):
            queue.sync.notify(0)
        await fails(TimeoutError, queue.receive, timeout=0.01)
        queue.sync.notify(0)

    form.run(main)


def test_close_wakes_the_tasks_that_wait(form, queue, none):
    async def main():
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(fails, ClosedError, queue.receive)
                tasks.start_soon(fails, ClosedError, none.acquire)
            await anyio.sleep(PATIENCE)
            queue.close()
            none.close()

    form.run(main)


def test_hold(form):
    async def main():
        async with await aio.posix.Semaphore.temporary(1) as semaphore:
            with pytest.raises(KeyError):
                async with semaphore.hold() as held:
                    assert held.value == 0
                    assert not held.try_acquire()
                    raise KeyError
            assert semaphore.value == 1

    form.run(main)


# cancels --------------------------------------------------------------------------------------------------------------


def numbers(queue, rounds):
    """The live peer: messages 1..rounds, each one about when the receiver gives up."""
    source = random.Random(18)
    for number in range(1, rounds + 1):
        if (pause := source.choice([None, 0, 1e-4, 3e-4, 6e-4])) is not None:
            time.sleep(pause)
        queue.send(b"%d" % number, number % 2, timeout=WAIT)


@ROUNDS
def test_R08_cancelled_receives_lose_nothing_and_double_nothing(form, rounds, queue):
    received, cancelled = [], []

    async def receive(seed):
        source = random.Random(seed)
        while len(received) < rounds:
            with anyio.move_on_after(source.choice([0, 1e-4, 2e-4, 4e-4, 1e-3])) as scope:
                received.append(int((await queue.receive(timeout=WAIT)).body))
            if scope.cancelled_caught:
                cancelled.append(seed)

    async def main():
        async with anyio.create_task_group() as tasks:
            for seed in range(2):
                tasks.start_soon(receive, seed)

    with fork(numbers, queue.sync, rounds) as child:
        run(form, main)
        assert child.wait(timeout=WAIT) == Exited(0)
    assert sorted(received) == list(range(1, rounds + 1))
    assert queue.try_receive() is None
    assert len(cancelled) >= rounds / 10, "many must have been cancelled for this to be a test"


@ROUNDS
def test_R08_cancelled_sends_sent_or_did_not(form, rounds, queue):
    """Who was cancelled sends the same again: every number arrives once."""
    again = []

    async def main():
        source = random.Random(2)
        for number in range(1, rounds + 1):
            sent = False
            while not sent:
                with anyio.move_on_after(source.choice([0, 1e-4, 3e-4, 1e-3])) as scope:
                    await queue.send(b"%d" % number)
                    sent = True
                if scope.cancelled_caught:
                    again.append(number)

    def take():
        source = random.Random(3)
        for number in range(1, rounds + 1):
            time.sleep(source.choice([0, 1e-4, 3e-4]))
            assert int(queue.sync.receive(timeout=WAIT).body) == number

    with fork(take) as child:
        run(form, main)
        assert child.wait(timeout=WAIT) == Exited(0)
    assert queue.try_receive() is None
    assert len(again) >= rounds / 20


@ROUNDS
def test_cancelled_acquires_conserve_every_permit(form, rounds, none):
    """Posted by another process about when a task gives up: posted = acquired + left."""
    acquired, cancelled = [], []

    def post():
        source = random.Random(4)
        for _ in range(rounds):
            time.sleep(source.choice([0, 1e-4, 3e-4, 6e-4]))
            none.release()

    async def acquire(seed):
        source = random.Random(seed)
        while len(acquired) < rounds:
            with anyio.move_on_after(source.choice([0, 2e-4, 5e-4, 1e-3])) as scope:
                await none.acquire(timeout=WAIT)
                acquired.append(seed)
            if scope.cancelled_caught:
                cancelled.append(seed)

    async def main():
        async with anyio.create_task_group() as tasks:
            for seed in range(2):
                tasks.start_soon(acquire, seed)

    with fork(post) as child:
        run(form, main)
        assert child.wait(timeout=WAIT) == Exited(0)
    assert len(acquired) + none.value == rounds
    assert len(cancelled) >= rounds / 10


def test_semaphores_in_shared_memory(form):
    async def main():
        with map_anonymous(4096) as memory:
            async with await aio.posix.Semaphore.place(memory, 1, 64) as one:
                async with await aio.posix.Semaphore.attach(memory, 64) as other, other.hold(WAIT):
                    assert not one.try_acquire()
                await one.acquire(WAIT)

    run(form, main)


# the same names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "names"), [("MessageQueue", {"send", "receive"}), ("Semaphore", {"acquire"})], ids=["queue", "semaphore"]
)
def test_what_waits_is_awaitable_with_the_same_parameters(form, room, names):
    ours, theirs = getattr(aio.posix, room), getattr(posix, room)
    for name in names:
        assert inspect.iscoroutinefunction(getattr(ours, name))
        assert not inspect.iscoroutinefunction(getattr(ours, f"try_{name}"))
        parameters = [list(inspect.signature(getattr(each, name)).parameters) for each in (ours, theirs)]
        assert parameters[0] == parameters[1]
