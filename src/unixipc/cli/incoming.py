"""What can be received from: one small class for each mechanism, all with `receive_many` and ``with``."""

from __future__ import annotations

import errno
from contextlib import ExitStack

from .._call import failure
from ..errors import ObjectRemoved
from .cutting import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from .addresses import Address

MOST_PACKET_BYTES = 1 << 20
READ_BYTES = 1 << 17


class Incoming:
    """Somewhere to receive from. `timeout` is for each wait: for the other side, and for the next message."""

    options: tuple[str, ...] = ()
    """Which of the verb's options it understands beyond those that all do."""
    borders = True
    """Whether it keeps messages apart by itself."""

    def __init__(self, address: Address, timeout: float | None, words: dict[str, Any]) -> None:
        self.address, self.timeout, self.words = address, timeout, words
        self.follow: bool = words["follow"]
        self.facts: list[dict[str, int]] = []
        self.stack = ExitStack()
        with self.stack:
            self.open(address)
            self.stack = self.stack.pop_all()

    def open(self, address: Address) -> None:
        """Be ready to receive."""
        raise NotImplementedError

    def receive_many(self, most: int, timeout: float | None) -> list[bytes]:
        """Wait for a message, and take those that are there with it. EOFError at the end."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, where)


class FromQueue(Incoming):
    """A channel's queue. With --follow the receiver outlives the senders: the end comes when the queue is removed."""

    options = ("follow",)

    def open(self, address: Address) -> None:
        """Open or make it, and become a receiver."""
        from .rings import ShellQueue, opened

        queue = self.stack.enter_context(opened(ShellQueue, address.name))
        self.receiver: Any = self.stack.enter_context(queue.receiver(persistent=self.follow))

    def receive_many(self, most: int, timeout: float | None) -> list[bytes]:
        """A batch."""
        try:
            found: list[bytes] = self.receiver.receive_many(most, timeout)
        except ObjectRemoved:
            raise EOFError from None
        return found


class FromTopic(FromQueue):
    """A channel's topic; --follow as for a queue."""

    def open(self, address: Address) -> None:
        """Open or make it, and become a subscriber."""
        from ..channel import Topic
        from .rings import opened

        topic = self.stack.enter_context(opened(Topic, address.name))
        self.receiver = self.stack.enter_context(topic.subscriber(persistent=self.follow))


class FromKernelQueue(Incoming):
    """A System V or POSIX queue: it has no end, but for who wants only what is there."""

    queue: Any
    fact: str
    selection: tuple[Any, ...] = ()

    def receive_many(self, most: int, timeout: float | None) -> list[bytes]:
        """The next one, and those behind it."""
        found = [self._first(timeout)]
        while len(found) < most and (more := self.queue.try_receive(*self.selection)) is not None:
            found.append(more)
        self.facts = [{self.fact: getattr(each, self.fact)} for each in found]
        return [each.body for each in found]

    def _first(self, timeout: float | None) -> Any:
        if not self.words["drain"]:
            try:
                return self.queue.receive(*self.selection, timeout=timeout)
            except ObjectRemoved:
                raise EOFError from None
        first = self.queue.try_receive(*self.selection)
        if first is None:
            raise EOFError
        return first


class FromSysv(FromKernelQueue):
    """A System V message queue."""

    options = ("type", "up_to", "drain", "make")
    fact = "type"

    def open(self, address: Address) -> None:
        """Find it."""
        from ..sysv import MessageQueue

        if address.key is None:
            found = MessageQueue(address.id or 0)
        else:
            found = MessageQueue.ensure(address.key) if self.words["make"] else MessageQueue.open(address.key)
        self.queue = self.stack.enter_context(found)
        self.selection = (self.words["type"], self.words["up_to"])


class FromPosix(FromKernelQueue):
    """A POSIX message queue."""

    options = ("drain", "make")
    fact = "priority"

    def open(self, address: Address) -> None:
        """Find it."""
        from ..posix import MessageQueue

        cls = MessageQueue.ensure if self.words["make"] else MessageQueue.open
        self.queue = self.stack.enter_context(cls(address.name))


class FromFifo(Incoming):
    """A FIFO, once somebody writes. Who follows stays when the last writer has left."""

    options = ("follow", "make")
    borders = False

    def open(self, address: Address) -> None:
        """Wait for a writer."""
        from ..fifo import Fifo

        fifo = Fifo.ensure(address.name) if self.words["make"] else Fifo.open(address.name)
        self.end = self.stack.enter_context(fifo.reader(persistent=self.follow, timeout=self.timeout))

    def receive_many(self, _most: int, timeout: float | None) -> list[bytes]:
        """What is there."""
        data = self.end.read(READ_BYTES, timeout)
        if not data:
            raise EOFError
        return [data]


class FromConnection(Incoming):
    """A socket that we listen on, for one connection; who follows takes one after the other."""

    options = ("follow",)

    def open(self, address: Address) -> None:
        """Listen, and wait for the first."""
        from .. import sockets

        kind = address.kind or "stream"
        self.borders = kind == "seqpacket"
        self.listener = self.stack.enter_context(sockets.listen(address.name, kind, temporary=True))
        self.connection = self.stack.enter_context(self.listener.accept(self.timeout))

    def receive_many(self, most: int, timeout: float | None) -> list[bytes]:
        """What is there, from whom it is."""
        while (found := self._receive(timeout)) is None:  # ends: each turn waits for another connection
            if not self.follow:
                raise EOFError
            self.connection.close()
            self.connection = self.stack.enter_context(self.listener.accept(timeout))
        return [found]

    def _receive(self, timeout: float | None) -> bytes | None:
        if not self.borders:
            return self.connection.read(READ_BYTES, timeout) or None
        found = self.connection.receive(MOST_PACKET_BYTES, timeout=timeout)
        return None if found.eof else whole(found, self.address)


class FromDatagrams(Incoming):
    """A datagram socket: it has no end."""

    def open(self, address: Address) -> None:
        """Take the name."""
        from .. import sockets

        self.end = self.stack.enter_context(sockets.bind(address.name, temporary=True))

    def receive_many(self, _most: int, timeout: float | None) -> list[bytes]:
        """The next one."""
        return [whole(self.end.receive_from(MOST_PACKET_BYTES, timeout=timeout), self.address)]


class Records(Incoming):
    """Another one's bytes as messages: what ends with a separator, without it."""

    def __init__(self, source: Incoming, separator: bytes) -> None:
        self.source, self.cut = source, Lines(separator)
        self.facts = []
        self.ready: list[bytes] = []

    def receive_many(self, most: int, timeout: float | None) -> list[bytes]:
        """Those that are whole."""
        while not self.ready:  # ends: each turn waits for bytes, or finds the end
            try:
                self.ready = self.cut.feed(self.source.receive_many(most, timeout)[0])
            except EOFError:
                self.ready = self.cut.end()
                if not self.ready:
                    raise
        batch, self.ready = self.ready[:most], self.ready[most:]
        return batch


def whole(found: Any, address: Address) -> bytes:
    """The packet's data; OSError(EMSGSIZE) if a part of it is gone."""
    if found.truncated:
        raise failure(errno.EMSGSIZE, "recvmsg(2)", str(address), f"a packet beyond {MOST_PACKET_BYTES} bytes was cut")
    data: bytes = found.data
    return data


WAYS: dict[str, type[Incoming]] = {
    "channel": FromQueue, "topic": FromTopic, "sysv": FromSysv, "posix": FromPosix, "fifo": FromFifo,
    "unix-stream": FromConnection, "unix-seqpacket": FromConnection, "unix-dgram": FromDatagrams,
}  # fmt: skip


def way_from(address: Address) -> type[Incoming]:
    """The class for this address."""
    return WAYS[f"unix-{address.kind}" if address.scheme == "unix" else address.scheme]
