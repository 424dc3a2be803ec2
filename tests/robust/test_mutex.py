"""A mutex: one owner, a thread; and what the next one is told."""

from __future__ import annotations

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unixipc import ClosedError, Exited, OwnerDied, fork, robust

WAIT = 20
PATIENCE = 0.05


@pytest.fixture
def mutex():
    with_it = robust.Mutex.temporary()
    yield with_it
    with_it.close()


@pytest.fixture
def thread():
    """Another thread that does what it is told."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda function, *args, **named: pool.submit(function, *args, **named).result(timeout=WAIT)


def test_one_holds_it_and_no_other(mutex, thread):
    mutex.acquire()
    assert mutex.held and mutex.holder == os.getpid()
    assert not mutex.try_acquire(), "not even this thread once more"
    assert thread(mutex.try_acquire) is False
    assert thread(lambda: mutex.held) is False
    mutex.release()
    assert not mutex.held and mutex.holder is None
    assert thread(mutex.try_acquire) is True
    assert not mutex.try_acquire()
    thread(mutex.release)


def test_with_acquires_and_releases_and_closes_nothing(mutex, thread):
    for _ in range(2):
        with mutex as same:
            assert same is mutex and thread(mutex.try_acquire) is False
        assert thread(lambda: mutex.try_acquire() and mutex.release() is None)


def test_a_with_that_fails_releases(mutex):
    with pytest.raises(KeyError), mutex:
        raise KeyError
    assert mutex.holder is None


def test_waiting_for_oneself_is_a_deadlock_and_said_so(mutex):
    with mutex, pytest.raises(OSError) as caught:
        mutex.acquire()
    assert caught.value.errno == errno.EDEADLK
    with mutex, pytest.raises(OSError), mutex:
        pass
    assert not mutex.held


def test_a_deadlock_by_another_mapping_is_one_too(name):
    """By name each handle has a mapping of its own: the same lock at two addresses."""
    one, two = robust.Mutex.create(name), robust.Mutex.open(name)
    with one:
        assert not two.try_acquire()
        with pytest.raises(OSError) as caught:
            two.acquire(timeout=WAIT)
        assert caught.value.errno == errno.EDEADLK
    with two:
        pass
    one.close()
    two.close()


def test_a_time_out_names_the_holder(mutex, victim):
    holder = victim(mutex.acquire)
    with pytest.raises(TimeoutError) as caught:
        mutex.acquire(timeout=0.01)
    assert f"process {holder.pid} holds it" in str(caught.value)


def test_another_thread_cannot_release_it(mutex, thread):
    with pytest.raises(RuntimeError, match="not held"):
        mutex.release()
    with mutex:
        with pytest.raises(PermissionError) as caught:
            thread(mutex.release)
        assert caught.value.errno == errno.EPERM
        with pytest.raises(PermissionError):
            thread(mutex.recover)
    with pytest.raises(RuntimeError):
        mutex.recover()


def test_the_next_one_is_told_who_was_killed(mutex, victim):
    dead = victim(mutex.acquire).kill()
    with pytest.raises(OwnerDied) as caught:
        mutex.acquire()
    assert caught.value.errno == errno.EOWNERDEAD and caught.value.pid == dead
    assert any(str(dead) in note for note in caught.value.__notes__)
    assert mutex.held and mutex.suspect
    mutex.recover()
    assert not mutex.suspect
    mutex.release()
    with mutex:
        pass


def test_trying_tells_too(mutex, victim):
    victim(mutex.acquire).kill()
    with pytest.raises(OwnerDied):
        mutex.try_acquire()
    assert mutex.held


def test_who_does_not_recover_it_leaves_that_to_the_next(mutex, victim, thread):
    dead = victim(mutex.acquire).kill()
    for acquire in (mutex.acquire, mutex.try_acquire, mutex.acquire):
        with pytest.raises(OwnerDied) as caught:
            acquire()
        assert caught.value.pid == dead
        mutex.release()
    with pytest.raises(OwnerDied):
        thread(mutex.acquire)
    thread(mutex.release)
    with mutex.hold(repair=lambda death: None):
        assert not mutex.suspect
    with mutex:
        pass


@pytest.mark.parametrize("block", [lambda mutex: mutex, lambda mutex: mutex.hold(), lambda mutex: mutex.hold(WAIT)])
def test_a_with_that_tells_of_a_death_leaves_nothing_held(mutex, victim, thread, block):
    dead = victim(mutex.acquire).kill()
    for _ in range(2):
        with pytest.raises(OwnerDied) as caught, block(mutex):
            raise AssertionError("never here")
        assert caught.value.pid == dead and "released again" in "".join(caught.value.__notes__)
        assert mutex.suspect and not mutex.held and mutex.holder is None
    with pytest.raises(OwnerDied):
        thread(mutex.acquire)
    thread(mutex.release)
    with mutex.hold(repair=lambda death: None):
        pass
    with block(mutex):
        assert mutex.held


def test_a_with_that_slept_until_a_death_leaves_nothing_held(mutex, victim):
    holder = victim(mutex.acquire)
    killer = threading.Timer(PATIENCE, holder.child.kill)
    killer.start()
    with pytest.raises(OwnerDied), mutex:
        raise AssertionError("never here")
    killer.join()
    holder.child.wait(timeout=WAIT)
    assert mutex.suspect and not mutex.held


def test_a_with_in_a_with_leaves_the_outer_one_alone(mutex):
    with mutex:
        with pytest.raises(OSError) as caught, mutex:
            raise AssertionError("never here")
        assert caught.value.errno == errno.EDEADLK and mutex.held
    assert not mutex.held


def test_hold_repairs(mutex, victim):
    dead = victim(mutex.acquire).kill()
    told = []
    with mutex.hold(repair=told.append):
        assert [death.pid for death in told] == [dead] and mutex.held
    with mutex.hold(repair=told.append):
        assert len(told) == 1


def test_a_repair_that_fails_leaves_it_to_the_next(mutex, victim):
    victim(mutex.acquire).kill()

    def fail(death):
        raise KeyError

    with pytest.raises(KeyError), mutex.hold(repair=fail):
        raise AssertionError("never here")
    assert mutex.suspect and not mutex.held
    with mutex.hold(repair=lambda death: None):
        pass


def test_one_who_sleeps_is_woken_by_the_death(mutex, victim):
    holder = victim(mutex.acquire)
    killer = threading.Timer(PATIENCE, holder.child.kill)
    killer.start()
    with pytest.raises(OwnerDied) as caught:
        mutex.acquire(timeout=WAIT)
    killer.join()
    assert caught.value.pid == holder.pid
    holder.child.wait(timeout=WAIT)


def test_the_end_of_a_thread_is_the_death_of_an_owner(mutex):
    for _ in range(3):
        thread = threading.Thread(target=mutex.acquire if not mutex.suspect else mutex.hold(repair=print).__enter__)
        thread.start()
        thread.join()
        with pytest.raises(OwnerDied) as caught:
            mutex.acquire()
        assert caught.value.pid == os.getpid()
        mutex.recover()
        mutex.release()


def test_a_forked_child_holds_nothing(mutex):
    def child():
        assert not mutex.held and mutex.holder == os.getppid()
        assert not mutex.try_acquire()
        try:
            mutex.release()
        except RuntimeError:
            return
        raise AssertionError("released its parent's lock")

    with mutex:
        with fork(child) as born:
            assert born.wait(timeout=WAIT) == Exited(0)
        assert mutex.held


def test_a_child_of_a_process_whose_other_thread_holds_it(mutex, thread):
    thread(mutex.acquire)

    def child():
        assert not mutex.try_acquire()
        mutex.close()
        mutex.close()

    with fork(child) as born:
        assert born.wait(timeout=WAIT) == Exited(0)
    thread(mutex.release)
    with mutex:
        pass


def test_closing_releases_what_this_thread_holds(memory, thread):
    mine, theirs = robust.Mutex.create(memory), robust.Mutex.attach(memory)
    mine.acquire()
    mine.close()
    assert theirs.try_acquire()
    theirs.close()


def test_closing_is_refused_while_another_thread_holds_it(mutex, thread):
    thread(mutex.acquire)
    with pytest.raises(PermissionError):
        mutex.close()
    assert not mutex.closed
    thread(mutex.release)


def test_what_is_held_keeps_its_memory_whoever_forgets_it(memory):
    """The lock is in the thread's list: its memory cannot go, even if nothing refers to the handle any more."""

    def hold_and_forget():
        forgotten.append(robust.Mutex.attach(memory))
        forgotten[0].acquire()

    forgotten = []
    robust.Mutex.create(memory).close()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold_and_forget).result(timeout=WAIT)
        forgotten.clear()  # in this thread, which does not hold it
        with pytest.raises(BufferError):
            memory.close()
        again = robust.Mutex.attach(memory)
        assert not again.try_acquire()
    with pytest.raises(OwnerDied):  # the thread has ended
        again.acquire(timeout=WAIT)
    again.close()


def test_closed_is_closed(mutex):
    mutex.close()
    mutex.close()
    for use in (mutex.acquire, mutex.try_acquire, mutex.release, mutex.__enter__, mutex.recover, mutex.remove):
        with pytest.raises(ClosedError):
            use()
    with pytest.raises(ClosedError):
        _ = mutex.suspect
    assert repr(mutex) == "<Mutex temporary mutex closed>"


def test_threads_exclude_each_other(mutex):
    counter = 0

    def count():
        nonlocal counter
        for _ in range(300):
            with mutex:
                before = counter
                time.sleep(0)
                counter = before + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=WAIT)
    assert counter == 1200


def test_processes_exclude_each_other(mutex, memory, children):
    def count():
        words = memory.buffer.cast("Q")
        for _ in range(2000):
            with mutex:
                words[0] += 1

    children.start(count, times=3)
    children.all_succeed()
    assert memory.buffer.cast("Q")[0] == 6000


def test_several_are_held_and_released_in_any_order(memory):
    locks = [robust.Mutex.create(memory, 64 * i) for i in range(6)]
    for order in ((0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (2, 0, 5, 3, 1, 4)):
        for lock in locks:
            lock.acquire()
        for i in order:
            locks[i].release()
            assert [lock.held for lock in locks].count(True) == 5 - order.index(i)
    for lock in locks:
        lock.close()


def test_many_at_once_have_a_limit_that_is_named():
    from unixipc import map_anonymous

    with map_anonymous(64 * 2001) as memory:
        locks = [robust.Mutex.create(memory, 64 * i) for i in range(2001)]
        for lock in locks[:2000]:
            lock.acquire()
        with pytest.raises(OSError) as caught:
            locks[2000].acquire()
        assert caught.value.errno == errno.ENOLCK
        for lock in locks:
            lock.close()
