"""Semaphore sets as objects: sizes, values, permissions, removal, closing, pickling."""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import subprocess
import sys
import threading
import time

import pytest

from unixipc import ClosedError, Exited, ObjectRemoved, fork
from unixipc.sysv import Key, Semaphore, SemaphoreSet, limits, semaphore_sets
from unixipc.testing.namespaces import enter_own_ipc_namespace

WAIT = 20


@pytest.fixture
def key():
    """A key of the test's own; its set is removed afterwards."""
    key = Key.random()
    yield key
    for each in semaphore_sets():
        if each.permissions.key == key:
            SemaphoreSet(each.id).remove()


def failing(code, call, *args):
    with pytest.raises(OSError) as caught:
        call(*args)
    assert caught.value.errno == code, caught.value
    return caught.value


def text_of(error):
    return " ".join([str(error), *getattr(error, "__notes__", ())])


# M01, M02: sizes


@pytest.mark.parametrize("size", [1, 2, 3, 100, 501])
def test_M01_a_set_has_as_many_semaphores_as_it_got_values(key, size):
    initial = tuple(range(size))
    with SemaphoreSet.create(key, initial) as s:
        assert s.values == initial
        assert len(s) == size == s.stat().semaphores


def test_M01_a_set_has_at_least_one_semaphore(key):
    assert "at least" in text_of(failing(errno.EINVAL, SemaphoreSet.create, key, []))


def test_M01_beyond_SEMMSL_the_limit_is_named(key):
    most = limits().semaphores_per_set
    error = failing(errno.EINVAL, SemaphoreSet.create, key, [0] * (most + 1))
    assert f"kernel.sem = {most} (number 1 of 4)" in text_of(error)


def test_M01_a_key_in_use_is_refused(key):
    with SemaphoreSet.create(key, [1]):
        error = failing(errno.EEXIST, SemaphoreSet.create, key, [1])
    assert isinstance(error, FileExistsError)
    assert f"0x{int(key):08x}" in text_of(error)


def test_M02_opening_needs_no_size(key):
    with SemaphoreSet.create(key, [4, 5, 6]), SemaphoreSet.open(key) as same:
        assert same.values == (4, 5, 6)


def test_M02_opening_a_missing_set_is_file_not_found(key):
    assert isinstance(failing(errno.ENOENT, SemaphoreSet.open, key), FileNotFoundError)


def test_M02_ensuring_fewer_than_there_are_is_fine(key):
    with SemaphoreSet.create(key, [4, 5, 6]), SemaphoreSet.ensure(key, [9]) as same:
        assert same.values == (4, 5, 6)


def test_M02_ensuring_more_than_there_are_tells_both_numbers(key):
    with SemaphoreSet.create(key, [4, 5]):
        error = failing(errno.EINVAL, SemaphoreSet.ensure, key, [1, 2, 3])
    assert "a set of 2 semaphores has this key already, 3 were asked for" in text_of(error)


def test_the_private_key_cannot_be_looked_up():
    with pytest.raises(ValueError, match="PRIVATE"):
        SemaphoreSet.open(Key.PRIVATE)


def test_too_many_sets_name_the_limit():
    def in_a_small_namespace():
        enter_own_ipc_namespace()
        try:
            with open("/proc/sys/kernel/sem", "w") as limit:
                limit.write("10 100 20 2")
        except PermissionError:
            return 77
        for _ in range(2):
            SemaphoreSet.create(0, [1])
        text = text_of(failing(errno.ENOSPC, SemaphoreSet.create, 0, [1]))
        assert "kernel.sem = 2 (number 4 of 4)" in text
        assert "sysctl" in text
        return 0

    with fork(in_a_small_namespace) as child:
        status = child.wait(timeout=WAIT)
    if status == Exited(77):
        pytest.skip("the limits of this namespace may not be changed")
    assert status == Exited(0)


# M04, M05, S26, S27: values


@pytest.mark.parametrize("initial", [[0, 0, 0], [32767, 32767, 32767], [32767, 0, 1], [0, 32767, 5]])
def test_S26_any_value_from_0_to_32767_is_a_value(initial):
    with SemaphoreSet.temporary(initial) as s:
        assert s.values == tuple(initial)
        assert [each.value for each in s] == initial


@pytest.mark.parametrize("wrong", [-1, 32768])
def test_M04_values_beyond_0_to_32767_are_ERANGE_and_change_nothing(wrong):
    def assign():
        s[1].value = wrong

    with SemaphoreSet.temporary([1, 2]) as s:
        failing(errno.ERANGE, assign)
        failing(errno.ERANGE, s.set, [5, wrong])
        assert s.values == (1, 2)


@pytest.mark.parametrize("wrong", [-1, 32768])
def test_a_set_that_cannot_have_its_values_is_not_left_behind(key, wrong):
    failing(errno.ERANGE, SemaphoreSet.create, key, [1, wrong])
    failing(errno.ENOENT, SemaphoreSet.open, key)


def test_M05_set_takes_exactly_as_many_values_as_there_are():
    with SemaphoreSet.temporary([1, 2]) as s:
        for wrong in ([], [1], [1, 2, 3]):
            with pytest.raises(ValueError, match="2 semaphores"):
                s.set(wrong)
        s.set(iter((7, 8)))
        assert s.values == (7, 8)


def set_one(s):
    s[0].value = 1


def set_all(s):
    s.set([1, 5])


RESETS = pytest.mark.parametrize("reset", [set_one, set_all])


@RESETS
def test_M04_M05_a_reset_wakes_who_waits(reset, until):
    with SemaphoreSet.temporary([0, 0]) as s, fork(s[0].acquire, 1, False, WAIT) as waiter:
        until(lambda: s[0].waiters)
        reset(s)
        assert waiter.wait(timeout=WAIT) == Exited(0)
        assert s[0].value == 0


@RESETS
def test_S27_a_reset_forgets_every_process_s_undo(reset, until):
    def hold_until_told():
        s[0].acquire(undo=True)
        s[1].wait_zero(WAIT)

    with SemaphoreSet.temporary([1, 5]) as s, fork(hold_until_told) as holder:
        until(lambda: s[1].zero_waiters)
        reset(s)
        s.op((1, -5))
        assert holder.wait(timeout=WAIT) == Exited(0)
        assert s.values == (1, 0), "an undo would have made it 2"


@RESETS
def test_S27_a_reset_is_no_operation(reset, key):
    """sem_otime stays as it was: a set by others that was never operated on stays so."""
    s = raw_set(key, 2)
    assert s.stat().operated_at is None
    reset(s)
    assert s.stat().operated_at is None
    s[0].release()
    assert s.stat().operated_at is not None


def raw_set(key, size):
    """As a program that does not know us makes one: without values, without an operation."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.semget(ctypes.c_int(key.signed), size, 0o1000 | 0o600)
    assert number >= 0, os.strerror(ctypes.get_errno())
    return SemaphoreSet(number)


def test_M05_values_are_all_of_one_moment(until):
    """A unit goes to and fro between two semaphores: whoever looks sees exactly one."""
    with SemaphoreSet.temporary([1, 0, 1]) as s:

        def move():
            moves = 0
            while s[2].value or moves < 1000:
                s.op((0, -1), (1, +1))
                s.op((1, -1), (0, +1))
                moves += 1

        with fork(move) as mover:
            until(lambda: s[1].last_pid == mover.pid)
            seen = {s.values[:2] for _ in range(20_000)}
            s[2].value = 0
            assert mover.wait(timeout=WAIT) == Exited(0)
    assert seen <= {(1, 0), (0, 1)}


# M08: who and how many


def test_M08_last_pid_is_who_changed_it_last():
    with SemaphoreSet.temporary([0, 0]) as s:
        assert s[1].last_pid in (0, os.getpid())
        with fork(s[1].release) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
            assert s[1].last_pid == child.pid
        s[1].value = 3
        assert s[1].last_pid == os.getpid()


def test_M08_waiters_are_counted_for_each_semaphore(until, children):
    with SemaphoreSet.temporary([0, 1]) as s:
        children.start(s[0].acquire, 1, False, WAIT, times=3)
        children.start(s[1].wait_zero, WAIT, times=2)
        until(lambda: s[0].waiters == 3 and s[1].zero_waiters == 2)
        assert (s[0].zero_waiters, s[1].waiters) == (0, 0)
        s.op((0, +3), (1, -1))
        children.all_succeed()
        assert [(each.waiters, each.zero_waiters) for each in s] == [(0, 0), (0, 0)]


# M06, M07, M21, S28: state, permissions, removal


def test_M21_stat_is_one_moment_of_the_set(key):
    began = int(time.time())
    with SemaphoreSet.create(key, [1, 2], 0o640) as s:
        state = s.stat()
        assert (state.id, state.semaphores) == (s.id, 2)
        assert began - 1 <= state.changed_at <= state.operated_at <= time.time() + 1
        who = state.permissions
        assert (who.key, who.mode, who.uid, who.creator_uid) == (key, 0o640, os.geteuid(), os.geteuid())
        assert state in semaphore_sets()


def test_M07_permissions_can_be_changed_one_by_one(key):
    with SemaphoreSet.create(key, [1]) as s:
        s.set_permissions(0o644)
        assert s.stat().permissions.mode == 0o644
        gid = s.stat().permissions.gid
        s.set_permissions(uid=os.geteuid(), gid=gid)
        assert s.stat().permissions.mode == 0o644


def test_M07_the_owner_can_be_given_away_and_the_creator_stays(key, as_nobody):
    with SemaphoreSet.create(key, [1]) as s:
        s.set_permissions(uid=65534)
        assert (s.stat().permissions.uid, s.stat().permissions.creator_uid) == (65534, 0)
        as_nobody(lambda: SemaphoreSet.open(key).remove())


@pytest.mark.parametrize("wrong", [-1, 0o1000, 0o1777])
def test_permissions_that_do_not_exist_are_refused(key, wrong):
    with pytest.raises(ValueError, match="permissions"):
        SemaphoreSet.create(key, [1], wrong)


def test_another_user_s_set_can_be_found_and_not_used(key, as_nobody):
    def other():
        failing(errno.EACCES, SemaphoreSet.open, key)
        with SemaphoreSet(number) as s:
            for use in (lambda: s.values, s.stat, lambda: s.set([1]), s[0].release, s[0].try_wait_zero):
                assert isinstance(failing(errno.EACCES, use), PermissionError)
            for change in (s.remove, lambda: s.set_permissions(0o666)):
                failing(errno.EPERM, change)

    with SemaphoreSet.create(key, [1, 2]) as s:
        number = s.id
        as_nobody(other)
        assert s.values == (1, 2)


def test_M10_reading_permission_is_enough_to_wait_for_zero(key, as_nobody):
    def other():
        with SemaphoreSet.open(key) as s:
            assert s.values == (0, 1)
            s[0].wait_zero(WAIT)
            assert not s[1].try_wait_zero()
            s.op((0, 0))
            assert "write permission" in text_of(failing(errno.EACCES, s[1].try_acquire))

    with SemaphoreSet.create(key, [0, 1], 0o644):
        as_nobody(other)


def test_M06_a_removed_set_is_told_from_a_missing_one(key):
    s = SemaphoreSet.create(key, [1])
    same = SemaphoreSet.open(key)
    first = same[0]
    s.remove()
    with pytest.raises(ObjectRemoved) as caught:
        same.remove()
    assert "semctl(IPC_RMID)" in text_of(caught.value)
    for use in (lambda: same.values, same.stat, first.acquire, first.try_acquire, lambda: same.set([1])):
        with pytest.raises(ObjectRemoved):
            use()
    with pytest.raises(FileNotFoundError):
        SemaphoreSet.open(key)


@pytest.mark.parametrize("wait", ["acquire", "wait_zero"])
def test_M15_a_removal_wakes_who_waits(wait, until):
    def waits():
        with pytest.raises(ObjectRemoved):
            s[0].acquire(timeout=WAIT) if wait == "acquire" else s[1].wait_zero(timeout=WAIT)

    s = SemaphoreSet.create(0, [0, 1])
    with fork(waits) as child:
        until(lambda: s[0].waiters + s[1].zero_waiters)
        s.remove()
        assert child.wait(timeout=WAIT) == Exited(0)


def test_the_id_of_a_removed_set_is_refused_at_once():
    with SemaphoreSet.temporary([1]) as s:
        number = s.id
    with pytest.raises(ObjectRemoved):
        SemaphoreSet(number)


# handles


def test_closing_a_handle_changes_nothing(key):
    with SemaphoreSet.create(key, [3]) as s:
        pass
    assert s.closed
    for use in (lambda: s.values, s.stat, s.remove, s.__enter__, lambda: s.op((0, 1)), lambda: pickle.dumps(s)):
        with pytest.raises(ClosedError):
            use()
    with SemaphoreSet.open(key) as again:
        assert again.values == (3,)


@pytest.mark.parametrize("wait", ["acquire", "wait_zero"])
def test_closing_wakes_the_threads_that_wait(wait, until):
    outcome = []
    with SemaphoreSet.temporary([0, 1]) as other:
        s = SemaphoreSet(other.id)

        def waits():
            try:
                s[0].acquire(timeout=WAIT) if wait == "acquire" else s[1].wait_zero(timeout=WAIT)
            except ClosedError:
                outcome.append("closed")

        thread = threading.Thread(target=waits)
        thread.start()
        until(lambda: other[0].waiters + other[1].zero_waiters)
        s.close()
        thread.join(WAIT)
        assert outcome == ["closed"]


def test_semaphores_are_found_by_position_as_in_a_list():
    with SemaphoreSet.temporary([4, 5, 6]) as s:
        assert [each.value for each in s] == [4, 5, 6]
        assert (s[-1].value, s[-3].value) == (6, 4)
        assert s[-1] == s[2] != s[1]
        assert len({s[0], s[-3], s[1]}) == 2
        for wrong in (3, -4, 1 << 40):
            with pytest.raises(IndexError, match="3 semaphores"):
                s[wrong]


def test_a_set_of_zeros_is_true():
    with SemaphoreSet.temporary([0]) as s:
        assert s


def test_a_set_and_its_semaphores_can_be_pickled():
    with SemaphoreSet.temporary([4, 5]) as s, pickle.loads(pickle.dumps(s)) as same:
        assert same.values == (4, 5)
        second = pickle.loads(pickle.dumps(s[1]))
        assert second == s[1]
        second.release()
        assert s.values == (4, 6)
    with Semaphore.temporary(3) as one:
        assert pickle.loads(pickle.dumps(one)).value == 3


def test_a_semaphore_of_a_set_closes_and_removes_nothing():
    with SemaphoreSet.temporary([1]) as s:
        s[0].close()
        assert not s.closed
        with pytest.raises(TypeError, match="remove the set"):
            s[0].remove()
        with pytest.raises(TypeError, match="hold"):
            s[0].__enter__()


def test_a_semaphore_of_its_own_is_a_set_of_one(key):
    with Semaphore.create(key, 2) as one, Semaphore.open(key) as same, Semaphore.ensure(key, 9) as third:
        assert one == same == third
        assert (one.value, one.key, one.stat().semaphores) == (2, key, 1)
        one.remove()
        with pytest.raises(ObjectRemoved):
            same.release()
    assert one.closed


def test_a_temporary_set_goes_with_its_handle():
    s = SemaphoreSet.temporary([1])
    number = s.id
    assert s.key == Key.PRIVATE
    s.close()
    assert number not in {each.id for each in semaphore_sets()}


def test_a_temporary_set_stays_when_a_fork_ends():
    with SemaphoreSet.temporary([1]) as s:
        with fork(s.close) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert s.values == (1,)


def test_a_temporary_set_goes_with_the_interpreter_whether_it_is_closed_or_not():
    code = "from unixipc.sysv import *; s = SemaphoreSet.temporary([1]); print(s.id, flush=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) not in {each.id for each in semaphore_sets()}
