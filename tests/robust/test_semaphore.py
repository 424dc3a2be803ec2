"""A semaphore: permits that have owners, and come back."""

from __future__ import annotations

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unixipc import ClosedError, Exited, fork, robust

WAIT = 20


@pytest.fixture
def two():
    with_it = robust.Semaphore.temporary(2)
    yield with_it
    with_it.close()


def test_so_many_and_no_more(two):
    assert (two.permits, two.value, two.held) == (2, 2, 0)
    two.acquire()
    assert two.try_acquire()
    assert (two.value, two.held, two.holders) == (0, 2, [os.getpid()] * 2)
    assert not two.try_acquire()
    two.release()
    assert (two.value, two.held) == (1, 1)
    two.release()
    with pytest.raises(RuntimeError, match="not held"):
        two.release()


def test_hold(two):
    with two.hold() as same, two.hold(timeout=1):
        assert same is two and two.value == 0
        with pytest.raises(TimeoutError), two.hold(timeout=0):
            raise AssertionError("never here")
    assert two.value == 2


def test_a_time_out_names_the_holders(two, victim):
    first, second = victim(two.acquire), victim(two.acquire)
    with pytest.raises(TimeoutError) as caught:
        two.acquire(timeout=0.01)
    assert f"processes {first.pid}, {second.pid} have" in str(caught.value)


def test_permits_come_back_from_the_dead(two, victim):
    holder = victim(two.acquire, two.acquire)
    assert two.value == 0
    holder.kill()
    assert two.value == 2
    two.acquire()
    two.acquire()
    two.release()
    two.release()


def test_one_who_sleeps_gets_a_dead_one_s_permit(two, victim):
    holder = victim(two.acquire, two.acquire)
    killer = threading.Timer(0.05, holder.child.kill)
    killer.start()
    two.acquire(timeout=WAIT)
    killer.join()
    holder.child.wait(timeout=WAIT)
    two.release()


def test_a_permit_belongs_to_the_thread_that_took_it(two):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(two.acquire).result(timeout=WAIT)
        with pytest.raises(PermissionError) as caught:
            two.release()
        assert caught.value.errno == errno.EPERM
        with pytest.raises(PermissionError):
            two.close()
        pool.submit(two.release).result(timeout=WAIT)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(two.acquire).result(timeout=WAIT)
    while two.value < 2:  # the thread ends with it
        time.sleep(0.001)


def test_a_forked_child_has_no_permit(two):
    def child():
        assert two.held == 0 and two.value == 1
        two.acquire()
        assert two.value == 0

    with two.hold():
        with fork(child) as born:
            assert born.wait(timeout=WAIT) == Exited(0)
        assert (two.held, two.value) == (1, 1)


def test_never_more_than_the_permits_are_in(memory, children):
    two = robust.Semaphore.create(memory, 2)
    guard = robust.Mutex.create(memory, 1024)

    def work():
        for _ in range(300):
            with two.hold(timeout=WAIT):
                with guard:
                    memory.buffer[2048] += 1
                    assert memory.buffer[2048] <= 2
                time.sleep(0)
                with guard:
                    memory.buffer[2048] -= 1

    children.start(work, times=5)
    children.all_succeed()
    assert two.value == 2
    two.close()
    guard.close()


def test_two_releases_at_once_wake_two(two):
    """The second release may find nobody noted as asleep: the first who is woken passes it on."""

    def take():
        two.acquire(timeout=WAIT)
        both_have_it.wait(timeout=WAIT)
        two.release()

    for _ in range(30):
        both_have_it = threading.Barrier(2)
        with two.hold(), ThreadPoolExecutor(2) as pool:
            two.acquire()
            waiting = [pool.submit(take) for _ in range(2)]
            time.sleep(0.002)
            two.release()
            two.release()
            for each in waiting:
                each.result(timeout=WAIT)
            two.acquire()


@pytest.mark.parametrize("permits", [0, -1, 1025, 10**9])
def test_a_wrong_number_of_permits(permits, memory):
    for make in (robust.Semaphore.temporary, lambda n: robust.Semaphore.create(memory, n), robust.Semaphore.size_bytes):
        with pytest.raises(OSError) as caught:
            make(permits)
        assert caught.value.errno == errno.EINVAL


def test_the_largest_is_held_by_one_thread_and_comes_back(victim):
    semaphore = robust.Semaphore.temporary(1024)
    victim(*[semaphore.acquire] * 1024).kill()
    assert semaphore.value == 1024
    for _ in range(1024):
        assert semaphore.try_acquire()
    assert not semaphore.try_acquire()
    semaphore.close()


def test_closed_is_closed(two):
    two.acquire()
    two.close()
    for use in (two.acquire, two.try_acquire, two.release, lambda: two.value):
        with pytest.raises(ClosedError):
            use()
    assert repr(two) == "<Semaphore temporary semaphore closed>"
