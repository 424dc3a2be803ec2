"""POSIX queues: R01-R06, B14, B15. Names, modes, priorities, sizes, timeouts, polls, pickles."""

import array
import errno
import os
import pickle
import select
import stat
import time

import pytest

from unixipc import ClosedError
from unixipc.posix import Message, MessageQueue, QueueStat, remove_queue

WAIT = 20


@pytest.fixture
def queue():
    with MessageQueue.temporary() as queue:
        yield queue


def refusal(error, number, call, *args, **named):
    """The exception: of this class, with this errno, and a note."""
    with pytest.raises(error) as caught:
        call(*args, **named)
    assert caught.value.errno == number
    assert caught.value.__notes__
    return caught.value


# getting one ----------------------------------------------------------------------------------------------------------


def test_R01_create_open_ensure(name):
    refusal(FileNotFoundError, errno.ENOENT, MessageQueue.open, name)
    with MessageQueue.create(name, 3, 100) as mine:
        assert mine.stat() == QueueStat(3, 100, 0)
        assert refusal(FileExistsError, errno.EEXIST, MessageQueue.create, name).filename == name
        with MessageQueue.open(name) as same, MessageQueue.ensure(name, 7, 7) as third:
            mine.send(b"x")
            assert (len(same), third.max_message_bytes, third.name) == (1, 100, name)
        mine.remove()
    with MessageQueue.ensure(name) as fresh:
        assert fresh.stat() == QueueStat(10, 8192, 0)


@pytest.mark.parametrize("bad", ["", "name", "/", "/.", "/..", "/a/b", "//a", "a/b", "/a\0b"])
@pytest.mark.parametrize("call", [MessageQueue.create, MessageQueue.open, MessageQueue.ensure, remove_queue])
def test_R01_a_name_is_a_slash_and_one_word(bad, call):
    error = refusal(OSError, errno.EINVAL, call, bad)
    assert error.filename == bad
    assert "one word" in error.__notes__[0]


@pytest.mark.parametrize("call", [MessageQueue.create, MessageQueue.open, remove_queue])
def test_R01_a_name_has_at_most_255_bytes(call):
    assert "255" in refusal(OSError, errno.ENAMETOOLONG, call, "/" + 256 * "n").__notes__[0]


def test_R01_the_longest_name_and_any_bytes_in_it():
    for word in (255 * "n", "ä ö\n\udcff", "...", "-rf"):
        with MessageQueue.create("/" + word) as queue:
            queue.remove()


def test_R01_the_mode_is_what_was_asked_for_whatever_the_umask(name):
    before = os.umask(0o777)
    try:
        with MessageQueue.create(name, mode=0o622) as queue:
            assert stat.S_IMODE(os.fstat(queue.fileno()).st_mode) == 0o622
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [-1, 0o1000, 0o4755])
def test_R01_a_mode_has_nine_bits(name, mode):
    with pytest.raises(ValueError, match="0o777"):
        MessageQueue.create(name, mode=mode)


def test_R01_permissions_say_which_way(name, as_nobody):
    for mode, may_send, may_receive in ((0o602, True, False), (0o604, False, True), (0o606, True, True)):
        with MessageQueue.create(name, mode=mode) as mine:
            mine.send(b"there")

            def child(may_send=may_send, may_receive=may_receive):
                with MessageQueue.open(name) as theirs:
                    for may, use in ((may_send, lambda q: q.send(b"")), (may_receive, lambda q: q.receive())):
                        if may:
                            use(theirs)
                        else:
                            error = refusal(OSError, errno.EBADF, use, theirs)
                            assert "may only" in error.__notes__[0]
                    assert theirs.stat().max_messages == 10

            as_nobody(child)
            mine.remove()


def test_R01_no_permission_at_all_is_refused_at_open(name, as_nobody):
    with MessageQueue.create(name):

        def child():
            for call in (MessageQueue.open, MessageQueue.ensure, remove_queue):
                error = refusal(PermissionError, errno.EACCES, call, name)
                assert error.filename == name

        as_nobody(child)


def test_R01_thirty_processes_that_ensure_have_one_queue(name, children):
    gate, opener = os.pipe()

    def child():
        os.close(opener)
        os.read(gate, 1)
        with MessageQueue.ensure(name, 5, 20) as queue:
            queue.send(b"%d" % os.getpid(), timeout=WAIT)

    children.start(child, times=30)
    os.close(opener)
    os.close(gate)
    with MessageQueue.ensure(name, 5, 20) as queue:
        pids = {int(queue.receive(timeout=WAIT).body) for _ in range(30)}
        assert pids == {child.pid for child in children}
        assert queue.try_receive() is None
    children.all_succeed()


def test_R06_removing_takes_the_name_and_nothing_else(name):
    with MessageQueue.create(name) as queue:
        queue.send(b"kept")
        queue.remove()
        refusal(FileNotFoundError, errno.ENOENT, queue.remove)
        refusal(FileNotFoundError, errno.ENOENT, remove_queue, name)
        with MessageQueue.create(name) as other:
            assert len(other) == 0
            remove_queue(name)
        assert queue.receive(timeout=WAIT).body == b"kept"


def test_a_temporary_queue_has_no_name(queue_names):
    before = queue_names()
    with MessageQueue.temporary(2, 10) as queue:
        assert queue_names() == before
        assert queue.stat() == QueueStat(2, 10, 0)
        refusal(FileNotFoundError, errno.ENOENT, queue.remove)
        with pytest.raises(TypeError, match="no name"):
            pickle.dumps(queue)
        assert "temporary" in repr(queue)


def test_a_named_queue_has_one(name, queue_names):
    with MessageQueue.create(name) as queue:
        assert name[1:] in queue_names()
        queue.remove()
        assert name[1:] not in queue_names()


# sending and receiving ------------------------------------------------------------------------------------------------


def test_R02_the_highest_priority_first_and_within_one_the_oldest(queue):
    sent = [(5, b"a"), (0, b"b"), (32767, b"c"), (5, b"d"), (1, b"e"), (32767, b"f"), (0, b"g")]
    for priority, body in sent:
        queue.send(body, priority)
    taken = [queue.receive() for _ in sent]
    assert taken == [Message(*each) for each in sorted(sent, key=lambda each: -each[0])]


@pytest.mark.parametrize("priority", [-1, 32768, 2**31, 2**40, -(2**40)])
def test_R02_a_priority_is_0_to_32767(queue, priority):
    for send in (queue.send, queue.try_send):
        error = refusal(OSError, errno.EINVAL, send, b"", priority)
        assert f"0..32767, not {priority}" in error.__notes__[0]
    assert len(queue) == 0


@pytest.mark.parametrize("priority", [1.0, "1", None, b"1"])
def test_R02_a_priority_is_a_whole_number(queue, priority):
    with pytest.raises(TypeError):
        queue.send(b"", priority)


def test_R02_what_says_it_is_a_whole_number_is_one(queue):
    class Three:
        def __index__(self):
            return 3

    queue.send(b"", Three())
    queue.send(b"", priority=True)
    assert [queue.receive().priority for _ in range(2)] == [3, 1]


def test_R04_B15_every_length_up_to_the_queues_comes_back(queue):
    for n in (0, 1, 127, 128, 129, 255, 8191, 8192):
        body = os.urandom(n)
        assert queue.try_send(body) is True
        assert queue.receive() == Message(0, body)


@pytest.mark.parametrize("size", [1, 16384, 16385, 100_000])
def test_R04_small_and_large_queues(size, limit):
    if size > limit("msgsize_max"):
        limit("msgsize_max", size)
    with MessageQueue.temporary(2, size) as queue:
        assert queue.try_receive() is None
        queue.send(os.urandom(size), 2)
        queue.send(b"", 3)
        assert queue.try_send(os.urandom(size)) is False
        assert queue.receive(timeout=WAIT) == Message(3, b"")
        assert len(queue.receive(timeout=WAIT).body) == size
        refusal(OSError, errno.EMSGSIZE, queue.send, bytes(size + 1))


def test_R04_a_message_that_is_too_long_is_told_at_once(queue):
    for body in (bytes(8193), bytearray(8193), bytes(100_000)):
        assert "max_message_bytes" in refusal(OSError, errno.EMSGSIZE, queue.send, body).__notes__[0]
    assert len(queue) == 0


@pytest.mark.parametrize("body", [bytearray(b"abcd"), memoryview(b"abcd"), array.array("b", b"abcd")], ids=type)
def test_any_buffer_can_be_sent(queue, body):
    queue.send(body)
    assert queue.receive().body == b"abcd"


@pytest.mark.parametrize("body", ["text", 5, None, memoryview(b"abcd")[::2]], ids=type)
def test_what_is_no_buffer_is_refused(queue, body):
    with pytest.raises((TypeError, BufferError)):
        queue.send(body)
    assert len(queue) == 0


def test_a_buffer_is_let_go(queue):
    body = bytearray(b"abc")
    queue.send(body)
    with pytest.raises(OSError):
        queue.send(bytearray(9000))
    body.append(1)  # no export is left


def test_a_subclass_of_bytes_is_its_bytes(queue):
    class Mine(bytes):
        def __len__(self):
            return 10**9

    queue.send(Mine(b"abc"))
    assert queue.receive().body == b"abc"


def test_try_never_waits(queue):
    assert queue.try_receive() is None
    while queue.try_send(b"x"):
        pass
    assert len(queue) == 10
    assert queue.try_send(b"x", 9) is False


def test_R03_B14_a_timeout_is_seconds_from_now(queue):
    for timeout in (0.05, 0):
        began = time.monotonic()
        with pytest.raises(TimeoutError) as late:
            queue.receive(timeout=timeout)
        assert time.monotonic() - began >= timeout
        assert late.value.errno == errno.ETIMEDOUT
    while queue.try_send(b"x"):
        pass
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        queue.send(b"y", timeout=0.05)
    assert time.monotonic() - began >= 0.05
    assert len(queue) == 10


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_R03_a_bad_timeout_is_refused_before_anything_waits(queue, timeout):
    with pytest.raises(ValueError, match="timeout"):
        queue.receive(timeout=timeout)


def test_a_message_is_a_value():
    message = Message(3, b"x")
    assert message == Message(3, b"x") != Message(4, b"x")
    assert hash(message) == hash(Message(3, b"x"))
    assert message != (3, b"x")
    assert pickle.loads(pickle.dumps(message)) == message
    assert repr(message) == "Message(priority=3, body=b'x')"
    match message:
        case Message(priority, body):
            assert (priority, body) == (3, b"x")
    with pytest.raises(AttributeError):
        message.priority = 1
    for bad in ((-1, b""), (1, "text"), (1, None)):
        with pytest.raises((TypeError, OverflowError)):
            Message(*bad)


# as a descriptor, as a value ------------------------------------------------------------------------------------------


def test_R08_any_poll_can_wait_for_it(queue):
    assert select.select([queue], [queue], [], 0) == ([], [queue], [])
    queue.send(b"x")
    assert select.select([queue], [], [], WAIT) == ([queue], [], [])
    while queue.try_send(b"x"):
        pass
    assert select.select([queue], [queue], [], 0) == ([queue], [], [])
    with select.epoll() as poll:
        poll.register(queue, select.EPOLLIN)
        assert poll.poll(WAIT) == [(queue.fileno(), select.EPOLLIN)]


def test_its_descriptor_is_not_inherited_by_programs(queue):
    assert os.get_inheritable(queue.fileno()) is False


def test_it_is_pickled_by_name(name):
    with MessageQueue.create(name) as queue, pickle.loads(pickle.dumps(queue)) as same:
        assert same.fileno() != queue.fileno()
        queue.send(b"x")
        assert same.receive(timeout=WAIT).body == b"x"
    with pytest.raises(ClosedError):
        pickle.dumps(queue)


def test_a_descriptor_from_elsewhere_is_taken_over(queue):
    queue.send(b"x", 2)
    with MessageQueue(os.dup(queue.fileno())) as same:
        assert same.max_message_bytes == 8192
        assert same.receive(timeout=WAIT) == Message(2, b"x")
        assert same.try_receive() is None
        refusal(FileNotFoundError, errno.ENOENT, same.remove)


def test_a_descriptor_of_something_else_is_refused_and_left_open():
    reader, writer = os.pipe()
    assert "not a queue's" in refusal(OSError, errno.EBADF, MessageQueue, reader).__notes__[0]
    os.close(reader)
    os.close(writer)


def test_iteration_receives_for_ever(queue):
    for n in range(3):
        queue.send(b"%d" % n)
    bodies = []
    for message in queue:
        bodies.append(message.body)
        if len(bodies) == 3:
            break
    assert bodies == [b"0", b"1", b"2"]


def test_an_empty_queue_is_true_and_its_length_is_its_messages(queue):
    assert queue
    assert len(queue) == 0
    queue.send(b"")
    assert (len(queue), queue.stat().messages) == (1, 1)


CALLS = {
    "send": lambda queue: queue.send(b"", timeout=WAIT),
    "try_send": lambda queue: queue.try_send(b""),
    "receive": lambda queue: queue.receive(timeout=WAIT),
    "try_receive": lambda queue: queue.try_receive(),
    "stat": lambda queue: queue.stat(),
    "len": len,
    "notify": lambda queue: queue.notify(0),
    "withdraw": lambda queue: queue.notify(),
    "remove": lambda queue: queue.remove(),
    "fileno": lambda queue: queue.fileno(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_nothing_works_after_close(name, call):
    with MessageQueue.create(name) as queue:
        pass
    with pytest.raises(ClosedError):
        call(queue)


def test_one_made_without_a_queue_is_closed():
    queue = MessageQueue.__new__(MessageQueue)
    for call in CALLS.values():
        with pytest.raises(ClosedError):
            call(queue)


def test_one_that_is_forgotten_is_closed_with_a_warning(name):
    queue = MessageQueue.create(name)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del queue
