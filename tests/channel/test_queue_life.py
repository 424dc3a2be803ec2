"""What a queue's handles do in each other's way: threads, forks, views, leases, the ends of temporary ones."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import threading

import pytest

from unixipc import ClosedError, channel
from unixipc._native import ring as _ring

from .conftest import path_of

WAIT = 20
LARGE = b"L" * 100_000  # copied without any lock


@pytest.fixture
def pair(queue):
    with queue.sender() as sender, queue.receiver() as receiver:
        yield sender, receiver


@pytest.fixture
def started():
    """Threads that end with the test."""
    threads = []

    def start(function, *args):
        results = []

        def run():
            try:
                results.append(function(*args))
            except BaseException as error:
                results.append(error)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return threads[-1], results

    yield start
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()


# Leases and views


def test_what_is_leased_goes_back_when_its_receiver_closes(queue, pair):
    sender, receiver = pair
    sender.send(b"one")
    lease = receiver.lease()
    assert queue.stat().depth == 1
    receiver.close()
    with queue.receiver() as other:
        assert other.receive(timeout=WAIT) == b"one"
    with pytest.raises(ClosedError), lease:
        pass
    with pytest.raises(ClosedError):
        memoryview(lease)
    lease.cancel()


def test_a_lease_that_fails_is_handed_over_again_before_what_is_behind_it(pair):
    sender, receiver = pair
    sender.send_many([b"one", b"two"])
    with pytest.raises(RuntimeError), receiver.lease() as message:
        assert message == b"one"
        raise RuntimeError
    assert receiver.receive_many() == [b"one", b"two"]


def test_a_lease_that_nobody_entered_is_given_back(pair):
    sender, receiver = pair
    sender.send(b"one")
    lease = receiver.try_lease()
    del lease
    gc.collect()
    assert receiver.try_receive() == b"one"


def test_a_reservation_is_sent_at_the_end_or_not_at_all(pair):
    sender, receiver = pair
    with sender.reserve(10) as buffer:
        buffer[:] = b"0123456789"
        assert receiver.try_receive() is None
    with pytest.raises(RuntimeError), sender.reserve(10) as buffer:
        raise RuntimeError
    loan = sender.reserve(3000)
    with loan as buffer:
        buffer[:4] = b"only"
        loan.truncate(4)
    assert receiver.receive_many() == [b"0123456789", b"only"]


def test_a_view_that_outlives_its_reservation_keeps_it_from_being_sent(queue, pair):
    sender, receiver = pair
    with pytest.raises(BufferError, match="not sent"), sender.reserve(3000) as buffer:
        kept = buffer[:5]
    with pytest.raises(BufferError, match="view"):
        sender.close()
    sender.try_send(b"x" * 3000)  # no room: the place is in use
    assert receiver.try_receive() is None
    kept[:] = b"still"
    kept.release()
    sender.send(b"y" * 3000, timeout=WAIT)
    assert receiver.receive(timeout=WAIT) == b"y" * 3000
    assert queue.stat().depth == 0


def test_the_place_of_a_peek_is_free_with_its_last_view(queue, pair):
    sender, receiver = pair
    sender.send(b"p" * 3000)
    with receiver.peek() as view:
        kept = view[10:20]
        with pytest.raises(TypeError):
            view[0] = 1
    assert not sender.try_send(b"q" * 3000)
    assert bytes(kept) == b"p" * 10
    with pytest.raises(BufferError):
        receiver.close()
    del view
    kept.release()
    assert sender.try_send(b"q" * 3000)
    assert receiver.receive() == b"q" * 3000
    assert queue.stat().depth == 0


def test_aborted_reservations_are_no_dead_weight_without_a_receiver(queue):
    with queue.sender() as sender:
        for _ in range(3):
            with pytest.raises(RuntimeError), sender.reserve(3000):
                raise RuntimeError
        sender.send(b"x" * 3000, timeout=WAIT)
    assert queue.stat().depth == 1


def test_a_commit_wakes_everybody_whose_message_it_held_back(queue, started, until):
    with queue.sender() as first, queue.sender() as second, queue.receiver() as a, queue.receiver() as b:
        waiting = [started(each.receive, WAIT) for each in (a, b)]
        with first.reserve(5) as buffer:
            second.send(b"second")
            until(lambda: queue.stat().receiver_sleeps >= 2)
            buffer[:] = b"first"
        for thread, _ in waiting:
            thread.join(WAIT)
        assert sorted(result for _, (result,) in waiting) == [b"first", b"second"]


# Full


def test_refuse_says_so(name):
    with channel.Queue.create(name, 4096, "refuse") as queue, queue.sender() as sender:
        while sender.try_send(b"x" * 500):
            pass
        for call in (lambda: sender.send(b"x" * 500), lambda: sender.reserve(500)):
            with pytest.raises(BlockingIOError) as refused:
                call()
            assert "refuse" in "".join(refused.value.__notes__)
        assert queue.stat().refused == 2
        sender.close()
        with queue.receiver() as receiver, queue.sender() as sender:
            receiver.receive()
            with pytest.raises(BlockingIOError) as refused:
                sender.send_many([b"x" * 400] * 3)
            assert refused.value.sent == 2
        queue.remove()


def test_the_oldest_is_dropped_unless_it_is_leased(name, started, until):
    with channel.Queue.create(name, 4096, "drop_oldest") as queue, queue.sender() as sender, queue.receiver() as one:
        for n in range(10):
            sender.send(b"%d" % n * 1000, timeout=WAIT)
        assert queue.stat().dropped == 7
        lease = one.lease()
        with pytest.raises(TimeoutError):
            sender.send(b"b" * 1000, timeout=0.01)
        thread, results = started(sender.send, b"b" * 1000, WAIT)
        until(lambda: queue.stat().sender_sleeps >= 2)
        lease.cancel()  # now it can be dropped
        thread.join(WAIT)
        assert results == [None]
        assert queue.stat().dropped >= 8
        queue.remove()


def test_too_long_is_said_before_the_first_is_sent(queue, pair):
    sender, _ = pair
    with pytest.raises(OSError, match="too long"):
        sender.send_many([b"x", b"x" * 4096])
    assert queue.stat().depth == 0


# Threads


def test_threads_share_a_member(name, started):
    with channel.Queue.create(name, 1 << 17) as queue, queue.sender() as sender, queue.receiver() as receiver:

        def send(which):
            for n in range(200):
                sender.send(bytes([which]) * (40_000 if n % 50 == 0 else n), timeout=WAIT)

        def receive():
            return [receiver.receive(timeout=WAIT) for _ in range(200)]

        senders = [started(send, which) for which in range(3)]
        receivers = [started(receive) for _ in range(3)]
        for thread, _ in senders + receivers:
            thread.join(WAIT)
        got = [each for _, (results,) in receivers for each in results]
        assert all(len(set(each)) <= 1 for each in got)
        assert sorted(map(len, got)) == sorted([40_000 if n % 50 == 0 else n for n in range(200)] * 3)
        queue.remove()


def test_closing_while_a_thread_copies_tears_nothing(name, started):
    """The place is nobody else's before the copy is over."""
    body = LARGE * 30
    with channel.Queue.create(name, 1 << 23) as queue, queue.receiver() as receiver:
        for _ in range(20):
            sender = queue.sender()
            thread, results = started(lambda sender=sender: [sender.send(body, WAIT) for _ in range(100)])
            got = receiver.receive(timeout=WAIT)
            sender.close()
            while thread.is_alive() or queue.stat().depth:
                with contextlib.suppress(TimeoutError, EOFError):
                    assert receiver.receive(timeout=0.01) == body
            assert got == body
            assert isinstance(results[0], ClosedError)
            assert queue.stat().senders == ()
        queue.remove()


@pytest.mark.parametrize("wait", ["receive", "receive_many", "lease", "peek"])
def test_closing_ends_the_wait_of_another_thread(queue, started, until, wait):
    with queue.sender(), queue.receiver() as receiver:
        thread, results = started(getattr(receiver, wait))
        until(lambda: queue.stat().receiver_sleeps)
        receiver.close()
        thread.join(WAIT)
        assert isinstance(results[0], ClosedError)


def test_a_handler_that_raises_ends_the_wait_and_takes_nothing(queue, pair):
    sender, receiver = pair

    def ring(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    try:
        for wait in (receiver.receive, receiver.receive_many, lambda: receiver.lease().__enter__()):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                wait()
        while sender.try_send(b"x" * 500):
            pass
        depth = queue.stat().depth
        for wait in (
            lambda: sender.send(b"x" * 500),
            lambda: sender.send_many([b"x" * 500]),
            lambda: sender.reserve(500),
        ):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                wait()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert queue.stat().depth == depth
    assert receiver.receive() == b"x" * 500


# Processes


def test_a_fork_inside_a_lease_leaves_it_to_the_parent(queue, pair, children):
    sender, receiver = pair
    sender.send_many([b"one", b"two"])

    def child(lease):
        with contextlib.suppress(ClosedError):
            lease.__exit__(None, None, None)
        with pytest.raises(ClosedError, match="parent"):
            receiver.try_receive()
        receiver.close()
        sender.close()

    lease = receiver.lease()
    with lease as message:
        children.start(child, lease)
        children.all_succeed()
        assert queue.stat().depth == 2
    assert message == b"one"
    assert queue.stat().received == 1
    assert receiver.receive() == b"two"


def test_a_fork_inside_a_reservation_leaves_it_to_the_parent(queue, pair, children):
    sender, receiver = pair
    loan = sender.reserve(3)
    with loan as buffer:
        children.start(lambda: loan.__exit__(None, None, None))
        children.all_succeed()
        assert receiver.try_receive() is None
        buffer[:] = b"abc"
    assert receiver.receive() == b"abc"


def test_a_forked_child_makes_members_of_its_own(queue, pair, children):
    _, receiver = pair

    def child():
        with queue.sender() as sender:
            sender.send(b"from the child")
            assert len(queue.stat().senders) == 2

    children.start(child)
    assert receiver.receive(timeout=WAIT) == b"from the child"
    children.all_succeed()
    assert queue.stat().senders == (os.getpid(),)


def test_a_stopped_receiver_holds_nobody_up(queue, children, until):
    def stand():
        with queue.receiver() as receiver:
            receiver.receive(timeout=WAIT)

    child = children.start(stand)
    with queue.sender() as sender, queue.receiver() as receiver:
        until(lambda: queue.stat().receiver_sleeps)
        child.send_signal(signal.SIGSTOP)
        for n in range(1000):
            sender.send(b"%d" % n, timeout=WAIT)
            assert receiver.receive(timeout=WAIT) == b"%d" % n
        with pytest.raises(TimeoutError):
            receiver.receive(timeout=0.05)
        child.send_signal(signal.SIGCONT)
        sender.send(b"for the child")
        children.all_succeed()


def test_the_end_is_told_when_the_last_sender_is_killed(queue, children):
    def send():
        with queue.sender() as sender:
            sender.send(b"last words")
            signal.pause()

    with queue.receiver() as receiver:
        child = children.start(send)
        assert receiver.receive(timeout=WAIT) == b"last words"
        child.kill()
        assert list(receiver) == []


# The ends of queues


def test_the_last_member_of_a_temporary_queue_removes_it(name):
    queue = channel.Queue.temporary(name)
    sender, receiver = queue.sender(), queue.receiver()
    assert queue.stat().depth == 0  # who looks from outside is nobody who has it
    queue.close()
    receiver.close()
    assert os.path.exists(path_of(name))
    sender.close()
    assert not os.path.exists(path_of(name))


def test_of_two_that_end_at_once_one_removes_it(name, children):
    for _ in range(30):

        def once():
            with channel.Queue.temporary(name) as queue, queue.sender() as sender:
                sender.try_send(b"x")

        children.start(once, times=4)
        children.all_succeed()
        while children:
            children.pop().close()
        assert not os.path.exists(path_of(name))


def test_after_the_last_one_was_killed_the_next_takes_a_temporary_queue(name, children):
    def hold():
        with channel.Queue.temporary(name) as queue, queue.sender() as sender:
            sender.send(b"left")
            os.kill(os.getpid(), signal.SIGKILL)

    children.start(hold).wait(timeout=WAIT)
    with channel.Queue.temporary(name) as queue, queue.receiver() as receiver:
        assert receiver.receive(timeout=WAIT) == b"left"
    assert not os.path.exists(path_of(name))


def test_who_has_opened_a_temporary_queue_that_the_last_one_just_removes_gets_a_new_one(name, monkeypatch):
    last, read_facts, calls = channel.Queue.temporary(name), _ring.read_facts, []

    def late(*args):
        calls.append(args)
        if len(calls) == 2:  # first it tries to make one, then it opens what is there: no lock says so yet
            last.close()
        return read_facts(*args)

    monkeypatch.setattr(_ring, "read_facts", late)
    with channel.Queue.temporary(name) as queue:
        assert last.closed and os.path.samestat(os.stat(path_of(name)), os.fstat(queue.fileno()))


def test_pickling_a_queue_opens_it_over_there_and_members_are_not_picklable(queue, pair):
    with pickle.loads(pickle.dumps(queue)) as again, again.receiver() as receiver:
        pair[0].send(b"x")
        assert receiver.receive(timeout=WAIT) == b"x"
    for member in pair:
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(member)
    with channel.Queue.anonymous() as nameless, pytest.raises(TypeError):
        pickle.dumps(nameless)


def test_views_that_are_alive_at_exit_do_no_harm(run_python):
    run_python(
        """
        from unixipc import channel
        queue = channel.Queue.anonymous()
        sender, receiver = queue.sender(), queue.receiver()
        sender.send(b"x" * 100)
        loan = receiver.peek(); view = loan.__enter__()[3:5]
        reserved = sender.reserve(50); buffer = reserved.__enter__()
        lease_sender = queue.sender(); lease_sender.send(b"y"); lease = receiver
        """
    )
