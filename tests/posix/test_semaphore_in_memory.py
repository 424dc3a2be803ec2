"""Semaphores without a name, in shared memory of the caller's."""

from __future__ import annotations

import copy
import mmap
import pickle
import signal

import pytest

from unixipc import ClosedError, Exited, Killed, LayoutError, MemFd, fork, map_anonymous
from unixipc.posix import Semaphore

WAIT = 20
SIZE = Semaphore.SIZE_BYTES


@pytest.fixture
def memory():
    with map_anonymous(4096) as memory:
        yield memory


def test_placed_and_attached_it_is_one(memory):
    with Semaphore.place(memory, 1, 64) as one, Semaphore.attach(memory, 64) as other:
        assert other.try_acquire() and not one.try_acquire()
        one.release()
        assert (one.value, other.value) == (1, 1)
        assert not any(memory.buffer[:64]) and not any(memory.buffer[64 + SIZE :])
        assert "at 64 of anonymous" in repr(one)


def test_each_place_is_a_semaphore_of_its_own(memory):
    places = [Semaphore.place(memory, number, number * SIZE) for number in range(10)]
    assert [each.value for each in places] == list(range(10))
    for each in places:
        each.close()


def test_the_memory_stays_as_long_as_the_semaphore(memory):
    semaphore = Semaphore.place(memory, 0)
    with pytest.raises(BufferError, match="in use"):
        memory.close()
    semaphore.close()
    with pytest.raises(ClosedError):
        semaphore.release()
    semaphore = Semaphore.place(memory, 0)
    del semaphore  # forgotten is closed
    memory.close()


@pytest.mark.parametrize("offset", [4096, 4096 - SIZE + 8, -8, -1, 2**62, -(2**62)])
def test_places_outside_the_memory(memory, offset):
    for way in (lambda: Semaphore.place(memory, 1, offset), lambda: Semaphore.attach(memory, offset)):
        with pytest.raises(ValueError, match="not within 4096"):
            way()
    memory.close()  # nothing was kept


@pytest.mark.parametrize("offset", [1, 4, 63])
def test_places_that_no_word_can_have(memory, offset):
    with pytest.raises(ValueError, match="multiple of 8"):
        Semaphore.place(memory, 1, offset)
    memory.close()


@pytest.mark.parametrize("value", [-1, 2**31, 2**70])
def test_values_that_none_can_have(memory, value):
    with pytest.raises(OSError, match="Invalid"):
        Semaphore.place(memory, value)
    for wrong in (None, 1.0, "1"):
        with pytest.raises(TypeError):
            Semaphore.place(memory, wrong)
    memory.close()


def test_memory_that_cannot_be_used():
    with MemFd.create("x", 4096) as file, file.map("r") as readonly:
        for memory in (readonly, b"x" * 100, memoryview(bytearray(200))[::2]):
            with pytest.raises((BufferError, TypeError)):
                Semaphore.attach(memory)
        for memory in (None, 5, "text"):
            with pytest.raises(TypeError):
                Semaphore.attach(memory)


def test_any_writable_memory():
    with mmap.mmap(-1, 4096) as memory:
        with Semaphore.place(memory, 3, 8) as semaphore:
            assert semaphore.value == 3
            with pytest.raises(BufferError):
                memory.close()


PATTERNS = [b"\xff", b"\x80", b"\x01", b"\0", b"text"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_bytes_that_are_no_semaphore(memory, pattern):
    """The C library would hand them to futex(2), and abort."""
    memory.buffer[:] = pattern * (4096 // len(pattern))
    with pytest.raises(LayoutError, match="processes share"):
        Semaphore.attach(memory, 64)
    memory.close()


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("kept", [0, 8])
def test_bytes_that_somebody_damages_later(memory, pattern, kept):
    """Whatever it says, the process lives: in a child, as it could end by abort()."""

    def child():
        with Semaphore.place(memory, 0) as semaphore:
            memory.buffer[kept:SIZE] = (pattern * SIZE)[: SIZE - kept]
            for use in (
                semaphore.try_acquire,
                semaphore.release,
                lambda: semaphore.acquire(0.01),
                lambda: semaphore.wait_until_possible(0.01),
                lambda: semaphore.value,
            ):
                with pytest.raises(LayoutError):
                    use()
            assert "damaged" in repr(semaphore)

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)


@pytest.mark.parametrize("value", [b"\xff" * 8, b"\0\0\0\0" + b"\xff" * 4, b"\xff" * 4 + b"\0" * 4])
def test_counts_that_somebody_damages(memory, value):
    def child():
        with Semaphore.place(memory, 0) as semaphore:
            memory.buffer[:8] = value
            for use in (semaphore.release, lambda: semaphore.acquire(0.01), semaphore.try_acquire, semaphore.release):
                try:
                    use()
                except OSError:
                    pass

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)


def test_it_has_no_name(memory):
    with Semaphore.place(memory, 1) as semaphore:
        with pytest.raises(FileNotFoundError):
            semaphore.remove()
        for way in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="no name to pickle"):
                way(semaphore)


def test_unrelated_mappings_of_one_file_share_it():
    """Each process maps the file by itself, at another address."""
    with MemFd.create("shared", 4096) as file:

        def other():
            with file.map() as mine, Semaphore.attach(mine, 128) as full:
                full.acquire(timeout=WAIT)
                assert bytes(mine.buffer[:5]) == b"hello"

        with file.map() as memory, Semaphore.place(memory, 0, 128) as full, fork(other) as child:
            memory.buffer[:5] = b"hello"
            full.release()
            assert child.wait(timeout=WAIT) == Exited(0)


def test_kill_9_gives_nothing_back_and_leaves_it_usable(memory):
    with Semaphore.place(memory, 1) as semaphore:

        def killed():
            with semaphore.hold():
                signal.raise_signal(signal.SIGKILL)

        with fork(killed) as child:
            assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        assert semaphore.value == 0
        semaphore.release()
        semaphore.acquire(timeout=WAIT)


def test_close_wakes_who_waits_and_then_lets_the_memory_go(memory, asleep):
    semaphore = Semaphore.place(memory, 0)
    waiting = asleep(semaphore.acquire)
    semaphore.close()
    with pytest.raises(ClosedError):
        waiting.result(WAIT)
    memory.close()
