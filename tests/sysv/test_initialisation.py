"""Nobody sees a set before its values are in place: many processes at once, creators killed or stopped, strangers."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import signal
import threading

import pytest

from unixipc import Exited, Killed, ObjectRemoved, fork
from unixipc.sysv import Key, Semaphore, SemaphoreSet, _initialisation, semaphore_sets
from unixipc.testing import crash

WAIT = 30
NAMESPACE = _initialisation.NAMESPACE
SETVAL, SETALL = 16, 17


@pytest.fixture
def key():
    """A key of the test's own; its set is removed afterwards."""
    key = Key.random()
    yield key
    remove(key)


def remove(*keys):
    for each in semaphore_sets():
        if each.permissions.key in keys:
            SemaphoreSet(each.id).remove()


@pytest.fixture
def little_grace(monkeypatch):
    """Where no stranger is at work: not to wait two seconds for one each time."""
    monkeypatch.setattr(_initialisation, "STRANGERS_GRACE_S", 0.01)


class Halting(SemaphoreSet):
    """A set whose maker can be stopped or killed between two of its system calls."""

    def set_all(self, values):
        crash.point("between semget and SETALL")
        super().set_all(values)

    def op(self, *ops, **named):
        crash.point("between SETALL and semop")
        super().op(*ops, **named)

    def try_op(self, *ops, **named):
        crash.point("between SETALL and semop")
        return super().try_op(*ops, **named)


class StopsBeforeItsValues(SemaphoreSet):
    def set_all(self, values):
        os.kill(os.getpid(), signal.SIGSTOP)
        super().set_all(values)


POINTS = ["between semget and SETALL", "between SETALL and semop"]


def right_or_none(found, initial):
    assert found.values == initial, found.values
    assert found.stat().operated_at is not None


# M03, S25, B12: many at once


def ensure_each(keys, gate, initial):
    """At each turn of the gate: ensure, and look at once."""
    for index, key in enumerate(keys):
        gate[index].wait_zero(WAIT)
        if os.getpid() % 5 == 0:  # some only open it: it is not there yet, has no values yet, or is right
            try:
                right_or_none(SemaphoreSet.open(key), initial)
            except (FileNotFoundError, BlockingIOError):
                pass
        right_or_none(SemaphoreSet.ensure(key, initial), initial)


@pytest.mark.parametrize("size", [1, 3, 501])
@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
def test_M03_B12_of_fifty_processes_at_once_none_sees_a_wrong_value(size, rounds, until, children):
    """501 values do not fit into one array of operations: setting them one by one would be seen."""
    initial = tuple(index % 7 + 1 for index in range(size))
    keys = [Key.random() for _ in range(rounds)]
    try:
        with SemaphoreSet.temporary([1] * rounds) as gate:
            children.start(ensure_each, keys, gate, initial, times=50)
            for turn in gate:
                until(lambda turn=turn: turn.zero_waiters == 50 or any(child.has_ended() for child in children))
                turn.acquire()
            children.all_succeed()
    finally:
        remove(*keys)


def test_M03_exactly_one_of_many_creates(key, children):
    def create():
        try:
            SemaphoreSet.create(key, [1, 2])
        except FileExistsError:
            return 1
        return 0

    children.start(create, times=20)
    assert sorted(child.wait(timeout=WAIT).code for child in children) == [0] + [1] * 19


@pytest.mark.parametrize("initial", [(0,), (0, 0, 0), (32767,), (32767, 0), (0, 32767), (1, 1)])
def test_S26_every_value_can_be_an_initial_value(key, initial):
    with SemaphoreSet.ensure(key, initial) as made, SemaphoreSet.ensure(key, initial) as again:
        right_or_none(made, initial)
        right_or_none(again, initial)
        assert made.id == again.id


def test_a_set_that_exists_keeps_its_values(key):
    with SemaphoreSet.ensure(key, [1, 2]) as made:
        made.op((0, +5))
        with SemaphoreSet.ensure(key, [1, 2]) as again:
            assert again.values == (6, 2)


# B13: creators that end half-way


@pytest.mark.parametrize("way", ["create", "ensure"])
@pytest.mark.parametrize("point", POINTS)
def test_B13_a_creator_killed_half_way_is_taken_over(key, point, way):
    """With the patience that a stranger would get, which none of us can tell from a dead one of us."""
    with crash.killed_at(getattr(Halting, way), key, [4, 0, 9], point=point) as child:
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    right_or_none(SemaphoreSet.ensure(key, [4, 0, 9]), (4, 0, 9))


def test_B13_a_creator_killed_before_any_of_its_lines_is_taken_over(key, little_grace):
    deaths = 0
    for child in crash.every_step(SemaphoreSet.ensure, key, [4, 0, 9]):
        deaths += child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        with SemaphoreSet.ensure(key, [4, 0, 9]) as s:
            right_or_none(s, (4, 0, 9))
            s.remove()
    assert deaths > 20


def test_B13_a_taker_over_may_be_killed_too(key, little_grace):
    for point in [POINTS[0]] * 3 + [POINTS[1]] * 3:
        with crash.killed_at(Halting.ensure, key, [4, 0, 9], point=point) as child:
            assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    right_or_none(SemaphoreSet.ensure(key, [4, 0, 9]), (4, 0, 9))


@pytest.mark.parametrize("moments", [30, pytest.param(1000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
def test_B13_a_creator_killed_at_any_moment_is_taken_over(key, moments, little_grace):
    for moment in crash.random_moments(moments, 0.004, seed=13):
        with crash.killed_after(Halting.ensure, moment, key, [4, 0, 9]) as child:
            child.wait(timeout=WAIT)
        with SemaphoreSet.ensure(key, [4, 0, 9]) as s:
            right_or_none(s, (4, 0, 9))
            s.remove()


def test_whoever_takes_over_a_larger_set_makes_the_rest_zero(key, little_grace):
    with crash.killed_at(Halting.create, key, [4, 5, 6], point=POINTS[0]) as child:
        child.wait(timeout=WAIT)
    right_or_none(SemaphoreSet.ensure(key, [7]), (7, 0, 0))


@pytest.mark.parametrize("point", POINTS)
def test_B13_many_take_over_at_once_and_one_does(key, point, until, children, little_grace):
    with crash.killed_at(Halting.create, key, [4, 0, 9], point=point) as child:
        child.wait(timeout=WAIT)
    with SemaphoreSet.temporary([1]) as gate:
        children.start(ensure_each, [key], gate, (4, 0, 9), times=10)
        until(lambda: gate[0].zero_waiters == 10)
        gate[0].acquire()
        children.all_succeed()


def test_open_never_gives_a_set_that_nobody_has_initialised(key, little_grace):
    """`open` does not know the values: it does not pretend that they are there."""
    with crash.killed_at(Halting.create, key, [4, 0, 9], point=POINTS[0]) as child:
        child.wait(timeout=WAIT)
    with pytest.raises(BlockingIOError) as caught:
        SemaphoreSet.open(key)
    assert "nobody has given it values" in " ".join(caught.value.__notes__)
    right_or_none(SemaphoreSet.ensure(key, [4, 0, 9]), (4, 0, 9))
    right_or_none(SemaphoreSet.open(key), (4, 0, 9))


def test_open_gives_a_set_with_values_that_only_wants_the_last_step(key, little_grace):
    with crash.killed_at(Halting.create, key, [4, 0, 9], point=POINTS[1]) as child:
        child.wait(timeout=WAIT)
    right_or_none(SemaphoreSet.open(key), (4, 0, 9))


# makers that are slow


def test_open_waits_for_who_is_just_making_it(key):
    with fork(StopsBeforeItsValues.create, key, [4, 0, 9]) as maker:
        maker.wait(stopped=True, timeout=WAIT)
        with pytest.raises(TimeoutError) as caught:
            SemaphoreSet.open(key, timeout=0.05)
        assert caught.value.filename == NAMESPACE
        found = []
        thread = threading.Thread(target=lambda: found.append(SemaphoreSet.open(key, timeout=WAIT)))
        thread.start()
        maker.send_signal(signal.SIGCONT)
        thread.join(WAIT)
        right_or_none(found[0], (4, 0, 9))
        assert maker.wait(timeout=WAIT) == Exited(0)


@pytest.mark.parametrize("way", ["create", "ensure"])
def test_a_stopped_maker_is_a_time_out_that_names_the_lock_and_no_hang(key, way):
    """Another key, even: the lock is the namespace's."""
    another = Key.random()
    with fork(StopsBeforeItsValues.create, another, [1]) as maker:
        maker.wait(stopped=True, timeout=WAIT)
        with pytest.raises(TimeoutError) as caught:
            getattr(SemaphoreSet, way)(key, [1], timeout=0.05)
        maker.kill()
        maker.wait(timeout=WAIT)
        remove(another)
    assert caught.value.filename == NAMESPACE
    with getattr(SemaphoreSet, way)(key, [1], timeout=WAIT) as made:
        right_or_none(made, (1,))


def test_a_set_that_is_in_place_needs_no_lock(key):
    SemaphoreSet.create(key, [1]).close()
    with open(NAMESPACE) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        right_or_none(SemaphoreSet.ensure(key, [1], timeout=0), (1,))
        right_or_none(SemaphoreSet.open(key, timeout=0), (1,))


def test_a_private_set_needs_no_lock():
    with open(NAMESPACE) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with SemaphoreSet.create(Key.PRIVATE, [1]) as made, SemaphoreSet.temporary([2]) as other:
            assert (made.values, other.values) == ((1,), (2,))
            made.remove()


def test_other_users_can_make_and_take_over_sets(key, as_nobody):
    as_nobody(lambda: right_or_none(SemaphoreSet.ensure(key, [1, 2], 0o666), (1, 2)))
    right_or_none(SemaphoreSet.ensure(key, [1, 2]), (1, 2))


def test_without_procfs_the_error_says_what_for(key, tmp_path):
    if os.geteuid():
        pytest.skip("only root can change the root folder")

    def without():
        os.chroot(tmp_path)
        with pytest.raises(FileNotFoundError) as caught:
            SemaphoreSet.ensure(key, [1])
        assert caught.value.filename == NAMESPACE
        assert "procfs" in " ".join(caught.value.__notes__)

    with fork(without) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


# strangers


def by_hand(key, size):
    """A set as a program makes it that does not know us; its `semctl` and its id."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.semget(ctypes.c_int(key.signed), size, 0o3000 | 0o600)
    assert number >= 0, os.strerror(ctypes.get_errno())
    return libc.semctl, number


@pytest.mark.parametrize("values", [(3, 0, 8), (0, 0, 0), (1, 1, 1)])
def test_a_stranger_s_set_that_was_never_operated_keeps_its_values(key, values, little_grace):
    """Also zeros: who has set them is known (sempid)."""
    semctl, number = by_hand(key, 3)
    assert semctl(number, 0, SETALL, (ctypes.c_ushort * 3)(*values)) == 0
    with SemaphoreSet.ensure(key, [1, 1, 1]) as s:
        right_or_none(s, values)


def test_a_stranger_s_single_zero_counts_as_its_value(key, little_grace):
    semctl, number = by_hand(key, 1)
    assert semctl(number, 0, SETVAL, 0) == 0
    with Semaphore.ensure(key, 5) as one:
        assert one.value == 0


def test_a_stranger_s_set_in_use_is_taken_as_it_is(key):
    semctl, number = by_hand(key, 2)
    semctl(number, 1, SETVAL, 3)
    SemaphoreSet(number)[1].acquire()
    with SemaphoreSet.ensure(key, [1, 1]) as s:
        assert s.values == (0, 2)


def test_a_set_that_a_stranger_left_without_values_gets_ours(key):
    by_hand(key, 2)
    right_or_none(SemaphoreSet.ensure(key, [4, 5]), (4, 5))


def test_a_stranger_between_its_two_steps_gets_its_grace(key, monkeypatch):
    """It sets its values only when it sees that somebody of ours is at the lock already."""
    monkeypatch.setattr(_initialisation, "STRANGERS_GRACE_S", WAIT)
    semctl, number = by_hand(key, 2)

    def slow():
        with open(NAMESPACE) as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    break
                fcntl.flock(lock, fcntl.LOCK_UN)
        semctl(number, 0, SETALL, (ctypes.c_ushort * 2)(7, 8))
        SemaphoreSet(number).op((0, -1), (0, +1))

    with fork(slow) as stranger:
        right_or_none(SemaphoreSet.ensure(key, [1, 1], timeout=WAIT), (7, 8))
        assert stranger.wait(timeout=WAIT) == Exited(0)


def test_a_deadline_ends_the_grace(key, monkeypatch):
    monkeypatch.setattr(_initialisation, "STRANGERS_GRACE_S", WAIT)
    by_hand(key, 2)
    with pytest.raises(TimeoutError):
        SemaphoreSet.ensure(key, [1, 1], timeout=0.1)
    assert SemaphoreSet(next(s.id for s in semaphore_sets() if s.permissions.key == key)).values == (0, 0)


# removal meanwhile


def use_again_and_again(key, times):
    """A right set each time, until somebody removes it: never another value, never a missing object."""
    for _ in range(times):
        with SemaphoreSet.ensure(key, [3, 3]) as s:
            try:
                first, second = s.values
                assert first == second <= 3, s.values
                s.op((0, -1), (1, -1), undo=True, timeout=WAIT)
                s.op((0, +1), (1, +1), undo=True)
            except ObjectRemoved:
                pass


def remove_again_and_again(key, times):
    source = random.Random(os.getpid())
    for _ in range(times):
        try:
            with SemaphoreSet.open(key) as s:
                for _ in range(source.randrange(20)):
                    s.try_op((0, 0))
                s.remove()
        except (FileNotFoundError, ObjectRemoved):
            pass


@pytest.mark.parametrize("times", [300, pytest.param(10_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
def test_removals_meanwhile_are_survived(key, times, children):
    """Ensuring and removing at once: everybody has a right set or is told that it was removed."""
    children.start(use_again_and_again, key, times, times=6)
    children.start(remove_again_and_again, key, times, times=3)
    children.all_succeed(timeout=600)
