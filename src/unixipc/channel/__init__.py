"""Messages through shared memory, fast and crash-proof: `Queue` (each to one), `Topic` (each to all)."""

from .queue import Queue, QueueStatus, Receiver, Sender

__all__ = ["Queue", "QueueStatus", "Receiver", "Sender"]
