"""The five fates of a queue, its senders and its receivers."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import pytest

from unixipc import ClosedError, channel, fork, pipe

from .conftest import killed_while, ran_in_a_child

WAIT = 20
FOLDER = "/dev/shm/unixipc.channel."


@pytest.fixture
def name():
    fresh = f"fate-{os.getpid()}-{os.urandom(6).hex()}"
    yield fresh
    with contextlib.suppress(FileNotFoundError):
        os.unlink(FOLDER + fresh)


@pytest.fixture
def queue(name):
    with channel.Queue.create(name, 4096) as made:
        yield made


# close


def test_closing_a_queue_forgets_the_handle_and_its_members_live_on(name):
    queue = channel.Queue.create(name, 4096)
    sender, receiver = queue.sender(), queue.receiver()
    queue.close()
    for use in (queue.stat, queue.sender, queue.receiver):
        with pytest.raises(ClosedError):
            use()
    sender.send(b"still")
    assert receiver.receive(timeout=WAIT) == b"still"
    sender.close()
    with pytest.raises(EOFError):
        receiver.receive(timeout=WAIT)
    receiver.close()


def test_the_messages_stay_when_all_have_left(queue):
    with queue.sender() as sender:
        sender.send_many([b"one", b"two"])
    with channel.Queue.open(queue.name) as again, again.receiver() as receiver:
        assert list(receiver) == [b"one", b"two"]


def test_iteration_goes_on_when_a_sender_comes_again(queue):
    with queue.receiver() as receiver:
        for word in (b"first", b"second"):
            with queue.sender() as sender:
                sender.send(word)
            assert list(receiver) == [word]


# remove


def test_remove_takes_the_name_and_leaves_the_queue_to_who_has_it(queue):
    with queue.sender() as sender, channel.Queue.open(queue.name) as theirs, theirs.receiver() as receiver:
        queue.remove()
        with pytest.raises(FileNotFoundError):
            channel.Queue.open(queue.name)
        sender.send(b"without a name")
        assert receiver.receive(timeout=WAIT) == b"without a name"
        with channel.Queue.create(queue.name, 4096) as heir:
            assert heir.stat().sent == 0
            assert theirs.stat().sent == 1
            heir.remove()


# fork


def test_a_fork_shares_the_queue_and_closes_the_members(queue):
    with queue.sender() as sender, queue.receiver() as receiver:

        def child():
            for use in (lambda: sender.send(b""), receiver.try_receive):
                with pytest.raises(ClosedError, match="parent"):
                    use()
            with queue.sender() as own:
                own.send(b"from the child")

        ran_in_a_child(child)
        assert receiver.receive(timeout=WAIT) == b"from the child"
        assert queue.stat().senders == (os.getpid(),)


def test_a_child_that_lives_on_does_not_keep_its_dead_parent_s_place(queue):
    """The end is told although a grandchild has a copy of everything."""
    ready, tell = pipe()
    stop, release = pipe()

    def middle():
        with queue.sender() as sender:
            sender.send(b"last words")

            def grandchild():
                tell.write_all(b"!")
                stop.read(1, timeout=WAIT)

            os.setpgid(0, 0)
            fork(grandchild)
            signal.pause()

    with ready, tell, stop, release, queue.receiver() as receiver, fork(middle) as child:
        ready.read_exactly(1, timeout=WAIT)
        child.kill()
        child.wait(timeout=WAIT)
        assert list(receiver) == [b"last words"]
        release.write_all(b"!")


# exec


LOOK = """
import os, sys
names = [open("/proc/self/maps").read()]
for number in os.listdir("/proc/self/fd"):
    try:
        names.append(os.readlink(f"/proc/self/fd/{number}"))
    except FileNotFoundError:  # the one that listed the folder
        pass
sys.exit(sys.argv[1] in "".join(names))
"""


def test_an_exec_closes_the_queue_and_leaves_it(queue):
    def child():
        kept = queue.sender(), queue.receiver()
        kept[0].send(b"before")
        os.execv(sys.executable, [sys.executable, "-S", "-c", LOOK, queue.name])

    ran_in_a_child(child)
    assert (queue.stat().senders, queue.stat().receivers) == ((), ())
    with queue.receiver() as receiver:
        assert list(receiver) == [b"before"]


# kill -9


def test_kill_9_leaves_the_queue_its_name_and_its_messages(name):
    def hold():
        queue = channel.Queue.create(name, 4096)
        sender = queue.sender()
        sender.send_many([b"one", b"two"])
        return queue, sender

    killed_while(hold)
    with channel.Queue.open(name) as heir, heir.receiver() as receiver:
        assert heir.stat().senders == ()
        assert list(receiver) == [b"one", b"two"]


@pytest.mark.parametrize("how", ["lease", "peek"])
def test_kill_9_gives_what_was_lent_to_the_next(queue, how):
    with queue.sender() as sender:
        sender.send(b"one")

        def hold():
            receiver = queue.receiver()
            loan = getattr(receiver, how)(timeout=WAIT)
            return receiver, loan, loan.__enter__()

        with queue.receiver() as receiver:
            killed_while(hold)
            assert receiver.receive(timeout=WAIT) == b"one"
        assert queue.stat().depth == 0


def test_kill_9_gives_up_what_was_only_reserved(queue):
    def hold():
        sender = queue.sender()
        loan = sender.reserve(3000)
        return sender, loan, loan.__enter__()

    with queue.sender() as sender, queue.receiver() as receiver:
        killed_while(hold)
        sender.send(b"x" * 3000, timeout=WAIT)
        assert receiver.receive(timeout=WAIT) == b"x" * 3000
        assert queue.stat().depth == 0


def test_kill_9_frees_the_places(queue):
    for _ in range(3):
        killed_while(lambda: [queue.sender() for _ in range(124)])
    members = [queue.sender() for _ in range(124)]
    assert queue.stat().senders == (os.getpid(),) * 124
    for each in members:
        each.close()


def test_kill_9_of_one_who_waits_takes_nothing(queue):
    def wait():
        with queue.receiver() as receiver:
            receiver.receive()

    with queue.sender() as sender, queue.receiver() as receiver, fork(wait) as child:
        while not queue.stat().receiver_sleeps:
            assert child.status is None
        child.kill()
        child.wait(timeout=WAIT)
        sender.send(b"kept")
        assert receiver.receive(timeout=WAIT) == b"kept"
