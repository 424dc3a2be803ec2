"""Message queues as posix_ipc has them."""

from __future__ import annotations

import itertools
from errno import EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EINVAL, EMSGSIZE, ENAMETOOLONG, ENOENT, ENOMEM, EPERM, ETIMEDOUT
from operator import index

from ..._call import failure
from ..._native import posix as _posix
from .._arguments import c_int, c_long, raw, seconds
from . import _notify
from ._constants import (
    DEFAULT_MODE,
    O_CREAT,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    QUEUE_MESSAGE_SIZE_MAX_DEFAULT,
    QUEUE_MESSAGES_MAX_DEFAULT,
    QUEUE_PRIORITY_MAX,
    UINT_BITS,
)
from ._errors import REFUSED, BusyError, ExistentialError, PermissionsError, Refusals, busy
from ._names import Named, checked_name, mode_attribute, mode_to_give, name_to_unlink, obtained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

OBTAINING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted to open queue"),
        EEXIST: (ExistentialError, "a queue has this name already:"),
        ENOENT: (ExistentialError, "no queue has this name:"),
        EINVAL: (ValueError, "not a name or a size for a queue:"),
        ENAMETOOLONG: (ValueError, "the name is too long:"),
        ENOMEM: (MemoryError, "the kernel has no memory for queue"),
    }
)
USING = Refusals(
    {
        EBADF: (ExistentialError, "not open (for this):"),
        EINVAL: (ExistentialError, "not open (for this):"),
        EAGAIN: (BusyError, "not possible now on queue"),
        ETIMEDOUT: (BusyError, "not possible within the timeout on queue"),
        EMSGSIZE: (ValueError, "the message is too long for queue"),
    }
)
NOTIFYING = Refusals({EBUSY: (BusyError, "another process is notified already by queue")})
UNLINKING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted to unlink queue"),
        EPERM: (PermissionsError, "not permitted to unlink queue"),
        ENOENT: (ExistentialError, "no queue has this name:"),
        EINVAL: (ExistentialError, "no queue can have this name:"),
        ENAMETOOLONG: (ValueError, "the name is too long:"),
    }
)

_open: set[_posix.QueueCalls] = set()
"""What nobody has closed stays open until the process ends, even if its object is forgotten: the program may have kept
the number, or waits for a notification."""
_tokens = itertools.count(1)


class MessageQueue(Named):
    """A queue of messages, the highest priority first. -- mq_open(3)

    `flags`: 0 opens the queue of this name, O_CREAT makes it if it is missing, O_CREX makes a new one; with O_NONBLOCK,
    `block` is False. `mode` (less the umask) and the two sizes are for new ones. `read` and `write` say what for.
    """

    __slots__ = ("_block", "_handle", "_max_message_size", "_max_messages", "_read", "_token", "_write")
    _kind = "MessageQueue"
    _handle: _posix.QueueCalls

    def __init__(
        self,
        name: str | None,
        flags: int = 0,
        mode: int = DEFAULT_MODE,
        max_messages: int = QUEUE_MESSAGES_MAX_DEFAULT,
        max_message_size: int = QUEUE_MESSAGE_SIZE_MAX_DEFAULT,
        read: Any = True,
        write: Any = True,
    ) -> None:
        checked, flags, mode = checked_name(name), index(flags) & UINT_BITS, c_int(mode)
        sizes = (c_long(max_messages), c_long(max_message_size))
        self._read, self._write = bool(read), bool(write)
        wanted = flags | _direction(self._read, self._write)
        self._name, self._handle = obtained(lambda name: _obtained(name, wanted, mode, *sizes), checked, flags)
        self._mode, self._block, self._token = mode_attribute(mode), not flags & O_NONBLOCK, 0
        self._max_messages, self._max_message_size, _ = self._handle.attributes()
        _open.add(self._handle)

    def send(self, message: Any, timeout: float | None = None, priority: int = 0) -> None:
        """Put `message` (bytes, or a str, as UTF-8) into the queue, waiting for room. -- mq_send(3)

        `timeout` in seconds, None for ever, 0 not at all: BusyError then, and if `block` is False. ValueError beyond
        `max_message_size` or QUEUE_PRIORITY_MAX.
        """
        body, limit, priority = raw(message), seconds(timeout), c_long(priority)
        if not self._write:
            raise PermissionsError(f"queue {self._name} is not open for writing")
        if len(body) > self._max_message_size:
            raise ValueError(f"the message has {len(body)} bytes, max_message_size is {self._max_message_size}")
        if not 0 <= priority <= QUEUE_PRIORITY_MAX:
            raise ValueError(f"a priority is 0..{QUEUE_PRIORITY_MAX} (QUEUE_PRIORITY_MAX), not {priority}")
        try:
            if self._block and limit != 0:
                self._handle.send(body, priority, limit)
                return
            sent = self._handle.try_send(body, priority)
        except REFUSED:  # entering USING in any case would cost as much as the call
            with USING:
                raise
        if not sent:
            raise busy(f"queue {self._name} is full", EAGAIN)

    def receive(self, timeout: float | None = None) -> tuple[bytes, int]:
        """Take the first message of the highest priority, waiting for one: (message, its priority). -- mq_receive(3)

        `timeout` as for `send`.
        """
        limit = seconds(timeout)
        if not self._read:
            raise PermissionsError(f"queue {self._name} is not open for reading")
        try:
            waits = self._block and limit != 0
            message = self._handle.receive(limit) if waits else self._handle.try_receive()
        except REFUSED:
            with USING:
                raise
        if message is None:
            raise busy(f"queue {self._name} is empty", EAGAIN)
        return message.body, message.priority

    def request_notification(self, notification: int | tuple[Callable[[Any], object], Any] | None = None) -> None:
        """Be told once when a message comes into the empty queue, and no more what was asked before. -- mq_notify(3)

        `notification`: a signal's number; ``(function, argument)``, to be called in a thread of its own; None for
        nothing. BusyError if another process has asked.
        """
        _check_notification(notification)
        if self._handle.closed:
            if notification is None:
                return
            raise failure(EBADF, "mq_notify(3)", self._name)
        self._handle.unregister()
        self._forget_callback()
        with NOTIFYING:
            if isinstance(notification, tuple):
                self._token = next(_tokens)
                _notify.by_thread(self._handle.fileno(), self._token, notification, self._name)
            elif notification is not None:
                self._handle.register(c_int(notification), 0)

    def _forget_callback(self) -> None:
        _notify.registered.pop(self._token, None)

    def close(self) -> None:
        """Close the descriptor; the queue lives on. Who waits here in another thread gets ExistentialError."""
        with USING:
            self._handle.check_open()
            self._handle.close()
        _open.discard(self._handle)
        self._forget_callback()

    def unlink(self) -> None:
        """Take its name away; who has it open keeps it. -- mq_unlink(3)"""
        with UNLINKING:
            _posix.unlink_queue(self._name)

    @property
    def mqd(self) -> int:
        """The descriptor's number, for poll and its kind; -1 once it is closed."""
        return -1 if self._handle.closed else self._handle.fileno()

    def fileno(self) -> int:
        """The same as `mqd`."""
        return self.mqd

    @property
    def block(self) -> bool:
        """Whether this object's `send` and `receive` wait; if not, they raise BusyError where they would."""
        with USING:
            self._handle.check_open()
        return self._block

    @block.setter
    def block(self, value: object) -> None:
        with USING:
            self._handle.check_open()
        self._block = bool(value)

    @property
    def max_messages(self) -> int:
        """How many messages it holds."""
        return self._max_messages

    @property
    def max_message_size(self) -> int:
        """How many bytes one message has at most."""
        return self._max_message_size

    @property
    def current_messages(self) -> int:
        """How many messages are in it. -- mq_getattr(3)"""
        with USING:
            return self._handle.attributes()[2]

    def _more(self) -> str:
        sizes = f"max_message_size={self._max_message_size}, max_messages={self._max_messages}"
        return f", {sizes}, read={self._read}, write={self._write}"


def _direction(read: bool, write: bool) -> int:
    if read:
        return O_RDWR if write else O_RDONLY
    if write:
        return O_WRONLY
    raise ValueError("a queue is opened to read, to write or both")


def _obtained(name: str, flags: int, mode: int, max_messages: int, max_message_size: int) -> _posix.QueueCalls:
    with OBTAINING:
        if not flags & O_CREAT:
            return _posix.open_queue(_posix.QueueCalls, name, flags)
        # Two zeros would be the kernel's own defaults for the native call; here they are refused.
        sizes = (max_messages, max_message_size) if max_messages or max_message_size else (-1, -1)
        return _posix.open_queue(_posix.QueueCalls, name, flags, mode_to_give(mode), *sizes)


def _check_notification(notification: object) -> None:
    if isinstance(notification, tuple):
        if len(notification) == 2 and callable(notification[0]):
            return
    elif notification is None or isinstance(notification, int):
        return
    raise ValueError("a notification is None, a signal's number, or a tuple of a function and its argument")


def unlink_message_queue(name: str, /) -> None:
    """Take a queue's name away. -- mq_unlink(3)"""
    with UNLINKING:
        _posix.unlink_queue(name_to_unlink(name))
