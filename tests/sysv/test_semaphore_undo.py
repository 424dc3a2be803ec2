"""SEM_UNDO: what a process has taken comes back when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import sys
import threading

import pytest

from unixipc import Exited, Killed, fork
from unixipc.sysv import Op, SemaphoreSet
from unixipc.testing import crash

WAIT = 20


@pytest.fixture
def s():
    """The semaphore of the test, and a gate: who waits for its 0 goes on when the test says so."""
    with SemaphoreSet.temporary([5, 1]) as made:
        yield made


def held(s, ending):
    """Take 2 with undo, stand at the gate, and end."""
    s[0].acquire(2, undo=True)
    s[1].wait_zero(WAIT)
    ending()


ENDINGS = {
    "returns": (lambda: None, Exited(0)),
    "exit": (lambda: sys.exit(3), Exited(3)),
    "_exit": (lambda: os._exit(4), Exited(4)),
    "raises": (lambda: 1 // 0, Exited(1)),
    "kill -9": (lambda: os.kill(os.getpid(), signal.SIGKILL), Killed(signal.SIGKILL)),
    "abort": (lambda: os.kill(os.getpid(), signal.SIGTERM), Killed(signal.SIGTERM)),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_M12_undo_is_done_at_every_end_of_the_process(s, ending, until, capfd):
    end, status = ENDINGS[ending]
    with fork(held, s, end) as child:
        until(lambda: s[1].zero_waiters)
        assert s[0].value == 3
        s[1].acquire()
        assert child.wait(timeout=WAIT) == status
    assert s[0].value == 5


def test_without_undo_it_stays_taken_for_ever(s):
    with fork(s[0].acquire, 2) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 3


def test_M12_undo_wakes_who_waits(s, until):
    """The death of a holder is the waiter's turn."""
    with fork(lambda: (s[0].acquire(5, undo=True), signal.pause())) as holder:
        until(lambda: s[0].value == 0)
        with fork(s[0].acquire, 1, False, WAIT) as waiter:
            until(lambda: s[0].waiters)
            holder.kill()
            assert waiter.wait(timeout=WAIT) == Exited(0)
        assert holder.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_M12_undo_is_kept_over_exec(s, until):
    """The new program holds it, though it does not know."""
    code = f"from unixipc.sysv import SemaphoreSet; SemaphoreSet({s.id})[1].wait_zero({WAIT})"

    def take_and_exec():
        s[0].acquire(2, undo=True)
        os.execv(sys.executable, [sys.executable, "-c", code])

    with fork(take_and_exec) as child:
        until(lambda: s[1].zero_waiters)
        assert s[0].value == 3
        s[1].acquire()
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 5


def test_M12_undo_is_not_inherited_by_fork(s):
    """The child's end gives back nothing of the parent's; the parent's own does."""

    def parent():
        s[0].acquire(2, undo=True)
        with fork(int) as grandchild:
            assert grandchild.wait(timeout=WAIT) == Exited(0)
        assert s[0].value == 3

    with fork(parent) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 5


def test_M12_the_end_of_a_thread_undoes_nothing(s):
    """It is the process that holds."""
    thread = threading.Thread(target=s[0].acquire, kwargs={"n": 2, "undo": True})
    thread.start()
    thread.join(WAIT)
    assert s[0].value == 3
    s[0].release(2, undo=True)


def test_M12_the_end_of_the_main_thread_s_process_undoes_what_its_threads_took(s):
    def parent():
        thread = threading.Thread(target=s[0].acquire, kwargs={"n": 2, "undo": True})
        thread.start()
        thread.join(WAIT)

    with fork(parent) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 5


def test_M12_an_undo_below_zero_stops_at_zero(s):
    """What was given with undo is taken back as far as it is still there."""

    def give():
        s[0].release(4, undo=True)
        s[0].acquire(7)

    with fork(give) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 0


def test_M12_a_release_with_undo_cancels_the_undo_of_an_acquire(s):
    def balanced():
        s[0].acquire(2, undo=True)
        s[0].release(2, undo=True)

    with fork(balanced) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 5


def test_a_release_without_undo_gives_back_twice(s):
    """Both must say the same: this is the classic mistake, and what the kernel makes of it."""

    def unbalanced():
        s[0].acquire(2, undo=True)
        s[0].release(2)

    with fork(unbalanced) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 7


def test_M12_an_adjustment_beyond_its_limit_is_ERANGE_and_changes_nothing(s):
    def overflow():
        s[0].release(32000, undo=True)
        s[0].acquire(32000)
        s[0].release(768, undo=True)
        with pytest.raises(OSError) as caught:
            s[0].release(1, undo=True)
        assert caught.value.errno == errno.ERANGE
        assert "undo" in " ".join(caught.value.__notes__)
        assert s[0].value == 773

    with fork(overflow) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


def test_undo_can_be_said_for_each_operation_of_an_array(s):
    def mixed():
        s.op((0, -1), Op(1, +3, undo=False), undo=True)
        s.op(Op(0, -1, undo=True), (1, +2))
        s.op((0, -1))

    with fork(mixed) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s.values == (4, 6)


def test_a_wait_that_timed_out_has_nothing_to_undo(s):
    def times_out():
        with pytest.raises(TimeoutError):
            s[0].acquire(6, undo=True, timeout=0.01)
        assert not s[0].try_acquire(6, undo=True)

    with fork(times_out) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s[0].value == 5


def test_hold_gives_back_at_kill_9(s, until):
    def hold():
        with s[0].hold(3):
            signal.pause()

    with fork(hold) as child:
        until(lambda: s[0].value == 2)
        child.kill()
        child.wait(timeout=WAIT)
    assert s[0].value == 5


def test_hold_without_undo_gives_back_only_at_its_end(s, until):
    def hold():
        with s[0].hold(3, undo=False):
            signal.pause()

    with s[0].hold(2, undo=False):
        assert s[0].value == 3
    with fork(hold) as child:
        until(lambda: s[0].value == 2)
        child.kill()
        child.wait(timeout=WAIT)
    assert s[0].value == 2


@pytest.mark.usefixtures("no_collector")
def test_a_handler_that_raises_at_any_moment_leaves_nothing_held(s):
    """A signal may come between any two lines, also just after the acquire and just before the release."""

    class Struck(Exception):
        pass

    def strike(*_):
        raise Struck

    before = signal.signal(signal.SIGALRM, strike)
    try:
        for turn in range(500):
            with contextlib.suppress(Struck):
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + turn % 60))
                while True:
                    with s[0].hold(3):
                        pass
            assert s[0].value == 5, f"turn {turn}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def busy(s, seed):
    """Take and give back, in all the ways there are, until killed."""
    dice = random.Random(seed)
    while True:
        n = dice.randint(1, 5)
        match dice.randrange(3):
            case 0:
                with s[0].hold(n, timeout=WAIT):
                    pass
            case 1:
                s.op((0, -n), (1, +n), undo=True, timeout=WAIT)
                s.op((1, -n), (0, +n), undo=True, timeout=WAIT)
            case 2:
                s[0].acquire(n, undo=True, timeout=WAIT)
                s[0].release(n, undo=True)


@pytest.mark.parametrize("kills", [100, pytest.param(1000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
def test_M12_whenever_a_holder_is_killed_the_value_is_back(s, kills):
    """And another process goes on taking and giving all the time."""
    with fork(busy, s, -1) as other:
        for number, moment in enumerate(crash.random_moments(kills, 0.02, seed=kills)):
            with crash.killed_after(busy, moment, s, number) as child:
                assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        other.kill()
        other.wait(timeout=WAIT)
    assert s.values == (5, 1)
