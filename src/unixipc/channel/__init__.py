"""Messages through shared memory, fast and crash-proof: `Queue` (each to one), `Topic` (each to all)."""

from ._c_files import c_flags
from .queue import Queue, QueueStatus, Receiver, Sender
from .topic import Publisher, Subscriber, SubscriberStatus, Topic, TopicStatus

__all__ = [
    "Publisher",
    "Queue",
    "QueueStatus",
    "Receiver",
    "Sender",
    "Subscriber",
    "SubscriberStatus",
    "Topic",
    "TopicStatus",
    "c_flags",
]
