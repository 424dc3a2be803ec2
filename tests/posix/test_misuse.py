"""What a careless or hostile neighbour may do to POSIX objects: an error each time, never a hang, never a crash."""

from __future__ import annotations

import copy
import ctypes
import errno
import os
import pathlib
import pickle
import time

import pytest

from unixipc import Exited, LayoutError, fork
from unixipc.posix import MessageQueue, Semaphore, SharedMemory, remove_memory, remove_queue, remove_semaphore

WAIT = 20
SEMAPHORE_BYTES = 32


@pytest.fixture
def queue():
    with MessageQueue.temporary() as queue:
        yield queue


@pytest.fixture
def there(name):
    """The semaphore's file, whatever it is."""
    path = pathlib.Path("/dev/shm/sem." + name[1:])
    yield path
    if path.is_dir():
        path.rmdir()


@pytest.fixture
def object_there(name):
    path = pathlib.Path("/dev/shm" + name)
    yield path
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def take_flag_off(queue):
    """As a C program does that was given the descriptor and wants to wait in mq_receive(3)."""
    attributes = (ctypes.c_long * 8)()
    assert ctypes.CDLL(None).mq_setattr(queue.fileno(), attributes, None) == 0


def test_a_try_never_waits_whoever_took_the_flag_off(queue, children):
    """The open file description is shared with whom we fork, and so is O_NONBLOCK."""
    children.start(take_flag_off, queue)
    children.all_succeed()

    def use():
        assert queue.try_receive() is None
        with pytest.raises(TimeoutError):
            queue.receive(timeout=0.01)
        sent = 0
        while queue.try_send(b"x"):
            sent += 1
        assert sent == len(queue) == queue.stat().max_messages
        with pytest.raises(TimeoutError):
            queue.send(b"x", timeout=0.01)
        assert [queue.receive(timeout=WAIT).body for _ in range(sent)] == [b"x"] * sent

    children.start(use)  # it would hang with the interpreter in its hand: nothing but a kill from outside helps
    children.all_succeed()


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
@pytest.mark.parametrize("readonly", [False, True])
def test_what_is_no_object_is_not_opened(name, object_there, made, readonly):
    made(object_there)
    with pytest.raises(OSError) as caught:
        SharedMemory.open(name, readonly=readonly)
    assert caught.value.errno == errno.EINVAL and caught.value.filename == name
    assert "no shared memory" in caught.value.__notes__[0]


@pytest.mark.parametrize("byte", [0, 1, 0x7F, 0x80, 0xFF])
def test_a_file_of_anything_is_no_semaphore(name, there, byte):
    """The C library ends the process when it meets one that it did not make."""
    there.write_bytes(bytes([byte]) * SEMAPHORE_BYTES)
    with pytest.raises(OSError) as caught:
        Semaphore.open(name)
    assert caught.value.errno == errno.EINVAL and "no semaphore" in caught.value.__notes__[0]


def test_a_semaphore_whose_file_is_made_shorter_is_an_error_and_no_signal(name, there, children):
    """Whoever may use it may do that; touching it then would be SIGBUS."""

    def use():
        with Semaphore.create(name, 1) as semaphore, Semaphore.open(name) as closing:
            there.write_bytes(b"")
            for call in (semaphore.try_acquire, semaphore.release, semaphore.acquire, semaphore.hold().__enter__,
                         lambda: semaphore.value, lambda: semaphore.wait_until_possible(1)):  # fmt: skip
                with pytest.raises(LayoutError):
                    call()
            assert "damaged" in repr(semaphore)
            closing.close()
            semaphore.remove()

    children.start(use)
    children.all_succeed()


def cut_off_after(seconds, path):
    time.sleep(seconds)
    path.write_bytes(b"")


def test_who_waits_in_a_semaphore_whose_file_is_made_shorter_is_told_at_the_deadline(name, there, children):
    def use():
        with Semaphore.create(name, 0) as semaphore:
            children.start(cut_off_after, 0.05, there)
            with pytest.raises((LayoutError, TimeoutError)):
                semaphore.acquire(timeout=0.2)
            children[-1].wait(timeout=WAIT)
            with pytest.raises(LayoutError):
                semaphore.try_acquire()
            semaphore.close()
            remove_semaphore(name)

    children.start(use)
    children.all_succeed()


def test_a_semaphore_of_the_c_library_s_is_one(name):
    library = ctypes.CDLL(None)
    library.sem_open.restype = ctypes.c_void_p
    assert library.sem_open(name.encode(), os.O_CREAT | os.O_EXCL, 0o600, 3)
    with Semaphore.open(name) as semaphore:
        assert semaphore.value == 3 and semaphore.try_acquire()


@pytest.mark.parametrize("bad", [None, 5, b"/name", ["/name"]])
def test_a_name_is_a_string(bad):
    makers = (lambda: MessageQueue.create(bad), lambda: Semaphore.create(bad, 1), lambda: SharedMemory.create(bad, 1))
    for use in (*makers, *(lambda cls=cls: cls.open(bad) for cls in (MessageQueue, Semaphore, SharedMemory))):
        with pytest.raises(TypeError, match="a name is a str"):
            use()
    for remove in (remove_queue, remove_semaphore, remove_memory):
        with pytest.raises(TypeError, match="a name is a str"):
            remove(bad)


def test_a_hold_of_nothing_is_an_error():
    with Semaphore.temporary(1) as semaphore:
        hold = semaphore.hold()
    empty = type(hold).__new__(type(hold))
    for use in (empty.__enter__, lambda: empty.__exit__(None, None, None)):
        with pytest.raises(RuntimeError, match="hold"):
            use()
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            way(hold)
    with pytest.raises(ValueError, match="closed"):
        hold.__enter__()


def test_a_priority_that_closes_the_queue_sends_nothing():
    with MessageQueue.temporary() as queue, MessageQueue(os.dup(queue.fileno())) as same:

        class Closing:
            def __index__(self):
                queue.close()
                return 3

        with pytest.raises(ValueError, match="closed"):
            queue.send(b"x", Closing())
        assert len(same) == 0


def test_a_forked_child_that_is_told_of_misuse_goes_on(queue):
    """A queue that was never begun is closed."""

    def child():
        empty = MessageQueue.__new__(MessageQueue)
        assert empty.closed
        for use in (empty.try_receive, empty.stat, empty.remove, lambda: empty.send(b"")):
            with pytest.raises(ValueError, match="closed"):
                use()

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)
