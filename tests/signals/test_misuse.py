"""What a careless or hostile caller may do to signals: an error each time, and nothing is changed."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from signal import SIGUSR1, SIGUSR2

import pytest

from unixipc import Exited, fork
from unixipc.signals import (
    Counter,
    Latch,
    SignalStream,
    action_of,
    blocked,
    mask,
    pselect,
    send,
    sigaction,
    state_of,
)

WAIT = 20
ME = os.getpid
counting = pytest.mark.parametrize("cls", [Counter, Latch])


@pytest.mark.parametrize("number", [10.0, 10.7, "10", None, b"\n"])
def test_a_signal_is_a_whole_number(number):
    uses = (
        lambda: Counter(number),
        lambda: Latch(number),
        lambda: SignalStream(number),
        lambda: blocked(number),
        lambda: send(ME(), number),
        lambda: sigaction(number, signal.SIG_IGN),
        lambda: sigaction(SIGUSR1, lambda *_: None, mask=[number]),
    )
    for use in uses:
        with pytest.raises(TypeError):
            use()
    assert action_of(SIGUSR1).handler is signal.SIG_DFL and mask() == frozenset()


@pytest.mark.parametrize("value", [1.5, "1", b"1"])
def test_a_value_is_a_whole_number(value):
    with pytest.raises(TypeError):
        send(ME(), SIGUSR1, value)


@pytest.mark.parametrize("pid", [1.5, "self", "self/../1", None])
def test_a_pid_is_a_whole_number(pid):
    with pytest.raises(TypeError):
        state_of(pid)


def test_a_descriptor_below_0_is_a_bad_one():
    for sides in (([-1],), ([], [-5]), ([], [], [-1])):
        with pytest.raises(OSError, match="Bad file descriptor"):
            pselect(*sides, timeout=0)


@counting
def test_a_counter_is_not_begun_anew(cls):
    with cls(SIGUSR1) as counter:
        for number in (SIGUSR1, SIGUSR2, 9, 1000):
            with pytest.raises(RuntimeError, match="counts already"):
                counter.__init__(number)
        assert action_of(SIGUSR2).handler is signal.SIG_DFL
        send(ME(), SIGUSR1)
        assert counter.wait(WAIT) == 1
    assert action_of(SIGUSR1).handler is signal.SIG_DFL


@counting
def test_a_counter_is_neither_pickled_nor_copied(cls):
    with cls(SIGUSR1) as counter:
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="own process"):
                way(counter)


def test_a_fork_spares_the_file_that_has_the_number_of_a_closed_event(tmp_path):
    """The child gives each counter an event of its own, at the number that the parent has shown."""
    with Counter(SIGUSR1) as counter:
        number = counter.fileno()
        counter.event.close()
        with open(tmp_path / "file", "w+b") as file:
            assert file.fileno() == number

            def child():
                file.write(b"here")
                file.flush()

            with fork(child) as process:
                assert process.wait(WAIT) == Exited(0)
        assert (tmp_path / "file").read_bytes() == b"here"


def test_a_block_tells_what_it_blocks():
    assert "SIGUSR1" in repr(blocked(SIGUSR1)) or "10" in repr(blocked(SIGUSR1))
    assert repr(blocked(SIGUSR1)) != repr(blocked(SIGUSR2))
