"""Message queues: messages with a type and borders, kept by the kernel until somebody takes them. -- sysvipc(7)

>>> from unixipc.sysv import MessageQueue
>>> with MessageQueue.temporary() as queue:
...     queue.send(b"to whom it may concern")
...     queue.send(b"urgent", type=1)
...     queue.receive(type=1).body, len(queue)
(b'to whom it may concern', 1)
"""

from __future__ import annotations

from .._at_exit import close_at_exit
from .._creation import checked_mode, create_or_open
from .._generic import T
from .._native import sysv as _sysv
from .._native.sysv import Message
from .._record import record
from ..codec import codec_of
from ..errors import ObjectRemoved
from ._object import CREATE, EXCLUSIVE, Permissions, adopt, given, named, permissions_of, signed
from .key import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from ..codec import CodecLike
    from ._ways import QueueWays

__all__ = ["Message", "MessageQueue", "QueueStat"]


@record
class QueueStat:
    """A queue at one moment. Times are whole seconds since 1970, None for never; pids 0 for nobody."""

    id: int
    permissions: Permissions
    messages: int
    used_bytes: int
    capacity_bytes: int
    last_sender_pid: int
    last_receiver_pid: int
    sent_at: int | None
    received_at: int | None
    changed_at: int | None


def queue_stat(raw: tuple[Any, ...]) -> QueueStat:
    """From what the kernel gives."""
    number, permissions, messages, used, capacity, sender, receiver, *times = raw
    return QueueStat(
        number, permissions_of(permissions), messages, used, capacity, sender, receiver, *(at or None for at in times)
    )


class _Made(_sysv.QueueCalls[T]):
    """The ways to get one."""

    def __init__(self, id: int, codec: CodecLike | None = None) -> None:
        known = codec_of(codec)
        adopt(self, id)
        self.codec = known

    @classmethod
    def create(
        cls, key: int, mode: int = 0o600, codec: CodecLike | None = None, capacity_bytes: int | None = None
    ) -> Self:
        """Make a new queue. FileExistsError if the key is in use. -- msgget(2)"""
        return cls._made(signed(key), mode, codec, capacity_bytes, False)

    @classmethod
    def open(cls, key: int, codec: CodecLike | None = None) -> Self:
        """The queue of this key. Permissions are looked at when it is used, not now. -- msgget(2)"""
        known = codec_of(codec)
        queue = _sysv.get_queue(cls, named(key), 0)
        queue.codec = known
        return queue

    @classmethod
    def ensure(
        cls, key: int, mode: int = 0o600, codec: CodecLike | None = None, capacity_bytes: int | None = None
    ) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- msgget(2)"""
        return create_or_open(lambda: cls.create(key, mode, codec, capacity_bytes), lambda: cls.open(key, codec))

    @classmethod
    def temporary(cls, mode: int = 0o600, codec: CodecLike | None = None, capacity_bytes: int | None = None) -> Self:
        """A queue without a key, removed at `close`, at the latest when the interpreter ends. -- msgget(2)

        Children inherit it, and pickling passes it to others. After kill -9 it is left over: the kernel has no queue
        that ends with its maker.
        """
        return close_at_exit(cls._made(0, mode, codec, capacity_bytes, True))

    @classmethod
    def _made(cls, key: int, mode: int, codec: CodecLike | None, capacity_bytes: int | None, temporary: bool) -> Self:
        known = codec_of(codec)
        queue = _sysv.get_queue(cls, key, CREATE | EXCLUSIVE | checked_mode(mode), temporary)
        queue.codec = known
        if capacity_bytes is not None:
            try:
                queue.resize(capacity_bytes)
            except BaseException:
                queue.remove()
                raise
        return queue

    def resize(self, capacity_bytes: int) -> None:
        """How many bytes it may hold, and as many messages. Beyond kernel.msgmnb: CAP_SYS_RESOURCE. -- msgctl(2)"""
        if not 0 <= capacity_bytes < 1 << 31:  # the kernel would cut it to 32 bits
            raise ValueError(f"a queue holds at least 0 and at most {(1 << 31) - 1} bytes, not {capacity_bytes}")
        self.change(capacity_bytes=capacity_bytes)


if not TYPE_CHECKING:
    QueueWays = _Made  # `_ways` says the same by codec


class MessageQueue(QueueWays[T]):
    """A queue, by key or id. `create` (must not exist), `open` (must), `ensure` (either), `temporary` (gone at close).

    ``MessageQueue(id)`` takes the queue of an id. ``for message in queue`` receives until the queue is removed.
    `codec` (a `struct` format, a `ctypes.Structure`, a dataclass, or an object with ``encode`` and ``decode``) says
    what bodies are; without one they are bytes.

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(EINVAL) for a type below 1 or a message
    beyond kernel.msgmax; OSError(EMSGSIZE) for a message longer than the queue's capacity, which would never fit;
    OSError(E2BIG) for a message longer than `max_bytes`, which stays; `ObjectRemoved` when the
    queue was removed; OSError(ENOSPC) beyond kernel.msgmni. A failed receive destroys nothing.

    The five fates: **close** forgets the id; the queue and its messages live on. **remove** destroys them; who waits
    gets `ObjectRemoved`. **fork** and **exec** change nothing: an id is not a descriptor. **kill -9** leaves the queue
    as it is, messages too; a temporary one is then left over.
    """

    @property
    def key(self) -> Key:
        """The key; `Key.PRIVATE` if it has none, or may not be read."""
        return Key(self.key_value)

    def stat(self) -> QueueStat:
        """The queue at this moment. -- msgctl(2), IPC_STAT"""
        return queue_stat(self.status())

    def set_permissions(self, mode: int | None = None, uid: int | None = None, gid: int | None = None) -> None:
        """Change mode or owner; None leaves it as it is. -- msgctl(2), IPC_SET"""
        self.change(*given(mode, uid, gid))

    def __len__(self) -> int:
        """How many messages it holds now."""
        messages: int = self.status()[2]
        return messages

    def __bool__(self) -> bool:
        return True  # an empty queue is a queue

    def __iter__(self) -> Iterator[Message[T]]:
        """Receive for ever, in the order of arrival; ends when the queue is removed."""
        while True:
            try:
                message = self.receive()
            except ObjectRemoved:
                return
            yield message

    def __reduce__(self) -> tuple[object, ...]:
        self.check_open()
        return type(self), (self.id, self.codec)
