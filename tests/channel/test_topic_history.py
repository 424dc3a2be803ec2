"""Several publishers and subscribers of small topics that are often full, in every way, with and without SIGKILL: each
subscriber gets each publisher's messages in order and once, and has a gap only where it counts what it missed."""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import time
from itertools import pairwise

import pytest

from unixipc import Exited, channel, fork

from .conftest import path_of
from .history import BATCH, PLENTY, Notes, body, length_of, put, read

WAIT = 30
STEADY, CASUAL = "wait", "tell"
PUBLISHER = None  # instead of a subscriber's manner


def publish(topic, me, notes, stop, seed, most, reserving, there):
    """In all ways until `stop` is set, or `most` messages."""
    chance = random.Random(seed)
    number = 0
    with topic.publisher() as publisher:
        there[0] = 1
        while not stop[0] and (most is None or number < most):
            how = chance.choice((0, 1, 2, 3, 4) if reserving else (0, 3, 4))
            count = chance.randrange(1, BATCH) if how == 0 else 1
            some = [body(me, number + n, length_of(chance, topic.capacity_bytes)) for n in range(count)]
            notes.set(number + count, number)
            put(publisher, how, some)
            number += count
            notes.set(number, number)
            if most is None and number > PLENTY:
                time.sleep(0.001)


def subscribe(topic, manner, notes, seed, there):
    """Read in all ways until the last publisher has left; then note what was missed."""
    chance = random.Random(seed)
    with topic.subscriber(manner) as subscriber:
        there[0] = 1
        with contextlib.suppress(EOFError):
            while True:
                for message in take(subscriber, manner, chance):
                    notes.add(*read(message))
        notes.set(notes.pair[0], subscriber.missed)
        assert (subscriber.lag, manner == STEADY and subscriber.missed) == (0, 0)


def take(subscriber, manner, chance):
    how = chance.randrange(4 if manner == STEADY else 3)
    if how == 0:
        return subscriber.receive_many(BATCH)
    if how == 3:
        with subscriber.peek() as view:
            return [bytes(view)]
    message = subscriber.try_receive() if how == 2 else None
    return [subscriber.receive() if message is None else message]


class Crowd:
    """Publishers and subscribers of one topic, each a process; those that are killed are replaced."""

    def __init__(self, topic, seed, most, reserving):
        self.topic, self.most, self.reserving = topic, most, reserving
        self.chance, self.stop = random.Random(seed), mmap.mmap(-1, 1)
        self.publishers = []  # notes, by number
        self.subscribers = []  # (manner, notes, whether it was there from the beginning)
        self.alive = []  # (process, notes, manner, whether it is a member by now)
        self.first = topic.publisher()  # or the end comes when one is done before the others begin

    def start(self, manner):
        notes, seed, there = Notes(), self.chance.random(), mmap.mmap(-1, 1)
        if manner is PUBLISHER:
            me = len(self.publishers)
            child = fork(publish, self.topic, me, notes, self.stop, seed, self.most, self.reserving, there)
            self.publishers.append(notes)
        else:
            child = fork(subscribe, self.topic, manner, notes, seed, there)
            self.subscribers.append((manner, notes, not self.publishers))
        self.alive.append((child, notes, manner, there))
        if manner is not PUBLISHER and not self.publishers:
            self.wait_for(there)

    def wait_for(self, there):
        began = time.monotonic()
        while not there[0]:
            assert time.monotonic() < began + WAIT, self.topic.stat()
            time.sleep(0.001)

    def kill_one(self):
        child, notes, manner, _ = self.alive.pop(self.chance.randrange(len(self.alive)))
        with child:
            child.kill()
            child.wait(timeout=WAIT)
        notes.killed = True
        self.start(manner)

    def progress(self):
        return sum(notes.pair[0] for _, notes, manner, _ in self.alive if manner is not PUBLISHER)

    def goes_on(self):
        """Whoever is left reads something more: how long that took."""
        before, began = self.progress(), time.monotonic()
        while self.progress() == before:
            assert time.monotonic() < began + WAIT, self.topic.stat()
            time.sleep(0.001)
        return time.monotonic() - began

    def end(self):
        for *_, there in self.alive:
            self.wait_for(there)
        self.first.close()
        self.stop[0] = self.most is None
        for child, *_ in self.alive:
            assert child.wait(timeout=self.most or WAIT) == Exited(0), self.topic.stat()

    def clear_up(self):
        self.first.close()
        for child, *_ in self.alive:
            with child:
                if child.status is None:
                    child.kill()
                    child.wait(timeout=WAIT)


@pytest.fixture
def crowd(name):
    crowds = []

    def gather(capacity, manners=(STEADY, STEADY, CASUAL), publishers=3, seed=1, most=None, reserving=True):
        topic = channel.Topic.temporary(name, capacity)
        crowds.append(Crowd(topic, seed, most, reserving))
        for manner in (*manners, *[PUBLISHER] * publishers):
            crowds[-1].start(manner)
        return crowds[-1]

    yield gather
    for each in crowds:
        each.clear_up()
        each.topic.close()


def by_publisher(entries):
    found = {}
    for publisher, number in entries:
        found.setdefault(publisher, []).append(number)
    return found


def gaps_of(numbers):
    return numbers[-1] - numbers[0] + 1 - len(numbers)


def check(crowd):
    """In order, nothing twice, no gap that is not counted; to the end, for who was not killed: how much was read."""
    for manner, notes, from_the_beginning in crowd.subscribers:
        got = by_publisher(notes.entries())
        gaps = 0
        for publisher, numbers in got.items():
            assert all(first < second for first, second in pairwise(numbers)), "order, or twice"
            assert numbers[-1] < crowd.publishers[publisher].pair[0], "a message that nobody has published"
            gaps += gaps_of(numbers)
        if manner == STEADY:
            assert gaps == 0
            if not notes.killed:
                check_the_end(crowd, got, from_the_beginning)
        elif not notes.killed:
            assert gaps <= notes.pair[1], "missed, and not counted"
    return sum(notes.pair[0] for _, notes, _ in crowd.subscribers)


def check_the_end(crowd, got, from_the_beginning):
    """Everything that a publisher noted as published has arrived."""
    for publisher, notes in enumerate(crowd.publishers):
        numbers = got.get(publisher)
        if from_the_beginning and notes.pair[1]:
            assert numbers is not None and numbers[0] == 0
        if numbers:
            assert numbers[-1] >= notes.pair[1] - 1, "an end is missing"


def all_is_as_before(crowd, name):
    seen = crowd.topic.stat()
    assert (seen.publishers, seen.subscribers) == ((), ())
    assert not crowd.topic._outside().dead_members(0) and not crowd.topic._outside().dead_members(1)
    crowd.topic.close()
    assert not os.path.exists(path_of(name))


@pytest.mark.parametrize("reserving", [False, True], ids=["sending", "reserving"])
@pytest.mark.parametrize("capacity", [4096, 1 << 16])
def test_everybody_gets_everything_once_and_in_order(crowd, name, capacity, reserving):
    arrive(crowd(capacity, most=4000, reserving=reserving), name)


def arrive(everybody, name):
    everybody.end()
    check(everybody)
    published = sum(notes.pair[1] for notes in everybody.publishers)
    seen = everybody.topic.stat()
    assert seen.published == published
    for manner, notes, _ in everybody.subscribers:
        read_or_missed = notes.pair[0] + notes.pair[1]
        if manner == STEADY:
            assert notes.pair == (published, 0)
        elif everybody.reserving:  # a reservation that came to nothing has a number, too
            assert published <= read_or_missed <= 2 * published
        else:
            assert read_or_missed == published
    all_is_as_before(everybody, name)


def test_50_kills(crowd, name):
    run_with_kills(crowd(1 << 14, seed=50), name, 50)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
def test_2_000_kills(crowd, name, seed):
    """Of all runs together."""
    run_with_kills(crowd([4096, 1 << 16][seed % 2], seed=seed), name, 500)


def run_with_kills(everybody, name, kills):
    longest = 0
    everybody.goes_on()
    for n in range(kills):
        time.sleep(everybody.chance.uniform(0, 0.01))
        everybody.kill_one()
        if n % 5 == 0:
            longest = max(longest, everybody.goes_on())
    everybody.end()
    print(f"{kills} kills, {check(everybody)} messages read, others went on within {longest:.3f} s")
    all_is_as_before(everybody, name)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("reserving", [False, True], ids=["sending", "reserving"])
@pytest.mark.parametrize("capacity", [4096, 1 << 16, 1 << 20])
def test_everybody_gets_everything_once_and_in_order_for_minutes(crowd, name, capacity, reserving):
    manners = (STEADY, STEADY, STEADY, CASUAL, CASUAL)
    arrive(crowd(capacity, manners, 4, most=15_000, reserving=reserving), name)
