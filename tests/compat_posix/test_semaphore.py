"""Semaphores."""

from __future__ import annotations

import time

import pytest

import unixipc.compat.posix_ipc as ours

from ..beside import asleep, needs_root, until


def test_acquire_and_release(semaphore):
    assert semaphore.value == 0
    for _ in range(3):
        assert semaphore.release() is None
    assert semaphore.value == 3
    assert semaphore.acquire() is None
    assert semaphore.value == 2


@pytest.mark.parametrize("value", [0, 1, 2**31 - 1])
def test_initial_values(ipc, make, value):
    assert make(ipc.Semaphore, None, ipc.O_CREX, initial_value=value).value == value


@pytest.mark.parametrize(
    ("wrong", "error"), [(2**31, ValueError), (-1, ValueError), ("a", TypeError), (1.0, TypeError), (None, TypeError)]
)
def test_other_initial_values(ipc, raises, name, wrong, error):
    raises(error, ipc.Semaphore, name, ipc.O_CREX, initial_value=wrong)
    raises("ExistentialError", ipc.Semaphore, name)


def test_the_initial_value_is_for_new_ones(ipc, make, name):
    make(ipc.Semaphore, name, ipc.O_CREX, initial_value=4)
    assert make(ipc.Semaphore, name, ipc.O_CREAT, initial_value=9).value == 4
    assert make(ipc.Semaphore, name, 0, initial_value=9).value == 4


@pytest.mark.parametrize("impossible", [-1, 2**31, 2**31 + 3, -(2**31)])
def test_a_value_that_none_can_have_matters_only_where_one_is_made(ipc, make, raises, name, impossible):
    raises("ExistentialError", ipc.Semaphore, name, 0, initial_value=impossible)
    raises(ValueError, ipc.Semaphore, name, ipc.O_CREAT, initial_value=impossible)
    raises("ExistentialError", ipc.Semaphore, name)
    make(ipc.Semaphore, name, ipc.O_CREX, initial_value=4)
    assert make(ipc.Semaphore, name, 0, initial_value=impossible).value == 4
    assert make(ipc.Semaphore, name, ipc.O_CREAT, initial_value=impossible).value == 4
    raises(ValueError, ipc.Semaphore, name, ipc.O_CREX, initial_value=impossible)  # before it looks at the name


def test_a_value_beyond_a_C_long_where_one_is_there(ipc, make, name):
    make(ipc.Semaphore, name, ipc.O_CREX, initial_value=4)
    for much in (2**32 + 5, 2**63, -(2**70)):
        assert make(ipc.Semaphore, name, ipc.O_CREAT, initial_value=much).value == 4


@needs_root
def test_a_value_that_none_can_have_and_one_that_may_not_be_opened(ipc, name, make, run):
    make(ipc.Semaphore, name, ipc.O_CREX, 0o600)
    code = """
try:
    ipc.Semaphore(sys.argv[1], ipc.O_CREAT, initial_value=-1)
except ipc.PermissionsError:
    print("refused")
"""
    assert run(ipc, code, name, user=65534) == ["refused"]


def test_beyond_the_maximum(ipc, make, raises):
    full = make(ipc.Semaphore, None, ipc.O_CREX, initial_value=ipc.SEMAPHORE_VALUE_MAX)
    raises(OSError, full.release)
    assert full.value == ipc.SEMAPHORE_VALUE_MAX


@pytest.mark.parametrize("timeout", [0, 0.0, False, 0.02])
def test_not_possible_within_the_timeout(semaphore, raises, timeout):
    began = time.monotonic()
    raises("BusyError", semaphore.acquire, timeout)
    raises("BusyError", semaphore.acquire, timeout=timeout)
    assert time.monotonic() - began >= 2 * timeout
    assert semaphore.value == 0


@pytest.mark.parametrize("timeout", [None, 0, 0.0, 1, 5.5, 10**6, True])
def test_timeouts_that_are_not_needed(semaphore, timeout):
    semaphore.release()
    assert semaphore.acquire(timeout) is None
    assert semaphore.value == 0


@pytest.mark.parametrize("wrong", [-1, -0.5, "1", [], 2**63, 2**100])
def test_other_timeouts(semaphore, raises, wrong):
    semaphore.release()
    raises(TypeError, semaphore.acquire, wrong)
    assert semaphore.value == 1


def test_with(semaphore):
    semaphore.release()
    with semaphore as entered:
        assert entered is semaphore and semaphore.value == 0
    assert semaphore.value == 1
    with pytest.raises(ZeroDivisionError), semaphore:
        raise ZeroDivisionError
    assert semaphore.value == 1


def test_who_waits_is_woken(ipc, semaphore, start):
    waiting = start(ipc, "ipc.Semaphore(sys.argv[1]).acquire(); print('woken')", semaphore.name)
    until(lambda: asleep(waiting))
    semaphore.release()
    assert waiting.communicate(timeout=60)[0] == "woken\n"
    assert semaphore.value == 0


def test_a_closed_one(ipc, semaphore, raises):
    assert semaphore.close() is None
    for call in (semaphore.acquire, semaphore.release, semaphore.close, semaphore.unlink, semaphore.__enter__):
        raises("ExistentialError", call)
    raises("ExistentialError", getattr, semaphore, "value")
    assert semaphore.mode == 0o600
    ipc.unlink_semaphore(semaphore.name)


def test_who_has_it_open_keeps_an_unlinked_one(ipc, make, semaphore):
    other = make(ipc.Semaphore, semaphore.name)
    semaphore.unlink()
    semaphore.release()
    assert other.value == 1


def test_two_objects_of_one_name_are_closed_each(ipc, make, semaphore, raises):
    other = make(ipc.Semaphore, semaphore.name)
    other.close()
    semaphore.release()
    assert semaphore.value == 1
    raises("ExistentialError", other.release)


def test_forked_processes_share_it(ipc, run):
    code = """
semaphore = ipc.Semaphore(None, ipc.O_CREX)
child = os.fork()
if not child:
    semaphore.release()
    os._exit(0)
semaphore.acquire(60)
print(os.waitpid(child, 0)[1], semaphore.value)
semaphore.unlink()
"""
    assert run(ipc, code) == ["0", "0"]


def test_nothing_is_lost_between_processes(ipc, semaphore, start):
    code = "it = ipc.Semaphore(sys.argv[1])\nfor _ in range(2000): it.acquire(60); it.release()"
    semaphore.release()
    for process in [start(ipc, code, semaphore.name) for _ in range(3)]:
        assert process.wait(60) == 0
    assert semaphore.value == 1


def test_numbers_are_not_cut(own_ipc_namespace, name):
    """There 2**32 + 5 is 5."""
    with pytest.raises(ValueError):
        ours.Semaphore(name, ours.O_CREX, initial_value=2**32 + 5)
    with pytest.raises(ours.ExistentialError):
        ours.Semaphore(name)


@pytest.mark.parametrize("flags", [2**31, -(2**31) - 1])
def test_flags_are_a_c_int(ipc, raises, name, flags):
    raises(OverflowError, ipc.Semaphore, name, flags)


def test_infinity_is_a_timeout(own_ipc_namespace, make):
    semaphore = make(ours.Semaphore, None, ours.O_CREX, initial_value=1)
    assert semaphore.acquire(float("inf")) is None
