"""A reader-writer lock: many readers or one writer, and what happens when one of them is killed."""

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
def lock():
    with_it = robust.RWLock.temporary(readers=3)
    yield with_it
    with_it.close()


@pytest.fixture
def thread():
    with ThreadPoolExecutor(1) as pool:
        yield lambda function, *args, **named: pool.submit(function, *args, **named).result(timeout=WAIT)


def test_readers_share_and_writers_do_not(lock, thread):
    with lock.reading():
        assert lock.held_shared and not lock.held and lock.readers == [os.getpid()]
        assert thread(lock.try_acquire_shared)
        assert not thread(lock.try_acquire)
        thread(lock.release_shared)
    with lock.writing():
        assert lock.held and lock.writer == os.getpid()
        assert not thread(lock.try_acquire_shared) and not thread(lock.try_acquire)
    assert thread(lock.try_acquire)
    thread(lock.release)


def test_as_many_readers_as_there_is_room_for(lock, victim):
    readers = [victim(lock.acquire_shared) for _ in range(3)]
    assert lock.most_readers == 3 and sorted(lock.readers) == sorted(each.pid for each in readers)
    with pytest.raises(TimeoutError) as caught:
        lock.acquire_shared(timeout=0.01)
    assert str(readers[0].pid) in str(caught.value)
    readers[0].kill()
    lock.acquire_shared(timeout=WAIT)
    lock.release_shared()


def test_a_writer_that_waits_keeps_new_readers_out(lock, until, thread):
    with ThreadPoolExecutor(1) as pool:
        lock.acquire_shared()
        writer = pool.submit(lock.acquire, timeout=WAIT)
        until(lambda: lock.writer is not None)
        assert not thread(lock.try_acquire_shared)
        lock.acquire_shared()  # who reads already may read once more, or both would wait for ever
        lock.release_shared()
        lock.release_shared()
        writer.result(timeout=WAIT)
        pool.submit(lock.release).result(timeout=WAIT)


def test_a_writer_that_gives_up_lets_readers_in(lock, thread):
    lock.acquire_shared()
    with pytest.raises(TimeoutError) as caught:
        thread(lock.acquire, timeout=0.01)
    assert f"processes {os.getpid()} read" in str(caught.value)
    assert lock.writer is None and thread(lock.try_acquire_shared)
    thread(lock.release_shared)
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError):
            thread(lock.acquire, timeout=bad)
    assert lock.writer is None
    lock.release_shared()


def test_deadlocks_with_oneself_are_refused(lock):
    with lock.reading(), pytest.raises(OSError) as caught:
        lock.acquire()
    assert caught.value.errno == errno.EDEADLK and lock.writer is None
    for acquire in (lock.acquire, lock.acquire_shared):
        with lock.writing(), pytest.raises(OSError) as caught:
            acquire()
        assert caught.value.errno == errno.EDEADLK
    assert not lock.held


def test_a_deadlock_by_another_mapping_is_one_too(name):
    one, two = robust.RWLock.create(name), robust.RWLock.open(name)
    with one.reading(), pytest.raises(OSError) as caught:
        two.acquire(timeout=WAIT)
    assert caught.value.errno == errno.EDEADLK and one.writer is None
    with one.writing(), pytest.raises(OSError) as caught:
        two.acquire(timeout=WAIT)
    assert caught.value.errno == errno.EDEADLK
    one.close()
    two.close()


def test_a_dead_reader_is_stepped_over(lock, victim):
    victim(lock.acquire_shared, lock.acquire_shared).kill()
    with lock.writing(timeout=WAIT):
        assert not lock.suspect


def test_a_writer_that_sleeps_steps_over_a_reader_that_dies(lock, victim):
    reader = victim(lock.acquire_shared)
    killer = threading.Timer(PATIENCE, reader.child.kill)
    killer.start()
    with lock.writing(timeout=WAIT):
        pass
    killer.join()
    reader.child.wait(timeout=WAIT)


def test_a_dead_writer_is_told_to_the_next_writer(lock, victim):
    dead = victim(lock.acquire).kill()
    with pytest.raises(OwnerDied) as caught:
        lock.acquire()
    assert caught.value.pid == dead and lock.held and lock.suspect
    lock.recover()
    lock.release()
    with lock.writing(), pytest.raises(RuntimeError):
        lock.release_shared()
    with lock.reading():
        pass


def test_a_dead_writer_is_told_to_readers_until_one_has_written(lock, victim):
    dead = victim(lock.acquire).kill()
    for _ in range(2):
        with pytest.raises(OwnerDied) as caught:
            lock.acquire_shared(timeout=WAIT)
        assert caught.value.pid == dead and lock.held_shared
        with pytest.raises(RuntimeError):
            lock.recover()
        lock.release_shared()
    told = []
    with lock.writing(repair=told.append):
        assert [death.pid for death in told] == [dead]
    with lock.reading():
        pass


def test_a_with_that_tells_of_a_death_leaves_nothing_held(lock, victim):
    dead = victim(lock.acquire).kill()
    for block in (lock.reading, lock.reading, lock.writing, lock.writing, lock.reading):
        with pytest.raises(OwnerDied) as caught, block(WAIT):
            raise AssertionError("never here")
        assert caught.value.pid == dead and "released again" in "".join(caught.value.__notes__)
        assert lock.suspect and not lock.held and not lock.held_shared and not lock.readers and lock.writer is None
    with lock.writing(repair=lambda death: None):
        pass
    with lock.reading(), lock.reading():
        assert lock.held_shared


def test_a_reader_that_sleeps_notices_a_writer_s_death(lock, victim):
    writer = victim(lock.acquire)
    killer = threading.Timer(PATIENCE, writer.child.kill)
    killer.start()
    with pytest.raises(OwnerDied) as caught:
        lock.acquire_shared(timeout=WAIT)
    killer.join()
    assert caught.value.pid == writer.pid
    writer.child.wait(timeout=WAIT)
    lock.release_shared()


def test_a_writer_that_is_killed_while_it_waits_has_changed_nothing(lock, until):
    with lock.reading():
        with fork(lock.acquire) as waiting:
            until(lambda: lock.writer == waiting.pid)
            waiting.kill()
            waiting.wait(timeout=WAIT)
        assert lock.writer is None
    with lock.reading():
        assert not lock.suspect
    with lock.writing():
        assert not lock.suspect


def test_another_thread_cannot_release_it(lock, thread):
    for acquire, release in ((lock.acquire, lock.release), (lock.acquire_shared, lock.release_shared)):
        with pytest.raises(RuntimeError):
            release()
        acquire()
        with pytest.raises(PermissionError):
            thread(release)
        with pytest.raises(PermissionError):
            thread(lock.close)
        release()


def test_a_forked_child_has_nothing(lock):
    def child():
        assert not lock.held_shared and lock.try_acquire_shared()
        lock.release_shared()
        assert not lock.try_acquire()

    with lock.reading(), fork(child) as born:
        assert born.wait(timeout=WAIT) == Exited(0)


def test_nobody_reads_what_is_half_written(memory, children):
    lock = robust.RWLock.create(memory, readers=4)

    def write():
        for i in range(200):
            with lock.writing(timeout=WAIT):
                memory.buffer[4096] = i % 256
                time.sleep(0)
                memory.buffer[8191] = i % 256

    def read():
        for _ in range(200):
            with lock.reading(timeout=WAIT):
                assert memory.buffer[4096] == memory.buffer[8191]

    children.start(write, times=2)
    children.start(read, times=3)
    children.all_succeed()
    lock.close()


def test_closing_wakes_a_writer_that_waits_for_readers(lock, victim, until):
    victim(lock.acquire_shared)
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(lock.acquire)
        until(lambda: lock.writer == os.getpid())
        time.sleep(PATIENCE)
        lock.close()
        with pytest.raises(ClosedError):
            writer.result(timeout=WAIT)


def test_closed_is_closed(lock):
    lock.acquire_shared()
    lock.close()
    for use in (lock.acquire, lock.acquire_shared, lock.release, lock.release_shared, lock.try_acquire, lock.recover):
        with pytest.raises(ClosedError):
            use()
    assert repr(lock) == "<RWLock temporary reader-writer lock closed>"
