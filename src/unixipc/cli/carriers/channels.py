"""Channels: queues with a copy at each end, queues without any, and topics. -- shm_overview(7), futex(2)

A channel tells its receivers that the last sender has left, however it ended: a kernel lock falls. A sender is told
nothing, as another receiver may come; in a tour there is only one, so a second thread waits for its end.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from threading import Thread

from ...channel import Queue, Topic
from ...errors import ClosedError, PeerGone
from ..delivery import PATIENCE_S
from .carrier import CHUNK_BYTES, InPlace
from .meeting import SENDER, Meeting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...channel import Publisher, Receiver, Sender, Subscriber

CAPACITY_BYTES = 1 << 20


class ChannelQueue(Meeting):
    """`channel.Queue`: `send` and `receive`, a copy each."""

    name = "channel queue"
    sender: Sender | Publisher
    receiver: Receiver | Subscriber

    def make_common(self) -> None:  # noqa: D102
        self.is_over = False
        self.make_channel()

    def make_channel(self) -> None:
        """Without a name: nothing of it outlives the processes."""
        self.queue = Queue.anonymous(CAPACITY_BYTES)
        self.own(self.queue)

    def join_sending(self) -> Sender | Publisher:
        """A place at the sending end."""
        return self.queue.sender()

    def join_receiving(self) -> Receiver | Subscriber:
        """A place at the receiving end."""
        return self.queue.receiver()

    def prepare(self) -> None:
        """Both have their places before either begins: a topic keeps nothing for who is not there yet."""
        if self.me == SENDER:
            self.sender = self.join_sending()
        else:
            self.receiver = self.join_receiving()
        self.own(self.sender if self.me == SENDER else self.receiver)

    def start_sending(self) -> None:  # noqa: D102
        super().start_sending()
        self._at_the_end_of_the_other(self._stop)

    def start_receiving(self) -> None:  # noqa: D102
        super().start_receiving()
        self._at_the_end_of_the_other(self._look)

    def _at_the_end_of_the_other(self, tell: Callable[[], object]) -> None:
        def watch() -> None:
            with suppress(OSError, ClosedError):  # we are ending too
                self.other.wait_end()
                self.is_over = True
                tell()

        Thread(target=watch, daemon=True).start()

    def _stop(self) -> None:
        with suppress(BufferError):  # it is just writing in place, and looks before the next message
            self.sender.close()

    def _look(self) -> None:
        """Whoever comes or goes makes the others look at once; by itself the receiver would within half a second."""
        self.join_sending().close()

    def begin(self) -> None:
        """PeerGone if there is nobody to send to."""
        if self.is_over:
            raise self.gone()

    def gone(self) -> PeerGone:
        """What the sender gets when the receiver has ended."""
        return PeerGone(errno.EPIPE, "it has ended", "receiver")

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        self.begin()
        try:
            self.sender.send(message, PATIENCE_S)
        except ClosedError:
            raise self.gone() from None

    def receive_message(self) -> bytes:  # noqa: D102
        message: bytes = self.receiver.receive(PATIENCE_S)
        return message


class ChannelInPlace(InPlace, ChannelQueue):
    """`channel.Queue`: `reserve` and `peek`. The file is read into the ring, and hashed where it lies there."""

    name = "channel queue, no copy"

    def fill(self, put: Callable[[memoryview], int]) -> int:  # noqa: D102
        self.begin()
        try:
            room = self.sender.reserve(CHUNK_BYTES, PATIENCE_S)
        except ClosedError:
            raise self.gone() from None
        with room as body:
            length = put(body)
            room.truncate(length)
        return length

    def receive_body(self, size: int) -> Iterator[bytes | memoryview]:  # noqa: D102
        while size > 0:
            self.messages += 1
            with self.receiver.peek(PATIENCE_S) as piece:
                size -= len(piece)
                yield piece
        self.check_end(size)


class ChannelTopic(ChannelQueue):
    """`channel.Topic` with one subscriber, which is waited for."""

    name = "channel topic"

    def make_channel(self) -> None:  # noqa: D102
        self.topic = Topic.anonymous(CAPACITY_BYTES)
        self.own(self.topic)

    def join_sending(self) -> Publisher:  # noqa: D102
        return self.topic.publisher()

    def join_receiving(self) -> Subscriber:  # noqa: D102
        return self.topic.subscriber()
