"""Counted in the C handler: G07, G08, G15, G16; S3."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
import threading
import time
from signal import SIGRTMIN, SIGUSR1, SIGUSR2

import pytest

from unixipc import ClosedError, Exited, Killed, fork, pipe
from unixipc.signals import Counter, Latch, SignalStream, action_of, blocked, handling, pselect, send, sigaction

from .alone import alone

WAIT = 20
ME = os.getpid


def test_it_counts_during_a_long_call_of_the_interpreter():
    """No step of the interpreter is done meanwhile: a Python handler would run once, at its end."""
    runs, rounds = [], 3000
    with (
        Counter(SIGRTMIN) as counter,
        handling(SIGUSR1, lambda *_: runs.append(1)),
        fork(shower, ME(), rounds) as child,
    ):
        long = list(range(400_000))
        while not child.has_ended():
            sum(pow(3, 200_000) for _ in range(2))
            sorted(long, key=None, reverse=True)
        assert child.wait(WAIT) == Exited(0)
        assert counter.count == rounds
    assert 0 < len(runs) <= rounds


def shower(pid, rounds):
    for value in range(rounds):
        while True:
            try:
                send(pid, SIGRTMIN, value)
                break
            except BlockingIOError:
                time.sleep(0.001)
        send(pid, SIGUSR1)


@pytest.mark.parametrize(
    "rounds", [50_000, pytest.param(1_000_000, marks=[pytest.mark.deep, pytest.mark.timeout(1800)])]
)
@alone
def test_paced_real_time_signals_are_counted_exactly(rounds):
    taker, giver = pipe()

    def pour():
        for value in range(rounds):
            if value % 500 == 0:
                taker.read_exactly(1, timeout=WAIT)
            send(parent, SIGRTMIN, value)

    parent = ME()
    with taker, giver, Counter(SIGRTMIN) as counter, fork(pour) as child:
        total = 0
        for begun in range(0, rounds, 500):
            giver.write(b"x")
            while total < min(begun + 500, rounds):
                counter.wait(WAIT)
                total += counter.take()
        assert child.wait(WAIT) == Exited(0)
        assert total == rounds and counter.count == 0 and counter.last_value == rounds - 1


@alone
def test_G15_standard_signals_merge_before_any_handler_runs():
    with Counter(SIGUSR1) as standard, Counter(SIGRTMIN) as real_time:
        with blocked(SIGUSR1, SIGRTMIN):
            for _ in range(5):
                send(ME(), SIGUSR1)
                send(ME(), SIGRTMIN)
        assert (standard.count, real_time.count) == (1, 5)
        for _ in range(5):
            send(ME(), SIGUSR1)
        assert standard.count == 6, "one after the other they all count"


def test_take_gives_each_signal_once():
    with Counter(SIGUSR1) as counter:
        send(ME(), SIGUSR1)
        assert (counter.take(), counter.take(), counter.count) == (1, 0, 0)


def test_wait_and_fileno():
    with Counter(SIGUSR1) as counter:
        assert counter.try_wait() is None
        with pytest.raises(TimeoutError):
            counter.wait(0.02)
        assert pselect([counter], timeout=0) == ([], [], [])
        timer = threading.Timer(0.05, lambda: send(ME(), SIGUSR1))
        timer.start()
        assert counter.wait(WAIT) == 1
        timer.join()
        assert pselect([counter], timeout=WAIT)[0] == [counter] and counter.wait(0) == 1
        counter.take()
        with pytest.raises(TimeoutError):
            counter.wait(0.02)


def test_closing_ends_a_wait_and_restores_the_action():
    counter, errors = Counter(SIGUSR1), []

    def waits():
        try:
            counter.wait(WAIT)
        except ClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=waits)
    thread.start()
    time.sleep(0.05)
    counter.close()
    thread.join()
    counter.close()
    assert len(errors) == 1 and counter.closed and action_of(SIGUSR1).handler is signal.SIG_DFL
    with pytest.raises(ClosedError):
        counter.fileno()


def test_one_counter_or_stream_a_signal():
    with Counter(SIGUSR1):
        for second in (Counter, Latch, SignalStream):
            with pytest.raises(OSError) as caught:
                second(SIGUSR1)
            assert caught.value.errno == errno.EBUSY and "is open" in caught.value.__notes__[0]
    with SignalStream(SIGUSR1), pytest.raises(OSError):
        Counter(SIGUSR1)


def test_a_handler_that_was_set_meanwhile_stays():
    def handler(*_):
        pass

    with Counter(SIGUSR1):
        sigaction(SIGUSR1, handler)
    assert action_of(SIGUSR1).handler is handler
    sigaction(SIGUSR1, signal.SIG_DFL)


def test_any_thread_may_make_and_close_one():
    counts = []

    def elsewhere():
        with Counter(SIGUSR2) as counter:
            send(ME(), SIGUSR2)
            counts.append(counter.wait(WAIT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert counts == [1]


def test_closing_under_fire_never_writes_into_a_stranger_s_file(tmp_path):
    """The event counter's number is given to a file at once; a late handler would write 8 bytes into it."""
    stop = threading.Event()
    victims = [threading.Thread(target=stop.wait) for _ in range(3)]
    with handling(SIGUSR1, signal.SIG_IGN):
        for each in victims:
            each.start()
        with fork(fire, ME()) as child:
            for round in range(1500):
                with Counter(SIGUSR1):
                    pass
                with open(tmp_path / "file", "wb") as first, open(tmp_path / "file2", "wb") as second:
                    assert os.fstat(first.fileno()).st_size == os.fstat(second.fileno()).st_size == 0, round
            child.kill()
            assert child.wait(WAIT) == Killed(signal.SIGKILL)
        stop.set()
        for each in victims:
            each.join()


def fire(pid):
    while True:
        send(pid, SIGUSR1)


def test_fork_the_child_counts_for_itself_from_the_count_so_far():
    with Counter(SIGUSR1) as counter:
        send(ME(), SIGUSR1)

        def child():
            assert counter.count == 1 and counter.wait(WAIT) == 1
            send(ME(), SIGUSR1)
            assert counter.take() == 2
            assert pselect([counter], timeout=0)[0] == []
            with pytest.raises(TimeoutError):
                counter.wait(0)

        with fork(child) as process:
            assert process.wait(WAIT) == Exited(0)
        assert counter.count == 1
        assert pselect([counter], timeout=0)[0] == [counter], "the child took nothing of ours"


def test_exec_is_the_default_action_again():
    def child():
        with Counter(SIGUSR1):
            os.execv("/bin/sh", ["sh", "-c", "kill -USR1 $$; exit 0"])

    with fork(child) as process:
        assert process.wait(WAIT) == Killed(SIGUSR1)


def test_G07_a_latch_is_a_flag():
    with Latch(SIGUSR1) as stop:
        assert not stop and not stop.is_set
        send(ME(), SIGUSR1)
        assert stop and stop.is_set and stop.wait(0) == 1
        stop.clear()
        assert not stop
        assert "Latch" in repr(stop)


def test_no_descriptor_is_left_by_any_failure():
    with pytest.raises(OSError):
        Counter(signal.SIGKILL)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as lowest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno() + 2, hard))
        try:
            with pytest.raises(OSError):
                Counter(SIGUSR1)  # one number is free, two are needed
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert action_of(SIGUSR1).handler is signal.SIG_DFL


def test_fork_a_file_that_has_the_event_counters_number_by_now_is_left_alone():
    """Event counters and epoll have one inode, as all files without a name: that does not make them one file."""

    def grandchild(number):
        return 0 if "eventpoll" in os.readlink(f"/proc/self/fd/{number}") else 1

    def child():
        latch = Latch(SIGUSR1)
        number = latch.fileno()
        os.close(number)
        with select.epoll() as other:
            assert other.fileno() == number
            with fork(grandchild, number) as process:
                assert process.wait(WAIT) == Exited(0)
        os._exit(0)  # the latch's handle would close a number that is nobody's

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


def test_fork_a_signal_right_after_it_is_not_told_to_the_parents_counter():
    """The child's event counter is its own before its first handler runs."""
    with Counter(SIGUSR1) as counter:
        for _ in range(100):
            with fork(lambda: 0) as process, contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, SIGUSR1)
            assert process.wait(WAIT) == Exited(0)
        assert counter.count == 0
        assert counter.event.try_take() is None
