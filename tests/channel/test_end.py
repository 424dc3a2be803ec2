"""The end of a channel: it is told when nothing can come any more, and not before, in every form of receiving."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import pytest

from unixipc import ClosedError, ObjectRemoved, aio, channel, fork
from unixipc.testing.contracts import FORMS, SYNC

WAIT = 20
BOTH_KINDS = pytest.mark.parametrize("kind", [channel.Queue, channel.Topic], ids=["queue", "topic"])
EVERY_FORM = pytest.mark.parametrize("form", FORMS, ids=str)
HOW = ["receive", "receive_many", "iteration", "lease", "peek"]
WAYS = pytest.mark.parametrize("how", HOW)
EVERY_WAY = pytest.mark.parametrize(
    ("kind", "how"), [*((channel.Queue, how) for how in HOW), *((channel.Topic, how) for how in HOW if how != "lease")]
)


@pytest.fixture
def running():
    """Children and threads that end with the test."""
    with contextlib.ExitStack() as stack:
        yield stack


def child(stack, target):
    """A child that says by a line of a pipe that it has come so far; it is killed at the end."""
    told, says = os.pipe()
    started = fork(target, says)
    os.close(says)
    stack.callback(os.close, told)
    stack.callback(started.close)
    stack.callback(started.wait, timeout=WAIT)
    stack.callback(lambda: started.status or started.send_signal(signal.SIGKILL))
    assert os.read(told, 1) == b"."
    return started


def ends_of(channel_, **words):
    """A sender and a receiver of it, whatever it is."""
    if isinstance(channel_, channel.Topic):
        return channel_.publisher(), channel_.subscriber(**words)
    return channel_.sender(), channel_.receiver(**words)


def asleep(form, until, queue):
    """Somebody sleeps for its messages; tasks do so in a thread that nobody counts."""
    if form.blocking:
        until(lambda: queue.stat().receiver_sleeps)
    else:
        time.sleep(0.1)


async def next_one(form, receiver, how):
    """The next message in one of the ways to receive; EOFError at the end."""
    twin = receiver if form.blocking else getattr(aio.channel, type(receiver).__name__)(receiver)
    if how == "iteration":
        return await form.call(lambda: next(iter(receiver), None)) if form.blocking else await first_of(twin)
    if how in ("receive", "receive_many"):
        got = await form.call(getattr(twin, how), timeout=WAIT)
        return got if how == "receive" else got[0]
    if form.blocking:
        loan = await form.call(getattr(twin, how), timeout=WAIT)
        with loan as message:
            return bytes(message)
    async with getattr(twin, how)(timeout=WAIT) as message:
        return bytes(message)


async def first_of(twin):
    async with contextlib.aclosing(aiter(twin)) as messages:
        return await anext(messages, None)


async def is_at_its_end(form, receiver, how):
    try:
        return await next_one(form, receiver, how) is None
    except EOFError:
        return True


# A sender is killed inside a message; others' whole messages lie behind it


@EVERY_FORM
@EVERY_WAY
def test_whole_messages_behind_the_half_of_a_killed_sender_come_before_the_end(kind, how, form, running):
    made = running.enter_context(kind.anonymous(4096))
    sender, receiver = ends_of(made)
    running.callback(receiver.close)

    def dies(says):
        own, reader = ends_of(made)
        reader.close()
        half = own.reserve(100)  # it is given up with its last reference
        half.__enter__()
        os.write(says, b".")
        signal.pause()

    killed = child(running, dies)
    sender.send(b"whole")
    sender.close()
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=WAIT)

    async def main():
        assert await next_one(form, receiver, how) == b"whole"
        assert await is_at_its_end(form, receiver, how)

    form.run(main)


def test_the_end_is_told_at_once_when_the_last_sender_is_killed_inside_a_message(running):
    """No second look is needed: what the dead have left is settled when nobody else could."""
    queue = running.enter_context(channel.Queue.anonymous(1 << 20))
    receiver = running.enter_context(queue.receiver())

    def dies(says):
        with queue.sender() as own:
            own.send(b"first")
            half = own.reserve(1 << 18)
            half.__enter__()
            os.write(says, b".")
            signal.pause()

    killed = child(running, dies)
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=WAIT)
    assert receiver.receive(timeout=WAIT) == b"first"
    with pytest.raises(EOFError):
        receiver.receive(timeout=WAIT)
    assert queue.stat().depth == 0


# A lease that somebody else has may come back


@EVERY_FORM
@WAYS
def test_a_killed_leaseholders_message_comes_before_the_end(how, form, running):
    queue = running.enter_context(channel.Queue.anonymous(4096))
    receiver = running.enter_context(queue.receiver())

    def holds(says):
        with queue.receiver() as own:
            job = own.lease(timeout=WAIT)  # it goes back with its last reference
            job.__enter__()
            os.write(says, b".")
            signal.pause()

    with queue.sender() as sender:
        sender.send(b"job")
        holder = child(running, holds)
    assert receiver.try_receive() is None  # and no EOFError
    killing = threading.Timer(0.1, holder.send_signal, (signal.SIGKILL,))
    killing.start()
    running.callback(killing.join)

    async def main():
        assert await next_one(form, receiver, how) == b"job"
        assert await is_at_its_end(form, receiver, how)

    form.run(main)


@EVERY_FORM
def test_a_lease_that_is_kept_for_good_lets_the_others_end(form, running, until):
    queue = running.enter_context(channel.Queue.anonymous(4096))
    receiver, other = running.enter_context(queue.receiver()), running.enter_context(queue.receiver())
    with queue.sender() as sender:
        sender.send(b"job")
    lease = other.lease(timeout=WAIT)
    lease.__enter__()

    def finish():
        asleep(form, until, queue)
        lease.__exit__(None, None, None)

    finishing = threading.Thread(target=finish)
    finishing.start()
    running.callback(finishing.join)
    form.run(lambda: form.fails(EOFError, (receiver if form.blocking else aio.channel.Receiver(receiver)).receive))


def test_a_lease_of_its_own_does_not_keep_a_receiver_waiting(running):
    queue = running.enter_context(channel.Queue.anonymous(4096))
    receiver = running.enter_context(queue.receiver())
    with queue.sender() as sender:
        sender.send(b"job")
    with receiver.lease(timeout=WAIT) as job:
        with pytest.raises(EOFError):
            receiver.receive(timeout=WAIT)
        assert job == b"job"
    with pytest.raises(EOFError):
        receiver.try_receive()


@EVERY_FORM
@BOTH_KINDS
def test_a_sender_that_comes_after_the_end_is_heard(kind, form, running):
    made = running.enter_context(kind.anonymous(4096))
    sender, receiver = ends_of(made)
    running.callback(receiver.close)
    sender.close()
    twin = receiver if form.blocking else getattr(aio.channel, type(receiver).__name__)(receiver)

    async def main():
        await form.fails(EOFError, twin.receive)
        with made.publisher() if kind is channel.Topic else made.sender() as late:
            late.send(b"late")
            assert await form.call(twin.receive, timeout=WAIT) == b"late"
            await form.fails(TimeoutError, twin.receive, timeout=0.01)
        await form.fails(EOFError, twin.receive)

    form.run(main)


# Persistent receivers


@EVERY_FORM
@BOTH_KINDS
def test_a_persistent_receiver_outlives_its_senders(kind, form, running, name):
    with kind.create(name, 4096) as made:
        sender, receiver = ends_of(made, persistent=True)
        running.callback(receiver.close)
        assert receiver.persistent
        sender.send(b"one")
        sender.close()
        twin = receiver if form.blocking else getattr(aio.channel, type(receiver).__name__)(receiver)

        async def main():
            assert await form.call(twin.receive, timeout=WAIT) == b"one"
            assert twin.try_receive() is None
            await form.fails(TimeoutError, twin.receive, timeout=0.05)
            with made.publisher() if kind is channel.Topic else made.sender() as later:
                later.send(b"two")
            assert await form.call(twin.receive, timeout=WAIT) == b"two"
            made.remove()
            await form.fails(ObjectRemoved, twin.receive, timeout=WAIT)

        form.run(main)


@EVERY_FORM
def test_removing_the_name_ends_the_wait_of_a_persistent_receiver(form, running, name, until):
    with channel.Queue.create(name, 4096) as queue, queue.receiver(persistent=True) as receiver:
        queue.sender().close()

        def remove():
            asleep(form, until, queue)
            queue.remove()

        removing = threading.Thread(target=remove)
        removing.start()
        running.callback(removing.join)
        twin = receiver if form.blocking else aio.channel.Receiver(receiver)
        form.run(lambda: form.fails(ObjectRemoved, twin.receive, timeout=WAIT))


def test_what_a_removed_queue_still_has_comes_before_the_end(name):
    with channel.Queue.create(name, 4096) as queue, queue.receiver(persistent=True) as receiver:
        with queue.sender() as sender:
            sender.send(b"last")
            queue.remove()
            assert receiver.receive(timeout=WAIT) == b"last"
            assert receiver.try_receive() is None  # a sender lives
        with pytest.raises(ObjectRemoved):
            receiver.receive(timeout=WAIT)
        with pytest.raises(ObjectRemoved):
            list(receiver)


def test_a_persistent_receiver_of_a_nameless_queue_ends_with_its_last_handle(running, until):
    queue = channel.Queue.anonymous(4096)
    receiver = running.enter_context(queue.receiver(persistent=True))

    def sends(says):
        with queue.sender() as sender:
            sender.send(b"from the child")
        os.write(says, b".")
        signal.pause()

    has_it = child(running, sends)
    assert receiver.receive(timeout=WAIT) == b"from the child"
    queue.close()
    with pytest.raises(TimeoutError):
        receiver.receive(timeout=0.05)  # the child may still send
    has_it.send_signal(signal.SIGKILL)
    has_it.wait(timeout=WAIT)
    with pytest.raises(ObjectRemoved):
        receiver.receive(timeout=WAIT)


def test_closing_the_last_handle_of_a_nameless_queue_wakes_a_persistent_receiver(running, until):
    queue = channel.Queue.anonymous(4096)
    receiver = running.enter_context(queue.receiver(persistent=True))
    queue.sender().close()

    def close():
        asleep(SYNC, until, queue)
        queue.close()

    closing = threading.Thread(target=close)
    closing.start()
    running.callback(closing.join)
    with pytest.raises(ObjectRemoved):
        receiver.receive(timeout=WAIT)


def test_a_persistent_receiver_that_waits_uses_no_processor_time(running):
    queue = running.enter_context(channel.Queue.anonymous(4096))
    receiver = running.enter_context(queue.receiver(persistent=True))
    queue.sender().close()
    with pytest.raises(TimeoutError):
        receiver.receive(timeout=1.2)
    assert queue.stat().receiver_sleeps <= 12  # two looks a second, and the beat of the main thread


def test_a_closed_persistent_receiver_says_so(running):
    queue = running.enter_context(channel.Queue.anonymous(4096))
    receiver = queue.receiver(persistent=True)
    receiver.close()
    with pytest.raises(ClosedError):
        receiver.receive(timeout=WAIT)


# Whom a wait is in vain for


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_wait_behind_a_stopped_senders_half_names_it(form, running):
    queue = running.enter_context(channel.Queue.anonymous(4096))
    receiver = running.enter_context(queue.receiver())

    def stops(says):
        own = queue.sender()
        half = own.reserve(100)  # it is given up with its last reference
        half.__enter__()
        os.write(says, b".")
        signal.pause()

    stopped = child(running, stops)
    stopped.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    twin = receiver if form.blocking else aio.channel.Receiver(receiver)
    error = form.run(lambda: form.fails(TimeoutError, twin.receive, timeout=0.05))
    assert error.pid == stopped.pid
    assert f"waits behind an unfinished message of {stopped.pid} (" in str(error)
    assert ", stopped" in str(error)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_wait_for_room_behind_a_lease_names_its_holder(form, running):
    queue = running.enter_context(channel.Queue.anonymous(4096))
    sender = running.enter_context(queue.sender())
    receiver = running.enter_context(queue.receiver())
    sender.send(b"x" * 4000)
    twin = sender if form.blocking else aio.channel.Sender(sender)
    with receiver.lease(timeout=WAIT):
        error = form.run(lambda: form.fails(TimeoutError, twin.send, b"y" * 1000, timeout=0.05))
    assert error.pid == os.getpid()
    assert f"waits behind a message leased by {os.getpid()} (" in str(error)
