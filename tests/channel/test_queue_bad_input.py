"""What a queue refuses, and how it says so."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest

from unixipc import ClosedError, LayoutError, channel

from .conftest import path_of

WAIT = 20


@pytest.fixture
def pair(queue):
    with queue.sender() as sender, queue.receiver() as receiver:
        yield sender, receiver


# Making and opening


@pytest.mark.parametrize("wrong", ["", "a\0b", "folder/", None, 5, b"bytes"])
def test_a_name_is_a_word_or_a_path(wrong):
    for make in (channel.Queue.create, channel.Queue.open, channel.Queue.ensure, channel.Queue.temporary):
        with pytest.raises((ValueError, TypeError)):
            make(wrong)


@pytest.mark.parametrize("capacity", [0, -1, (1 << 40) + 1, 1 << 70, "1", 1.5, None])
def test_a_capacity_is_a_number_of_bytes(name, capacity):
    with pytest.raises((ValueError, TypeError)):
        channel.Queue.create(name, capacity)
    assert not os.path.exists(path_of(name))


@pytest.mark.parametrize(("wanted", "made"), [(1, 4096), (4096, 4096), (4097, 8192), (100_000, 1 << 17)])
def test_a_capacity_is_rounded_up(wanted, made):
    with channel.Queue.anonymous(wanted) as queue:
        assert queue.capacity_bytes == made


@pytest.mark.parametrize(
    "wrong", [{"when_full": "explode"}, {"mode": 0o1000}, {"mode": -1}, {"codec": "no such codec"}]
)
def test_other_nonsense_makes_nothing(name, wrong):
    with pytest.raises((ValueError, TypeError, LookupError)):
        channel.Queue.create(name, 4096, **wrong)
    assert not os.path.exists(path_of(name))


def test_a_name_too_long_and_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError) as refused:
        channel.Queue.create("x" * 300)
    assert refused.value.errno == errno.ENAMETOOLONG
    for make in (channel.Queue.create, channel.Queue.open):
        with pytest.raises(FileNotFoundError):
            make(str(tmp_path / "no" / "queue"))


def test_create_and_open_are_not_each_other(queue):
    with pytest.raises(FileExistsError):
        channel.Queue.create(queue.name)
    queue.remove()
    with pytest.raises(FileNotFoundError):
        channel.Queue.open(queue.name)
    with pytest.raises(FileNotFoundError):
        queue.remove()


def test_ensure_says_how_the_one_that_is_there_differs(queue):
    channel.Queue.ensure(queue.name, 100).close()
    for other in ((8192, "wait"), (4096, "refuse")):
        with pytest.raises(OSError) as refused:
            channel.Queue.ensure(queue.name, *other)
        assert refused.value.errno == errno.EINVAL
        assert "4096 bytes" in refused.value.__notes__[0]


def test_removing_does_not_take_an_heir_s_name(queue, name):
    os.unlink(path_of(name))
    with channel.Queue.create(name, 4096) as heir:
        with pytest.raises(OSError) as refused:
            queue.remove()
        assert refused.value.errno == errno.EIDRM
        heir.remove()


def test_what_is_no_queue_is_refused(tmp_path, name):
    folder, link, text = tmp_path / "folder", tmp_path / "link", tmp_path / "text"
    folder.mkdir()
    text.write_text("not a queue " * 5000)
    link.symlink_to(text)
    with pytest.raises(LayoutError):
        channel.Queue.open(str(text))
    for path in (folder, link, "/dev/null"):
        with pytest.raises((OSError, ValueError)):
            channel.Queue.open(str(path))
    with channel.Topic.create(name, 4096) as topic:
        with pytest.raises(LayoutError, match="kind"):
            channel.Queue.open(name)
        topic.remove()
    for fd in (-1, 10_000):
        with pytest.raises((OSError, ValueError)):
            channel.Queue(fd)


def test_others_may_not_open_it(queue, as_nobody):
    def refused():
        with pytest.raises(PermissionError):
            channel.Queue.open(queue.name)

    as_nobody(refused)


SMALL = """
import errno, os, subprocess, sys
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", "/dev/shm"], check=True)
from unixipc import channel
try:
    channel.Queue.create("big", 1 << 20)
    sys.exit("it was made")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    assert "df /dev/shm" in " ".join(error.__notes__), error.__notes__
assert os.listdir("/dev/shm") == []
with channel.Queue.create("fits", 32768) as queue, queue.sender() as sender, queue.receiver() as receiver:
    for n in range(10):
        sender.send(bytes([n]) * 30_000)
        assert receiver.receive() == bytes([n]) * 30_000
"""


def test_a_small_dev_shm_is_no_space_with_advice():
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "x", "/mnt"]
    if subprocess.run(probe, capture_output=True, timeout=WAIT).returncode:
        pytest.skip("no mount namespace of our own here")
    command = ["unshare", "--mount", sys.executable, "-W", "error", "-c", SMALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert (done.returncode, done.stderr) == (0, "")


# Members


def test_the_125th_member_is_told_so(queue):
    for join in (queue.sender, queue.receiver):
        members = [join() for _ in range(124)]
        with pytest.raises(OSError) as refused:
            join()
        assert refused.value.errno == errno.EUSERS
        assert "124" in refused.value.__notes__[0]
        members.pop(57).close()
        members.append(join())
        for each in members:
            each.close()


@pytest.mark.parametrize("wrong", [None, "text", 5, [b"x"], object(), memoryview(b"abcdef")[::2]])
def test_messages_are_bytes(queue, pair, wrong):
    sender, _ = pair
    for send in (sender.send, sender.try_send, lambda each: sender.send_many([b"first", each])):
        with pytest.raises((TypeError, BufferError, ValueError, NotImplementedError)):
            send(wrong)
    assert queue.stat().depth == 0


def test_every_kind_of_buffer_is_sent(pair):
    import array

    sender, receiver = pair
    for each in (bytearray(b"abc"), memoryview(b"xabcx")[1:4], array.array("B", b"abc")):
        sender.send(each)
        assert receiver.receive() == b"abc"
    sender.send_many([bytearray(b"1"), memoryview(b"2"), b"3"])
    assert receiver.receive_many() == [b"1", b"2", b"3"]
    sender.send_many([])
    assert receiver.try_receive_many() == []


def test_the_longest_fits_and_one_more_never_will(queue, pair):
    sender, receiver = pair
    longest = queue.capacity_bytes - 32
    sender.send(b"x" * longest)
    assert not sender.try_send(b"")
    assert receiver.receive() == b"x" * longest
    for call in (
        lambda: sender.send(b"x" * (longest + 1)),
        lambda: sender.reserve(1 << 40),
        lambda: sender.try_reserve(longest + 1),
    ):
        with pytest.raises(OSError) as refused:
            call()
        assert refused.value.errno == errno.EMSGSIZE
        assert str(longest) in refused.value.__notes__[0]


def test_numbers_that_make_no_sense(pair):
    sender, receiver = pair
    for call in (
        lambda: sender.reserve(-1),
        lambda: sender.try_reserve(-5),
        lambda: receiver.receive_many(0),
        lambda: receiver.try_receive_many(-1),
        lambda: receiver.receive(timeout=-1),
        lambda: receiver.receive(timeout=float("nan")),
        lambda: receiver.peek(timeout=-1),
    ):
        with pytest.raises(ValueError):
            call()
    for call in (
        lambda: sender.reserve("1"),
        lambda: receiver.receive_many("1"),
        lambda: receiver.receive(timeout="1"),
    ):
        with pytest.raises(TypeError):
            call()


def test_time_limits_end_and_change_nothing(queue, pair):
    sender, receiver = pair
    for wait in (receiver.receive, receiver.receive_many, receiver.lease, receiver.peek):
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError):
                wait(timeout=timeout)
    sender.send(b"x" * 3000)
    for wait in (
        sender.send,
        lambda data, timeout: sender.send_many([data], timeout),
        lambda _, timeout: sender.reserve(3000, timeout),
    ):
        with pytest.raises(TimeoutError):
            wait(b"y" * 3000, timeout=0.01)
    with pytest.raises(TimeoutError) as late:
        sender.send_many([b"z" * 100, b"z" * 3000], timeout=0.01)
    assert late.value.sent == 1
    assert queue.stat().depth == 2


def test_nothing_works_after_close(queue):
    sender, receiver = queue.sender(), queue.receiver()
    for each in (sender, receiver, queue):
        each.close()
        each.close()
        assert each.closed
    for call in (
        lambda: sender.send(b""),
        lambda: sender.try_send(b""),
        lambda: sender.send_many([b""]),
        lambda: sender.reserve(1),
        lambda: sender.try_reserve(1),
        sender.__enter__,
        receiver.receive,
        receiver.try_receive,
        receiver.receive_many,
        receiver.lease,
        receiver.peek,
        lambda: next(receiver),
        lambda: iter(receiver),
        queue.sender,
        queue.receiver,
        queue.stat,
    ):
        with pytest.raises(ClosedError):
            call()


def test_members_that_nobody_made_are_closed():
    for cls, call in ((channel.Sender, lambda each: each.send(b"")), (channel.Receiver, lambda each: each.receive())):
        with pytest.raises(ClosedError):
            call(cls())


def test_a_loan_is_used_once(pair):
    sender, receiver = pair
    sender.send_many([b"a", b"b"])
    lease = receiver.lease()
    with lease as message:
        assert message == b"a"
        with pytest.raises(ClosedError):
            lease.__enter__()
    with pytest.raises(ClosedError), lease:
        pass
    lease.cancel()
    reservation = sender.reserve(4)
    with pytest.raises(ValueError):
        reservation.truncate(5)
    reservation.cancel()
    with receiver.lease() as message, pytest.raises(TypeError):
        assert message == b"b"
        lease.truncate(1)


def test_many_threads_on_one_member_get_errors_or_messages(queue):
    """Closed in the middle of everything."""
    sender, receiver = queue.sender(), queue.receiver()
    stop, wrong = threading.Event(), []

    def work(call):
        while not stop.is_set():
            try:
                call()
            except (ClosedError, EOFError):
                return
            except TimeoutError:
                pass
            except BaseException as error:
                wrong.append(error)
                return

    calls = [
        lambda: sender.send(b"x" * 3000, timeout=0.01),
        lambda: sender.send_many([b"x"] * 20, timeout=0.01),
        lambda: receiver.receive(timeout=0.01),
        lambda: receiver.receive_many(10, timeout=0.01),
        lambda: receiver.lease(timeout=0.01).cancel(),
    ]
    threads = [threading.Thread(target=work, args=(call,)) for call in calls * 2]
    for thread in threads:
        thread.start()
    threads[0].join(0.3)
    receiver.close()
    sender.close()
    stop.set()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert wrong == []
    assert (queue.stat().senders, queue.stat().receivers) == ((), ())
