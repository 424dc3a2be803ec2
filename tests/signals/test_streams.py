"""Signals to be read: no thread takes one away, none is lost: G13-G15, G18, G26."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import signal
import threading
import time
from signal import SIGCHLD, SIGRTMAX, SIGRTMIN, SIGTERM, SIGUSR1, SIGUSR2

import pytest

from unixipc import ClosedError, Exited, Killed, fork, pipe
from unixipc.signals import (
    Counter,
    SignalInfo,
    SignalStream,
    action_of,
    blocked,
    handling,
    mask,
    pending,
    send,
    sigaction,
    state_of,
    try_wait_for,
    wait_for,
)

from .alone import alone

WAIT = 20
ME = os.getpid
ROUNDS = pytest.mark.parametrize(
    "rounds", [20_000, pytest.param(1_000_000, marks=[pytest.mark.deep, pytest.mark.timeout(1800)])]
)


def pour(pid, number, rounds, credit):
    """Values 0..rounds-1; at most 500 that the receiver has not told of."""
    for value in range(rounds):
        if value % 500 == 0:
            credit.read_exactly(1, timeout=WAIT)
        send(pid, number, value)


def test_G14_G26_a_stream_says_who_and_what():
    with SignalStream(SIGRTMIN, SIGUSR1) as stream:
        assert stream.signals == {SIGRTMIN, SIGUSR1} and stream.try_receive() is None
        with fork(lambda: send(os.getppid(), SIGRTMIN, -5)) as child:
            assert stream.receive(WAIT) == SignalInfo(SIGRTMIN, child.pid, os.getuid(), -1, -5, 0)
        send(ME(), SIGUSR1)
        assert stream.receive(WAIT) == SignalInfo(SIGUSR1, ME(), os.getuid(), 0, 0, 0)


def test_of_a_child_it_says_the_status():
    with SignalStream(SIGCHLD) as stream, fork(lambda: os._exit(7)) as child:
        info = stream.receive(WAIT)
        assert (info.pid, info.status, info.value, info.code) == (child.pid, 7, 0, 1)
        assert child.wait(WAIT) == Exited(7)


@ROUNDS
@pytest.mark.parametrize("threads", [0, 3])
def test_G14_paced_real_time_signals_arrive_exactly_and_in_order(rounds, threads):
    stop = threading.Event()
    others = [threading.Thread(target=stop.wait) for _ in range(threads)]
    for thread in others:
        thread.start()
    taker, giver = pipe()
    try:
        with taker, giver, SignalStream(SIGRTMIN) as stream, fork(pour, ME(), SIGRTMIN, rounds, taker) as child:
            values = []
            for n in range(rounds):
                if n % 500 == 0:
                    giver.write(b"x")
                values.append(stream.receive(WAIT).value)
            assert child.wait(WAIT) == Exited(0)
    finally:
        stop.set()
        for thread in others:
            thread.join()
    assert sorted(values) == list(range(rounds)), "none is lost, none comes twice"
    late = sum(1 for before, value in itertools.pairwise(values) if value != before + 1)
    assert late <= 3 * (threads + 2), "out of order is at most what a thread (the watchdog's too) gave back"


def test_a_thread_that_does_not_block_it_gives_it_back_and_is_as_before_afterwards(other_thread):
    with SignalStream(SIGUSR1) as stream:
        signal.pthread_kill(other_thread.ident, SIGUSR1)
        assert stream.receive(WAIT).pid == ME()
        until(lambda: SIGUSR1 in thread_mask(other_thread))
        send(ME(), SIGUSR1)
        assert stream.receive(WAIT).pid == ME()
    until(lambda: SIGUSR1 not in thread_mask(other_thread))
    assert mask() == frozenset() and action_of(SIGUSR1).handler is signal.SIG_DFL


def thread_mask(thread):
    return state_of(thread.native_id).blocked


def until(true):
    for _ in range(WAIT * 100):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it never came true")


def test_any_thread_may_receive(other_thread):
    got = []
    with SignalStream(SIGUSR1, SIGRTMIN) as stream:
        thread = threading.Thread(target=lambda: got.extend(stream.receive(WAIT).signal for _ in range(2)))
        thread.start()
        send(ME(), SIGUSR1)
        send(ME(), SIGRTMIN, 1)
        thread.join()
    assert sorted(got) == [SIGUSR1, SIGRTMIN]


def test_a_stream_that_a_thread_opened_may_be_closed_by_another(other_thread):
    made, closed, unblocked = [], threading.Event(), []

    def opens():
        made.append(SignalStream(SIGUSR1))
        closed.wait(WAIT)
        until(lambda: not mask())
        unblocked.append(True)

    thread = threading.Thread(target=opens)
    thread.start()
    until(lambda: made)
    send(ME(), SIGUSR1)  # it is given to this thread or to `other_thread`, neither of which knows
    assert made[0].receive(WAIT).signal == SIGUSR1
    made[0].close()
    closed.set()
    thread.join()
    until(lambda: not mask())
    until(lambda: SIGUSR1 not in thread_mask(other_thread))
    assert unblocked == [True] and action_of(SIGUSR1).handler is signal.SIG_DFL


def test_two_streams_of_one_signal_share_it_and_the_last_puts_everything_back(other_thread):
    first, second = SignalStream(SIGRTMIN), SignalStream(SIGRTMIN, SIGUSR2)
    for value in range(4):
        send(ME(), SIGRTMIN, value)
    assert sorted(each.receive(WAIT).value for each in (first, second, first, second)) == [0, 1, 2, 3]
    first.close()
    send(ME(), SIGRTMIN, 4)
    assert second.receive(WAIT).value == 4 and SIGRTMIN in mask()
    second.close()
    assert mask() == frozenset() and action_of(SIGRTMIN).handler is signal.SIG_DFL


def test_what_is_pending_at_close_is_the_old_handler_s():
    got = []
    with handling(SIGUSR1, lambda *_: got.append(1)):
        with SignalStream(SIGUSR1):
            send(ME(), SIGUSR1)
            assert got == []
        assert got == [1]


def test_signals_while_streams_open_and_close_go_somewhere_every_one(other_thread):
    """Each is read or handled; never lost, never the default action."""
    handled, read, rounds = [], [], 3000
    taker, giver = pipe()
    with taker, giver, Handled(SIGRTMIN, handled), fork(pour, ME(), SIGRTMIN, rounds, taker) as child:
        for _ in range(rounds // 500):
            giver.write(b"x")
        while len(read) + handled_count(handled) < rounds:
            with SignalStream(SIGRTMIN) as stream:
                while (info := stream.try_receive()) is not None:
                    read.append(info.value)
            if child.has_ended():
                break
        assert child.wait(WAIT) == Exited(0)
        with SignalStream(SIGRTMIN) as stream:
            while (info := stream.try_receive()) is not None:
                read.append(info.value)
    assert len(set(read)) == len(read)
    assert 0 < len(read) + len(handled) <= rounds


def handled_count(handled):
    return len(handled)


class Handled:
    """A Python handler: several that come between two steps of the interpreter are one run."""

    def __init__(self, number, runs):
        self.number, self.runs = number, runs

    def __enter__(self):
        self.before = sigaction(self.number, lambda *_: self.runs.append(1))

    def __exit__(self, *_exception):
        # the interpreter complains of a signal that came before, and is handled after, its handler was taken away
        sigaction(self.number, lambda *_: None)
        time.sleep(0.05)
        sigaction(self.number, self.before)


def test_G15_standard_signals_merge_real_time_ones_do_not():
    with SignalStream(SIGUSR1, SIGRTMIN) as stream:
        for _ in range(5):
            send(ME(), SIGUSR1)
            send(ME(), SIGRTMIN)
        taken = [stream.receive(WAIT).signal for _ in range(6)]
        assert taken.count(SIGUSR1) == 1 and taken.count(SIGRTMIN) == 5 and stream.try_receive() is None


def test_a_full_queue_is_a_blocking_io_error_for_the_sender_and_loses_nothing():
    def child():
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (50, 50))
        with SignalStream(SIGRTMIN) as stream:
            sent = 0
            try:
                while sent < 100:
                    send(ME(), SIGRTMIN, sent)
                    sent += 1
            except BlockingIOError as full:
                assert full.errno == errno.EAGAIN and "RLIMIT_SIGPENDING" in full.__notes__[0]
            assert 0 < sent <= 50
            assert [stream.receive(WAIT).value for _ in range(sent)] == list(range(sent))
            send(ME(), SIGRTMIN, 7)
            assert stream.receive(WAIT).value == 7

    with fork(as_nobody, child) as process:
        assert process.wait(WAIT) == Exited(0)


def as_nobody(run):
    """The limit counts what is pending for all processes of a user: a user of our own, where we may."""
    if os.geteuid() == 0:
        os.setresuid(54321, 54321, 54321)
    run()


def test_a_signal_that_another_thread_cannot_queue_again_is_kept():
    """Every thread but the opener lets 5 pending ones through when there is no room at all to queue them again."""

    def child():
        ready, go = threading.Event(), threading.Event()
        taken = threading.Thread(target=unblock_later, args=(ready, go))
        taken.start()
        ready.wait(WAIT)
        with SignalStream(SIGRTMIN) as stream:
            for value in range(5):
                send_to_thread(taken.native_id, SIGRTMIN, value)
            resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))
            go.set()
            assert stream.receive(WAIT).value == 0  # the thread takes one, and blocks it from then on
            assert stream.try_receive() is None
            taken.join()

    with fork(as_nobody, child) as process:
        assert process.wait(WAIT) == Exited(0)


def unblock_later(ready, go):
    with blocked(SIGRTMIN):
        ready.set()
        go.wait(WAIT)
    time.sleep(0.2)


def send_to_thread(thread, number, value):
    """rt_tgsigqueueinfo(2)."""
    import ctypes
    import struct

    info = struct.pack("iiiiiiq", number, 0, -1, 0, ME(), os.getuid(), value).ljust(128, b"\0")
    assert ctypes.CDLL(None).syscall(297, ME(), thread, int(number), info) == 0


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of the system call is x86-64's")
def test_a_signal_for_one_thread_reaches_the_reader_once_the_thread_has_given_it_back(other_thread):
    with SignalStream(SIGRTMIN) as stream:
        send_to_thread(other_thread.native_id, SIGRTMIN, 9)
        assert stream.receive(WAIT).value == 9


def test_fork_the_child_reads_its_own_signals(other_thread):
    with SignalStream(SIGRTMIN) as stream:
        send(ME(), SIGRTMIN, 1)

        def child():
            assert stream.try_receive() is None, "what is pending is the parent's"
            send(ME(), SIGRTMIN, 2)
            assert stream.receive(WAIT).value == 2
            stream.close()
            assert mask() == frozenset() and action_of(SIGRTMIN).handler is signal.SIG_DFL

        with fork(child) as process:
            assert process.wait(WAIT) == Exited(0)
        assert stream.receive(WAIT).value == 1


def test_fork_in_another_thread_than_opened_it():
    statuses = []
    with SignalStream(SIGUSR1) as stream:

        def child():
            send(ME(), SIGUSR1)
            assert stream.receive(WAIT).signal == SIGUSR1
            stream.close()
            assert mask() == frozenset()

        def forks():
            with blocked():
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [SIGUSR1])
                with fork(child) as process:
                    statuses.append(process.wait(WAIT))

        thread = threading.Thread(target=forks)
        thread.start()
        thread.join()
    assert statuses == [Exited(0)]


def test_exec_closes_it_and_the_new_program_starts_with_the_signal_blocked():
    def child():
        with SignalStream(SIGTERM):
            os.execvp("grep", ["grep", "SigBlk", "/proc/self/status"])

    reader, writer = pipe()

    def into_pipe():
        writer.dup2(1)
        child()

    with reader:
        with writer, fork(into_pipe) as process:
            assert process.wait(WAIT) == Exited(0)
        out = reader.read(1000, timeout=WAIT).decode()
    assert int(out.split()[-1], 16) >> (SIGTERM - 1) & 1


def test_kill_9_leaves_nothing():
    def child():
        with SignalStream(SIGUSR1):
            os.kill(ME(), signal.SIGKILL)

    with fork(child) as process:
        assert process.wait(WAIT) == Killed(signal.SIGKILL)


def test_closing_ends_a_wait_in_another_thread_and_twice_is_fine():
    stream, errors = SignalStream(SIGUSR1), []

    def waits():
        try:
            stream.receive(WAIT)
        except ClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=waits)
    thread.start()
    time.sleep(0.05)
    stream.close()
    thread.join()
    stream.close()
    assert len(errors) == 1
    with pytest.raises(ClosedError):
        stream.try_receive()


def test_bad_streams():
    with pytest.raises(ValueError, match="at least one"):
        SignalStream()
    with pytest.raises(OSError) as caught:
        SignalStream(SIGUSR1, signal.SIGKILL)
    assert caught.value.errno == errno.EINVAL and mask() == frozenset()
    assert action_of(SIGUSR1).handler is signal.SIG_DFL, "all of them or none"
    with SignalStream(SIGUSR1) as stream, pytest.raises(TypeError, match="detached"):
        stream.detach()


def test_the_signal_that_wakes_our_own_threads_is_refused_and_still_works():
    for use in (
        SignalStream,
        Counter,
        lambda number: sigaction(number, signal.SIG_IGN),
        lambda number: wait_for([number], 0),
    ):
        with pytest.raises(OSError) as caught:
            use(SIGRTMAX)
        assert caught.value.errno == errno.EBUSY and "choose a lower one" in caught.value.__notes__[0]
    reader, writer = pipe()
    closing = threading.Timer(0.05, reader.close)
    closing.start()
    with writer, blocked(SIGRTMAX), pytest.raises(ClosedError):
        reader.read(1, timeout=WAIT)
    closing.join()


def test_no_descriptor_left_opens_nothing():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        for make in (SignalStream, Counter):
            with pytest.raises(OSError) as caught:
                make(SIGUSR1)
            assert caught.value.errno == errno.EMFILE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert mask() == frozenset() and action_of(SIGUSR1).handler is signal.SIG_DFL


# wait_for -------------------------------------------------------------------------------------------------------------


@alone
def test_G13_wait_for_takes_a_value_and_no_handler_runs():
    got = []
    with handling(SIGRTMIN, lambda *_: got.append(1)), blocked(SIGRTMIN):
        with fork(lambda: send(os.getppid(), SIGRTMIN, 42)) as child:
            assert wait_for([SIGRTMIN, SIGUSR1], WAIT) == SignalInfo(SIGRTMIN, child.pid, os.getuid(), -1, 42, 0)
    assert got == []


@alone
def test_wait_for_times_out_and_leaves_everything_as_it_was():
    with pytest.raises(TimeoutError) as caught:
        wait_for([SIGUSR1], 0.02)
    assert caught.value.filename and mask() == frozenset()
    with blocked(SIGUSR1):
        with pytest.raises(TimeoutError):
            wait_for([SIGUSR1], 0)
        assert mask() == {SIGUSR1}


def test_wait_for_is_safe_from_threads_that_do_not_block_it(other_thread):
    with blocked(SIGUSR1), SignalStream(SIGUSR1):
        for _ in range(50):
            send(ME(), SIGUSR1)
            assert wait_for([SIGUSR1], WAIT).signal == SIGUSR1


@alone
def test_wait_for_takes_one_and_leaves_the_others_pending():
    with blocked(SIGUSR1, SIGUSR2):
        send(ME(), SIGUSR2)
        send(ME(), SIGUSR1)
        assert wait_for([SIGUSR2], WAIT).signal == SIGUSR2
        assert SIGUSR1 in pending() and try_wait_for([SIGUSR2]) is None
        assert try_wait_for([SIGUSR1]).signal == SIGUSR1


def test_threads_that_have_ended_take_no_place_from_those_that_live():
    """There are 512 places for threads that block a signal for a stream's sake."""
    stop = threading.Event()

    def take_one(waiting=True):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [SIGUSR1])  # it has inherited the block
        signal.pthread_kill(threading.get_ident(), SIGUSR1)
        stop.wait(WAIT if waiting else 0)

    with SignalStream(SIGUSR1) as stream:
        for _ in range(600):
            thread = threading.Thread(target=take_one, args=(False,))
            thread.start()
            assert stream.receive(WAIT).signal == SIGUSR1
            thread.join(WAIT)
        living = threading.Thread(target=take_one)
        living.start()
        assert stream.receive(WAIT).signal == SIGUSR1
        assert SIGUSR1 in thread_mask(living)
    until(lambda: SIGUSR1 not in thread_mask(living))
    stop.set()
    living.join(WAIT)
