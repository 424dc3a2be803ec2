"""How much a queue holds, and what the kernel's limits say when they are reached: Q13, Q15, S21, S23."""

import errno
import os
import pathlib
import threading
import time

import pytest

from unixipc import sysv
from unixipc.sysv import Key, Message, MessageQueue

WAIT = 20
MIB = 1 << 20
KERNEL = pathlib.Path("/proc/sys/kernel")


@pytest.fixture
def queue():
    with MessageQueue.temporary(capacity_bytes=16384) as queue:
        yield queue


@pytest.fixture
def sysctl(own_ipc_namespace):
    """Set a limit of this IPC namespace; it is as before afterwards."""
    before = {}

    def put(name, value):
        limit = KERNEL / name
        before.setdefault(name, limit.read_text())
        try:
            limit.write_text(str(value))
        except PermissionError:
            pytest.skip(f"kernel.{name} cannot be set here")

    yield put
    for name, value in before.items():
        if (KERNEL / name).read_text() != value:
            (KERNEL / name).write_text(value)


@pytest.fixture
def long_messages(sysctl):
    """Messages of up to a MiB, queues of up to 4."""
    sysctl("msgmax", MIB)
    sysctl("msgmnb", 4 * MIB)


def fill(queue, body):
    """How many messages it takes."""
    taken = 0
    while queue.try_send(body):
        taken += 1
    return taken


def test_Q15_a_queue_is_full_by_bytes(queue):
    assert fill(queue, bytes(1000)) == 16
    assert queue.try_send(bytes(385)) is False
    assert queue.try_send(bytes(384)) is True
    assert queue.stat().used_bytes == queue.stat().capacity_bytes == 16384


def test_Q15_a_queue_is_full_by_messages(queue):
    """As many messages as bytes: 16384 empty ones, and then not one more."""
    assert fill(queue, b"") == len(queue) == 16384
    assert queue.stat().used_bytes == 0
    queue.receive(timeout=WAIT)
    assert fill(queue, b"") == 1


def test_Q15_a_message_needs_its_bytes_and_its_place(queue):
    queue.resize(10)
    assert fill(queue, b"") == 10
    assert queue.try_send(b"x") is False
    queue.receive(timeout=WAIT)
    assert queue.try_send(bytes(10)) is True


def test_S21_send_waits_while_the_queue_is_full_and_goes_on_when_there_is_room(queue):
    fill(queue, bytes(8192))
    sender = threading.Thread(target=queue.send, args=(b"later", 2, WAIT))
    sender.start()
    time.sleep(0.05)
    assert sender.is_alive()
    assert queue.receive(timeout=WAIT) == Message(1, bytes(8192))
    sender.join(WAIT)
    assert queue.receive(2, timeout=WAIT).body == b"later"


def test_S21_without_room_a_time_limit_ends_the_wait(queue):
    fill(queue, bytes(8192))
    with pytest.raises(TimeoutError):
        queue.send(b"x", timeout=0.01)
    assert len(queue) == 2


def test_Q13_resize_makes_room_for_who_waits(queue):
    queue.resize(3)
    queue.send(b"123")
    sender = threading.Thread(target=queue.send, args=(b"4", 1, WAIT))
    sender.start()
    time.sleep(0.05)
    queue.resize(4)
    sender.join(WAIT)
    assert not sender.is_alive()
    assert (len(queue), queue.stat().capacity_bytes) == (2, 4)


def test_Q13_a_capacity_below_what_is_in_it_keeps_the_messages(queue):
    queue.send(b"12345")
    queue.resize(2)
    assert queue.try_send(b"") is False
    assert queue.receive(timeout=WAIT).body == b"12345"
    assert queue.try_send(b"12") is True


def test_Q13_a_capacity_of_0_lets_nothing_in(queue):
    queue.resize(0)
    assert queue.try_send(b"") is False


def test_Q13_what_is_no_capacity_is_refused(queue):
    with pytest.raises(ValueError, match="at least 0"):
        queue.resize(-1)
    with pytest.raises(ValueError, match="at most"):
        queue.resize(2**64)
    assert queue.stat().capacity_bytes == 16384


@pytest.mark.parametrize("capacity", [2**31, 2**32, 2**32 + 7, 2**40])
def test_Q13_a_capacity_beyond_the_kernels_int_is_refused_not_cut(queue, capacity):
    """msgctl takes 32 bits of it and says nothing."""
    with pytest.raises((ValueError, OverflowError)):
        queue.resize(capacity)
    assert queue.stat().capacity_bytes == 16384


def test_Q13_the_capacity_is_set_at_creation(own_ipc_namespace):
    with MessageQueue.temporary(capacity_bytes=5) as queue:
        assert queue.stat().capacity_bytes == 5


def test_Q13_the_kernels_own_capacity_is_msgmnb(sysctl):
    sysctl("msgmnb", 12345)
    with MessageQueue.temporary() as queue:
        assert queue.stat().capacity_bytes == 12345


def has_cap_sys_resource():
    status = pathlib.Path("/proc/self/status").read_text()
    return bool(int(status.split("CapEff:")[1].split()[0], 16) >> 24 & 1)


@pytest.mark.skipif(not has_cap_sys_resource(), reason="CAP_SYS_RESOURCE is missing")
def test_Q13_beyond_msgmnb_goes_who_has_the_capability(own_ipc_namespace):
    limit = sysv.limits().queue_bytes
    with MessageQueue.temporary(capacity_bytes=limit + 1) as queue:
        assert queue.stat().capacity_bytes == limit + 1


def test_Q13_beyond_msgmnb_others_do_not_go(as_nobody):
    def child():
        limit = sysv.limits().queue_bytes
        with MessageQueue.temporary(capacity_bytes=limit) as queue:
            with pytest.raises(PermissionError) as refused:
                queue.resize(limit + 1)
            assert refused.value.errno == errno.EPERM
            assert "kernel.msgmnb" in refused.value.__notes__[0]
            assert "CAP_SYS_RESOURCE" in refused.value.__notes__[0]

    as_nobody(child)


def test_Q13_a_queue_that_cannot_have_its_capacity_is_not_left_over(as_nobody):
    def child():
        too_much = sysv.limits().queue_bytes + 1
        with pytest.raises(PermissionError):
            MessageQueue.create(Key.random(), capacity_bytes=too_much)
        with pytest.raises(PermissionError):
            MessageQueue.temporary(capacity_bytes=too_much)
        assert sysv.queues() == []

    as_nobody(child)


def test_Q15_a_message_beyond_msgmax_is_refused_with_the_limit(queue):
    most = sysv.limits().message_bytes
    for call in (queue.send, queue.try_send):
        with pytest.raises(OSError, match="Invalid argument") as refused:
            call(bytes(most + 1))
        assert refused.value.errno == errno.EINVAL
        assert f"kernel.msgmax = {most} " in refused.value.__notes__[0]
    queue.send(bytes(most))
    assert len(queue) == 1


def test_Q15_a_message_longer_than_the_whole_queue_is_refused(queue):
    """The kernel tells no difference, and would wait for ever."""
    queue.resize(10)
    with pytest.raises(OSError) as refused:
        queue.try_send(bytes(11))
    assert refused.value.errno == errno.EMSGSIZE


def test_Q15_one_queue_too_many_is_refused_with_the_limit(sysctl, queue):
    sysctl("msgmni", 1)
    for make in (MessageQueue.temporary, lambda: MessageQueue.create(Key.random())):
        with pytest.raises(OSError, match="No space left") as refused:
            make()
        assert refused.value.errno == errno.ENOSPC
        assert "kernel.msgmni = 1 " in refused.value.__notes__[0]


@pytest.mark.parametrize("length", [8193, 16383, 16384, 16385, 100_000, MIB])
@pytest.mark.parametrize("call", ["receive", "try_receive", "peek"])
def test_S23_a_message_longer_than_the_usual_is_whole(long_messages, call, length):
    """The buffer grows when a longer message is met."""
    body = os.urandom(length)
    with MessageQueue.temporary() as queue:
        queue.send(body, timeout=WAIT)
        assert getattr(queue, call)().body == body


def test_S23_a_receive_that_waits_grows_its_buffer_too(long_messages):
    with MessageQueue.temporary() as queue:
        sender = threading.Timer(0.05, queue.send, (bytes(MIB),))
        sender.start()
        assert len(queue.receive(timeout=WAIT).body) == MIB
        sender.join(WAIT)


def test_S23_a_try_grows_its_buffer_on_the_way_to_a_chosen_message_only(long_messages):
    with MessageQueue.temporary() as queue:
        queue.send(bytes(MIB), 1)
        queue.send(b"short", 2)
        assert queue.receive(2, timeout=WAIT).body == b"short"
        assert queue.receive(max_bytes=MIB - 1, truncate=True).truncated is True


@pytest.mark.parametrize("most", [16384, 16385, 100_000])
def test_Q09_the_border_of_truncation_is_exact_for_long_messages(long_messages, most):
    with MessageQueue.temporary() as queue:
        for length in (most - 1, most, most + 1):
            queue.send(bytes(length))
            with pytest.raises(OSError, match="too long"):
                queue.try_receive(max_bytes=length - 1)
            message = queue.receive(max_bytes=most, truncate=True, timeout=WAIT)
            assert (len(message.body), message.truncated) == (min(length, most), length > most)


def test_Q15_a_message_that_was_sent_before_msgmax_fell_is_received_whole(long_messages, sysctl):
    with MessageQueue.temporary() as queue:
        queue.send(bytes(MIB))
        sysctl("msgmax", 100)
        assert len(queue.receive(timeout=WAIT).body) == MIB


def test_Q09_a_huge_max_bytes_is_only_an_upper_bound(queue):
    """No message is that long, so nothing of that size is needed."""
    for most in (2**40, 2**63 - 1):
        for truncate in (False, True):
            queue.send(b"small")
            assert queue.try_receive(max_bytes=most, truncate=truncate) == Message(1, b"small")
