"""Operations: arrays that happen whole or not at all, in their order; waiting for more and for zero; refusals."""

from __future__ import annotations

import errno
import threading

import pytest

from unixipc import ClosedError, Exited, ObjectRemoved, fork
from unixipc.sysv import Op, Semaphore, SemaphoreSet, limits
from unixipc.testing.namespaces import enter_own_ipc_namespace

WAIT = 20
SHORT = 0.02


@pytest.fixture
def s():
    """Three semaphores: 0, 1, 5."""
    with SemaphoreSet.temporary([0, 1, 5]) as made:
        yield made


def failing(code, call, *args, **named):
    with pytest.raises(OSError) as caught:
        call(*args, **named)
    assert caught.value.errno == code, caught.value
    return " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


# M09, S30: arrays


def test_M09_an_array_happens_whole(s):
    s.op((0, +2), (1, -1), (2, +1))
    assert s.values == (2, 0, 6)


@pytest.mark.parametrize("ops", [[(0, +5), (1, -2)], [(1, -1), (0, -1)], [(2, -5), (1, 0)]])
def test_M09_an_array_that_is_not_possible_changes_nothing(s, ops):
    assert not s.try_op(*ops)
    with pytest.raises(TimeoutError):
        s.op(*ops, timeout=SHORT)
    assert s.values == (0, 1, 5)


def test_M09_a_waiting_array_takes_nothing_meanwhile(s, until):
    """Others may use what it has not got whole."""
    with fork(s.op, (2, -5), (1, -1), (0, -1)) as child:
        until(lambda: s[0].waiters)
        assert s.values == (0, 1, 5)
        s.op((2, -5))
        s[0].release()
        until(lambda: s[2].waiters)
        s.op((2, +5))
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s.values == (0, 0, 0)


def test_S30_the_order_of_an_array_counts(s):
    assert not s.try_op((0, -1), (0, +1))
    assert s.try_op((0, +1), (0, -1))
    assert s.try_op((0, 0), (0, +1)), "wait for zero, then take: as the published lock does"
    assert not s.try_op((0, 0), (0, +1))
    assert s.values == (1, 1, 5)


def test_M09_the_same_semaphore_may_come_again_and_again(s):
    assert s.try_op(*[(0, +1)] * 100, *[(0, -1)] * 99)
    assert s.values == (1, 1, 5)


@pytest.mark.parametrize("count", [1, 32, 33, 500])
def test_M14_up_to_500_operations_fit_into_one_call(s, count):
    s.op(*[(0, +1)] * count)
    assert s.values == (count, 1, 5)
    assert s.try_op(*[(0, -1)] * count)
    assert not s.try_op(*[(0, -1)] * count)
    assert s.values == (0, 1, 5)


def test_M14_500_operations_can_wait(s, until):
    with fork(s.op, *[(0, -1)] * 500) as child:
        until(lambda: s[0].waiters)
        s[0].release(500)
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s.values == (0, 1, 5)


@pytest.mark.parametrize("name", ["op", "try_op"])
def test_M14_more_operations_than_one_call_may_have_name_the_limit(s, name):
    most = limits().operations_per_call
    text = failing(errno.E2BIG, getattr(s, name), *[(0, +1)] * (most + 1))
    assert f"kernel.sem = {most} (number 3 of 4)" in text
    assert s.values == (0, 1, 5)


def test_M14_the_limit_on_operations_is_the_namespace_s():
    def with_three_operations_at_most():
        enter_own_ipc_namespace()
        try:
            with open("/proc/sys/kernel/sem", "w") as limit:
                limit.write("10 100 3 10")
        except PermissionError:
            return 77
        own = SemaphoreSet.create(0, [0])
        own.op(*[(0, +1)] * 3)
        assert "kernel.sem = 3 " in failing(errno.E2BIG, own.op, *[(0, +1)] * 4)
        return 0

    with fork(with_three_operations_at_most) as child:
        status = child.wait(timeout=WAIT)
    if status == Exited(77):
        pytest.skip("the limits of this namespace may not be changed")
    assert status == Exited(0)


@pytest.mark.parametrize("name", ["op", "try_op"])
def test_M14_no_operation_is_EINVAL(s, name):
    assert "at least one operation" in failing(errno.EINVAL, getattr(s, name))


@pytest.mark.parametrize("wrong", [3, 4, 65535, 65536, -1, 1 << 40])
def test_M14_an_index_that_the_set_does_not_have_is_EFBIG(s, wrong):
    failing(errno.EFBIG, s.op, (wrong, +1))
    failing(errno.EFBIG, s.try_op, (0, +1), Op(wrong, -1))
    assert s.values == (0, 1, 5)


@pytest.mark.parametrize("change", [32767, 32768, -32769, 1 << 40])
def test_M14_beyond_32767_is_ERANGE(s, change):
    assert "32767" in failing(errno.ERANGE, s.op, (0, +1), (1, change))
    assert s.values == (0, 1, 5)


def test_M14_the_lowest_change_can_never_be_possible(s):
    """-32768 fits into the kernel's type, but no value is that large."""
    assert not s.try_op((0, -32768))


@pytest.mark.parametrize("wrong", [(0,), (0, 1, 0), ("a", 1), (0, "a"), (0.5, 1), (0, 1.5), 7, None])
def test_what_is_no_operation_is_refused(s, wrong):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        s.op(wrong)
    assert s.values == (0, 1, 5)


# M11: not waiting, operation by operation


def test_M11_an_operation_with_nowait_fails_instead_of_waiting(s):
    with pytest.raises(BlockingIOError) as caught:
        s.op((2, -1), Op(0, -1, nowait=True))
    assert "nowait=True" in " ".join(caught.value.__notes__)
    assert s.values == (0, 1, 5)


def test_M11_the_other_operations_of_the_array_may_wait(s, until):
    """What is not possible first decides: the one before the nowait makes it wait."""
    with fork(s.op, (0, -1), Op(1, -1, nowait=True)) as child:
        until(lambda: s[0].waiters)
        s[0].release()
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s.values == (0, 0, 5)


def test_M11_a_waiting_array_fails_once_its_nowait_is_what_is_not_possible(s, until):
    def expects_to_fail():
        with pytest.raises(BlockingIOError):
            s.op((0, -1), Op(1, -2, nowait=True))

    with fork(expects_to_fail) as child:
        until(lambda: s[0].waiters)
        s[0].release()
        assert child.wait(timeout=WAIT) == Exited(0)
    assert s.values == (1, 1, 5)


# M10: more, less, zero


def test_M10_acquire_release_and_wait_for_zero(s):
    two = s[2]
    two.acquire()
    two.acquire(4)
    two.wait_zero()
    assert two.try_wait_zero()
    two.release(3)
    assert two.value == 3
    assert not two.try_wait_zero()
    assert two.try_acquire(3)
    assert not two.try_acquire()


@pytest.mark.parametrize("name", ["acquire", "try_acquire", "release"])
def test_half_a_step_is_refused(s, name):
    """Not cut to a whole number behind the caller's back."""
    with pytest.raises(TypeError):
        getattr(s[2], name)(1.5)
    assert s.values == (0, 1, 5)


@pytest.mark.parametrize("name", ["acquire", "try_acquire", "release"])
def test_M10_steps_are_at_least_1_and_at_most_32767(s, name):
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            getattr(s[0], name)(wrong)
    assert "32767" in failing(errno.ERANGE, getattr(s[0], name), 32768)
    assert s.values == (0, 1, 5)


def test_M14_a_release_beyond_32767_changes_nothing(s):
    s[0].release(32767)
    failing(errno.ERANGE, s[0].release)
    assert s[0].value == 32767


def test_M10_zero_is_waited_for_by_several_at_once(s, until, children):
    children.start(s[2].wait_zero, WAIT, times=3)
    until(lambda: s[2].zero_waiters == 3)
    s[2].acquire(5)
    children.all_succeed()
    assert s[2].value == 0


def test_M10_a_zero_that_is_over_is_not_missed(s, until):
    """Down to 0 and up again in two calls: the kernel lets those go that waited for the 0."""
    with fork(s[1].wait_zero, WAIT) as child:
        until(lambda: s[1].zero_waiters)
        s[1].acquire()
        s[1].release()
        assert child.wait(timeout=WAIT) == Exited(0)


def test_M17_who_asks_for_less_may_go_first(s, until):
    """Not a promise but a fact to reckon with: the kernel does what is possible."""
    with fork(s[0].acquire, 2, False, WAIT) as greedy:
        until(lambda: s[0].waiters == 1)
        with fork(s[0].acquire, 1, False, WAIT) as modest:
            until(lambda: s[0].waiters == 2)
            s[0].release()
            assert modest.wait(timeout=WAIT) == Exited(0)
        assert greedy.try_wait() is None
        s[0].release(2)
        assert greedy.wait(timeout=WAIT) == Exited(0)


def test_a_thousand_increments_of_four_processes_are_all_there(s, children):
    """A semaphore as a lock: what it guards is read, changed and written by four processes in turn."""
    counter = Semaphore.temporary(0)

    def count():
        for _ in range(250):
            with s[1].hold(timeout=WAIT):
                counter.value = counter.value + 1

    with counter:
        children.start(count, times=4)
        children.all_succeed(timeout=60)
        assert counter.value == 1000


# M13: time-outs


@pytest.mark.parametrize("wait", [
    lambda s: s[0].acquire(timeout=SHORT), lambda s: s[2].wait_zero(timeout=SHORT),
    lambda s: s[2].acquire(6, timeout=0), lambda s: s.op((1, -1), (0, -1), timeout=SHORT),
    lambda s: s[0].hold(timeout=SHORT).__enter__(),
])  # fmt: skip
def test_M13_a_time_out_takes_nothing_and_names_the_set(s, wait):
    with pytest.raises(TimeoutError) as caught:
        wait(s)
    assert caught.value.errno == errno.ETIMEDOUT
    assert f"id {s.id}" in str(caught.value)
    assert s.values == (0, 1, 5)
    assert [(each.waiters, each.zero_waiters) for each in s] == [(0, 0)] * 3


@pytest.mark.parametrize("wrong", [-1, -0.001, float("nan")])
def test_M13_bad_time_outs_are_refused(s, wrong):
    for wait in (s[0].acquire, s[2].wait_zero):
        with pytest.raises(ValueError, match="timeout"):
            wait(timeout=wrong)
    with pytest.raises(ValueError, match="timeout"):
        s.op((0, -1), timeout=wrong)


# the end of a wait


def test_close_ends_a_waiting_array(s, until):
    outcome, same = [], SemaphoreSet(s.id)

    def waits():
        try:
            same.op((1, -1), (0, -1), timeout=WAIT)
        except ClosedError:
            outcome.append("closed")

    thread = threading.Thread(target=waits)
    thread.start()
    until(lambda: s[0].waiters)
    same.close()
    thread.join(WAIT)
    assert outcome == ["closed"]
    assert s.values == (0, 1, 5)


def test_M15_a_removal_ends_every_wait_of_every_process(until, children):
    def waits():
        with pytest.raises(ObjectRemoved):
            s.op((0, -1), timeout=WAIT)

    s = SemaphoreSet.create(0, [0])
    children.start(waits, times=5)
    until(lambda: s[0].waiters == 5)
    s.remove()
    children.all_succeed()


def test_hold_gives_back_after_an_error_too(s):
    with pytest.raises(RuntimeError), s[2].hold(3) as held:
        assert held.value == 2
        raise RuntimeError
    assert s[2].value == 5
