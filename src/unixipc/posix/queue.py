"""POSIX message queues: the highest priority comes first, and its descriptor can be waited for. -- mq_overview(7)

>>> from unixipc import posix
>>> with posix.MessageQueue.temporary() as queue:
...     queue.send(b"later")
...     queue.send(b"urgent", priority=9)
...     queue.receive()
Message(priority=9, body=b'urgent')
"""

from __future__ import annotations

import errno
import operator

from .._call import failure
from .._creation import checked_mode, create_or_open
from .._native import posix as _posix
from .._native.posix import Message
from .._record import record
from ._names import checked_name, temporary_name
from ._refusal import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

__all__ = ["Message", "MessageQueue", "QueueStat", "remove_queue"]

CREATE, EXCLUSIVE = 0o100, 0o200
BOTH, RECEIVE_ONLY, SEND_ONLY = 2, 0, 1
OPEN = "mq_open(3)"


@record
class QueueStat:
    """A queue at one moment."""

    max_messages: int
    max_message_bytes: int
    messages: int


class MessageQueue(_posix.QueueCalls):
    """A queue by name ("/name"): `create` (must not exist), `open` (must), `ensure` (either), `temporary` (no name).

    A priority is 0 to 32767; the highest is received first, within one the oldest. The `fileno` can be waited for with
    any poll. ``for message in queue`` receives for ever. ``MessageQueue(fd)`` takes over a queue's descriptor that came
    from elsewhere.

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(EMSGSIZE) for a message beyond
    `max_message_bytes`; OSError(EBADF) for sending where only receiving is permitted, and the other way round;
    OSError(EINVAL) for sizes beyond fs.mqueue.msg_max and msgsize_max, a priority beyond 32767, or a name that is not
    "/" and one word; OSError(EMFILE) when RLIMIT_MSGQUEUE has no room for a queue of this size (it is reserved when
    made); OSError(ENOSPC) beyond fs.mqueue.queues_max. A failed receive destroys nothing.

    The five fates: **close** forgets it; the queue and its messages live on. **remove** takes the name; the queue
    lives until the last handle is closed. **fork** shares it. **exec** closes it. **kill -9** closes it; queue and
    messages stay, and a temporary one ends with the last process that has it.
    """

    @classmethod
    def create(cls, name: str, max_messages: int = 10, max_message_bytes: int = 8192, mode: int = 0o600) -> Self:
        """Make a new queue. FileExistsError if the name is in use. -- mq_open(3)"""
        return cls._made(checked_name(name, OPEN), max_messages, max_message_bytes, mode, False)

    @classmethod
    def open(cls, name: str) -> Self:
        """The queue of this name, for both ways if that is permitted, else for the one that is. -- mq_open(3)"""
        checked_name(name, OPEN)
        for access in (BOTH, RECEIVE_ONLY):
            try:
                return _posix.open_queue(cls, name, access)
            except PermissionError:
                pass
        return _posix.open_queue(cls, name, SEND_ONLY)

    @classmethod
    def ensure(cls, name: str, max_messages: int = 10, max_message_bytes: int = 8192, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- mq_open(3)

        One that is there keeps its sizes and its mode.
        """
        return create_or_open(lambda: cls.create(name, max_messages, max_message_bytes, mode), lambda: cls.open(name))

    @classmethod
    def temporary(cls, max_messages: int = 10, max_message_bytes: int = 8192) -> Self:
        """A queue without a name: forked children have it, and whoever is sent its descriptor. -- mq_open(3)

        It ends with the last process that has it, however that ends. (The kernel makes no queue without a name: it has
        one for the moment between two system calls.)
        """
        return cls._made(temporary_name(), max_messages, max_message_bytes, 0o600, True)

    @classmethod
    def _made(cls, name: str, max_messages: int, max_message_bytes: int, mode: int, temporary: bool) -> Self:
        sizes = operator.index(max_messages), operator.index(max_message_bytes)
        if not 1 <= min(sizes) <= max(sizes) < 1 << 31:  # 0 would mean the defaults
            raise refusal(errno.EINVAL, OPEN, name)
        flags = CREATE | EXCLUSIVE | BOTH
        return _posix.open_queue(cls, name, flags, checked_mode(mode), *sizes, temporary)

    def stat(self) -> QueueStat:
        """The queue at this moment. -- mq_getattr(3)"""
        return QueueStat(*self.attributes())

    def notify(self, signal: int | None = None, value: int = 0) -> None:
        """Have `signal` sent to us, with `value`, when a message comes into the empty queue; once. -- mq_notify(3)

        None withdraws. 0: be the registered process, and be told nothing. OSError(EBUSY): a process has registered
        already. A process that sleeps in mq_receive(3) itself, as C programs do, gets the message without a signal;
        our `receive` sleeps in poll(2), so the signal comes too. Closing any descriptor of the queue in this
        process withdraws, and so does an awaited call that waits (it closes a duplicate). A fork is not registered.
        """
        if signal is None:
            self.unregister()
        else:
            self.register(operator.index(signal), operator.index(value))

    def remove(self) -> None:
        """Take the name away; who has the queue keeps it. -- mq_unlink(3)"""
        self.check_open()
        if self.temporary_one:
            raise failure(errno.ENOENT, "mq_unlink(3)", self.name, "a temporary queue has no name")
        _posix.unlink_queue(self.name)

    def __len__(self) -> int:
        """How many messages it holds now."""
        messages: int = self.attributes()[2]
        return messages

    def __bool__(self) -> bool:
        return True  # an empty queue is a queue

    def __iter__(self) -> Iterator[Message]:
        """Receive for ever."""
        while True:
            yield self.receive()

    def __reduce__(self) -> tuple[Any, ...]:
        self.check_open()
        if self.temporary_one:
            raise TypeError("a temporary queue has no name to pickle: send its descriptor over a Unix socket instead")
        return type(self).open, (self.name,)


def remove_queue(name: str) -> None:
    """Take a queue's name away without opening it. -- mq_unlink(3)"""
    _posix.unlink_queue(checked_name(name, "mq_unlink(3)"))
