"""Shared memory segments: sizes, limits, permissions, removal, locking, what stat tells."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import signal
import time

import pytest

from unixipc import ClosedError, Exited, Killed, ObjectRemoved, fork, pipe
from unixipc.sysv import Key, SharedMemory, limits, segments
from unixipc.testing.namespaces import enter_own_ipc_namespace

WAIT = 20
CANNOT = 77


@pytest.fixture
def key():
    """A key of the test's own; its segment is removed afterwards."""
    key = Key.random()
    yield key
    for each in segments():
        if each.permissions.key == key:
            SharedMemory(each.id).remove()


def failing(code, call, *args, **named):
    with pytest.raises(OSError) as caught:
        call(*args, **named)
    assert caught.value.errno == code, caught.value
    return " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def exists(number):
    return number in {each.id for each in segments()}


# H01: sizes


@pytest.mark.parametrize("size", [1, 100, 4096, 4097, 1 << 20])
def test_H01_size_is_what_was_asked_for(key, size):
    with SharedMemory.create(key, size) as memory, memory.attach() as segment:
        assert memory.stat().size_bytes == segment.size_bytes == len(segment.buffer) == size


def test_H19_new_memory_is_zero(key):
    with SharedMemory.create(key, 100_000) as memory, memory.attach() as segment:
        assert bytes(segment.buffer) == bytes(100_000)


@pytest.mark.parametrize("make", [lambda size: SharedMemory.create(0, size), SharedMemory.temporary])
def test_H01_a_segment_has_at_least_one_byte(make):
    assert "at least 1" in failing(errno.EINVAL, make, 0)
    with pytest.raises(ValueError, match="-1 bytes"):
        make(-1)


def test_half_a_byte_is_refused():
    with pytest.raises(TypeError):
        SharedMemory.temporary(1.5)


def test_H01_a_key_in_use_is_refused(key):
    with SharedMemory.create(key, 10):
        assert f"0x{int(key):08x}" in failing(errno.EEXIST, SharedMemory.create, key, 10)


def test_H01_opening_needs_no_size(key):
    with SharedMemory.create(key, 10), SharedMemory.open(key) as same:
        assert same.stat().size_bytes == 10
        assert same.key == key


def test_H01_opening_a_missing_segment_is_file_not_found(key):
    with pytest.raises(FileNotFoundError, match=f"0x{int(key):08x}"):
        SharedMemory.open(key)


def test_H01_ensuring_fewer_bytes_than_there_are_is_fine(key):
    with SharedMemory.create(key, 100), SharedMemory.ensure(key, 10) as same:
        assert same.stat().size_bytes == 100


def test_H01_ensuring_more_bytes_than_there_are_tells_both_sizes(key):
    with SharedMemory.create(key, 100):
        text = failing(errno.EINVAL, SharedMemory.ensure, key, 101)
    assert "a segment of 100 bytes" in text
    assert "101 were asked for" in text
    assert f"user {os.geteuid()}" in text


def test_H01_of_many_processes_that_ensure_one_creates(key, children):
    def ensure():
        with SharedMemory.ensure(key, 5000) as memory, memory.attach() as segment:
            assert segment.size_bytes == 5000

    children.start(ensure, times=20)
    children.all_succeed()
    assert [each.permissions.key for each in segments()].count(key) == 1


def test_ensuring_and_removing_at_once_never_fails(key, children):
    def ensure():
        for _ in range(500):
            SharedMemory.ensure(key, 100).close()

    def remove():
        for _ in range(500):
            try:
                SharedMemory.open(key).remove()
            except (FileNotFoundError, ObjectRemoved):
                pass

    children.start(ensure, times=3)
    children.start(remove, times=2)
    children.all_succeed()


# limits


def test_beyond_shmmax_the_limit_is_named():
    most = limits().segment_bytes
    assert f"kernel.shmmax = {most}" in failing(errno.EINVAL, SharedMemory.create, 0, most + 1)


def in_a_namespace_with(name, value, function):
    """Run it where this limit is lower; skip where it cannot be lowered."""

    def lowered():
        enter_own_ipc_namespace()
        try:
            with open(f"/proc/sys/kernel/{name}", "w") as limit:
                limit.write(str(value))
        except PermissionError:
            return CANNOT
        function()
        return 0

    with fork(lowered) as child:
        status = child.wait(timeout=WAIT)
    if status == Exited(CANNOT):
        pytest.skip("the limits of this namespace may not be changed")
    assert status == Exited(0)


def test_too_many_segments_name_the_limit():
    def one_too_many():
        for _ in range(2):
            SharedMemory.create(0, 1)
        assert "kernel.shmmni = 2 (number of segments)" in failing(errno.ENOSPC, SharedMemory.create, 0, 1)

    in_a_namespace_with("shmmni", 2, one_too_many)


def test_too_many_pages_name_the_limit():
    def one_too_many():
        assert "kernel.shmall = 3 (pages in all segments)" in failing(errno.ENOSPC, SharedMemory.create, 0, 4 * 4096)

    in_a_namespace_with("shmall", 3, one_too_many)


def test_H17_where_unused_segments_are_forced_to_go_they_do():
    """kernel.shm_rmid_forced: the last detach removes, marked or not, and the errors say removed."""

    def detach_last():
        memory = SharedMemory.create(0, 10)
        memory.attach().detach()
        with pytest.raises(ObjectRemoved):
            memory.stat()

    in_a_namespace_with("shm_rmid_forced", 1, detach_last)


def test_no_room_in_the_address_space_names_the_limit():
    def without_room():
        memory = SharedMemory.create(0, 1 << 30)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
        text = failing(errno.ENOMEM, memory.attach)
        memory.remove()
        assert "RLIMIT_AS" in text

    with fork(without_room) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


@pytest.mark.parametrize("pages", [True, "2MB", "1GB"])
def test_H11_huge_pages_work_or_say_what_is_missing(pages):
    try:
        with SharedMemory.create(0, 1 << 21, huge_pages=pages) as memory:
            memory.remove()
    except OSError as error:
        text = " ".join([str(error), *error.__notes__])
        assert error.errno in (errno.ENOMEM, errno.EINVAL, errno.ENOSYS), text
        assert "huge" in text


def test_H11_huge_pages_without_privilege_name_it(as_nobody):
    def other():
        assert "CAP_IPC_LOCK" in failing(errno.EPERM, SharedMemory.create, 0, 1 << 21, huge_pages=True)

    as_nobody(other)


def test_H11_unknown_huge_pages_are_refused():
    with pytest.raises(ValueError, match="'2MB' or '1GB'"):
        SharedMemory.create(0, 1 << 21, huge_pages="3MB")


def test_H11_memory_without_reservation_works_too():
    with SharedMemory.create(0, 1 << 20, reserve=False) as memory, memory.attach() as segment:
        memory.remove()
        segment.buffer[-1] = 7
        assert segment.buffer[-1] == 7


# H07, S33, B19: removal is a mark


def test_H07_remove_frees_the_key_at_once_and_marks_the_memory(key):
    old = SharedMemory.create(key, 10)
    with old.attach() as segment:
        segment.buffer[:3] = b"old"
        old.remove()
        assert old.stat().marked_for_removal
        with SharedMemory.create(key, 20) as new:
            assert new.id != old.id
            assert bytes(segment.buffer[:3]) == b"old"
            new.remove()
    assert not exists(old.id)


def test_H07_a_marked_segment_can_still_be_attached_by_id(key):
    memory = SharedMemory.create(key, 10)
    with memory.attach() as segment:
        segment.buffer[0] = 9
        memory.remove()

        def other():
            with SharedMemory(memory.id) as same, same.attach() as again:
                assert again.buffer[0] == 9
                assert same.key == Key.PRIVATE

        with fork(other) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
    with pytest.raises(ObjectRemoved):
        memory.attach()


def test_S33_the_memory_lives_until_the_last_process_detaches(key, until):
    memory = SharedMemory.create(key, 10)
    ready, tell = pipe()

    def hold():
        with memory.attach():
            tell.write_all(b"!")
            signal.pause()

    with ready, tell, fork(hold) as child:
        ready.read_exactly(1, timeout=WAIT)
        memory.remove()
        assert exists(memory.id)
        child.kill()
        child.wait(timeout=WAIT)
        until(lambda: not exists(memory.id))


def test_an_unattached_segment_is_gone_at_once(key):
    memory = SharedMemory.create(key, 10)
    memory.remove()
    assert not exists(memory.id)
    for use in (memory.remove, memory.stat, memory.attach, memory.lock, lambda: memory.set_permissions(0o644)):
        with pytest.raises(ObjectRemoved):
            use()


def test_the_id_of_a_removed_segment_is_refused():
    with SharedMemory.temporary(1) as memory:
        number = memory.id
    with pytest.raises(ObjectRemoved):
        SharedMemory(number)


# temporary ones


def test_a_temporary_segment_goes_with_its_handle():
    with SharedMemory.temporary(10) as memory:
        assert memory.stat().marked_for_removal
        assert memory.key == Key.PRIVATE
    assert not exists(memory.id)


def test_a_temporary_segment_lives_as_long_as_somebody_has_it_attached():
    memory = SharedMemory.temporary(10)
    with memory.attach() as segment:
        memory.close()
        segment.buffer[0] = 1
        assert exists(memory.id)
    assert not exists(memory.id)


def test_a_temporary_segment_vanishes_when_its_last_user_is_killed(until):
    ready, tell = pipe()

    def hold():
        memory = SharedMemory.temporary(10)
        tell.write_all(b"%d\n" % memory.id)
        signal.pause()

    with ready, tell, fork(hold) as child:
        number = int(ready.read(100, timeout=WAIT))
        assert exists(number)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        until(lambda: not exists(number))


def test_a_forked_child_keeps_a_temporary_segment_alive():
    with SharedMemory.temporary(10) as memory:

        def other():
            with memory.attach() as segment:
                segment.buffer[0] = 5

        with fork(other) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        with memory.attach() as segment:
            assert segment.buffer[0] == 5


# H08, H09, H10


def test_H08_stat_is_the_segment_at_one_moment(key):
    began = int(time.time()) - 1
    with SharedMemory.create(key, 5000, 0o640) as memory:
        new = memory.stat()
        assert (new.id, new.size_bytes, new.attached, new.creator_pid, new.last_pid) == (
            memory.id, 5000, 0, os.getpid(), 0,
        )  # fmt: skip
        assert (new.permissions.key, new.permissions.mode, new.permissions.uid) == (key, 0o640, os.geteuid())
        assert (new.attached_at, new.detached_at, new.locked, new.marked_for_removal) == (None, None, False, False)
        assert new.changed_at >= began
        with memory.attach(), memory.attach():
            assert memory.stat().attached == 2
            assert memory.stat().attached_at >= began
        after = memory.stat()
        assert (after.attached, after.last_pid) == (0, os.getpid())
        assert after.detached_at >= began
        assert after in segments()


def test_H08_last_pid_is_who_attached_or_detached_last(key):
    with SharedMemory.create(key, 10) as memory, fork(lambda: memory.attach().detach()) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
        assert memory.stat().last_pid == child.pid


def test_H09_permissions_can_be_changed(key):
    with SharedMemory.create(key, 10) as memory:
        memory.set_permissions(0o644)
        assert memory.stat().permissions.mode == 0o644


def test_H09_the_owner_can_be_given_away(key, as_nobody):
    with SharedMemory.create(key, 10) as memory:
        memory.set_permissions(uid=65534)
        as_nobody(lambda: SharedMemory.open(key).remove())
        assert not exists(memory.id)


def test_another_user_s_segment_can_be_opened_and_not_used(key, as_nobody):
    def other():
        with SharedMemory.open(key) as memory:
            for use in (memory.stat, memory.attach, lambda: memory.attach(readonly=True)):
                failing(errno.EACCES, use)
            for change in (memory.remove, memory.lock, memory.unlock):
                failing(errno.EPERM, change)

    with SharedMemory.create(key, 10):
        as_nobody(other)


def test_H04_reading_permission_is_enough_to_attach_readonly(key, as_nobody):
    def other():
        with SharedMemory.open(key) as memory, memory.attach(readonly=True) as segment:
            assert bytes(segment.buffer[:5]) == b"hello"
            assert "readonly=True" in failing(errno.EACCES, memory.attach)

    with SharedMemory.create(key, 10, 0o644) as memory, memory.attach() as segment:
        segment.buffer[:5] = b"hello"
        as_nobody(other)


def test_H10_lock_and_unlock_show(key):
    with SharedMemory.create(key, 10) as memory:
        try:
            memory.lock()
        except OSError as error:
            pytest.skip(f"memory may not be locked here: {error}")
        assert memory.stat().locked
        memory.unlock()
        assert not memory.stat().locked


def test_H10_locking_without_a_limit_to_lock_is_EPERM(as_nobody):
    def other():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        with SharedMemory.temporary(10) as memory:
            assert "RLIMIT_MEMLOCK" in failing(errno.EPERM, memory.lock)

    as_nobody(other)


def test_H10_locking_more_than_the_limit_is_ENOMEM(as_nobody):
    def other():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
        with SharedMemory.temporary(1 << 20) as memory:
            assert "RLIMIT_MEMLOCK" in failing(errno.ENOMEM, memory.lock)

    as_nobody(other)


# handles


def test_closing_a_handle_changes_nothing(key):
    with SharedMemory.create(key, 10) as memory:
        segment = memory.attach()
    segment.buffer[0] = 1
    segment.detach()
    for use in (memory.stat, memory.attach, memory.remove, memory.lock, memory.__enter__, lambda: pickle.dumps(memory)):
        with pytest.raises(ClosedError):
            use()
    with SharedMemory.open(key) as again, again.attach() as segment:
        assert segment.buffer[0] == 1


def test_a_segment_can_be_pickled_and_an_attachment_cannot():
    with SharedMemory.temporary(10) as memory, memory.attach() as segment, pickle.loads(pickle.dumps(memory)) as same:
        assert same.id == memory.id
        with pytest.raises(TypeError, match="pickle the SharedMemory"):
            pickle.dumps(segment)
