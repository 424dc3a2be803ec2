"""What a subscriber that is not waited for has missed: messages, and no reservation that came to nothing."""

from __future__ import annotations

import contextlib
import random

import pytest

from unixipc import channel


def give_up(publisher, length_bytes):
    with contextlib.suppress(KeyError), publisher.reserve(length_bytes):
        raise KeyError


def everything(subscriber):
    got = 0
    while subscriber.try_receive() is not None:
        got += 1
    return got


def test_what_was_given_up_is_not_missed():
    with channel.Topic.anonymous(4096) as topic, topic.publisher() as publisher:
        subscriber = topic.subscriber("tell")
        for number in range(300):
            publisher.send(b"m%d" % number)
            give_up(publisher, 4)
        assert everything(subscriber) + subscriber.missed == 300 == topic.stat().published
        assert subscriber.missed > 0
        subscriber.close()


@pytest.mark.parametrize("seed", range(20))
def test_got_and_missed_are_what_was_published_since(seed):
    chance = random.Random(seed)
    with channel.Topic.anonymous(4096) as topic, topic.publisher() as publisher, topic.publisher() as other:
        for _ in range(chance.randrange(100)):  # before it was there
            publisher.send(b"x" * chance.randrange(60))
            give_up(other, 10)
        published = 0
        with topic.subscriber("tell") as subscriber:
            got = 0
            for _ in range(400):
                if chance.random() < 0.5:
                    give_up(chance.choice([publisher, other]), chance.randrange(80))
                if chance.random() < 0.1:
                    half = other.reserve(20)
                    published += publisher.try_send(b"behind it")
                    half.cancel()
                published += publisher.try_send(b"y" * chance.randrange(100))
                if chance.random() < 0.2 and subscriber.try_receive() is not None:
                    got += 1
            assert got + everything(subscriber) + subscriber.missed == published
            assert topic.stat().subscribers[0].missed == subscriber.missed
