"""Message queues."""

from __future__ import annotations

import errno
import os
import pathlib
import time

import pytest

import unixipc.compat.sysv_ipc as ours

from ..beside import needs_root, until


def test_a_message_comes_with_its_type(queue):
    assert queue.send(b"hello") is None
    assert queue.receive() == (b"hello", 1)
    assert type(queue.receive.__self__) is type(queue)


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
        (memoryview(b""), b""),
        (b"x" * 2048, b"x" * 2048),
    ],
)
def test_what_can_be_sent(queue, sent, received):
    queue.send(sent)
    assert queue.receive() == (received, 1)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((b"a", True, 0), ValueError),
        ((b"a", True, -1), ValueError),
        ((b"a", True, "1"), TypeError),
        ((b"a", True, 1.0), TypeError),
        ((b"a", True, 2**63), OverflowError),
        ((b"x" * 2049,), ValueError),
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
        ((b"a", True, 1, 1), TypeError),
    ],
)
def test_what_is_no_message_cannot_be_sent(make, args, error):
    """The original lets go of a buffer that it never got, and dies of it now and then."""
    queue = make(ours.MessageQueue, None, ours.IPC_CREX)
    with pytest.raises(error):
        queue.send(*args)
    assert queue.current_messages == 0


def test_types_of_c_ints(queue):
    for each in (1, 2, 2**31 - 1):
        queue.send(b"", type=each)
        assert queue.receive(type=each) == (b"", each)


def test_longer_types_ours_takes_too(queue, ipc, raises):
    if ipc is not ours:
        raises(OverflowError, queue.send, b"", type=2**31)
        raises(OverflowError, queue.receive, False, 2**31)
        return
    for each in (2**31, 2**63 - 1):
        queue.send(b"", type=each)
        assert queue.receive(type=each) == (b"", each)


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        (0, [3, 2, 1, 2, 1]),
        (1, [1, 1]),
        (2, [2, 2]),
        (4, []),
        (-1, [1, 1]),
        (-2, [1, 1, 2, 2]),
        (-3, [1, 1, 2, 2, 3]),
        (-(2**31), [1, 1, 2, 2, 3]),
    ],
)
def test_receive_selects_by_type(queue, raises, type, expected):
    for each in (3, 2, 1, 2, 1):
        queue.send(str(each), type=each)
    assert [queue.receive(False, type) for _ in expected] == [(str(each).encode(), each) for each in expected]
    raises("BusyError", queue.receive, False, type)


def test_receive_refuses_other_types(queue, raises):
    raises(TypeError, queue.receive, False, "1")
    raises(TypeError, queue.receive, False, 1.0)
    raises(OverflowError, queue.receive, False, 2**63)
    raises(OverflowError, queue.receive, False, -(2**63) - 1)


@pytest.mark.parametrize("no", [False, 0, None, "", []])
def test_what_is_false_does_not_wait(queue, raises, ipc, no):
    assert raises("BusyError", queue.receive, no)
    assert raises("BusyError", queue.receive, block=no)
    for _ in range(queue.max_size // 2048):
        queue.send(b"x" * 2048, no)
    raises("BusyError", queue.send, b"x", no)
    with pytest.raises(ipc.Error):
        queue.send(b"x", block=no)


def test_a_receiver_waits(queue, ipc, run, start):
    receiver = start(ipc, "print(ipc.MessageQueue(int(sys.argv[1])).receive(type=5))", queue.key)
    queue.send(b"not this", type=4)
    queue.send(b"this", type=5)
    assert receiver.communicate(timeout=60)[0] == "(b'this', 5)\n"
    assert queue.receive() == (b"not this", 4)


def test_a_sender_waits(queue, ipc, start):
    while queue.current_messages * 2048 < queue.max_size:
        queue.send(b"x" * 2048)
    code = "queue = ipc.MessageQueue(int(sys.argv[1])); print('here', flush=True); queue.send('late', type=9)"
    sender = start(ipc, code, queue.key)
    sender.stdout.readline()
    for _ in range(queue.current_messages):
        queue.receive()
    assert queue.receive(type=9) == (b"late", 9)
    assert sender.wait(60) == 0


def test_who_waits_learns_of_the_removal(queue, ipc, start):
    code = """
queue = ipc.MessageQueue(int(sys.argv[1]))
queue.send(b"", type=7)
try: queue.receive(type=5)
except ipc.ExistentialError: print("gone")
"""
    receiver = start(ipc, code, queue.key)
    until(lambda: queue.current_messages)
    until(lambda: pathlib.Path(f"/proc/{receiver.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S")
    queue.remove()
    assert receiver.communicate(timeout=60)[0] == "gone\n"


def test_a_removed_queue(queue, raises):
    queue.remove()
    assert raises(OSError, queue.send, b"x").errno == errno.EINVAL
    raises("ExistentialError", queue.receive)
    raises("ExistentialError", queue.receive, False)
    raises("ExistentialError", getattr, queue, "max_size")
    raises("ExistentialError", setattr, queue, "max_size", 5)


def test_max_message_size(ipc, make, raises, key):
    small = make(ipc.MessageQueue, key, ipc.IPC_CREX, max_message_size=4)
    raises(ValueError, small.send, b"12345")
    large = ipc.MessageQueue(key, max_message_size=6000)
    large.send(b"x" * 6000)
    assert raises(OSError, small.receive).errno == errno.E2BIG
    assert small.current_messages == 1
    assert large.receive() == (b"x" * 6000, 1)
    none = ipc.MessageQueue(key, max_message_size=0)
    none.send(b"")
    assert none.receive() == (b"", 1)
    assert raises(OSError, ipc.MessageQueue(key, max_message_size=2**20).send, b"x" * 2**20).errno == errno.EINVAL


@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), (2**63, ValueError), ("a", TypeError), (1.0, TypeError)]
)
def test_other_sizes(ipc, raises, key, wrong, error):
    raises(error, ipc.MessageQueue, key, ipc.IPC_CREX, max_message_size=wrong)
    raises("ExistentialError", ipc.MessageQueue, key)


def test_a_maximum_beyond_all_memory(ipc, make, raises, key):
    """There a buffer of that size is needed to receive anything."""
    queue = make(ipc.MessageQueue, key, ipc.IPC_CREX, max_message_size=2**62)
    queue.send(b"x" * 5000)
    if ipc is ours:
        assert queue.receive() == (b"x" * 5000, 1)
    else:
        raises(MemoryError, queue.receive)
        assert queue.current_messages == 1


def test_attributes(queue):
    before = int(time.time())
    assert (queue.current_messages, queue.last_send_pid, queue.last_receive_pid) == (0, 0, 0)
    assert (queue.last_send_time, queue.last_receive_time) == (0, 0)
    assert before - 1 <= queue.last_change_time <= before + 60
    queue.send(b"1")
    queue.send(b"2")
    assert (queue.current_messages, queue.last_send_pid) == (2, os.getpid())
    assert before - 1 <= queue.last_send_time <= before + 60
    queue.receive()
    assert (queue.current_messages, queue.last_receive_pid) == (1, os.getpid())
    assert before - 1 <= queue.last_receive_time <= before + 60


def test_max_size_can_be_set(queue, raises):
    queue.max_size = 100
    assert queue.max_size == 100
    queue.send(b"x" * 100)
    raises("BusyError", queue.send, b"x", False)
    raises(TypeError, setattr, queue, "max_size", "a")
    raises(TypeError, setattr, queue, "max_size", 1.5)
    queue.max_size = 0
    assert queue.max_size == 0


@needs_root
def test_who_may_not_send_nor_receive(ipc, make, run, key):
    make(ipc.MessageQueue, key, ipc.IPC_CREX, 0o600).mode = 0o004
    code = """
def name(call):
    try: call()
    except Exception as error: return type(error).__name__
queue = ipc.MessageQueue(int(sys.argv[1]), 0, 0o004)
def raise_size(): queue.max_size = 5
print(name(lambda: queue.send(b"")), queue.mode, name(lambda: queue.receive(False)))
print(name(raise_size), name(queue.remove))
"""
    assert run(ipc, code, key, user=65534) == ["PermissionsError", "4", "BusyError", *["PermissionsError"] * 2]


@needs_root
def test_beyond_the_limit_needs_privilege(ipc, run, key):
    code = """
queue = ipc.MessageQueue(None, ipc.IPC_CREX)
try: queue.max_size += 1
except ipc.PermissionsError: print("no")
queue.remove()
"""
    assert run(ipc, code, user=65534) == ["no"]
