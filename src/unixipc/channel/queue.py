"""Queues in shared memory: each message goes to one receiver.

>>> from unixipc import channel
>>> with channel.Queue.anonymous() as queue, queue.sender() as sender, queue.receiver() as receiver:
...     sender.send(b"hello")
...     receiver.receive()
b'hello'
"""

from __future__ import annotations

from .._generic import T, T_co, T_contra
from .._native import ring as _ring
from .._record import record
from ._segment import RECEIVER, SENDER, Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._ways import QueueWays
else:
    QueueWays = Channel

__all__ = ["Queue", "QueueStatus", "Receiver", "Sender"]


@record
class QueueStatus:
    """A queue as it is at this moment, seen from outside.

    `depth`: messages that nobody has received for good (leased ones are among them); `senders` and `receivers`: the
    processes that are members, one pid for each member. The counters began with the queue.
    """

    depth: int
    capacity_bytes: int
    used_bytes: int
    sent: int
    received: int
    dropped: int
    refused: int
    senders: tuple[int, ...]
    receivers: tuple[int, ...]
    sender_sleeps: int
    receiver_sleeps: int
    repairs: int


class Sender(_ring.SenderCalls[T_contra]):
    """One sender of a queue: a place that ends with ``close``, or with the process.

    Threads may share it. `send`, `try_send`, `send_many`, `reserve`, `try_reserve`.

    The five fates: **close** leaves: after the last sender the receivers' iteration ends. **remove** of the queue
    changes nothing for members. **fork**: a child's copy is closed; it makes its own. **exec** and **kill -9** leave
    too, at once; a message is there whole or not at all, and what was only reserved is given up.
    """


class Receiver(_ring.ReceiverCalls[T_co]):
    """One receiver of a queue: a place that ends with ``close``, or with the process.

    Threads may share it. `receive`, `try_receive`, `receive_many`, `lease`, `peek`; iteration ends when the last
    sender has left, nothing is there, and nobody else has a lease that may come back. A later sender is heard again.
    A `persistent` one has no such end.

    The five fates: **close** leaves; what was leased goes to the next one. **remove** of the queue changes nothing for
    members. **fork**: a child's copy is closed; it makes its own. **exec** and **kill -9** leave too: a message that
    was leased goes to the next one within half a second; one that was received is gone with its receiver.
    """


class Queue(QueueWays[T]):
    """A queue of messages of any size in shared memory, with any number of senders and receivers.

    `create` (must not exist), `open` (must), `ensure` (either), `temporary` (the last one out removes it), `anonymous`.
    A name is a word (a file of /dev/shm) or a path. Its memory is set aside when it is made. `codec` says what messages
    are; without one they are bytes.

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(ENOSPC) when /dev/shm is too small;
    OSError(EMSGSIZE) for a message that would never fit; `LayoutError` for a file that is no queue, or damaged.

    The five fates: **close** forgets it; its members live on. **remove** takes the name; members go on. **fork** shares
    it. **exec** closes it. **kill -9** closes it; messages that are in it stay, for whoever comes.
    """

    kind = "queue"

    def sender(self) -> Sender[T]:
        """Become a sender. -- fcntl(2), F_OFD_SETLK"""
        return self._new_member(Sender, SENDER)

    def receiver(self, persistent: bool = False) -> Receiver[T]:
        """Become a receiver. -- fcntl(2), F_OFD_SETLK

        `persistent`: it outlives the senders. Where another receiver gets EOFError this one waits for the next sender,
        until the queue is removed: then it gets ObjectRemoved. A queue without a name is gone when nobody has a handle
        of it any more, this process included.
        """
        return self._new_member(Receiver, RECEIVER, persistent)

    def stat(self) -> QueueStatus:
        """How it is now. -- fcntl(2), F_OFD_GETLK"""
        self.check_open()
        seen = self._outside()
        pids = [tuple(pid for _slot, pid, _since in seen.members(role)) for role in (SENDER, RECEIVER)]
        return QueueStatus(**seen.facts(), senders=pids[SENDER], receivers=pids[RECEIVER])
