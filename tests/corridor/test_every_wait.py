"""What every waiting call must do, whatever interrupts it: EINTR storms, Ctrl-C, deadlines, threads."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

STORM_SECONDS = 0.001
PATIENCE = 0.02
LONG = 30


@pytest.fixture
def storm():
    """A SIGALRM every millisecond, with a Python handler: each one ends the system call that is under way."""
    struck = []
    before = signal.signal(signal.SIGALRM, lambda *_: struck.append(1))
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, STORM_SECONDS, STORM_SECONDS)
    yield struck
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def later():
    """Run something in a thread after a moment; joined at the end, before any handler is put back."""
    threads = []

    def start(function):
        thread = threading.Timer(PATIENCE, function)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join()


@pytest.fixture
def usr1():
    """The handler of SIGUSR1 is a test's own until the test's end."""
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def strike(waits, usr1):
    """`go = strike(number)`, then `go()` just before the wait: the signal comes a moment later.

    The thread is there before: what a handler raises must not meet its start. No handler is put back before its end.
    """
    threads = []

    def prepare(number):
        go = threading.Event()

        def send():
            assert go.wait(LONG)
            until(waits.has_begun)
            time.sleep(PATIENCE)
            os.kill(os.getpid(), number)

        threads.append(threading.Thread(target=send))
        threads[-1].start()
        return go.set

    yield prepare
    for thread in threads:
        thread.join()


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition() and time.monotonic() < deadline:
        time.sleep(STORM_SECONDS)


def test_an_eintr_storm_does_not_end_a_wait(waits, storm, later):
    later(lambda: (until(lambda: len(storm) >= 3), waits.satisfy()))  # a busy machine joins strokes into one
    assert waits.wait(timeout=2 * LONG)
    assert len(storm) >= 3, "the storm must really have struck while it waited"


def test_an_eintr_storm_does_not_move_a_deadline(waits, storm):
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        waits.wait(timeout=0.05)
    assert time.monotonic() - began >= 0.05
    assert storm, "the storm must really have struck while it waited"


def test_a_deadline_is_kept_and_named(waits):
    began = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        waits.wait(timeout=0.02)
    assert time.monotonic() - began >= 0.02
    assert caught.value.errno is not None
    assert caught.value.filename is not None, "the error names the object"
    assert caught.value.__notes__


def test_a_time_out_of_zero_tries_once(waits):
    with pytest.raises(TimeoutError):
        waits.wait(timeout=0)


def test_a_time_out_changes_nothing(waits, later):
    for _ in range(3):
        with pytest.raises(TimeoutError):
            waits.wait(timeout=0.001)
    later(waits.satisfy)
    assert waits.wait(timeout=LONG)


def test_bad_time_outs_are_refused(waits):
    for bad in (-1, -0.001, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            waits.wait(timeout=bad)


def test_an_endless_time_out_is_no_time_out(waits, later):
    later(waits.satisfy)
    assert waits.wait(timeout=float("inf"))


def test_ctrl_c_ends_it(waits, strike):
    go = strike(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        go()
        waits.wait(timeout=LONG)


def test_a_handler_that_raises_ends_it(waits, strike):
    class Enough(Exception):
        pass

    def handler(*_):
        raise Enough

    signal.signal(signal.SIGUSR1, handler)
    go = strike(signal.SIGUSR1)
    with pytest.raises(Enough):
        go()
        waits.wait(timeout=LONG)


def test_a_handler_that_returns_does_not_end_it(waits, strike, later):
    called = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: called.set())
    go = strike(signal.SIGUSR1)
    later(lambda: (called.wait(LONG), waits.satisfy()))
    go()
    assert waits.wait(timeout=2 * LONG)
    assert called.is_set()


def test_it_waits_in_a_thread_too(waits):
    result = []
    thread = threading.Thread(target=lambda: result.append(waits.wait(timeout=LONG)))
    thread.start()
    time.sleep(PATIENCE)
    waits.satisfy()
    thread.join(LONG)
    assert result == [True]
