"""Message queues."""

from __future__ import annotations

import os
import select
import time

import pytest

import unixipc.compat.posix_ipc as ours

from ..beside import asleep, until


def test_a_message_comes_with_its_priority(queue):
    assert queue.send(b"hello") is None
    assert queue.receive() == (b"hello", 0)


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"", b""),
        (b"a\0b", b"a\0b"),
        ("text", b"text"),
        ("ä€", "ä€".encode()),
        (bytearray(b"ba"), b"ba"),
        (memoryview(b"mv"), b"mv"),
        (memoryview(b"abcdefgh").cast("I"), b"abcdefgh"),
        (b"x" * 8192, b"x" * 8192),
    ],
)
def test_what_can_be_sent(queue, sent, received):
    queue.send(sent)
    assert queue.receive() == (received, 0)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((b"a", None, -1), ValueError),
        ((b"a", None, 32768), ValueError),
        ((b"x" * 8193,), ValueError),
    ],
)
def test_what_cannot_be_sent(queue, raises, args, error):
    raises(error, queue.send, *args)
    assert queue.current_messages == 0


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((), TypeError),
        ((1,), TypeError),
        ((None,), TypeError),
        (([b"a"],), TypeError),
        ((memoryview(b"abcd")[::2],), BufferError),
        (("\ud800",), UnicodeEncodeError),
        ((b"a", None, "1"), TypeError),
        ((b"a", None, 1.0), TypeError),
        ((b"a", None, 2**63), OverflowError),
        ((b"a", -1), TypeError),
        ((b"a", "1"), TypeError),
        ((b"a", None, 1, 1), TypeError),
    ],
)
def test_arguments_that_are_none(own_ipc_namespace, make, args, error):
    """There the same, if it does not crash before: it releases a buffer that it has not, or twice."""
    queue = make(ours.MessageQueue, None, ours.O_CREX)
    with pytest.raises(error):
        queue.send(*args)
    assert queue.current_messages == 0


def test_the_highest_priority_comes_first(queue):
    for priority in (0, 5, 32767, 5):
        queue.send(str(priority), priority=priority)
    assert [queue.receive(0)[1] for _ in range(4)] == [32767, 5, 5, 0]


@pytest.mark.parametrize("timeout", [0, 0.0, False, 0.02])
def test_not_possible_within_the_timeout(ipc, make, raises, timeout):
    queue = make(ipc.MessageQueue, None, ipc.O_CREX, max_messages=1)
    began = time.monotonic()
    raises("BusyError", queue.receive, timeout)
    queue.send(b"", timeout)
    raises("BusyError", queue.send, b"", timeout)
    assert time.monotonic() - began >= 2 * timeout
    assert queue.current_messages == 1


@pytest.mark.parametrize("wrong", [-1, -0.5, "1", [], 2**63])
def test_other_timeouts(queue, raises, ipc, wrong):
    queue.send(b"")
    raises(TypeError, queue.receive, wrong)
    if ipc is ours:  # there it may crash
        raises(TypeError, queue.send, b"", wrong)
    assert queue.current_messages == 1


def test_sizes(ipc, make, name):
    made = make(ipc.MessageQueue, name, ipc.O_CREX, max_messages=3, max_message_size=20)
    opened = make(ipc.MessageQueue, name, 0, max_messages=5, max_message_size=40)
    also = make(ipc.MessageQueue, name, ipc.O_CREAT, max_messages=0, max_message_size=0)
    for each in (made, opened, also):
        assert (each.max_messages, each.max_message_size, each.current_messages) == (3, 20, 0)


@pytest.mark.parametrize("place", ["max_messages", "max_message_size"])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (10**6, ValueError),
        (10**9, ValueError),
        (2**63, OverflowError),
        ("a", TypeError),
        (1.0, TypeError),
        (None, TypeError),
    ],
)
def test_other_sizes(ipc, run, name, place, wrong, error):
    """As a user without privileges: the limits are higher for others."""
    code = f"""
try: ipc.MessageQueue(sys.argv[1], ipc.O_CREX, {place}={wrong!r})
except (TypeError, ValueError, OverflowError) as error: print(type(error).__name__)
try: ipc.MessageQueue(sys.argv[1])
except ipc.ExistentialError: print("none")
"""
    user = 65534 if os.getuid() == 0 else None
    assert run(ipc, code, name, user=user) == [error.__name__, "none"]


def test_two_sizes_of_zero(ipc, raises, name):
    raises(ValueError, ipc.MessageQueue, name, ipc.O_CREX, max_messages=0, max_message_size=0)


def test_one_way(ipc, make, raises, name):
    both = make(ipc.MessageQueue, name, ipc.O_CREX)
    reader = make(ipc.MessageQueue, name, write=False)
    writer = make(ipc.MessageQueue, name, read=0, write=[1])
    raises("PermissionsError", reader.send, b"")
    raises("PermissionsError", writer.receive)
    writer.send(b"one")
    assert reader.receive() == (b"one", 0)
    assert both.current_messages == 0
    assert repr(reader).endswith("read=True, write=False)")
    assert repr(writer).endswith("read=False, write=True)")
    raises(ValueError, ipc.MessageQueue, name, read=False, write=None)


def test_flags_that_make_no_sense_together(ipc, make, raises, name):
    make(ipc.MessageQueue, name, ipc.O_CREX)
    raises(ValueError, ipc.MessageQueue, name, ipc.O_WRONLY)
    assert make(ipc.MessageQueue, name, ipc.O_RDWR).block is True


def test_block(ipc, make, queue, raises):
    assert queue.block is True
    queue.block = False
    assert queue.block is False
    raises("BusyError", queue.receive)
    raises("BusyError", queue.receive, 60)
    queue.block = [1]
    assert queue.block is True
    raises("BusyError", queue.receive, 0.01)
    other = make(ipc.MessageQueue, queue.name, ipc.O_NONBLOCK, max_messages=1)
    assert other.block is False and queue.block is True
    for _ in range(10):
        other.send(b"x")
    raises("BusyError", other.send, b"x")


def test_a_receiver_waits(ipc, queue, start):
    receiver = start(ipc, "print(ipc.MessageQueue(sys.argv[1]).receive())", queue.name)
    until(lambda: asleep(receiver))
    queue.send(b"this", priority=4)
    assert receiver.communicate(timeout=60)[0] == "(b'this', 4)\n"


def test_a_sender_waits(ipc, queue, start):
    for _ in range(10):
        queue.send(b"x")
    code = "queue = ipc.MessageQueue(sys.argv[1]); print('here', flush=True); queue.send('late', priority=9)"
    sender = start(ipc, code, queue.name)
    sender.stdout.readline()
    until(lambda: asleep(sender))
    assert queue.receive() == (b"x", 0)
    assert sender.wait(60) == 0
    assert queue.receive() == (b"late", 9)


def test_the_descriptor(queue, raises):
    assert queue.mqd == queue.fileno() >= 0
    assert not os.get_inheritable(queue.mqd)
    assert select.select([queue], [], [], 0) == ([], [], [])
    queue.send(b"")
    assert select.select([queue.mqd], [], [], 60)[0]
    assert queue.close() is None
    assert (queue.mqd, queue.fileno()) == (-1, -1)


def test_a_closed_one(queue, raises):
    queue.close()
    raises("ExistentialError", queue.close)
    raises("ExistentialError", queue.send, b"")
    raises("ExistentialError", queue.receive)
    raises("ExistentialError", queue.receive, 0)
    raises("ExistentialError", getattr, queue, "current_messages")
    raises("ExistentialError", getattr, queue, "block")
    raises("ExistentialError", setattr, queue, "block", True)
    assert (queue.max_messages, queue.max_message_size) == (10, 8192)
    assert queue.request_notification() is None
    raises(OSError, queue.request_notification, 10)
    assert queue.unlink() is None


def test_who_has_it_open_keeps_an_unlinked_one(queue):
    queue.unlink()
    queue.send(b"still")
    assert queue.receive() == (b"still", 0)
