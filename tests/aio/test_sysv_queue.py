"""System V queues awaited, on asyncio and on trio: Q17, Q18. A cancel loses no message, and doubles none."""

import errno
import pickle
import random
import time

import anyio
import pytest

from unixipc import ClosedError, Exited, LayoutError, ObjectRemoved, aio, fork, sysv
from unixipc.sysv import Key, Message
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
    with sysv.MessageQueue.temporary(capacity_bytes=16384) as queue:
        yield aio.sysv.MessageQueue(queue)


def run(form, main):
    """Without the form's watchdog, which is too short for the deep ones; pytest's own is on, and so is WAIT."""
    return anyio.run(main, backend=form.backend)


async def fails(error, call, *args, **named):
    with pytest.raises(error) as caught:
        await call(*args, **named)
    return caught.value


# cancels --------------------------------------------------------------------------------------------------------------


def body_of(number):
    """Every third message is empty: its number is its type."""
    return b"" if number % 3 == 0 else b"%d" % number


def numbers(queue, rounds, pauses):
    """The live peer: messages 1..rounds, each one about when the receiver gives up."""
    source = random.Random(18)
    for number in range(1, rounds + 1):
        if (pause := source.choice(pauses)) is not None:
            time.sleep(pause)
        queue.send(body_of(number), number, timeout=WAIT)


async def receive_until(queue, received, rounds, source, **choice):
    """Each receive is under a scope that is cancelled at a random moment, often before or just as it succeeds."""
    cancelled = 0
    while len(received) < rounds:
        with anyio.move_on_after(source.choice([0, 1e-4, 2e-4, 4e-4, 1e-3])) as scope:
            received.append(await queue.receive(timeout=WAIT, **choice))
        cancelled += scope.cancelled_caught
    return cancelled


def check(received, rounds, queue):
    assert sorted(message.type for message in received) == list(range(1, rounds + 1)), "none lost, none twice"
    assert all(message.body == body_of(message.type) for message in received)
    assert queue.try_receive() is None


@ROUNDS
@pytest.mark.parametrize("capacity", [16384, 5], ids=["roomy", "full"])
def test_Q18_cancelled_receives_lose_nothing_and_double_nothing(form, rounds, capacity, queue):
    """With room for hardly more than one message, what comes too late finds the queue full when it is given back."""
    queue.resize(capacity)
    received = []
    with fork(numbers, queue.sync, rounds, [None, 0, 1e-4, 3e-4, 6e-4]) as child:
        cancelled = run(form, lambda: receive_until(queue, received, rounds, random.Random(1)))
        assert child.wait(timeout=WAIT) == Exited(0)
    check(received, rounds, queue)
    assert cancelled >= rounds / 10, "many must have been cancelled for this to be a test"


@ROUNDS
def test_Q18_cancelled_receives_of_several_tasks_share_the_messages(form, rounds, queue):
    received = []

    async def main():
        async with anyio.create_task_group() as tasks:
            for n, choice in enumerate([{}, {"up_to": 2**62}, {"other_than": 2**62}]):

                async def receive(n=n, choice=choice):
                    await receive_until(queue, received, rounds, random.Random(n), **choice)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(receive)

    with fork(numbers, queue.sync, rounds, [None, 0, 1e-4, 3e-4]) as child:
        run(form, main)
        assert child.wait(timeout=WAIT) == Exited(0)
    check(received, rounds, queue)


@ROUNDS
def test_Q18_a_message_that_comes_with_the_cancel_is_received_or_still_there(form, rounds, queue):
    """Sent by the same loop, just as the receive is cancelled."""
    source = random.Random(3)

    async def main():
        for number in range(1, rounds + 1):
            async with anyio.create_task_group() as tasks:
                scope, found = anyio.CancelScope(), []

                async def receive(scope=scope, found=found):
                    with scope:
                        found.append(await queue.receive(timeout=WAIT))

                tasks.start_soon(receive)
                await anyio.sleep(source.choice([0, 2e-4, 5e-4]))
                for step in source.sample([scope.cancel, lambda n=number: queue.try_send(body_of(n), n)], 2):
                    step()
            message = found[0] if found else queue.try_receive()
            assert message == Message(number, body_of(number))
            assert queue.try_receive() is None

    run(form, main)


def test_Q18_a_cancelled_send_sends_nothing(form, queue):
    async def main():
        queue.resize(1)
        await queue.send(b"1")
        for patience in (0, 0.001, PATIENCE):
            with anyio.move_on_after(patience) as scope:
                await queue.send(b"2", 2)
            assert scope.cancelled_caught
        assert await queue.receive() == Message(1, b"1")
        assert queue.try_receive() is None

    form.run(main)


# waiting --------------------------------------------------------------------------------------------------------------


def test_receive_and_send_wait_for_each_other(form, queue):
    async def main():
        queue.resize(3)
        received = []

        async def receive():
            received.extend([await queue.receive() for _ in range(50)])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            for n in range(50):
                await queue.send(b"%d" % n, n + 1, timeout=WAIT)
        assert received == [Message(n + 1, b"%d" % n) for n in range(50)]

    form.run(main)


def test_S1_choices_are_as_they_are_without_await(form, queue):
    async def main():
        for n, type in enumerate((3, 2, 1, 2, 1)):
            await queue.send(b"%d" % n, type)
        assert [(await queue.receive(up_to=2)).body for _ in range(4)] == [b"2", b"4", b"1", b"3"]
        await fails(TimeoutError, queue.receive, up_to=2, timeout=0)
        await fails(TimeoutError, queue.receive, other_than=3, timeout=0.01)
        assert (await queue.receive(3)).body == b"0"

    form.run(main)


def test_tasks_that_wait_for_different_types_get_their_own(form, queue):
    async def main():
        found = {}

        async def receive(type):
            found[type] = (await queue.receive(type, timeout=WAIT)).body

        async with anyio.create_task_group() as tasks:
            for type in (1, 2, 2**40):
                tasks.start_soon(receive, type)
            await anyio.sleep(PATIENCE)
            for type in (2**40, 1, 2):
                await queue.send(b"%d" % type, type)
        assert found == {type: b"%d" % type for type in (1, 2, 2**40)}

    form.run(main)


@pytest.mark.parametrize("body", [b"", b"x"], ids=["empty", "not empty"])
def test_one_message_goes_to_one_of_many_waiting_tasks(form, queue, body):
    async def main():
        ends = []

        async def receive():
            try:
                ends.append((await queue.receive(timeout=4 * PATIENCE)).body)
            except TimeoutError:
                ends.append(None)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(receive)
            await anyio.sleep(PATIENCE)
            await queue.send(body)
        assert sorted(ends, key=str) == sorted([body, None, None, None], key=str)

    form.run(main)


def test_Q17_a_time_out_names_the_queue_and_takes_nothing(form, queue):
    async def main():
        late = await fails(TimeoutError, queue.receive, timeout=0.01)
        assert late.filename == queue.name
        queue.resize(1)
        await queue.send(b"1")
        await fails(TimeoutError, queue.send, b"2", timeout=0.01)
        assert await queue.receive(timeout=0) == Message(1, b"1")

    form.run(main)


def test_a_message_that_is_too_long_for_who_waits_stays(form, queue):
    async def main():
        async with anyio.create_task_group() as tasks:

            async def receive():
                refused = await fails(OSError, queue.receive, max_bytes=3, timeout=WAIT)
                assert refused.errno == errno.E2BIG

            tasks.start_soon(receive)
            await anyio.sleep(PATIENCE)
            await queue.send(b"1234")
        assert await queue.receive(max_bytes=3, truncate=True) == Message(1, b"123", True)

    form.run(main)


# the end of waiting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["receive", "send"])
@pytest.mark.parametrize(("end", "error"), [("close", ClosedError), ("remove", ObjectRemoved)])
def test_who_waits_is_told_that_the_queue_was_closed_or_removed(form, queue, verb, end, error):
    async def main():
        queue.resize(1)
        await queue.send(b"1")
        mine = aio.sysv.MessageQueue(sysv.MessageQueue(queue.id))
        call, args = (mine.receive, (2,)) if verb == "receive" else (mine.send, (b"2",))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(fails, error, call, *args)
            await anyio.sleep(PATIENCE)
            getattr(mine, end)()
        await fails(error, call, *args)
        mine.close()

    form.run(main)


def test_iteration_receives_until_the_queue_is_removed(form, queue):
    async def main():
        found = []

        async def iterate():
            found.extend([message.body async for message in queue])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(iterate)
            for n in range(5):
                await queue.send(b"%d" % n)
            with anyio.fail_after(WAIT):
                while len(queue):
                    await anyio.sleep(0.001)
            queue.remove()
        assert found == [b"%d" % n for n in range(5)]

    form.run(main)


def test_async_with_closes_and_a_temporary_one_is_removed(form):
    async def main():
        async with await aio.sysv.MessageQueue.temporary() as queue:
            assert not queue.closed
        assert queue.closed
        assert queue.id not in {row.id for row in sysv.queues()}
        await fails(ClosedError, queue.receive)

    form.run(main)


def test_create_open_and_ensure_are_as_they_are_without_await(form):
    async def main():
        key = Key.random()
        made = await aio.sysv.MessageQueue.create(key, 0o640, capacity_bytes=100)
        await fails(FileExistsError, aio.sysv.MessageQueue.create, key)
        found, ensured = await aio.sysv.MessageQueue.open(key), await aio.sysv.MessageQueue.ensure(key)
        assert made.id == found.id == ensured.id
        assert (made.key, made.stat().permissions.mode, made.stat().capacity_bytes) == (key, 0o640, 100)
        made.remove()
        await fails(FileNotFoundError, aio.sysv.MessageQueue.open, key)

    form.run(main)


def test_a_pickled_twin_is_the_same_queue(form, queue):
    async def main():
        again = pickle.loads(pickle.dumps(queue))
        await again.send(b"x")
        assert await queue.receive() == Message(1, b"x")
        again.close()

    form.run(main)


# codecs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True], ids=["there", "waited for"])
def test_bodies_go_through_the_codec(form, queue, waits):
    async def main():
        coded = aio.sysv.MessageQueue(sysv.MessageQueue(queue.id, codec="iq"))
        async with anyio.create_task_group() as tasks:

            async def send():
                await anyio.sleep(PATIENCE * waits)
                await coded.send((1, 2**40))

            tasks.start_soon(send)
            await anyio.sleep(PATIENCE * (not waits))
            assert (await coded.receive(timeout=WAIT)).body == (1, 2**40)

    form.run(main)


@pytest.mark.parametrize("body", [b"", b"no integer at all"], ids=["empty", "too long"])
@pytest.mark.parametrize("waits", [False, True], ids=["there", "waited for"])
def test_a_message_that_cannot_be_decoded_is_kept_by_the_error(form, queue, body, waits):
    async def main():
        coded = aio.sysv.MessageQueue(sysv.MessageQueue(queue.id, codec="i"))
        async with anyio.create_task_group() as tasks:

            async def send():
                await anyio.sleep(PATIENCE * waits)
                await queue.send(body, 7)

            tasks.start_soon(send)
            await anyio.sleep(PATIENCE * (not waits))
            refused = await fails(LayoutError, coded.receive, timeout=WAIT)
        assert refused.message == Message(7, body)

    form.run(main)
