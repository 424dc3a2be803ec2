"""Several senders and receivers on small queues that are often full, in every way, with and without SIGKILL."""

from __future__ import annotations

import mmap
import os
import random
import time

import pytest

from unixipc import Exited, channel, fork

from .conftest import path_of
from .history import Notes, check, receive, send

WAIT = 30


class Crowd:
    """Senders and receivers of one queue, each a process; those that are killed are replaced."""

    def __init__(self, queue, lease, seed, most):
        self.queue, self.lease, self.most = queue, lease, most
        self.chance = random.Random(seed)
        self.stop = mmap.mmap(-1, 1)
        self.senders, self.receivers = [], []  # notes, by number
        self.alive = []  # (process, notes, is a sender)

    def start(self, is_sender):
        notes, seed = Notes(), self.chance.random()
        if is_sender:
            child = fork(send, self.queue, len(self.senders), notes, self.stop, seed, self.most)
        else:
            child = fork(receive, self.queue, notes, seed, self.lease)
        (self.senders if is_sender else self.receivers).append(notes)
        self.alive.append((child, notes, is_sender))

    def kill_one(self):
        child, notes, is_sender = self.alive.pop(self.chance.randrange(len(self.alive)))
        with child:
            child.kill()
            child.wait(timeout=WAIT)
        notes.killed = True
        self.start(is_sender)

    def progress(self):
        return sum(notes.pair[0] for _, notes, is_sender in self.alive if not is_sender)

    def goes_on(self):
        """Whoever is left receives something more: how long that took."""
        before, began = self.progress(), time.monotonic()
        while self.progress() == before:
            assert time.monotonic() < began + WAIT, self.queue.stat()
            time.sleep(0.001)
        return time.monotonic() - began

    def end(self):
        self.stop[0] = self.most is None
        for is_sender in (True, False):
            for child, _, role in self.alive:
                if role == is_sender:
                    assert child.wait(timeout=self.most or WAIT) == Exited(0), self.queue.stat()

    def clear_up(self):
        for child, _, _ in self.alive:
            with child:
                if child.status is None:
                    child.kill()
                    child.wait(timeout=WAIT)


@pytest.fixture
def crowd(name):
    crowds = []

    def gather(capacity, when_full="wait", lease=False, senders=3, receivers=3, seed=1, most=None):
        queue = channel.Queue.temporary(name, capacity, when_full)
        crowds.append(Crowd(queue, lease, seed, most))
        for _ in range(senders):
            crowds[-1].start(True)
        for _ in range(receivers):
            crowds[-1].start(False)
        return crowds[-1]

    yield gather
    for each in crowds:
        each.clear_up()
        each.queue.close()


def kill(crowd, kills, often=0.01):
    """The longest that the others needed to go on, of every fifth kill."""
    longest = 0
    crowd.goes_on()
    for n in range(kills):
        time.sleep(crowd.chance.uniform(0, often))
        crowd.kill_one()
        if n % 5 == 0:
            longest = max(longest, crowd.goes_on())
    return longest


def all_is_as_before(crowd, name):
    seen = crowd.queue.stat()
    assert (seen.depth, seen.used_bytes, seen.senders, seen.receivers) == (0, 0, (), ())
    assert seen.sent == seen.received + seen.dropped
    crowd.queue.close()
    assert not os.path.exists(path_of(name))


@pytest.mark.parametrize("lease", [False, True], ids=["plain", "lease"])
@pytest.mark.parametrize("capacity", [4096, 1 << 16])
def test_everything_arrives_once_and_in_order(crowd, name, capacity, lease):
    everybody = crowd(capacity, lease=lease, most=10_000)
    everybody.end()
    went, missing, again = check(everybody.senders, everybody.receivers, lease)
    assert missing == again == 0
    assert went == sum(notes.pair[1] for notes in everybody.senders)
    all_is_as_before(everybody, name)


def test_what_is_dropped_is_counted_and_the_rest_is_in_order(crowd, name):
    everybody = crowd(4096, "drop_oldest", most=10_000)
    everybody.end()
    seen = everybody.queue.stat()
    _, missing, _ = check(everybody.senders, everybody.receivers, False, dropping=True)
    assert missing == seen.dropped > 0
    all_is_as_before(everybody, name)


@pytest.mark.parametrize("lease", [False, True], ids=["plain", "lease"])
def test_150_kills(crowd, name, lease):
    run_with_kills(crowd(1 << 16, lease=lease, seed=150), name, 150)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lease", [False, True], ids=["plain", "lease"])
def test_10_000_kills(crowd, name, lease, seed):
    """Of all runs together."""
    run_with_kills(crowd([4096, 1 << 16][seed % 2], lease=lease, seed=seed), name, 1250)


def run_with_kills(everybody, name, kills):
    longest = kill(everybody, kills)
    everybody.end()
    went, missing, again = check(everybody.senders, everybody.receivers, everybody.lease)
    print(f"{kills} kills, {went} messages, {missing} in flight, {again} again, others went on within {longest:.3f} s")
    all_is_as_before(everybody, name)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lease", [False, True], ids=["plain", "lease"])
@pytest.mark.parametrize("capacity", [4096, 1 << 14, 1 << 16, 1 << 20])
def test_everything_arrives_once_and_in_order_for_minutes(crowd, name, capacity, lease):
    everybody = crowd(capacity, lease=lease, most=40_000, senders=4, receivers=4)
    everybody.end()
    _, missing, again = check(everybody.senders, everybody.receivers, lease)
    assert missing == again == 0
    all_is_as_before(everybody, name)
