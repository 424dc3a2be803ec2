"""Shared memory."""

from __future__ import annotations

import errno
import mmap
import os

import pytest

import unixipc.compat.posix_ipc as ours

from ..beside import needs_root


def test_two_processes_see_the_same_bytes(ipc, memory, run):
    with mmap.mmap(memory.fd, memory.size) as here:
        here[:5] = b"hello"
        code = """
memory = ipc.SharedMemory(sys.argv[1])
there = mmap.mmap(memory.fd, memory.size)
memory.close_fd()
print(there[:5].decode(), len(there))
there[:5] = b"there"
"""
        assert run(ipc, code, memory.name) == ["hello", "5000"]
        assert here[:5] == b"there"


def test_sizes(ipc, make, name):
    empty = make(ipc.SharedMemory, name, ipc.O_CREX)
    assert empty.size == 0
    sized = make(ipc.SharedMemory, name, 0, size=100)
    assert empty.size == sized.size == 100
    assert make(ipc.SharedMemory, name).size == 100
    make(ipc.SharedMemory, name, ipc.O_CREAT, size=50)
    assert empty.size == 50
    os.ftruncate(empty.fd, 7000)
    assert sized.size == 7000


def test_truncation(ipc, make, memory):
    with mmap.mmap(memory.fd, 5000) as here:
        here[:1] = b"x"
    again = make(ipc.SharedMemory, memory.name, ipc.O_TRUNC)
    assert (again.size, memory.size) == (0, 0)
    assert os.pread(make(ipc.SharedMemory, memory.name, ipc.O_TRUNC, size=10).fd, 10, 0) == bytes(10)


@pytest.mark.parametrize("wrong", ["a", 1.0, None])
@pytest.mark.parametrize("place", ["size", "read_only"])
def test_other_sizes(ipc, raises, name, place, wrong):
    raises(TypeError, ipc.SharedMemory, name, ipc.O_CREX, **{place: wrong})
    raises("ExistentialError", ipc.SharedMemory, name)


@pytest.mark.parametrize("size", [-1, 2**63, 2**64 - 1])
def test_a_size_that_cannot_be_leaves_nothing(ipc, raises, name, size):
    raises(ValueError, ipc.SharedMemory, name, ipc.O_CREX, size=size)
    raises("ExistentialError", ipc.SharedMemory, name)


def test_it_can_be_opened_for_reading_only(ipc, make, memory, raises):
    only = make(ipc.SharedMemory, memory.name, read_only=True)
    assert only.size == 5000
    with pytest.raises(PermissionError):
        mmap.mmap(only.fd, 5000)
    mmap.mmap(only.fd, 5000, prot=mmap.PROT_READ).close()


def test_a_new_one_for_reading_only_has_no_size(ipc, make, raises, name):
    raises(ValueError, ipc.SharedMemory, name, ipc.O_CREX, size=10, read_only=True)
    raises("ExistentialError", ipc.SharedMemory, name)
    assert make(ipc.SharedMemory, name, ipc.O_CREX, read_only=True).size == 0


@pytest.mark.parametrize("how", [{"size": 10, "read_only": True}, {"size": -1}])
@pytest.mark.parametrize("flags", [0, ours.O_CREAT])
def test_a_size_that_fails_unlinks_nobody_elses(ipc, make, raises, name, how, flags):
    """There what was only opened is unlinked."""
    there = make(ipc.SharedMemory, name, ipc.O_CREX, size=100)
    raises(ValueError, ipc.SharedMemory, name, flags, **how)
    if ipc is ours:
        assert make(ipc.SharedMemory, name).size == there.size == 100
    else:
        raises("ExistentialError", ipc.SharedMemory, name)


def test_the_descriptor(ipc, memory, raises):
    number = memory.fd
    assert number == memory.fileno() >= 0
    assert not os.get_inheritable(number)
    assert memory.close_fd() is None
    assert (memory.fd, memory.fileno()) == (-1, -1)
    assert memory.close_fd() is None
    raises("ExistentialError", getattr, memory, "size")
    with pytest.raises(OSError):
        os.fstat(number)
    assert memory.unlink() is None


def test_a_descriptor_that_os_close_was_given(ipc, make, raises):
    memory = make(ipc.SharedMemory, None, ipc.O_CREX, size=10)
    number = memory.fd
    os.close(number)
    raises("ExistentialError", getattr, memory, "size")
    raises(ValueError, memory.close_fd)
    if ipc is ours:  # there every close_fd() tries again, whosever the number is by then
        assert memory.fd == -1 and memory.close_fd() is None
    memory.unlink()


def test_a_forgotten_object_leaves_its_descriptor_open(ipc, name):
    """``mmap.mmap(SharedMemory(name).fd, 0)`` is how programs have always said it."""
    number = ipc.SharedMemory(name, ipc.O_CREX, size=10).fd
    ipc.unlink_shared_memory(name)
    assert os.fstat(number).st_size == 10
    if ipc is ours:
        (kept,) = [each for each in ours._memory._open if each.fileno() == number]
        ours._memory._open.remove(kept)
        kept.close()
    else:
        os.close(number)


def test_who_has_it_open_keeps_an_unlinked_one(ipc, memory):
    memory.unlink()
    with mmap.mmap(memory.fd, memory.size) as here:
        memory.close_fd()
        here[:2] = b"ok"
        assert here[:2] == b"ok"


@needs_root
def test_permissions(ipc, make, run, name):
    memory = make(ipc.SharedMemory, name, ipc.O_CREX, size=10)
    os.fchmod(memory.fd, 0o644)
    code = """
print(ipc.SharedMemory(sys.argv[1], read_only=True).size)
for flags, named in ((0, {}), (ipc.O_TRUNC, {}), (ipc.O_CREAT, {"size": 5})):
    try: ipc.SharedMemory(sys.argv[1], flags, **named)
    except ipc.PermissionsError: print("no")
"""
    assert run(ipc, code, name, user=65534) == ["10", "no", "no", "no"]
    assert memory.size == 10


def test_it_is_set_aside(own_ipc_namespace, make, name):
    """There it is a hole, and who writes to it is killed when /dev/shm is full."""
    memory = make(ours.SharedMemory, name, ours.O_CREX, size=1 << 20)
    assert os.fstat(memory.fd).st_blocks * 512 >= 1 << 20
    with pytest.raises((OSError, MemoryError)) as caught:
        ours.SharedMemory(name, size=1 << 55)
    assert caught.value.errno in (errno.ENOSPC, errno.ENOMEM)
    assert memory.size == 1 << 20


def test_numbers_are_not_cut(own_ipc_namespace, name):
    """There 2**64 + 10 is 10."""
    with pytest.raises(ValueError):
        ours.SharedMemory(name, ours.O_CREX, size=2**64 + 10)
    with pytest.raises(ours.ExistentialError):
        ours.SharedMemory(name)
