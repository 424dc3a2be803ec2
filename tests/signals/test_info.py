"""What a signal says: a frozen record, and only what is true of the way it came: G26."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from signal import SIGCHLD, SIGRTMIN, SIGUSR1, Signals

import pytest

from unixipc import Exited, fork
from unixipc.signals import SignalInfo, SignalStream, blocked, send, try_wait_for

WAIT = 20
ONE = SignalInfo(SIGUSR1, 7, 1000, -1, 42, 0)
NAMES = ("signal", "pid", "uid", "code", "value", "status", "fd", "band", "timer", "overrun")


def test_values_by_place_by_name_and_by_default():
    whole = SignalInfo(10, 1, 2, 3, 4, 5, fd=0, band=6, timer=0, overrun=7)
    assert whole._asdict() == dict(zip(NAMES, (10, 1, 2, 3, 4, 5, 0, 6, 0, 7), strict=True))
    assert (ONE.fd, ONE.band, ONE.timer, ONE.overrun) == (None, 0, None, 0)
    assert SignalInfo(value=42, signal=10, pid=7, uid=1000, code=-1, status=0) == ONE


def test_the_number_has_its_name_if_it_has_one():
    assert ONE.signal is Signals.SIGUSR1 and type(SignalInfo(SIGRTMIN + 1, 0, 0, 0, 0, 0).signal) is int
    text = "SignalInfo(signal=<Signals.SIGUSR1: 10>, pid=7, uid=1000, code=-1, value=42, status=0, "
    assert repr(ONE) == text + "fd=None, band=0, timer=None, overrun=0)"


def test_equal_if_all_of_it_is():
    same, other = SignalInfo(10, 7, 1000, -1, 42, 0), SignalInfo(10, 7, 1000, -1, 43, 0)
    assert same == ONE and hash(ONE) == hash(same) and len({ONE, same, other}) == 2
    assert other != ONE and ONE != (10, 7, 1000, -1, 42, 0) and ONE != 10
    assert SignalInfo(10, 7, 1000, -1, 42, 0, fd=0) != ONE


def test_it_is_copied_and_pickled_as_a_value():
    for again in (copy.copy(ONE), copy.deepcopy(ONE), *(pickle.loads(pickle.dumps(ONE, n)) for n in range(2, 6))):
        assert again == ONE and type(again) is SignalInfo


def test_it_matches_by_place():
    match ONE:
        case SignalInfo(signal.SIGUSR1, pid, _, _, value):
            assert (pid, value) == (7, 42)
        case _:
            pytest.fail("it did not match")


def test_nothing_can_be_changed_added_or_deleted():
    for change in (
        lambda: setattr(ONE, "value", 1),
        lambda: setattr(ONE, "new", 1),
        lambda: delattr(ONE, "value"),
    ):
        with pytest.raises(AttributeError, match="frozen"):
            change()
    assert ONE.value == 42 and not hasattr(ONE, "__dict__")


@pytest.mark.parametrize("bad", [(), (1, 2), (*range(11),), ("a", 1, 1, 1, 1, 1)])
def test_missing_or_wrong_values_are_a_type_error(bad):
    with pytest.raises(TypeError):
        SignalInfo(*bad)


def test_numbers_that_no_signal_can_say_are_an_overflow_error():
    with pytest.raises(OverflowError):
        SignalInfo(1, 2**31, 0, 0, 0, 0)


@pytest.mark.parametrize("how", ["stream", "try_wait_for"])
def test_both_ways_of_receiving_say_the_same(how):
    def told():
        with blocked(SIGUSR1, SIGRTMIN, SIGCHLD):
            if how == "stream":
                with SignalStream(SIGUSR1, SIGRTMIN, SIGCHLD) as stream:
                    return [*sent(lambda _number: stream.receive(WAIT))]
            return [*sent(lambda number: try_wait_for([number]))]

    def sent(take):
        me = os.getpid()
        send(me, SIGUSR1)
        yield take(SIGUSR1), SignalInfo(SIGUSR1, me, os.getuid(), 0, 0, 0)
        signal.raise_signal(SIGUSR1)
        yield take(SIGUSR1), SignalInfo(SIGUSR1, me, os.getuid(), -6, 0, 0)
        send(me, SIGRTMIN, -1)
        yield take(SIGRTMIN), SignalInfo(SIGRTMIN, me, os.getuid(), -1, -1, 0)
        with fork(lambda: 9) as ended:
            ended.wait_end(WAIT)
            yield take(SIGCHLD), SignalInfo(SIGCHLD, ended.pid, os.getuid(), 1, 0, 9)

    def child():
        for got, expected in told():
            assert got == expected

    with fork(child) as process:  # alone: no other thread may take them
        assert process.wait(WAIT) == Exited(0)
