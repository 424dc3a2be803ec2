"""Channels awaited, on asyncio and on trio: a cancel loses nothing, a kill ends the wait, one thread sleeps for all."""

from __future__ import annotations

import random
import signal
import threading
import time

import anyio
import pytest

from unixipc import ClosedError, aio, channel, features, fork
from unixipc.testing.contracts import ASYNCIO, FORMS, TRIO, ClosableContract, MessageContract

WAIT = 20
PATIENCE = 0.05
WHY_NOT = features.why_not("futex_waitv")
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
BOTH = pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
ROUNDS = pytest.mark.parametrize(
    "rounds", [500, pytest.param(10_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])]
)


def run(form, main):
    return anyio.run(main, backend=form.backend)


@pytest.fixture
def queue():
    with channel.Queue.anonymous(4096) as made:
        yield aio.channel.Queue(made)


@pytest.fixture
def topic():
    with channel.Topic.anonymous(4096) as made:
        yield aio.channel.Topic(made)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestMessages(MessageContract):
    def make(self, form):
        queue = channel.Queue.anonymous(4096)
        try:
            if form.blocking:
                return queue.receiver(), queue.sender()
            twin = aio.channel.Queue(queue)
            return twin.receiver(), twin.sender()
        finally:
            queue.close()


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestReceiver(ClosableContract):
    def make(self, form):
        queue = channel.Queue.anonymous(4096)
        receiver = queue.receiver()
        return (receiver if form.blocking else aio.channel.Receiver(receiver)), [queue]

    def use(self, handle):
        return (handle.try_receive,)

    def wait_forever(self, handle):
        return (handle.receive,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestSender(ClosableContract):
    def make(self, form):
        queue = channel.Queue.anonymous(4096)
        sender = queue.sender()
        while sender.try_send(bytes(100)):
            pass
        return (sender if form.blocking else aio.channel.Sender(sender)), [queue]

    def use(self, handle):
        return handle.try_send, b"x"

    def wait_forever(self, handle):
        return handle.send, bytes(100)


@BOTH
def test_each_way_to_send_and_to_receive(form, queue):
    async def main():
        async with queue.sender() as sender, queue.receiver() as receiver:
            await sender.send(b"one")
            await sender.send_many([b"two", b"three"])
            async with sender.reserve(4) as buffer:
                buffer[:] = b"four"
            assert sender.try_send(b"five")
            assert await receiver.receive() == b"one"
            assert await receiver.receive_many(1) == [b"two"]
            async with receiver.lease() as message:
                assert message == b"three"
            async with receiver.peek() as view:
                assert bytes(view) == b"four"
            assert receiver.try_receive() == b"five"
            assert (receiver.try_receive(), receiver.try_receive_many()) == (None, [])
            assert queue.stat().depth == 0

    run(form, main)


@BOTH
def test_topics(form, topic):
    async def main():
        async with topic.publisher() as publisher, topic.subscriber() as one, topic.subscriber("tell") as other:
            await publisher.send(b"hello")
            assert [await each.receive() for each in (one, other)] == [b"hello", b"hello"]
            assert (one.missed, other.lag) == (0, 0)

    run(form, main)


@BOTH
def test_what_is_leased_and_fails_goes_to_the_next(form, queue):
    async def main():
        async with queue.sender() as sender, queue.receiver() as one, queue.receiver() as other:
            await sender.send(b"job")
            with pytest.raises(KeyError):
                async with one.lease() as job:
                    raise KeyError(job)
            assert await other.receive(timeout=WAIT) == b"job"

    run(form, main)


@BOTH
def test_many_tasks_wait_and_each_message_goes_to_one(form, queue):
    async def main():
        got = []
        async with queue.sender() as sender, queue.receiver() as receiver, anyio.create_task_group() as tasks:

            async def receive():
                for _ in range(25):
                    got.append(await receiver.receive(timeout=WAIT))  # noqa: PERF401 - each as it comes

            for _ in range(20):
                tasks.start_soon(receive)
            await anyio.sleep(PATIENCE)
            for n in range(500):
                await sender.send(b"%d" % n, timeout=WAIT)
        assert sorted(map(int, got)) == list(range(500))

    run(form, main)


@BOTH
def test_one_thread_sleeps_for_all(form, queue):
    async def main():
        async with queue.sender() as sender, queue.receiver() as receiver, anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(receiver.receive)
            await anyio.sleep(PATIENCE)
            names = [thread.name for thread in threading.enumerate()]
            await sender.send_many([b"x"] * 50)
            return names

    assert run(form, main).count("unixipc sleeper") == 1


@BOTH
def test_a_process_is_heard_by_a_task(form, queue):
    def child():
        with queue.sync.sender() as sender, queue.sync.receiver() as receiver:
            sender.send(receiver.receive(timeout=WAIT).upper())

    async def main():
        with fork(child) as process:
            async with queue.sender() as sender, queue.receiver() as receiver:
                await anyio.sleep(PATIENCE)
                await sender.send(b"hello")
                while (message := await receiver.receive(timeout=WAIT)) == b"hello":
                    await sender.send(message)  # it was ours again: let the child have it
                    await anyio.sleep(PATIENCE)
                assert message == b"HELLO"
            process.wait(timeout=WAIT)

    run(form, main)


@BOTH
def test_iteration_ends_when_the_last_sender_is_killed(form, queue):
    def child():
        sender = queue.sync.sender()
        sender.send(b"one")
        signal.pause()
        sender.close()

    async def main():
        got = []
        async with queue.receiver() as receiver:
            with fork(child) as process:
                async for message in receiver:
                    got.append(message)
                    process.send_signal(signal.SIGKILL)
        return got

    assert run(form, main) == [b"one"]


@BOTH
def test_a_timeout_has_taken_nothing(form, queue):
    async def main():
        async with queue.sender() as sender, queue.receiver() as receiver:
            with pytest.raises(TimeoutError):
                await receiver.receive(timeout=PATIENCE)
            while sender.try_send(bytes(100)):
                pass
            with pytest.raises(TimeoutError) as caught:
                await sender.send_many([bytes(100)] * 3, timeout=PATIENCE)
            assert caught.value.sent == 0
            with pytest.raises(ValueError, match="timeout"):
                await sender.send(bytes(100), timeout=-1)

    run(form, main)


@BOTH
def test_closing_ends_a_tasks_wait(form, queue):
    async def main():
        async with queue.receiver() as receiver, anyio.create_task_group() as tasks:

            async def receive():
                with pytest.raises(ClosedError):
                    await receiver.receive(timeout=WAIT)

            tasks.start_soon(receive)
            await anyio.sleep(PATIENCE)
            receiver.close()

    run(form, main)


@BOTH
@ROUNDS
def test_a_cancel_loses_nothing_and_doubles_nothing(form, queue, rounds):
    """Receives are cancelled at random moments while another thread sends."""
    dice = random.Random(rounds)
    got = []

    def send():
        with queue.sync.sender() as sender:
            for n in range(rounds):
                sender.send(b"%d" % n, timeout=WAIT)
                if dice.random() < 0.3:
                    time.sleep(dice.random() / 2000)

    async def main():
        async with queue.receiver() as receiver:
            with queue.sync.sender():
                thread = threading.Thread(target=send)
                thread.start()
                while len(got) < rounds:
                    with anyio.move_on_after(dice.random() / 1000):
                        got.append(int(await receiver.receive(timeout=WAIT)))
                thread.join()
            assert receiver.try_receive() is None if queue.stat().senders else True

    run(form, main)
    assert got == list(range(rounds))


@BOTH
def test_a_forked_child_has_a_sleeper_of_its_own(form, queue):
    async def main():
        async with queue.receiver() as receiver:
            with pytest.raises(TimeoutError):
                await receiver.receive(timeout=PATIENCE)

        def child():
            async def wait():
                async with queue.receiver() as mine:
                    await mine.receive(timeout=WAIT)

            threading.Thread(target=run, args=(form, wait)).start()  # this one is in the parent's loop

        with fork(child) as process:
            async with queue.sender() as sender:
                await sender.send(b"x")
                with anyio.fail_after(WAIT):
                    while (status := process.try_wait()) is None:
                        await anyio.sleep(0.01)
        assert status.code == 0

    run(form, main)


@BOTH
def test_more_tasks_than_the_kernel_can_watch_at_once_all_wait(form):
    """300 tasks: one call of the kernel watches 128 words."""

    async def main():
        with channel.Queue.anonymous(1 << 16) as queue, queue.sender() as sender:
            receivers = [queue.receiver() for _ in range(100)]
            got = []

            async def take(receiver):
                got.append(await aio.channel.Receiver(receiver).receive(timeout=WAIT))

            async with anyio.create_task_group() as tasks:
                for receiver in receivers * 3:
                    tasks.start_soon(take, receiver)
                await anyio.sleep(0.2)
                for number in range(300):
                    sender.send(b"%d" % number)
            assert sorted(map(int, got)) == list(range(300))
            for receiver in receivers:
                receiver.close()

    run(form, main)
