"""What the kernel does with queues when it is asked directly, and why the room is as it is: Q07-Q10, Q20."""

import ctypes
import errno

import pytest

from unixipc.sysv import Message, MessageQueue

libc = ctypes.CDLL(None, use_errno=True)
libc.msgrcv.restype = ctypes.c_ssize_t
libc.msgrcv.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_int]
NOWAIT, NOERROR, EXCEPT, COPY = 0o4000, 0o10000, 0o20000, 0o40000


@pytest.fixture
def queue():
    with MessageQueue.temporary() as queue:
        yield queue


def msgrcv(queue, size, type, flags, address=None):
    """(type, length), or the errno."""
    buffer = (ctypes.c_char * (8 + max(size, 1)))()
    got = libc.msgrcv(queue.id, address or ctypes.addressof(buffer), size, type, flags)
    return -ctypes.get_errno() if got < 0 else (int.from_bytes(buffer[:8], "little", signed=True), got)


def test_Q07_nothing_there_is_ENOMSG_not_EAGAIN(queue):
    assert msgrcv(queue, 10, 0, NOWAIT) == -errno.ENOMSG
    assert queue.try_receive() is None


@pytest.mark.parametrize(("type", "found"), [(0, 2), (-2, 1), (2, 1), (3, 2)])
def test_Q08_except_counts_only_for_a_type_above_0(queue, type, found):
    for each in (2, 1, 3):
        queue.send(b"", each)
    assert msgrcv(queue, 10, type, EXCEPT | NOWAIT) == (found, 0)


def test_Q09_without_NOERROR_a_short_buffer_is_refused_and_the_message_stays(queue):
    queue.send(b"12345")
    assert msgrcv(queue, 4, 0, NOWAIT) == -errno.E2BIG
    assert msgrcv(queue, 4, 0, NOWAIT | NOERROR) == (1, 4)


def test_Q10_copy_wants_nowait_and_no_except(queue):
    queue.send(b"12345")
    assert msgrcv(queue, 5, 0, COPY) == -errno.EINVAL
    assert msgrcv(queue, 5, 0, COPY | NOWAIT | EXCEPT) == -errno.EINVAL
    assert msgrcv(queue, 5, 1, COPY | NOWAIT) == -errno.ENOMSG, "past the end"
    assert msgrcv(queue, 5, 0, COPY | NOWAIT) == (1, 5)


def test_Q10_copy_cannot_cut(queue):
    """With MSG_NOERROR and a short buffer it is EINVAL, so `peek` has no truncate."""
    queue.send(b"12345")
    assert msgrcv(queue, 4, 0, COPY | NOWAIT | NOERROR) == -errno.EINVAL
    assert msgrcv(queue, 4, 0, COPY | NOWAIT) == -errno.E2BIG
    assert queue.peek() == Message(1, b"12345")


def test_Q20_a_bad_buffer_destroys_the_message_so_ours_is_never_the_callers(queue):
    queue.send(b"lost")
    assert msgrcv(queue, 10, 0, NOWAIT, address=1) == -errno.EFAULT
    assert len(queue) == 0, "the kernel took it out before it looked at the buffer"


def test_Q20_a_receive_without_enough_memory_leaves_the_message(queue):
    """The buffer is there before the kernel is asked."""
    queue.send(b"kept")
    try:
        message = queue.try_receive(max_bytes=2**60)
    except MemoryError:
        assert len(queue) == 1
        message = queue.try_receive()
    assert message == Message(1, b"kept")
