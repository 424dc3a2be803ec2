"""Event counters: count, semaphore, limits, sharing, and bad input. -- eventfd(2)"""

import contextlib
import errno
import os
import resource
import signal
import threading
import time

import pytest

from unixipc import ClosedError, EventFd, Exited, fork, sockets

WAIT = 20
MOST = 2**64 - 2


@contextlib.contextmanager
def full_table():
    """No number is left in this process's descriptor table."""
    lowest = os.dup(0)
    os.close(lowest)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_what_was_added_is_taken_at_once():
    with EventFd() as event:
        assert event.try_take() is None
        event.add()
        event.add(41, timeout=WAIT)
        assert event.take(timeout=WAIT) == 42
        assert event.try_take() is None


def test_it_may_begin_above_zero():
    with EventFd(2**32 - 1) as event:
        assert event.try_take() == 2**32 - 1


def test_a_semaphore_gives_one_at_a_time():
    with EventFd(2, semaphore=True) as event:
        assert [event.try_take() for _ in range(3)] == [1, 1, None]


def test_taking_waits_for_another_process():
    with EventFd() as event, fork(event.add, 7) as child:
        assert event.take(timeout=WAIT) == 7
        assert child.wait(timeout=WAIT) == Exited(0)


def test_taking_in_vain_times_out_and_changes_nothing():
    with EventFd() as event:
        began = time.monotonic()
        with pytest.raises(TimeoutError) as late:
            event.take(timeout=0.05)
        assert time.monotonic() - began >= 0.05
        assert (late.value.errno, late.value.filename) == (errno.ETIMEDOUT, "event")
        event.add(3)
        assert event.take(timeout=WAIT) == 3


def test_adding_beyond_the_limit_is_not_now_and_waits_for_a_take():
    with EventFd() as event:
        assert event.try_add(MOST) is True
        assert event.try_add() is False
        with pytest.raises(TimeoutError):
            event.add(timeout=0.03)
        with fork(event.take) as child:
            event.add(5, timeout=WAIT)
            child.wait(timeout=WAIT)
        assert event.take(timeout=WAIT) == 5


def test_many_processes_add_and_nothing_is_lost():
    def add_many():
        for _ in range(1000):
            event.add(timeout=WAIT)

    with EventFd() as event:
        children = [fork(add_many) for _ in range(4)]
        total = 0
        while total < 4000:
            total += event.take(timeout=WAIT)
        assert (total, event.try_take()) == (4000, None)
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)


def test_a_semaphore_hands_each_unit_to_one_taker():
    taken, tell = sockets.pair()

    def take_some():
        for _ in range(50):
            event.take(timeout=WAIT)
            tell.write_all(b"x")

    with taken, tell, EventFd(semaphore=True) as event:
        children = [fork(take_some) for _ in range(4)]
        event.add(200)
        assert taken.read_exactly(200, timeout=WAIT) == b"x" * 200
        assert event.try_take() is None
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)


def test_the_counter_survives_a_killed_adder():
    def add_and_hang():
        event.add(9)
        signal.pause()

    with EventFd() as event, fork(add_and_hang) as child:
        assert event.take(timeout=WAIT) == 9
        event.add(4)
        child.kill()
        child.wait(timeout=WAIT)
        assert event.take(timeout=WAIT) == 4


@pytest.mark.parametrize("n", [0, -1, 2**64 - 1, 2**70])
def test_a_count_outside_the_range_is_a_value_error(n):
    with EventFd() as event:
        for add in (event.add, event.try_add):
            with pytest.raises(ValueError, match="raised by"):
                add(n)
        assert event.try_take() is None


@pytest.mark.parametrize("initial", [-1, 2**32])
def test_a_beginning_outside_the_range_is_a_value_error(initial):
    with pytest.raises(ValueError, match="initial"):
        EventFd(initial)


def test_a_full_descriptor_table_is_emfile():
    with full_table(), pytest.raises(OSError) as refused:
        EventFd()
    assert refused.value.errno == errno.EMFILE
    assert "RLIMIT_NOFILE" in refused.value.__notes__[0]


def test_a_closed_event_is_a_closed_error():
    event = EventFd()
    event.close()
    event.close()
    for use in (event.take, event.try_take, event.add, event.try_add, event.fileno):
        with pytest.raises(ClosedError, match="event"):
            use()


def test_closing_in_another_thread_ends_a_wait():
    with EventFd() as event:
        closer = threading.Timer(0.05, event.close)
        closer.start()
        with pytest.raises(ClosedError):
            event.take(timeout=WAIT)
        closer.join(WAIT)


def test_it_is_close_on_exec():
    with EventFd() as event:
        assert os.get_inheritable(event.fileno()) is False
