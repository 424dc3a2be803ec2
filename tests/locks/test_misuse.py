"""What a careless or hostile caller may do to a lock: an error each time, never another file's lock, never a crash."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from unixipc import FileLock, RecordLock
from unixipc._native.locks import LockCalls
from unixipc.locks import try_lock_range

WAIT = 30
classes = pytest.mark.parametrize("cls", [FileLock, RecordLock])


@classes
def test_a_path_with_a_nul_is_refused_and_not_cut(tmp_path, cls):
    for bad in (f"{tmp_path}/x\0y", os.fsencode(tmp_path) + b"/x\0y"):
        with pytest.raises(ValueError, match="NUL"):
            cls(bad, mode=0o600)
    assert os.listdir(tmp_path) == []


@classes
@pytest.mark.parametrize("mode", [0o1777, 0o17777, 1 << 40, -2])
def test_a_mode_has_nine_bits(tmp_path, cls, mode):
    with pytest.raises(ValueError, match="permissions"):
        cls(tmp_path / "x", mode=mode)
    assert os.listdir(tmp_path) == []


def test_half_a_byte_cannot_be_locked(path):
    for span in ((1.5, 1), (1, 1.5), ("1", 1), (None, 1)):
        with pytest.raises(TypeError):
            RecordLock(path, *span)
        with open(path, "r+b") as file, pytest.raises(TypeError):
            try_lock_range(file, *span)


@pytest.mark.parametrize("make", [FileLock, RecordLock, lambda file: RecordLock(file, kind="posix")])
def test_a_closed_file_s_number_may_be_another_s_by_now(path, make):
    """The lock is on the file that was given, or it is an error."""
    file = open(path, "r+b")
    number, lock = file.fileno(), make(file)
    file.close()
    with open(f"{path}.other", "w+b") as other:
        assert other.fileno() == number
        with pytest.raises(OSError) as caught:
            lock.try_acquire()
        assert caught.value.errno == errno.EBADF and "closed" in caught.value.__notes__[0]
        with FileLock(other.name) as theirs:
            assert theirs.held
        theirs.close()
    lock.close()


def test_what_is_released_late_does_not_unlock_the_file_that_has_the_number_then(path):
    file = open(path, "r+b")
    number, lock = file.fileno(), FileLock(file)
    lock.acquire()
    file.close()
    with open(f"{path}.other", "w+b") as other:
        assert other.fileno() == number
        theirs = FileLock(other)
        theirs.acquire()
        with pytest.raises(OSError, match="Bad file descriptor"):
            lock.release()
        lock.close()
        assert not FileLock(other.name).try_acquire(), "it is still locked"
        theirs.close()


@classes
def test_an_open_lock_is_not_begun_anew(path, cls):
    lock = cls(path)
    lock.acquire()
    with pytest.raises(RuntimeError, match="open already"):
        lock.__init__(path)
    assert lock.held
    lock.close()


@pytest.mark.parametrize("slot", [[], None, [object()]])
def test_what_is_beneath_may_be_called_with_anything(path, slot):
    for made in (FileLock(path), FileLock.__new__(FileLock), LockCalls.__new__(LockCalls)):
        for call in (made.sleep_in_kernel, made.sleep_in_turn):
            with pytest.raises((IndexError, TypeError, ValueError)):
                call(slot, False, 1)
        made.close()


@classes
def test_a_lock_that_was_never_begun_is_closed(cls):
    made = cls.__new__(cls)
    assert made.closed and not made.held
    for use in (made.acquire, made.try_acquire, made.release, made.fileno):
        with pytest.raises(ValueError, match="closed"):
            use()
    made.close()


def test_threads_that_close_while_others_acquire_leave_nobody_asleep(path):
    for n in range(40):
        lock = (FileLock, RecordLock, lambda p: RecordLock(p, kind="posix"))[n % 3](path)

        def use(lock=lock):
            try:
                while True:
                    lock.acquire(timeout=WAIT)
                    lock.release()
            except (ValueError, RuntimeError):
                pass

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        lock.close()
        for thread in threads:
            thread.join(WAIT)
            assert not thread.is_alive()
