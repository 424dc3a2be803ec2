"""A signal at the worst moment, between the last look and the sleep, is noticed all the same."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from unixipc import EventFd, _wait
from unixipc._native.wait import Interrupt


class Struck(Exception):
    pass


def strike(*_):
    raise Struck


@pytest.fixture
def handler():
    before = signal.signal(signal.SIGALRM, strike)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def waits_struck_at(wait, moment):
    """Whether a signal that comes `moment` seconds from now ends the wait."""
    try:
        signal.setitimer(signal.ITIMER_REAL, moment)
        wait()
    except Struck:
        return True
    return False


def test_a_signal_around_the_moment_of_falling_asleep_ends_a_poll(handler):
    source = random.Random(1)
    with EventFd() as event:
        for _ in range(2000):
            assert waits_struck_at(lambda: event.take(timeout=20), source.uniform(1e-6, 1e-4))


def test_a_signal_around_the_moment_of_falling_asleep_ends_a_wait_in_the_kernel(handler, tmp_path):
    from unixipc import Fifo

    fifo, source = Fifo.create(tmp_path / "fifo"), random.Random(2)
    for _ in range(2000):
        assert waits_struck_at(lambda: fifo.reader(timeout=20).close(), source.uniform(1e-6, 1e-4))


def test_the_beat_finds_a_signal_that_came_before_the_sleep(handler):
    """The window itself, made wide: the signal is noted after the look for signals and before the call."""

    class Missed:
        def __init__(self):
            self.sleeps = 0

        def sleep(self, until_ns):
            assert until_ns >= 0, "the main thread never sleeps without a beat"
            self.sleeps += 1
            time.sleep(max(0, until_ns - time.monotonic_ns()) / 1e9)

    missed = Missed()
    ends = time.monotonic() + 0.3

    def enough():
        return (time.monotonic() > ends and missed.sleeps >= 2) or None

    assert _wait.wait(enough, missed.sleep, _wait.Deadline(None), "x")
    assert missed.sleeps <= 12, "beats double: a long wait costs few of them"


def test_other_threads_have_no_beat():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(_wait.Deadline(None).next_look_ns()))
    thread.start()
    thread.join()
    assert seen == [-1], "only the main thread runs Python's handlers"


def test_an_interrupt_set_before_the_wait_ends_it():
    interrupt = Interrupt()
    interrupt.set()
    with pytest.raises(InterruptedError):
        _wait.in_kernel(lambda: pytest.fail("it must not even try"), timeout=30, interrupt=interrupt)


def test_an_interrupt_from_another_thread_ends_it_whenever_it_comes(tmp_path):
    """1 000 interrupts at random moments around the moment of falling asleep: none is lost."""
    from unixipc import Fifo
    from unixipc._native.file import open_once

    fifo, source = Fifo.create(tmp_path / "fifo"), random.Random(3)
    for _ in range(1000):
        interrupt, outcome = Interrupt(), []

        def wait(interrupt=interrupt, outcome=outcome):
            try:
                _wait.in_kernel(open_once, fifo.path, os.O_RDONLY, timeout=20, interrupt=interrupt)
            except InterruptedError:
                outcome.append("interrupted")

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(source.uniform(0, 2e-4))
        interrupt.set()
        thread.join(20)
        assert outcome == ["interrupted"]


def test_a_result_that_came_first_is_not_lost_to_an_interrupt():
    interrupt = Interrupt()

    def call():
        interrupt.set()
        return "won"

    assert _wait.in_kernel(call, timeout=30, interrupt=interrupt) == "won"


def test_one_interrupt_serves_one_wait_at_a_time():
    with Interrupt() as interrupt, pytest.raises(RuntimeError, match="in use"):
        interrupt.__enter__()
