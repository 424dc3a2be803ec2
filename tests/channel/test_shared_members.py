"""Threads of several processes share their members: nobody's wait is in vain, whatever the others meet."""

from __future__ import annotations

import os
import struct
import threading
import time

import pytest

from unixipc import channel, fork

PROCESSES, THREADS = 3, 4
WAIT = 20
NUMBERS = struct.Struct("<III")
LENGTHS = pytest.mark.parametrize(
    "seconds", [1.5, pytest.param(600, marks=[pytest.mark.deep, pytest.mark.timeout(1200)])], ids=["short", "long"]
)


def run_threads(target):
    """In `THREADS` threads; the first error is ours."""
    errors = []

    def guarded(number):
        try:
            target(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if errors:
        raise errors[0]


def send_all(make_sender, process, seconds, refuses):
    """What was sent, by thread; every third message is a reservation that is given up."""
    end = time.monotonic() + seconds
    sent = [0] * THREADS

    def go(thread):
        while time.monotonic() < end:
            try:
                if sent[thread] % 3 == 2:
                    sender.reserve(300, timeout=WAIT).cancel()
                sender.send(NUMBERS.pack(process, thread, sent[thread]) + b"x" * (200 + thread), timeout=WAIT)
            except BlockingIOError:
                assert refuses
                continue
            sent[thread] += 1

    with make_sender() as sender:
        run_threads(go)
    return sent


def note(message, seen):
    process, thread, number = NUMBERS.unpack_from(message)
    assert len(message) == NUMBERS.size + 200 + thread
    seen.append((process, thread, number))


def receive_all(make_receiver):
    """Whatever comes until the senders have left."""
    seen = []

    def go(thread):
        try:
            while True:
                if thread % 2:
                    note(receiver.receive(timeout=WAIT), seen)
                else:
                    for message in receiver.receive_many(50, timeout=WAIT):
                        note(message, seen)
        except EOFError:
            pass

    with make_receiver() as receiver:
        run_threads(go)
    return seen


@LENGTHS
@pytest.mark.parametrize("when_full", ["wait", "refuse", "drop_oldest"])
def test_no_wait_at_a_queue_is_in_vain(name, when_full, seconds, until):
    with channel.Queue.create(name, 4096, when_full=when_full) as queue:
        first = queue.sender()
        children = [fork(send_and_tell, name, number, seconds, when_full == "refuse") for number in range(PROCESSES)]
        until(lambda: len(queue.stat().senders) > PROCESSES)
        first.close()
        seen = receive_all(queue.receiver)
        for child in children:
            assert child.wait(timeout=WAIT).code == 0
            child.close()
        assert len(seen) == len(set(seen))
        status = queue.stat()
        assert status.depth == 0
        assert status.sent == status.received + status.dropped
        assert status.received == len(seen)
        queue.remove()


def send_and_tell(name, process, seconds, refuses):
    with channel.Queue.open(name) as queue:
        send_all(queue.sender, process, seconds, refuses)


@LENGTHS
@pytest.mark.parametrize("when_slow", ["wait", "tell"])
def test_no_wait_at_a_topic_is_in_vain(name, when_slow, seconds, until):
    with channel.Topic.create(name, 4096) as topic:
        first = topic.publisher()
        children = [fork(publish_and_tell, name, number, seconds) for number in range(PROCESSES)]
        until(lambda: len(topic.stat().publishers) > PROCESSES)
        subscriber = topic.subscriber(when_slow)
        first.close()
        seen = receive_all(lambda: subscriber)
        for child in children:
            assert child.wait(timeout=WAIT).code == 0
            child.close()
        assert len(seen) == len(set(seen)) > 0
        if when_slow == "wait":
            assert subscriber.missed == 0
        topic.remove()


def publish_and_tell(name, process, seconds):
    with channel.Topic.open(name) as topic:
        send_all(topic.publisher, process, seconds, False)


@pytest.mark.parametrize("many", [False, True], ids=["receive", "receive_many"])
@pytest.mark.parametrize("when_slow", ["wait", "tell"])
def test_a_subscriber_that_another_thread_closes_gives_what_it_has_or_says_so(name, when_slow, many, run_python):
    """The memory is not used after it: the interpreter lives, and nobody's place in the file is written to."""
    said = run_python(
        """
        import sys, threading, time
        from unixipc import ClosedError, channel
        name, when_slow, many = sys.argv[1], sys.argv[2], sys.argv[3] == "True"
        body = b"x" * (1 << 20)
        with channel.Topic.create(name, 1 << 24) as other:
            for turn in range(40):
                topic = channel.Topic.open(name)
                publisher, subscriber = topic.publisher(), topic.subscriber(when_slow)
                for _ in range(4):
                    publisher.send(body)
                topic.close()
                closing = threading.Timer(0.0002 * (turn % 7), subscriber.close)
                closing.start()
                try:
                    while True:
                        got = subscriber.receive_many(10, timeout=5) if many else [subscriber.receive(timeout=5)]
                        assert got and all(message == body for message in got)
                except (ClosedError, TimeoutError) as error:
                    assert isinstance(error, ClosedError), error
                closing.join()
                assert other.stat().publishers and not other.stat().subscribers
                publisher.close()
            other.remove()
        print("lives")
        """,
        name,
        when_slow,
        many,
    )
    assert said == "lives\n"


def test_a_reservation_may_end_after_its_sender_was_closed_by_another_thread(name):
    with channel.Queue.create(name, 4096) as queue:
        for _ in range(200):
            sender = queue.sender()
            loan = sender.reserve(100)
            closing = threading.Thread(target=sender.close)
            closing.start()
            loan.cancel()
            closing.join()
        assert queue.stat().depth == 0
        assert queue.stat().senders == ()
        queue.remove()
    assert os.getpid() > 0
