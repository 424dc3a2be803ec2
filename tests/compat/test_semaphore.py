"""Semaphores."""

from __future__ import annotations

import os
import time

import pytest

import unixipc.compat.sysv_ipc as ours

from ..beside import needs_root, until


@pytest.fixture
def timed(ipc, semaphore):
    """A semaphore whose operations know timeouts; a sysv_ipc that was built without them would wait for ever."""
    if not ipc.SEMAPHORE_TIMEOUT_SUPPORTED:
        pytest.skip("this build of sysv_ipc has no timeouts")
    return semaphore


def test_acquire_and_release(semaphore):
    semaphore.value = 3
    assert semaphore.acquire() is None
    semaphore.P()
    assert semaphore.value == 1
    assert semaphore.release() is None
    semaphore.V()
    assert semaphore.value == 3


@pytest.mark.parametrize("delta", [1, 5, -5, 32767, -32767])
def test_the_sign_of_delta_does_not_matter(semaphore, delta):
    for acquire, release in ((semaphore.acquire, semaphore.release), (semaphore.P, semaphore.V)):
        release(delta)
        assert semaphore.value == abs(delta)
        acquire(None, delta)
        assert semaphore.value == 0


@pytest.mark.parametrize(
    ("delta", "error"),
    [(0, ValueError), (32768, OverflowError), (-32769, OverflowError), ("a", TypeError), (1.0, TypeError)],
)
def test_other_deltas(semaphore, raises, delta, error):
    semaphore.value = 1
    for call in (semaphore.acquire, semaphore.P, semaphore.release, semaphore.V):
        raises(error, call, delta=delta)
    assert semaphore.value == 1


def test_the_lowest_short_is_no_step(semaphore, ipc, raises):
    semaphore.block = False
    raises("BusyError", semaphore.acquire, delta=-32768)
    raises(ValueError if ipc is ours else "BusyError", semaphore.release, -32768)  # there it acquires


def test_values_have_a_range(semaphore, ipc, raises):
    semaphore.value = 32767
    assert semaphore.value == 32767
    raises(ValueError, semaphore.release)
    for wrong in (-1, 32768, 99999, -(2**31)):
        raises(ValueError, setattr, semaphore, "value", wrong)
    for wrong in ("a", 1.0, None):
        raises(TypeError, setattr, semaphore, "value", wrong)
    raises(OverflowError, setattr, semaphore, "value", 2**63)
    assert semaphore.value == 32767


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(-1, ValueError), (32768, ValueError), (2**31, OverflowError), ("a", TypeError), (1.0, TypeError)],
)
def test_initial_values_too(ipc, make, raises, key, wrong, error):
    raises(error, ipc.Semaphore, key, ipc.IPC_CREX, initial_value=wrong)
    if ipc is ours:
        raises("ExistentialError", ipc.Semaphore, key)  # nothing is left over
    elif error is ValueError:
        ipc.Semaphore(key).remove()


def test_what_initial_value_does(ipc, make, key):
    first = make(ipc.Semaphore, key, ipc.IPC_CREX, initial_value=42)
    assert (first.value, first.o_time) == (42, 0)
    assert ipc.Semaphore(key, initial_value=7).value == 42
    assert ipc.Semaphore(key, ipc.IPC_CREAT, initial_value=7).value == 7  # it resets one that exists
    assert ipc.Semaphore(key, ipc.IPC_CREAT).value == 0
    first.remove()
    assert make(ipc.Semaphore, key, ipc.IPC_CREX, 0o400, 42).value == 0  # not if it is read-only


def test_block(semaphore, raises):
    assert semaphore.block is True
    for no in (False, 0, "", None):
        semaphore.block = no
        assert semaphore.block is False
    raises("BusyError", semaphore.acquire)
    raises("BusyError", semaphore.P, None, 5)
    semaphore.Z()
    semaphore.release()
    raises("BusyError", semaphore.Z)
    semaphore.acquire()
    semaphore.block = "yes"
    assert semaphore.block is True


def test_z_waits_for_zero(semaphore, ipc, start):
    semaphore.Z()
    semaphore.release()
    waiter = start(ipc, "ipc.Semaphore(int(sys.argv[1])).Z(); print('zero')", semaphore.key)
    until(lambda: semaphore.waiting_for_zero == 1)
    assert semaphore.waiting_for_nonzero == 0
    semaphore.acquire()
    assert waiter.communicate(timeout=60)[0] == "zero\n"


def test_acquire_waits(semaphore, ipc, start):
    waiter = start(ipc, "ipc.Semaphore(int(sys.argv[1])).acquire(None, 2); print('two')", semaphore.key)
    until(lambda: semaphore.waiting_for_nonzero == 1)
    assert semaphore.waiting_for_zero == 0
    semaphore.release()
    assert semaphore.value == 1
    semaphore.release()
    assert waiter.communicate(timeout=60)[0] == "two\n"
    assert (semaphore.value, semaphore.last_pid) == (0, waiter.pid)


def test_who_waits_learns_of_the_removal(semaphore, ipc, start):
    code = """
try: ipc.Semaphore(int(sys.argv[1])).acquire()
except ipc.ExistentialError: print("gone")
"""
    waiter = start(ipc, code, semaphore.key)
    until(lambda: semaphore.waiting_for_nonzero == 1)
    semaphore.remove()
    assert waiter.communicate(timeout=60)[0] == "gone\n"


@pytest.mark.parametrize("timeout", [0, 0.0, 0.01, False, True])
def test_timeouts(timed, raises, timeout):
    began = time.monotonic()
    raises("BusyError", timed.acquire, timeout)
    raises("BusyError", timed.P, timeout=timeout)
    timed.release(2)
    raises("BusyError", timed.Z, timeout)
    assert time.monotonic() - began >= 3 * timeout * 0.99
    timed.acquire(timeout)
    timed.P(timeout)
    timed.Z(timeout)


def test_a_timeout_is_no_wait_if_block_is_false(timed, raises):
    timed.block = False
    raises("BusyError", timed.acquire, 10_000)


def test_very_long_timeouts(timed):
    timed.value = 3
    for each in (1e9, 10**9, 2**62):
        timed.acquire(each)
    assert timed.value == 0


@pytest.mark.parametrize("timeout", [-1, -0.1, "1", b"1", 1j, 2**63, [], float("-inf")])
def test_what_is_no_timeout(semaphore, raises, timeout):
    semaphore.value = 1
    for call in (semaphore.acquire, semaphore.P, semaphore.Z):
        raises(TypeError, call, timeout)
    assert semaphore.value == 1


def test_more_that_is_no_timeout_here(own_ipc_namespace, make):
    semaphore = make(ours.Semaphore, None, ours.IPC_CREX, initial_value=1)
    with pytest.raises(TypeError):
        semaphore.acquire(float("nan"))
    semaphore.acquire(float("inf"))


def test_calls_take_what_they_should(semaphore, raises):
    semaphore.value = 9
    raises(TypeError, semaphore.acquire, None, 1, 1)
    raises(TypeError, semaphore.release, 1, 1)
    raises(TypeError, semaphore.release, timeout=1)
    raises(TypeError, semaphore.Z, None, 1)
    raises(TypeError, semaphore.remove, 1)
    assert semaphore.value == 9


def test_with_acquires_and_releases(semaphore, ipc):
    semaphore.release()
    with semaphore as inside:
        assert inside is semaphore and semaphore.value == 0
    assert semaphore.value == 1
    with pytest.raises(ZeroDivisionError), semaphore:
        raise ZeroDivisionError
    assert semaphore.value == 1
    assert semaphore.__exit__() is None
    semaphore.value, semaphore.block = 0, False
    with pytest.raises(ipc.BusyError), semaphore:
        pass


def test_with_does_not_use_what_a_derived_class_made_of_acquire(ipc, make, key):
    class Loud(ipc.Semaphore):
        def acquire(self, *args):
            raise ZeroDivisionError

        release = P = V = acquire

    with make(Loud, key, ipc.IPC_CREX, initial_value=1) as semaphore:
        assert semaphore.value == 0
    assert semaphore.value == 1


def test_undo_gives_back_at_the_end_of_the_process(semaphore, ipc, run):
    code = """
semaphore = ipc.Semaphore(int(sys.argv[1]))
print(semaphore.undo)
semaphore.undo = sys.argv[2] == "undo"
print(semaphore.undo)
semaphore.acquire()
semaphore.P(None, 2)
semaphore.release()
print(semaphore.value)
"""
    semaphore.value = 5
    assert run(ipc, code, semaphore.key, "keep") == ["False", "False", "3"]
    assert semaphore.value == 3
    assert run(ipc, code, semaphore.key, "undo") == ["False", "True", "1"]
    assert semaphore.value == 3


def test_undo_also_after_kill_9(semaphore, ipc, start):
    code = """
semaphore = ipc.Semaphore(int(sys.argv[1]))
semaphore.undo = 1
semaphore.acquire()
print("have it", flush=True)
signal.pause()
"""
    semaphore.value = 1
    holder = start(ipc, code, semaphore.key)
    assert holder.stdout.readline() == "have it\n" and semaphore.value == 0
    holder.kill()
    holder.wait(60)
    until(lambda: semaphore.value == 1)


def test_attributes(semaphore):
    assert (semaphore.o_time, semaphore.waiting_for_nonzero, semaphore.waiting_for_zero) == (0, 0, 0)
    before = int(time.time())
    semaphore.release()
    assert before - 1 <= semaphore.o_time <= before + 60
    assert semaphore.last_pid == os.getpid()


def test_a_removed_semaphore(semaphore, raises):
    semaphore.remove()
    for call in (semaphore.acquire, semaphore.release, semaphore.Z, semaphore.__enter__):
        raises("ExistentialError", call)
    for name in ("value", "o_time", "last_pid", "waiting_for_zero", "waiting_for_nonzero"):
        raises("ExistentialError", getattr, semaphore, name)
    raises("ExistentialError", setattr, semaphore, "value", 1)
    semaphore.block = False  # these two are the handle's own
    assert (semaphore.block, semaphore.undo) == (False, False)


def test_a_set_of_several_is_used_by_its_first(ipc, key):
    from unixipc.sysv import SemaphoreSet

    with SemaphoreSet.create(key, [3, 5]) as several:
        semaphore = ipc.Semaphore(key)
        semaphore.acquire()
        assert several.values == (2, 5)
        semaphore.remove()


@needs_root
def test_who_may_only_look(ipc, make, run, key):
    make(ipc.Semaphore, key, ipc.IPC_CREX, 0o604, 1)
    code = """
def name(call, *args):
    try: return call(*args)
    except Exception as error: return type(error).__name__
semaphore = ipc.Semaphore(int(sys.argv[1]), 0, 0o004)
semaphore.block = False
print(semaphore.value, name(semaphore.acquire), name(semaphore.release), name(semaphore.Z))
print(name(setattr, semaphore, "value", 3), isinstance(name(setattr, semaphore, "mode", 3), str))
"""
    expected = ["1", "PermissionsError", "PermissionsError", "BusyError", "PermissionsError", "True"]
    assert run(ipc, code, key, user=65534) == expected
