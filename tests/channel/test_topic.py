"""What a topic promises: everybody gets everything, in order; who is too slow waits for nobody, or is told."""

import os
import pickle
import signal
import threading
import time

import pytest

from unixipc import LayoutError, channel, fork
from unixipc.errors import ClosedError

SOON = 20


@pytest.fixture
def topic():
    with channel.Topic.anonymous(4096) as made:
        yield made


def until(condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_every_subscriber_gets_every_message(topic):
    with topic.publisher() as publisher, topic.subscriber() as one, topic.subscriber() as other:
        messages = [bytes([n]) * n for n in range(30)]
        for message in messages:
            publisher.send(message)
        assert one.receive_many() == messages
        assert [other.receive(timeout=SOON) for _ in messages] == messages
        assert (one.try_receive(), one.try_receive_many()) == (None, [])


def test_a_subscription_begins_with_the_next_message(topic):
    with topic.publisher() as publisher:
        publisher.send(b"before")
        with topic.subscriber() as late:
            assert late.try_receive() is None
            publisher.send(b"after")
            assert late.receive(timeout=SOON) == b"after"


def test_a_topic_without_subscribers_takes_any_number(topic):
    with topic.publisher() as publisher:
        for n in range(1000):
            publisher.send(b"%d" % n, timeout=0)
        assert topic.stat().published == 1000


def test_publishers_wait_for_who_wants_that(topic):
    with topic.publisher() as publisher, topic.subscriber() as slow:
        sent = 0
        while publisher.try_send(b"x" * 100):
            sent += 1
        with pytest.raises(TimeoutError):
            publisher.send(b"y" * 100, timeout=0.05)
        assert slow.lag == sent
        assert len(slow.receive_many()) == sent
        publisher.send(b"z", timeout=0)
        assert (slow.receive(), slow.missed) == (b"z", 0)


def test_a_waiting_publisher_goes_on_when_the_slow_one_reads(topic):
    with topic.publisher() as publisher, topic.subscriber() as slow:
        while publisher.try_send(b"x" * 100):
            pass
        sender = threading.Thread(target=publisher.send, args=(b"y" * 99 + b"!", SOON))
        sender.start()
        until(lambda: topic.stat().publisher_sleeps > 0)
        assert slow.receive() == b"x" * 100
        sender.join(SOON)
        assert not sender.is_alive()
        assert slow.receive_many()[-1][-1:] == b"!"


def test_who_leaves_is_not_waited_for(topic):
    with topic.publisher() as publisher, topic.subscriber() as slow:
        while publisher.try_send(b"x" * 100):
            pass
        slow.close()
        publisher.send(b"y" * 100, timeout=SOON)


def test_who_is_killed_is_not_waited_for(topic):
    with topic.publisher() as publisher:

        def child():
            reader = topic.subscriber()
            signal.pause()
            reader.close()

        with fork(child) as process:
            until(lambda: topic.stat().subscribers)
            while publisher.try_send(b"x" * 100):
                pass
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=SOON)
            publisher.send(b"y" * 100, timeout=SOON)
            assert topic.stat().subscribers == ()


def test_who_is_told_misses_the_oldest_and_knows_how_many(topic):
    with topic.publisher() as publisher, topic.subscriber(when_slow="tell") as casual:
        for n in range(500):
            publisher.send(b"%03d" % n, timeout=0)
        got = [int(message) for message in casual.receive_many()]
        assert got == list(range(casual.missed, 500))
        assert casual.missed > 0
        assert topic.stat().subscribers[0].missed == casual.missed
        publisher.send(b"next")
        assert (casual.receive(), casual.lag) == (b"next", 0)


def test_refusing_is_declared_when_it_is_made():
    with channel.Topic.anonymous(4096, when_full="refuse") as topic:
        with topic.publisher() as publisher, topic.subscriber():
            while publisher.try_send(b"x" * 100):
                pass
            with pytest.raises(BlockingIOError, match="full"):
                publisher.send(b"y" * 100)
            assert topic.stat().refused == 1


def test_looking_in_place_holds_the_place(topic):
    with topic.publisher() as publisher, topic.subscriber() as viewer:
        publisher.send(b"a" * 1000)
        with viewer.peek(timeout=SOON) as view:
            assert bytes(view) == b"a" * 1000
            while publisher.try_send(b"x" * 100):
                pass
            assert bytes(view) == b"a" * 1000
        publisher.send(b"y" * 100, timeout=0)


def test_a_view_that_outlives_its_block_holds_the_place_until_it_goes(topic):
    with topic.publisher() as publisher, topic.subscriber() as viewer:
        publisher.send(b"a" * 3000)
        with viewer.peek() as view:
            part = view[1:]
        assert not publisher.try_send(b"b" * 3000)
        assert bytes(part) == b"a" * 2999
        part.release()
        assert publisher.try_send(b"b" * 3000)
        assert viewer.receive() == b"b" * 3000


def test_two_views_are_given_back_in_any_order(topic):
    with topic.publisher() as publisher, topic.subscriber() as viewer:
        publisher.send_many([b"1" * 1500, b"2" * 1500])
        first, second = viewer.peek(), viewer.peek()
        with second as view:
            assert view[0] == ord("2")
        assert not publisher.try_send(b"3" * 1500)
        with first as view:
            assert view[0] == ord("1")
        assert publisher.try_send(b"3" * 1500)


def test_who_may_be_overrun_cannot_look_in_place(topic):
    with topic.publisher() as publisher, topic.subscriber(when_slow="tell") as casual:
        publisher.send(b"x")
        with pytest.raises(TypeError, match="receive"):
            casual.try_peek()


def test_a_reservation_holds_everybody_up_and_its_end_lets_them_go(topic):
    with topic.publisher() as one, topic.publisher() as other, topic.subscriber() as reader:
        with one.reserve(3) as buffer:
            other.send(b"second")
            assert reader.try_receive() is None
            buffer[:] = b"abc"
        assert [reader.receive(timeout=SOON) for _ in range(2)] == [b"abc", b"second"]


def test_a_publisher_waits_for_a_reservation_in_its_way_without_a_busy_loop(topic):
    with topic.publisher() as one, topic.publisher() as other:
        loan = one.reserve(3)
        while other.try_send(b"x" * 100):
            pass
        before = time.thread_time()
        with pytest.raises(TimeoutError):
            other.send(b"y" * 100, timeout=0.5)
        assert time.thread_time() - before < 0.25
        sender = threading.Thread(target=other.send, args=(b"y" * 100, SOON))
        sender.start()
        loan.cancel()
        sender.join(SOON)
        assert not sender.is_alive()


def test_the_end_comes_when_the_last_publisher_leaves(topic):
    with topic.subscriber() as reader:
        with topic.publisher() as one, topic.publisher():
            one.send(b"last words")
        assert list(reader) == [b"last words"]
        with pytest.raises(EOFError):
            reader.try_receive()
        with topic.publisher() as again:
            again.send(b"more")
            assert reader.receive(timeout=SOON) == b"more"


def test_the_end_comes_when_the_last_publisher_is_killed(topic):
    def child():
        publisher = topic.publisher()
        publisher.send(b"hello")
        signal.pause()

    with topic.subscriber() as reader, fork(child) as process:
        assert reader.receive(timeout=SOON) == b"hello"
        process.send_signal(signal.SIGKILL)
        with pytest.raises(EOFError):
            reader.receive(timeout=SOON)


def test_a_killed_publishers_reservation_is_given_up(topic):
    def child():
        publisher = topic.publisher()
        loan = publisher.reserve(100)
        publisher.send(b"behind it")
        signal.pause()
        loan.cancel()

    with topic.subscriber() as reader, topic.publisher():
        with fork(child) as process:
            until(lambda: topic.stat().published == 2)
            process.send_signal(signal.SIGKILL)
            assert reader.receive(timeout=SOON) == b"behind it"


def publish_numbers(topic, count, kill):
    publisher = topic.publisher()
    for n in range(count):
        publisher.send(b"%d " % n + b"x" * (n % 2000))
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    publisher.close()


@pytest.mark.parametrize("kill", [False, True], ids=["leaves", "killed"])
def test_large_and_small_arrive_whole_and_in_order(kill):
    count = 3000
    with channel.Topic.anonymous(1 << 15) as topic, topic.subscriber() as reader:
        with topic.subscriber(when_slow="tell") as casual, fork(publish_numbers, topic, count, kill) as child:
            last = -1
            for n, message in enumerate(reader):
                assert message == b"%d " % n + b"x" * (n % 2000)
            assert n == count - 1
            for message in casual:
                number, rest = message.split(b" ")
                assert int(number) > last
                last = int(number)
                assert rest == b"x" * (last % 2000)
            assert last == count - 1
            child.wait(timeout=SOON)


def test_large_messages_to_who_may_be_overrun_are_whole():
    """Above 16 KiB they are copied while others go on."""
    with channel.Topic.anonymous(1 << 17) as topic, topic.subscriber(when_slow="tell") as casual:

        def child():
            with topic.publisher() as publisher:
                for n in range(2000):
                    publisher.send(bytes([n % 251]) * (17000 + n))

        with fork(child) as process:
            got = 0
            for message in casual:
                assert message == message[:1] * len(message)
                got += 1
            assert got + casual.missed == 2000
            process.wait(timeout=SOON)


def test_names_pickling_and_kinds(tmp_path):
    path = str(tmp_path / "topic")
    with channel.Topic.create(path) as topic:
        with pickle.loads(pickle.dumps(topic)) as again:
            assert again.name == path
        with pytest.raises(LayoutError, match="kind"):
            channel.Queue.open(path)
        topic.remove()


def test_bad_input(topic):
    with pytest.raises(ValueError, match="when_slow"):
        topic.subscriber(when_slow="never")
    with topic.publisher() as publisher, topic.subscriber() as reader:
        with pytest.raises(OSError, match="at most"):
            publisher.send(bytes(5000))
        with pytest.raises(TypeError):
            publisher.send("text")
        with pytest.raises(ValueError, match="most"):
            reader.receive_many(0)
    with pytest.raises(ClosedError):
        reader.receive()
    with pytest.raises(ClosedError):
        publisher.send(b"x")


def test_a_forked_child_makes_its_own(topic):
    with topic.subscriber() as reader:

        def child():
            with pytest.raises(ClosedError, match="parent"):
                reader.try_receive()
            with topic.publisher() as publisher:
                publisher.send(b"from the child")

        with fork(child) as process:
            assert reader.receive(timeout=SOON) == b"from the child"
            assert process.wait(timeout=SOON).code == 0


def test_nothing_is_looked_at_through_a_closed_member(topic):
    with topic.publisher() as publisher, topic.subscriber() as reader:
        publisher.send(b"x")
    for ask in (reader.subscribers, reader.topic_facts, lambda: reader.members(0), lambda: reader.dead_members(0)):
        with pytest.raises(ClosedError):
            ask()


@pytest.mark.parametrize("kind", [channel.Queue, channel.Topic])
def test_who_looks_for_a_message_while_another_thread_closes_is_told(kind):
    """At every moment of the wait, also before it sleeps: the memory may be gone then."""
    told = []

    def wait(receiver, begun):
        begun.set()
        with pytest.raises(ClosedError):
            receiver.receive()
        told.append(True)

    for n in range(150):
        with kind.anonymous() as made:
            receiver = made.receiver() if kind is channel.Queue else made.subscriber()
            sender = made.sender() if kind is channel.Queue else made.publisher()
            begun = threading.Event()
            waiter = threading.Thread(target=wait, args=(receiver, begun))
            waiter.start()
            begun.wait(SOON)
            end = time.perf_counter_ns() + 600 * n  # some 90 us at last: what it looks before it sleeps
            while time.perf_counter_ns() < end:
                pass
            receiver.close()
            sender.close()
        waiter.join(SOON)
    assert len(told) == 150
