"""The five fates of System V semaphores, shared memory, and what is built of them."""

from __future__ import annotations

import errno
import os
import pathlib
import pickle
import sys
import time

import pytest

from unixipc import ClosedError, Exited, ObjectRemoved, fork
from unixipc.sysv import Barrier, Key, ReadWriteLock, Semaphore, SemaphoreSet, SharedMemory, segments, semaphore_sets

from .conftest import killed_while, ran_in_a_child

WAIT = 20

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

MAKERS = {
    "SemaphoreSet": lambda key: SemaphoreSet.ensure(key, [2, 3]),
    "Semaphore": lambda key: Semaphore.ensure(key, 2),
    "SharedMemory": lambda key: SharedMemory.ensure(key, 5000),
    "ReadWriteLock": lambda key: ReadWriteLock.ensure(key),
    "Barrier": lambda key: Barrier.ensure(key, 2),
}


@pytest.fixture
def key():
    key = Key.random()
    yield key
    for each in semaphore_sets():
        if each.permissions.key == key:
            SemaphoreSet(each.id).remove()
    for each in segments():
        if each.permissions.key == key:
            SharedMemory(each.id).remove()


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def is_there(key):
    return key in {each.permissions.key for each in (*semaphore_sets(), *segments())}


def use(handle):
    """Something that each of them can do, and that changes nothing."""
    return handle.semaphores.values if isinstance(handle, (ReadWriteLock, Barrier)) else handle.stat()


def until(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.002)


# close


def test_close_forgets_the_handle_and_leaves_the_object(make, key):
    with make(key) as handle:
        pass
    handle.close()
    assert handle.closed
    with pytest.raises(ClosedError):
        use(handle)
    with pytest.raises(ClosedError):
        handle.remove()
    assert is_there(key)


def test_close_leaves_what_is_attached_attached(key):
    with SharedMemory.create(key, 100) as memory:
        segment = memory.attach()
    segment.buffer[0] = 1
    segment.close()
    assert segment.closed


# remove


def test_remove_ends_it_for_everybody_and_frees_the_key(make, key):
    with make(key) as handle, make(key) as same:
        handle.remove()
        assert not is_there(key)
        for gone in (lambda: use(same), same.remove):
            with pytest.raises(ObjectRemoved) as caught:
                gone()
            assert caught.value.errno in (errno.EINVAL, errno.EIDRM)
    with make(key) as heir:
        assert use(heir)


def test_an_id_is_not_given_to_the_next(make, key):
    """Who still has the old id is told, and never changes another's object."""
    with make(key) as old:
        old.remove()
        with make(key):
            with pytest.raises(ObjectRemoved):
                use(old)


# fork


def test_a_fork_uses_the_same_object(make, key):
    with make(key) as handle:
        ran_in_a_child(lambda: use(handle) and None)
        ran_in_a_child(handle.close)
        assert use(handle)
        ran_in_a_child(handle.remove)
        with pytest.raises(ObjectRemoved):
            use(handle)


def test_a_temporary_object_is_its_maker_s_to_remove():
    with SemaphoreSet.temporary([1]) as s, SharedMemory.temporary(10) as memory:
        ran_in_a_child(lambda: (s.close(), memory.close(), None)[-1])
        assert s.values == (1,)
        memory.attach().detach()


def test_a_fork_s_undo_is_its_own(key):
    with SemaphoreSet.create(key, [5]) as s:
        s[0].acquire(2, undo=True)
        ran_in_a_child(lambda: s[0].acquire(1, undo=True))
        assert s[0].value == 3
        s[0].release(2, undo=True)


def test_a_fork_has_attachments_at_the_same_addresses(key):
    with SharedMemory.create(key, 100) as memory, memory.attach() as segment:
        address = segment.address
        ran_in_a_child(lambda: int(segment.address != address or memory.stat().attached != 2))


# exec


def in_a_new_program(handle, code):
    """Run it with the handle as `it`, passed on by pickling: ids mean the same in every process of the namespace."""
    script = f"import pickle; from unixipc.sysv import *; it = pickle.loads({pickle.dumps(handle)!r}); {code}"
    ran_in_a_child(lambda: os.execv(sys.executable, [sys.executable, "-c", script]))


def test_exec_changes_nothing_and_the_new_program_can_use_it(key):
    with SemaphoreSet.create(key, [5]) as s, SharedMemory.create(key, 10) as memory, memory.attach() as segment:
        in_a_new_program(s, "it.op((0, +2))")
        in_a_new_program(memory, "it.attach().buffer[0] = 7")
        assert s.values == (7,)
        assert segment.buffer[0] == 7


def test_exec_keeps_undo_and_drops_attachments(key):
    with SemaphoreSet.create(key, [5, 1]) as s, SharedMemory.create(key, 10) as memory:
        code = f"from unixipc.sysv import SemaphoreSet; SemaphoreSet({s.id})[1].wait_zero({WAIT})"

        def take_and_exec():
            memory.attach()
            s[0].acquire(2, undo=True)
            os.execv(sys.executable, [sys.executable, "-c", code])

        with fork(take_and_exec) as child:
            until(lambda: s[1].zero_waiters)
            assert (s[0].value, memory.stat().attached) == (3, 0)
            s[1].acquire()
            assert child.wait(timeout=WAIT) == Exited(0)
        assert s[0].value == 5


# kill -9


def test_kill_9_leaves_the_object_with_its_key(make, key):
    killed_while(lambda: make(key))
    assert is_there(key)
    with make(key) as heir:
        assert use(heir)


def test_kill_9_takes_back_what_was_taken_with_undo_and_nothing_else(key):
    with SemaphoreSet.create(key, [5, 5]) as s:
        killed_while(lambda: (s[0].acquire(2, undo=True), s[1].acquire(2)))
        assert s.values == (5, 3)


def test_kill_9_of_a_writer_frees_the_lock(key):
    with ReadWriteLock.ensure(key) as lock:
        killed_while(lock.acquire)
        lock.acquire(timeout=WAIT)
        lock.release()


def test_kill_9_of_one_who_has_come_to_a_barrier_is_not_counted(key):
    with Barrier.ensure(key, 2) as barrier:
        with fork(barrier.wait) as child:
            until(lambda: barrier.waiting == 1)
            child.kill()
            child.wait(timeout=WAIT)
        assert barrier.waiting == 0


def test_kill_9_leaves_the_bytes_as_they_are_half_written_too(key):
    def write_half():
        segment = memory.attach()
        segment.buffer[:3] = b"hal"
        return segment

    with SharedMemory.create(key, 10) as memory:
        killed_while(write_half)
        with memory.attach() as segment:
            assert bytes(segment.buffer[:5]) == b"hal\0\0"
            assert memory.stat().attached == 1


def test_kill_9_of_the_last_user_ends_a_temporary_segment():
    before = {each.id for each in segments()}
    killed_while(lambda: SharedMemory.temporary(10))
    until(lambda: {each.id for each in segments()} == before)


def test_kill_9_leaves_a_temporary_set_behind():
    """The kernel has no set that ends with its maker: the docstring says so, and this is the proof."""
    before = {each.id for each in semaphore_sets()}
    killed_while(lambda: SemaphoreSet.temporary([1]))
    (left,) = {each.id for each in semaphore_sets()} - before
    SemaphoreSet(left).remove()


@pytest.mark.parametrize("way", ["semaphore", "record_lock", "seqlock"])
def test_kill_9_of_a_writer_of_guarded_memory_leaves_it_to_the_next(way, tmp_path):
    path = pathlib.Path(tmp_path / "key")
    path.touch()
    with SharedMemory.create(Key.ftok(path, 1), 100) as memory, memory.guarded(way) as guarded:

        def hold():
            context = memory.guarded(way).writing()
            context.__enter__()
            return context

        killed_while(hold)
        guarded.write(b"whole", timeout=WAIT)
        assert guarded.read(5, timeout=WAIT) == b"whole"
        guarded.remove()
