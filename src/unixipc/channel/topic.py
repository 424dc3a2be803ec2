"""Topics in shared memory: each message goes to every subscriber.

>>> from unixipc import channel
>>> with channel.Topic.anonymous() as topic, topic.publisher() as publisher:
...     with topic.subscriber() as one, topic.subscriber() as other:
...         publisher.send(b"hello")
...         one.receive(), other.receive()
(b'hello', b'hello')
"""

from __future__ import annotations

from .._generic import T, T_co, T_contra
from .._native import ring as _ring
from .._record import record
from ._segment import RECEIVER, SENDER, Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ._ways import TopicWays
else:
    TopicWays = Channel

__all__ = ["Publisher", "Subscriber", "SubscriberStatus", "Topic", "TopicStatus"]


@record
class SubscriberStatus:
    """One subscriber: its process, how many messages it is behind, how many it missed, whether it is waited for."""

    pid: int
    lag: int
    missed: int
    waited_for: bool


@record
class TopicStatus:
    """A topic as it is at this moment, seen from outside. The counters began with the topic."""

    capacity_bytes: int
    used_bytes: int
    published: int
    refused: int
    publishers: tuple[int, ...]
    subscribers: tuple[SubscriberStatus, ...]
    publisher_sleeps: int
    subscriber_sleeps: int
    repairs: int


class Publisher(_ring.SenderCalls[T_contra]):
    """One publisher of a topic: a place that ends with ``close``, or with the process.

    `send`, `try_send`, `send_many`, `reserve`, `try_reserve`. The five fates are those of a queue's `Sender`.
    """


class Subscriber(_ring.SubscriberCalls[T_co]):
    """One subscriber of a topic: it gets every message that is published while it is there.

    `receive`, `try_receive`, `receive_many`, `peek`; iteration ends when the last publisher has left and everything
    was read. `missed` counts what it was too slow for, if it is not waited for. Threads may share it.

    The five fates: **close** leaves. **remove** of the topic changes nothing for members. **fork**: a child's copy is
    closed; it makes its own. **exec** and **kill -9** leave too: nobody waits for it any more, within half a second.
    """


class Topic(TopicWays[T]):
    """A topic in shared memory, with any number of publishers and subscribers.

    `create` (must not exist), `open` (must), `ensure` (either), `temporary` (the last one out removes it), `anonymous`:
    as for `Queue`, errors and fates too. A message stays until its place is needed and every subscriber that is waited
    for has it.
    """

    kind = "topic"

    def publisher(self) -> Publisher[T]:
        """Become a publisher. -- fcntl(2), F_OFD_SETLK"""
        return self._new_member(Publisher, SENDER)

    def subscriber(self, when_slow: Literal["wait", "tell"] = "wait", persistent: bool = False) -> Subscriber[T]:
        """Become a subscriber, from the next message on. -- fcntl(2), F_OFD_SETLK

        `when_slow`: "wait": publishers wait for it when the ring is full; "tell": they do not, and `missed` tells.
        `persistent`: it outlives the publishers, as a queue's `receiver(persistent=True)`.
        """
        if when_slow not in ("wait", "tell"):
            raise ValueError(f"when_slow is 'wait' or 'tell', not {when_slow!r}")
        made = self._new_member(Subscriber, RECEIVER, persistent)
        try:
            made._subscribe(when_slow == "tell")
        except BaseException:
            made.close()
            raise
        return made

    def stat(self) -> TopicStatus:
        """How it is now. -- fcntl(2), F_OFD_GETLK"""
        self.check_open()
        seen = self._outside()
        return TopicStatus(
            **seen.topic_facts(),
            publishers=tuple(pid for _slot, pid, _since in seen.members(SENDER)),
            subscribers=tuple(SubscriberStatus(*each) for each in seen.subscribers()),
        )
