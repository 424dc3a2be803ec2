"""Message queues as sysv_ipc has them."""

from __future__ import annotations

from errno import EACCES, EAGAIN, EEXIST, EIDRM, EINVAL, ENOENT, ENOMEM, ENOMSG, EPERM
from operator import index

from ..._native import sysv as _sysv
from .._arguments import LONG_MAX, c_int, c_long, raw
from ._arguments import integer
from ._constants import DEFAULT_MESSAGE_BYTES, IPC_CREX, MODE_BITS
from ._errors import ExistentialError, PermissionsError, Refusals, busy
from ._object import FIRST_OWN, Attribute, KernelObject, adopted, obtained, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OBTAINING = Refusals(
    {
        EACCES: (PermissionsError, "its mode does not grant the permissions that were asked for:"),
        EEXIST: (ExistentialError, "a queue has this key already:"),
        ENOENT: (ExistentialError, "no queue has this key:"),
        ENOMEM: (MemoryError, "the kernel has no memory for a queue:"),
    }
)
USING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted on queue"),
        EPERM: (PermissionsError, "not permitted on queue"),
        EINVAL: (ExistentialError, "no queue has this id (any more):"),
        EIDRM: (ExistentialError, "the queue was removed:"),
    }
)
SENDING = Refusals({each: USING.meanings[each] for each in (EACCES, EIDRM)})
"""To send into a queue that was gone before is an OSError (EINVAL) there."""


class MessageQueue(KernelObject):
    """A queue of messages, each with a type from 1 up. -- msgget(2)

    `flags`: 0 opens the queue of this key, IPC_CREAT makes it if it is missing, IPC_CREX makes a new one. `mode` is for
    new ones. `max_message_size` is how long a message this object sends and receives, whatever the kernel's limit.
    """

    __slots__ = ("_handle", "_key", "_max_message_size")
    _looking = USING
    _kind = "MessageQueue"

    def __init__(
        self, key: int | None, flags: int = 0, mode: int = 0o600, max_message_size: int = DEFAULT_MESSAGE_BYTES
    ) -> None:
        flags, mode = c_int(flags), c_int(mode)
        self._max_message_size = index(max_message_size)
        if not 0 <= self._max_message_size <= LONG_MAX:
            raise ValueError(f"a message has at most {LONG_MAX} bytes, not {max_message_size}")
        wanted = mode & MODE_BITS | flags & IPC_CREX
        with OBTAINING:
            self._handle = obtained(lambda k: _sysv.get_queue(_sysv.QueueCalls, k, wanted), key, flags, mode)
        self._key = self._handle.key_value

    def send(self, message: Any, block: Any = True, type: int = 1) -> None:
        """Put `message` (bytes, or a str, as UTF-8) into the queue, waiting for room if `block`. -- msgsnd(2)

        BusyError if there is no room and `block` is false; ValueError beyond `max_message_size` or for a type below 1.
        """
        body, kind = raw(message), c_long(type)
        if kind <= 0:
            raise ValueError(f"a message's type is at least 1, not {kind}")
        if len(body) > self._max_message_size:
            raise ValueError(f"the message has {len(body)} bytes, max_message_size is {self._max_message_size}")
        with SENDING:
            if block:
                self._handle.send(body, kind)
            elif not self._handle.try_send(body, kind):
                raise busy("the queue has no room for the message", EAGAIN)

    def receive(self, block: Any = True, type: int = 0) -> tuple[bytes, int]:
        """Take the first message, waiting for one if `block`: (message, its type). -- msgrcv(2)

        `type` 0 takes any, t only type t, -t the lowest type up to t. BusyError if there is none and `block` is false;
        OSError (E2BIG) if the message is longer than `max_message_size`: it stays.
        """
        which, most = _selection(c_long(type)), self._max_message_size
        with USING:
            if block:
                message = self._handle.receive(max_bytes=most, **which)
            elif (message := self._handle.try_receive(max_bytes=most, **which)) is None:
                raise busy("the queue has no message of this type", ENOMSG)
        return message.body, message.type

    def remove(self) -> None:
        """Remove the queue with its messages; who waits there gets ExistentialError. -- msgctl(2), IPC_RMID"""
        with USING:
            self._handle.remove()

    current_messages = Attribute(status(FIRST_OWN))
    """How many messages are in it."""
    max_size = Attribute(
        status(FIRST_OWN + 2),
        # -1 is no change for the native call, and all bits for the library: as much as there can be
        lambda queue, value: queue._change(capacity_bytes=min(integer(value, "max_size") % (1 << 64), LONG_MAX)),
    )
    """How many bytes of messages it holds. Raising it beyond kernel.msgmnb needs privilege."""
    last_send_pid = Attribute(status(FIRST_OWN + 3))
    """Who sent last; 0 for nobody."""
    last_receive_pid = Attribute(status(FIRST_OWN + 4))
    """Who received last; 0 for nobody."""
    last_send_time = Attribute(status(FIRST_OWN + 5))
    """When somebody sent last, in seconds since 1970; 0 for never."""
    last_receive_time = Attribute(status(FIRST_OWN + 6))
    """When somebody received last; 0 for never."""
    last_change_time = Attribute(status(FIRST_OWN + 7))
    """When owner, mode or `max_size` were last set, at first when it was made."""


def _selection(type: int) -> dict[str, int]:
    if not type:
        return {}
    return {"type": type} if type > 0 else {"up_to": min(-type, LONG_MAX)}


def remove_message_queue(id: int, /) -> None:
    """Remove the queue of this id. -- msgctl(2), IPC_RMID"""
    with USING:
        adopted(_sysv.QueueCalls, c_int(id)).remove()
