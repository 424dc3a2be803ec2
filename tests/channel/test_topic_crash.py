"""SIGKILL at every named point of publishing, reserving, subscribing, reading and leaving: the others go on, every
subscriber that is left gets everything that appeared, in order, and what it missed and has yet to read is right."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess

import pytest

from unixipc import channel, fork

from .conftest import path_of
from .test_queue_crash import passed, points_of

WAIT = 20
OLD = [b"0" * 1000, b"1" * 1000, b"2" * 1000]
SEVERAL = [b"new0", b"new1", b"new2"]
MORE = [b"more %d " % n + b"m" * 900 for n in range(9)]  # round the ring, past everything that the dead have left
HEADER, MEMBERS_AT, MEMBER, FACTS = 16384, 512, 64, 64

# operation: what it publishes
OPERATIONS = {
    "publish": [b"new0"],
    "publish-batch": SEVERAL,
    "publish-over": [b"n" * 1500],
    "commit": [b"new"],
    "abort": [],
    "hold": [b"new0"],
    "leave-publisher": [],
    "subscribe": SEVERAL,
    "read": SEVERAL,
    "read-told": SEVERAL,
    "look-in-place": SEVERAL,
    "step-over": [b"new0"],
    "leave-subscriber": SEVERAL,
}
NUMBERED_IN_VAIN = {"commit", "abort", "hold", "leave-publisher", "step-over"}  # a number, and no message
UNCOUNTED = {"reserve-aborted", "topic-given-up"}  # killed between the end of a reservation and its counting

# (who was killed before, and where): (what is there of it, who comes next)
REPAIRS = {
    ("publish", "send-written"): ([], "publish"),
    ("publish", "send-published"): ([b"new0"], "publish-batch"),
    ("publish", "send-counted"): ([b"new0"], "subscribe"),
    ("publish-over", "topic-overran"): ([], "publish-over"),
    ("hold", "-"): ([b"new0"], "look"),
    ("leave-publisher", "topic-given-up"): ([], "look"),
    ("subscribe", "subscribe-placed"): ([], "subscribe"),
    ("read", "topic-read"): (SEVERAL, "look"),
    ("leave-subscriber", "place-cleared"): (SEVERAL, "leave-subscriber"),
}


class Scene:
    """A topic with a publisher, a subscriber that is waited for and one that is not; three messages were read."""

    def __init__(self, name):
        self.topic = channel.Topic.create(name, 4096)
        self.publisher = self.topic.publisher()
        self.steady, self.casual = self.topic.subscriber(), self.topic.subscriber(when_slow="tell")
        self.publisher.send_many(OLD)
        assert self.steady.receive_many() == OLD

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for each in (self.publisher, self.steady, self.casual):
            each.close()
        self.topic.remove()
        self.topic.close()

    def publish_more(self):
        """All of `MORE`, while the steady one reads: what it got, from where the others were killed."""
        got = self.steady.try_receive_many()
        assert self.steady.lag <= len(SEVERAL) + 1  # what nobody can read yet, at most
        for message in MORE:
            while not self.publisher.try_send(message):
                got += self.steady.receive_many(timeout=WAIT)
        self.publisher.close()
        return got + list(self.steady)


@pytest.fixture
def run(with_ring):
    def start(name, operation, point="-", nth=1):
        line = [with_ring("crash_topic_at", "-DUIPC_POINTS"), path_of(name), operation, point, str(nth)]
        return subprocess.run(line, capture_output=True, text=True, timeout=WAIT)

    return start


@pytest.fixture
def killed(run):
    def at(name, operation, point, nth=1):
        done = run(name, operation, point, nth)
        assert done.returncode == -signal.SIGKILL, (done.returncode, done.stderr)

    return at


def check_all_is_well(scene, name, new, numbered_in_vain=0, uncounted=False):
    before = scene.topic.stat()
    assert all(each.lag <= len(OLD) + 2 * len(SEVERAL) for each in before.subscribers)
    got = scene.publish_more()
    appeared = got[: len(got) - len(MORE)]
    assert got == appeared + MORE
    assert appeared == new[: len(appeared)]  # nothing torn, nothing twice, in order
    told = list(scene.casual)
    assert told == (OLD + got)[-len(told) :]
    assert 0 <= len(told) + scene.casual.missed - len(OLD + got) <= numbered_in_vain
    seen = scene.topic.stat()
    assert [(each.lag, each.missed) for each in seen.subscribers] == [(0, 0), (0, scene.casual.missed)]
    assert (scene.steady.lag, scene.steady.missed, scene.casual.lag, seen.publishers) == (0, 0, 0, ())
    assert 0 <= seen.published - len(OLD + got) <= uncounted
    scene.steady.close(), scene.casual.close()
    check_places(name)
    return len(appeared)


def check_places(name):
    """Nobody is there any more, and no end is locked."""
    with open(path_of(name), "rb") as file:
        header = file.read(HEADER)
    assert not any(header[MEMBERS_AT::MEMBER])
    assert header[FACTS : FACTS + 4] == header[2 * FACTS : 2 * FACTS + 4] == bytes(4)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_every_point(run, killed, name, operation):
    new, in_vain = OPERATIONS[operation], operation in NUMBERED_IN_VAIN
    with Scene(name) as scene:
        points = passed(run(name, operation, "?"))
        assert check_all_is_well(scene, name, new, in_vain) == len(new)
    for point, nth in points:
        with Scene(name) as scene:
            killed(name, operation, point, nth)
            check_all_is_well(scene, name, new, in_vain, point in UNCOUNTED)


@pytest.mark.parametrize("before", REPAIRS, ids="-".join)
def test_who_comes_next_is_killed_too(run, killed, name, before):
    first, where = before
    there, operation = REPAIRS[before]
    new = there + OPERATIONS.get(operation, [])
    in_vain = first in NUMBERED_IN_VAIN

    def prepare():
        run(name, first) if where == "-" else killed(name, first, where)

    with Scene(name):
        prepare()
        points = passed(run(name, operation, "?"))
    for point, nth in points:
        with Scene(name) as scene:
            prepare()
            killed(name, operation, point, nth)
            uncounted = point in UNCOUNTED or where in UNCOUNTED
            assert check_all_is_well(scene, name, new, in_vain, uncounted) >= len(there)


def test_every_point_of_the_topic_is_passed_by_some_operation(run, name):
    passes = set()
    for operation in [*OPERATIONS, "look"]:
        with Scene(name):
            if operation == "look":
                run(name, "hold")
            passes.update(point for point, _ in passed(run(name, operation, "?")))
    assert points_of("topic.c") <= passes


@pytest.mark.parametrize("point", ["send-published", "send-unlocked", "bell-rung"])
def test_subscribers_get_what_was_published_by_one_who_died_before_the_bell(killed, name, children, until, point):
    """They look again by themselves."""
    subscribed = mmap.mmap(-1, 2)
    with channel.Topic.create(name, 4096) as topic, topic.publisher():

        def read(n, when_slow):
            with topic.subscriber(when_slow) as reader:
                subscribed[n] = 1
                assert reader.receive(timeout=WAIT) == b"new0"

        for n, when_slow in enumerate(("wait", "tell")):
            children.start(read, n, when_slow)
        until(lambda: all(subscribed[:]) and topic.stat().subscriber_sleeps >= 2)
        killed(name, "publish", point)
        children.all_succeed()
        topic.remove()


@pytest.mark.parametrize("operation", ["subscribe", "read", "look-in-place"])
@pytest.mark.parametrize("when_full", ["wait", "refuse"])
def test_a_killed_subscriber_holds_nobody_back_who_never_waits(run, name, operation, when_full):
    """Who only tries has to find out by itself, too: perhaps there is nobody else."""
    with channel.Topic.create(name, 4096, when_full) as topic, topic.publisher() as publisher:
        assert run(name, operation).returncode == 0  # it leaves without saying so
        assert topic._outside().dead_members(1)
        assert all(publisher.try_send(message) for message in MORE)
        assert not topic._outside().dead_members(1)
        topic.remove()


def test_a_batch_and_a_reservation_go_round_a_killed_subscriber_too(run, name):
    with channel.Topic.create(name, 4096, "refuse") as topic:
        for publish in (lambda p: p.send_many(MORE), lambda p: [p.reserve(900).cancel() for _ in range(9)]):
            assert run(name, "subscribe").returncode == 0
            with topic.publisher() as publisher:
                publish(publisher)
        topic.remove()


def test_a_reservation_that_came_to_nothing_does_not_fill_the_topic_for_ever(children):
    """Nobody gets anything then: who goes over it says so all the same."""
    with channel.Topic.anonymous(4096) as topic, topic.publisher() as publisher:

        def read():
            with topic.subscriber() as reader:
                publisher_of_the_child = topic.publisher()
                publisher_of_the_child.send(b"here")
                publisher_of_the_child.close()
                assert [len(reader.receive(timeout=WAIT)) for _ in range(4)] == [4, 3000, 3000, 3000]

        with topic.subscriber() as here:
            children.start(read)
            assert here.receive(timeout=WAIT) == b"here"
        for _ in range(3):
            publisher.reserve(3000, timeout=WAIT).cancel()
            publisher.send(bytes(3000), timeout=WAIT)
        children.all_succeed()


def test_what_was_overrun_before_a_reservation_that_came_to_nothing_is_missed():
    """The first record that is left is no message: those before it count all the same."""
    with channel.Topic.anonymous(4096) as topic, topic.publisher() as publisher:
        with topic.subscriber(when_slow="tell") as casual:
            publisher.send_many([b"%03d" % n + bytes(200) for n in range(40)])
            publisher.reserve(1500).cancel()
            publisher.send_many([bytes(1000), bytes(1000), bytes(400)])  # now that one is the oldest
            assert len(casual.receive_many()) == 3
            assert (casual.missed, casual.lag) == (40, 0)
            assert topic.stat().subscribers[0].missed == 40


def test_what_is_overrun_while_it_is_copied_is_missed_for_everybody_to_see(name):
    """Above 16 KiB others go on meanwhile: then stat() says the same as the subscriber."""
    with channel.Topic.anonymous(1 << 17) as topic, topic.subscriber(when_slow="tell") as casual:

        def publish():
            with topic.publisher() as publisher:
                for n in range(3000):
                    publisher.send(bytes([n % 251]) * 30_000)

        with fork(publish) as child:
            got = len(list(casual))
            seen = topic.stat().subscribers[0]
            assert (got + casual.missed, seen.missed, seen.lag) == (3000, casual.missed, 0)
            child.wait(timeout=WAIT)


def test_a_message_that_is_read_before_it_is_counted_leaves_no_lag(killed, name):
    with channel.Topic.create(name, 4096) as topic, topic.subscriber() as reader:
        killed(name, "publish", "send-published")
        assert reader.receive(timeout=WAIT) == b"new0"
        assert (reader.lag, topic.stat().subscribers[0].lag) == (0, 0)
        topic.remove()
        assert not os.path.exists(path_of(name))
