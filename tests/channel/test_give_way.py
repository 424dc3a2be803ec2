"""Two processes that answer each other on one processor: they give way to each other instead of sleeping."""

from __future__ import annotations

import os

import pytest

from unixipc import Exited, channel, fork

WAIT = 20
TRIPS = 5000


def alone_on_a_processor():
    """On one processor, and before all who have no real-time priority: what they do there would end the giving way."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def can_have_priority():
    def probe():
        alone_on_a_processor()

    with fork(probe) as child:
        return child.wait(timeout=WAIT) == Exited(0)


def receiver_of(made, kind):
    return made.receiver() if kind == "queue" else made.subscriber()


def sender_of(made, kind):
    return made.sender() if kind == "queue" else made.publisher()


def answer(there, back, kind):
    """What comes is sent back; the last one is empty."""
    alone_on_a_processor()
    with receiver_of(there, kind) as receiver, sender_of(back, kind) as sender:
        message = b"x"
        sender.send(b"here")
        while message:
            message = receiver.receive(timeout=WAIT)
            sender.send(message)


def ask(there, back, kind):
    alone_on_a_processor()
    with (
        receiver_of(back, kind) as receiver,
        sender_of(there, kind) as sender,
        fork(answer, there, back, kind) as child,
    ):
        assert receiver.receive(timeout=WAIT) == b"here"
        for n in range(TRIPS):
            sender.send(b"%d" % n)
            assert receiver.receive() == b"%d" % n
        sender.send(b"")
        assert receiver.receive(timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Exited(0)


@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_who_shares_a_processor_seldom_sleeps(children, kind):
    if not can_have_priority():
        pytest.skip("sched_setscheduler(2): no real-time priority here")
    made = channel.Queue if kind == "queue" else channel.Topic
    with made.anonymous() as there, made.anonymous() as back:
        children.start(ask, there, back, kind)
        children.all_succeed()
        seen = there.stat(), back.stat()
        sleeps = [each.receiver_sleeps if kind == "queue" else each.subscriber_sleeps for each in seen]
        assert sum(sleeps) < TRIPS, sleeps
