"""What can be sent to: one small class for each mechanism, all with `send_many` and ``with``."""

from __future__ import annotations

import errno
from contextlib import ExitStack

from ..errors import PeerGone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from .addresses import Address

LOOK_AROUND_S, PATIENCE_LOOKS = 0.5, 4


class Outgoing:
    """Somewhere to send to. `timeout` is for each wait: for the other side, and for room."""

    options: tuple[str, ...] = ()
    """Which of the verb's options it understands beyond those that all do."""
    borders = True
    """Whether it keeps messages apart by itself; else they get a separator."""

    def __init__(self, address: Address, timeout: float | None, words: dict[str, Any]) -> None:
        self.timeout, self.words = timeout, words
        self.stack = ExitStack()
        with self.stack:
            self.open(address)
            self.stack = self.stack.pop_all()

    def open(self, address: Address) -> None:
        """Be ready to send."""
        raise NotImplementedError

    def send_many(self, messages: list[bytes]) -> None:
        """Send them, in this order, waiting for room."""
        for each in messages:
            self.send(each)

    def send(self, message: bytes) -> None:
        """Send one."""
        raise NotImplementedError

    def finish(self) -> None:
        """All was sent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, where)


class ToQueue(Outgoing):
    """A channel's queue."""

    def open(self, address: Address) -> None:
        """Open or make it, and become a sender."""
        from .rings import ShellQueue, opened

        self.queue = self.stack.enter_context(opened(ShellQueue, address.name))
        self.sender = self.stack.enter_context(self.queue.sender())

    def send_many(self, messages: list[bytes]) -> None:
        """All of them; look around now and then while there is no room."""
        done, waited_s, looks = 0, 0.0, 0
        while True:
            slice_s = LOOK_AROUND_S if self.timeout is None else min(LOOK_AROUND_S, self.timeout - waited_s)
            try:
                self.sender.send_many(messages[done:] if done else messages, slice_s)
                return
            except TimeoutError as error:
                sent: int = error.sent  # type: ignore[attr-defined]
                done, waited_s = done + sent, 0.0 if sent else waited_s + slice_s
                if self.timeout is not None and waited_s >= self.timeout:
                    raise self._late() from None
            looks = looks + 1 if self._is_alone() else 0
            if looks == PATIENCE_LOOKS:
                self.queue.contents_matter = False
                raise PeerGone(errno.EPIPE, "every receiver has left, and it is full", str(self.queue.name))

    def _late(self) -> TimeoutError:
        """The whole time is up, not the slice of it that was last."""
        late = TimeoutError(errno.ETIMEDOUT, f"timed out after {self.timeout:g} s", str(self.queue.name))
        late.add_note("there was no room; what had been sent before stays sent")
        return late

    def _is_alone(self) -> bool:
        """Whether there were receivers, and none is left, in a channel that lives with its users."""
        queue = self.queue
        return queue.lives_with_its_users and not queue.stat().receivers and queue.receivers_were_here()

    def finish(self) -> None:
        """A receiver that comes later shall see that we were here."""
        self.queue.unused_is_spent = False


class ToTopic(Outgoing):
    """A channel's topic."""

    def open(self, address: Address) -> None:
        """Open or make it, and become a publisher."""
        from .rings import ShellTopic, opened

        topic = self.stack.enter_context(opened(ShellTopic, address.name))
        self.sender = self.stack.enter_context(topic.publisher())

    def send_many(self, messages: list[bytes]) -> None:
        """All of them."""
        self.sender.send_many(messages, self.timeout)


class ToSysv(Outgoing):
    """A System V message queue."""

    options = ("type", "make")

    def open(self, address: Address) -> None:
        """Find it."""
        from ..sysv import MessageQueue

        if address.key is None:
            found = MessageQueue(address.id or 0)
        else:
            found = MessageQueue.ensure(address.key) if self.words["make"] else MessageQueue.open(address.key)
        self.queue = self.stack.enter_context(found)
        self.type: int = self.words["type"] or 1

    def send(self, message: bytes) -> None:
        """With its type."""
        self.queue.send(message, self.type, self.timeout)


class ToPosix(Outgoing):
    """A POSIX message queue."""

    options = ("priority", "make")

    def open(self, address: Address) -> None:
        """Find it."""
        from ..posix import MessageQueue

        cls = MessageQueue.ensure if self.words["make"] else MessageQueue.open
        self.queue = self.stack.enter_context(cls(address.name))
        self.priority: int = self.words["priority"] or 0

    def send(self, message: bytes) -> None:
        """With its priority."""
        self.queue.send(message, self.priority, self.timeout)


class ToStream(Outgoing):
    """A FIFO or a stream socket: bytes without borders."""

    borders = False
    end: Any

    def send_many(self, messages: list[bytes]) -> None:
        """In one piece."""
        self.end.write_all(b"".join(messages), self.timeout)


class ToFifo(ToStream):
    """A FIFO, once somebody reads."""

    options = ("make",)

    def open(self, address: Address) -> None:
        """Wait for a reader."""
        from ..fifo import Fifo

        fifo = Fifo.ensure(address.name) if self.words["make"] else Fifo.open(address.name)
        self.end = self.stack.enter_context(fifo.writer(self.timeout))


class ToStreamSocket(ToStream):
    """A stream socket that somebody listens on."""

    def open(self, address: Address) -> None:
        """Connect."""
        from .. import sockets

        self.end = self.stack.enter_context(sockets.connect(address.name, "stream", self.timeout))


class ToPackets(Outgoing):
    """A seqpacket socket that somebody listens on."""

    def open(self, address: Address) -> None:
        """Connect."""
        from .. import sockets

        self.end = self.stack.enter_context(sockets.connect(address.name, "seqpacket", self.timeout))

    def send(self, message: bytes) -> None:
        """One packet."""
        self.end.send(message, timeout=self.timeout)


class ToDatagrams(Outgoing):
    """A datagram socket."""

    def open(self, address: Address) -> None:
        """A socket of our own to send from."""
        from .. import sockets

        self.to = address.name
        self.end = self.stack.enter_context(sockets.bind(""))

    def send(self, message: bytes) -> None:
        """One datagram."""
        self.end.send_to(message, self.to, timeout=self.timeout)


WAYS: dict[str, type[Outgoing]] = {
    "channel": ToQueue, "topic": ToTopic, "sysv": ToSysv, "posix": ToPosix, "fifo": ToFifo,
    "unix-stream": ToStreamSocket, "unix-seqpacket": ToPackets, "unix-dgram": ToDatagrams,
}  # fmt: skip


def way_to(address: Address) -> type[Outgoing]:
    """The class for this address."""
    return WAYS[f"unix-{address.kind}" if address.scheme == "unix" else address.scheme]
