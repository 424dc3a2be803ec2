"""System V message queues, what is sent and what is chosen: Q04-Q10, Q12, Q13, Q19 and truths S1, S24."""

import array
import errno
import mmap
import os
import time

import pytest

from unixipc import Exited, LayoutError, fork
from unixipc.sysv import Key, Message, MessageQueue, Permissions

WAIT = 20
CAPACITY = 16384


@pytest.fixture
def queue():
    with MessageQueue.temporary(capacity_bytes=CAPACITY) as queue:
        yield queue


def put(queue, *types):
    """A message for each type, whose body tells its place."""
    for n, type in enumerate(types):
        queue.send(b"%d" % n, type)


def rest(queue):
    """What is left, in the order of arrival."""
    left = []
    while (message := queue.try_receive()) is not None:
        left.append(message)
    return left


@pytest.mark.parametrize("type", [1, 2**31 - 1, 2**31, 2**32, 2**32 + 1, 2**40, 2**62, 2**63 - 1])
def test_Q04_a_type_has_63_bits(queue, type):
    decoy = type % 2**32 or 5
    if decoy != type:
        queue.send(b"decoy", decoy)
    queue.send(b"wanted", type)
    assert queue.receive(type, timeout=WAIT) == Message(type, b"wanted")


@pytest.mark.parametrize("type", [0, -1, -(2**63)])
def test_Q04_types_start_at_1(queue, type):
    for call in (lambda: queue.send(b"", type), lambda: queue.try_send(b"", type)):
        with pytest.raises(OSError, match="Invalid argument") as refused:
            call()
        assert refused.value.errno == errno.EINVAL
        assert str(type) in refused.value.__notes__[0]
    assert len(queue) == 0


@pytest.mark.parametrize("choice", ["type", "up_to", "other_than"])
@pytest.mark.parametrize("type", [0, -1, -(2**63)])
def test_Q06_nothing_below_1_can_be_chosen(queue, choice, type):
    """The kernel's 0 and negative numbers have names here: no argument, and `up_to`."""
    queue.send(b"stays")
    for call in (queue.receive, queue.try_receive, queue.wait_until_there):
        with pytest.raises(OSError, match="Invalid argument"):
            call(**{choice: type})
    assert len(queue) == 1


@pytest.mark.parametrize("type", [2**63, -(2**63) - 1, 10**30])
def test_Q04_a_type_beyond_the_kernels_is_refused(queue, type):
    with pytest.raises(OverflowError):
        queue.send(b"", type)
    with pytest.raises(OverflowError):
        queue.try_receive(type)


@pytest.mark.parametrize("type", [1.5, "1", b"1"])
def test_Q04_a_type_is_an_integer(queue, type):
    with pytest.raises(TypeError):
        queue.send(b"", type)
    with pytest.raises(TypeError):
        queue.try_receive(type)
    assert len(queue) == 0


def test_Q04_the_size_is_without_the_type(queue):
    queue.send(b"12345", 2**40)
    assert queue.stat().used_bytes == 5


def test_Q04_an_empty_message_is_a_message(queue):
    queue.send(b"", 3)
    assert (len(queue), queue.stat().used_bytes) == (1, 0)
    assert queue.try_receive() == Message(3, b"")
    assert queue.try_receive() is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda raw: array.array("B", raw)])
def test_Q04_anything_with_a_contiguous_buffer_is_a_body(queue, kind):
    queue.send(kind(bytes(range(256))))
    assert queue.receive(timeout=WAIT).body == bytes(range(256))


def test_Q04_mapped_memory_is_a_body(queue):
    with mmap.mmap(-1, 4096) as memory:
        memory[:5] = b"ahoy!"
        queue.send(memory)
    assert queue.receive(timeout=WAIT).body == b"ahoy!" + bytes(4091)


@pytest.mark.parametrize(("body", "error"), [("text", TypeError), (5, TypeError), (None, TypeError)])
def test_Q04_what_has_no_bytes_is_refused(queue, body, error):
    with pytest.raises(error):
        queue.send(body)
    assert len(queue) == 0


def test_Q04_a_buffer_with_gaps_is_refused(queue):
    with pytest.raises(BufferError):
        queue.send(memoryview(b"abcdef")[::2])
    assert len(queue) == 0


def test_S24_borders_and_the_order_of_arrival_are_kept(queue):
    bodies = [b"one", b"", b"two\0three", bytes(8000)]
    for body in bodies:
        queue.send(body)
    assert [message.body for message in rest(queue)] == bodies


def test_S24_a_queue_is_not_a_descriptor(queue):
    assert not hasattr(queue, "fileno")


def test_S1_up_to_takes_the_lowest_type_first_and_equality_counts(queue):
    """The run of the manual: 3, 2, 1, 2, 1 gives 1, 1, 2, 2, then nothing, though a message is there."""
    put(queue, 3, 2, 1, 2, 1)
    taken = [queue.receive(up_to=2, timeout=WAIT) for _ in range(4)]
    assert taken == [Message(1, b"2"), Message(1, b"4"), Message(2, b"1"), Message(2, b"3")]
    assert queue.try_receive(up_to=2) is None
    assert rest(queue) == [Message(3, b"0")]


def test_Q06_without_a_choice_the_first_comes_whatever_its_type(queue):
    put(queue, 9, 1, 2**40)
    assert [message.type for message in rest(queue)] == [9, 1, 2**40]


def test_Q06_a_type_takes_the_first_of_that_type(queue):
    put(queue, 1, 7, 1, 7)
    assert queue.receive(7, timeout=WAIT) == Message(7, b"1")
    assert queue.receive(type=7, timeout=WAIT) == Message(7, b"3")
    assert queue.try_receive(7) is None
    assert len(queue) == 2


def test_Q07_not_now_is_none_and_false(queue):
    assert queue.try_receive() is None
    put(queue, 1)
    assert queue.try_receive(type=2) is queue.try_receive(other_than=1) is None
    queue.resize(1)
    assert queue.try_send(b"") is False


def test_Q08_other_than_takes_the_first_of_any_other_type(queue):
    put(queue, 5, 3, 5, 2**40)
    assert queue.receive(other_than=5, timeout=WAIT) == Message(3, b"1")
    assert queue.receive(other_than=5, timeout=WAIT) == Message(2**40, b"3")
    assert queue.try_receive(other_than=5) is None
    assert len(queue) == 2


@pytest.mark.parametrize("chosen", [("type", "up_to"), ("type", "other_than"), ("up_to", "other_than")])
def test_Q08_two_choices_at_once_are_refused(queue, chosen):
    put(queue, 1, 2)
    for call in (queue.receive, queue.try_receive, queue.wait_until_there):
        with pytest.raises(ValueError, match="not by several"):
            call(**dict.fromkeys(chosen, 1))
    assert len(queue) == 2


def test_Q09_a_message_longer_than_the_buffer_stays(queue):
    queue.send(b"12345", 3)
    for call in (queue.receive, queue.try_receive):
        with pytest.raises(OSError, match="too long") as refused:
            call(max_bytes=4)
        assert refused.value.errno == errno.E2BIG
        assert "stays" in refused.value.__notes__[0]
    assert queue.try_receive(max_bytes=5) == Message(3, b"12345")


def test_Q09_a_waiting_receive_refuses_what_is_too_long_for_it_too(queue):
    with fork(lambda: (time.sleep(0.05), queue.send(b"12345"))) as child:
        with pytest.raises(OSError, match="too long"):
            queue.receive(max_bytes=4, timeout=WAIT)
        assert child.wait(timeout=WAIT) == Exited(0)
    assert rest(queue) == [Message(1, b"12345")]


@pytest.mark.parametrize(
    ("length", "most", "truncated"),
    [(0, 0, False), (1, 0, True), (4, 5, False), (5, 5, False), (6, 5, True), (8192, 8192, False), (8192, 8191, True)],
)
def test_Q09_truncated_tells_exactly_whether_anything_was_cut(queue, length, most, truncated):
    body = os.urandom(length)
    queue.send(body)
    assert queue.receive(max_bytes=most, truncate=True, timeout=WAIT) == Message(1, body[:most], truncated)
    assert len(queue) == 0


def test_Q09_truncate_works_on_what_was_chosen(queue):
    put(queue, 1, 2)
    assert queue.receive(2, max_bytes=0, truncate=True, timeout=WAIT) == Message(2, b"", True)
    assert rest(queue) == [Message(1, b"0")]


@pytest.mark.parametrize("most", [16383, 16384, 16385, 1 << 20])
@pytest.mark.parametrize("truncate", [False, True])
def test_Q09_a_buffer_may_be_larger_than_any_message(queue, most, truncate):
    queue.send(b"small")
    assert queue.receive(max_bytes=most, truncate=truncate, timeout=WAIT) == Message(1, b"small")


def test_Q09_truncate_must_know_how_much_to_keep(queue):
    put(queue, 1)
    with pytest.raises(ValueError, match="max_bytes"):
        queue.receive(truncate=True, timeout=WAIT)
    with pytest.raises(ValueError, match="max_bytes"):
        queue.try_receive(max_bytes=-1)
    with pytest.raises(TypeError):
        queue.try_receive(max_bytes=1.5)
    assert len(queue) == 1


def test_Q10_peek_copies_by_place_and_takes_nothing(queue):
    put(queue, 3, 1, 2**40)
    queue.send(b"", 4)
    before = queue.stat()
    copies = [queue.peek(n) for n in range(4)]
    assert copies == [Message(3, b"0"), Message(1, b"1"), Message(2**40, b"2"), Message(4, b"")]
    assert queue.peek() == copies[0]
    assert queue.stat() == before, "peeking is no receiving: neither pid nor time"


def test_Q10_past_the_end_there_is_nothing_to_peek_at(queue):
    assert queue.peek() is None
    put(queue, 1)
    assert queue.peek(1) is queue.peek(2**62) is None


def test_Q10_places_count_from_0(queue):
    put(queue, 1)
    with pytest.raises(ValueError, match="at least 0"):
        queue.peek(-1)


def test_Q12_stat_tells_who_and_when(queue):
    new = queue.stat()
    assert (new.last_sender_pid, new.last_receiver_pid, new.sent_at, new.received_at) == (0, 0, None, None)
    began = int(time.time())
    with fork(queue.send, b"123", 1) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    queue.send(b"4567")
    with fork(lambda: queue.receive(timeout=WAIT) and 0) as receiver:
        assert receiver.wait(timeout=WAIT) == Exited(0)
    now = queue.stat()
    assert (now.id, now.messages, now.used_bytes, now.capacity_bytes) == (queue.id, 1, 4, CAPACITY)
    assert (now.last_sender_pid, now.last_receiver_pid) == (os.getpid(), receiver.pid)
    assert began <= now.sent_at <= now.received_at <= time.time()
    assert began - WAIT <= now.changed_at <= time.time()


def test_Q12_the_last_sender_is_a_process_not_a_handle(queue):
    with fork(queue.send, b"", 1) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
        assert queue.stat().last_sender_pid == child.pid


def test_Q13_permissions_change_one_by_one(queue):
    me, my_group = os.getuid(), os.getgid()
    queue.set_permissions(mode=0o640)
    assert queue.stat().permissions == Permissions(Key.PRIVATE, 0o640, me, my_group, me, my_group)
    queue.set_permissions()
    assert queue.stat().permissions.mode == 0o640


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give it away")
def test_Q13_the_owner_changes_the_creator_stays(queue):
    queue.set_permissions(uid=1234, gid=5678)
    assert queue.stat().permissions == Permissions(Key.PRIVATE, 0o600, 1234, 5678, 0, os.getgid())


@pytest.mark.parametrize("owner", [2**32, 2**32 + 5, 2**63 - 1, -2])
def test_Q13_an_owner_beyond_32_bits_is_refused_not_cut(queue, owner):
    for which in ("uid", "gid"):
        with pytest.raises((ValueError, OverflowError)):
            queue.set_permissions(**{which: owner})
    assert queue.stat().permissions.uid == os.getuid()


def test_Q19_a_refusal_is_an_oserror_with_the_objects_name_and_the_call():
    queue = MessageQueue.create(key := Key.random())
    queue.send(b"123")
    with pytest.raises(OSError) as refused:
        queue.receive(max_bytes=1, timeout=WAIT)
    assert refused.value.filename == queue.name == f"key 0x{key:08x} (id {queue.id})"
    assert refused.value.strerror == os.strerror(errno.E2BIG)
    assert refused.value.__notes__[0].startswith("msgrcv(2)")
    queue.remove()


def test_Q05_bodies_go_through_the_codec(queue):
    coded = MessageQueue(queue.id, codec="iq")
    coded.send((1, 2**40), 9)
    assert coded.peek() == coded.receive(timeout=WAIT) == Message(9, (1, 2**40))
    assert coded.try_send((3, 4))
    assert coded.try_receive() == Message(1, (3, 4))


def test_Q05_what_cannot_be_encoded_is_not_sent(queue):
    coded = MessageQueue(queue.id, codec="i")
    for call in (coded.send, coded.try_send):
        with pytest.raises(ValueError, match="does not fit"):
            call((2**31,))
    assert len(queue) == 0


@pytest.mark.parametrize("call", ["receive", "try_receive", "peek"])
def test_Q05_a_message_that_cannot_be_decoded_is_kept_by_the_error(queue, call):
    queue.send(b"no integer at all", 7)
    with pytest.raises(LayoutError) as refused:
        getattr(MessageQueue(queue.id, codec="i"), call)()
    assert refused.value.message == Message(7, b"no integer at all")
    assert "`message`" in refused.value.__notes__[-1]


@pytest.mark.parametrize("failure", [KeyError, KeyboardInterrupt])
def test_Q05_whatever_ends_a_codec_the_message_is_kept(queue, failure):
    """A signal's handler may raise there too."""

    class Broken:
        def encode(self, value):
            return value

        def decode(self, body):
            raise failure("no such word")

    with fork(lambda: (time.sleep(0.05), queue.send(b"word", 7))) as child:
        with pytest.raises(failure) as refused:
            MessageQueue(queue.id, codec=Broken()).receive(timeout=WAIT)
        assert child.wait(timeout=WAIT) == Exited(0)
    assert refused.value.message == Message(7, b"word")


def test_a_message_compares_hashes_unpacks_and_shows_itself():
    message = Message(2**40, b"x")
    assert message == Message(2**40, b"x", False) != Message(2**40, b"x", True)
    assert len({message, Message(2**40, b"x")}) == 1
    assert repr(message) == f"Message(type={2**40}, body=b'x')"
    assert repr(Message(1, b"", True)) == "Message(type=1, body=b'', truncated=True)"
    match message:
        case Message(type, body):
            assert (type, body) == (2**40, b"x")


def test_an_empty_queue_is_true_and_has_length_0(queue):
    assert bool(queue) is True
    assert len(queue) == 0
    put(queue, 1, 2)
    assert len(queue) == 2
