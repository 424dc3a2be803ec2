"""Rows A04, A07, A12, truths B16, B17: memory without a file."""

from __future__ import annotations

import errno
import fcntl
import os
import resource

import pytest

from unixipc import Exited, fork, map_anonymous

PAGE = os.sysconf("SC_PAGESIZE")


def test_A04_a_forked_child_has_the_same_bytes(in_child):
    with map_anonymous(100) as memory:
        assert bytes(memory) == bytes(100)

        def child():
            assert bytes(memory.buffer[:5]) == b"hello"
            memory.buffer[:5] = b"HELLO"

        memory.buffer[:5] = b"hello"
        in_child(child)
        assert bytes(memory.buffer[:5]) == b"HELLO"


def test_A04_what_is_not_shared_is_copied(in_child):
    with map_anonymous(100, shared=False) as memory:
        in_child(lambda: memory.buffer.__setitem__(0, 1))
        assert memory.buffer[0] == 0


@pytest.mark.parametrize("size", [0, -1, -(2**62)])
def test_no_size(size):
    with pytest.raises(ValueError, match="at least 1 byte"):
        map_anonymous(size)


@pytest.mark.parametrize("size", [2**47, 2**62, 2**63 - 1, 2**63 - PAGE, 2**63, 2**64, 2**100])
@pytest.mark.parametrize("shared", [True, False])
def test_B16_too_much_is_an_error(size, shared):
    """MAP_FAILED is -1, not NULL: who compares with NULL writes to address -1."""
    with pytest.raises(OSError) as caught:
        map_anonymous(size, shared=shared)
    assert caught.value.errno == errno.ENOMEM and "memory" in caught.value.__notes__[0]


def test_B16_too_much_for_this_process(in_child):
    def child():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        with pytest.raises(OSError) as caught:
            map_anonymous(2 << 30)
        assert caught.value.errno == errno.ENOMEM and "RLIMIT_AS" in caught.value.__notes__[0]

    in_child(child)


def test_A07_shared_memory_cannot_outgrow_its_birth(in_child):
    """mremap(2) would allow it, and the first touch of a new page would be SIGBUS."""

    def child():
        with map_anonymous(2 * PAGE) as memory:
            memory.buffer[PAGE] = 5
            with pytest.raises(ValueError, match="from birth"):
                memory.resize(2 * PAGE + 1)
            memory.resize(10)
            memory.resize(2 * PAGE)
            assert memory.buffer[PAGE] == 5

    in_child(child)


def test_A07_private_memory_grows_and_moves():
    with map_anonymous(PAGE, shared=False) as memory, map_anonymous(PAGE, shared=False):
        memory.buffer[:5] = b"hello"
        memory.resize(1000 * PAGE)
        assert bytes(memory.buffer[:5]) == b"hello" and memory.buffer[999 * PAGE] == 0
        memory.buffer[999 * PAGE] = 1
        memory.check()


@pytest.mark.parametrize("huge", [True, "2MB"])
def test_A07_huge_pages_or_the_reason_why_not(huge, in_child):
    def child():
        try:
            memory = map_anonymous(100, huge_pages=huge)
        except OSError as error:
            assert error.errno == errno.ENOMEM
            assert "nr_hugepages" in error.__notes__[0]
            return
        with memory:
            memory.buffer[99] = 1
            assert len(memory) == 100
        assert memory.closed

    in_child(child)


def test_A07_huge_pages_of_another_size_are_refused():
    with pytest.raises(ValueError, match="huge_pages must be"):
        map_anonymous(100, huge_pages="3MB")


def test_without_a_reservation_and_with_all_pages_now():
    with map_anonymous(1 << 40, shared=False, reserve=False) as memory:
        memory.buffer[1 << 39] = 1
    with map_anonymous(10 * PAGE, populate=True) as memory:
        assert not any(memory.buffer)


def test_A12_counters_of_several_processes_under_a_lock(in_child, tmp_path):
    """The memory itself keeps nobody apart: a lock does."""
    with map_anonymous(8) as memory:

        def add():
            with open(tmp_path / "lock", "w") as lock:
                for _ in range(300):
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    value = int.from_bytes(memory.buffer[:8], "little")
                    memory.buffer[:8] = (value + 1).to_bytes(8, "little")
                    fcntl.flock(lock, fcntl.LOCK_UN)

        children = [fork(add) for _ in range(3)]
        for child in children:
            with child:
                assert child.wait(timeout=30) == Exited(0)
        assert int.from_bytes(memory.buffer[:8], "little") == 900


def test_wipe_on_fork(in_child):
    with map_anonymous(PAGE, shared=False) as memory:
        memory.buffer[0] = 1
        memory.advise("wipeonfork")
        in_child(lambda: memory.buffer[0])
        assert memory.buffer[0] == 1
