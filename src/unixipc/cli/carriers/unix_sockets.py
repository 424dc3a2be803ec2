"""Unix sockets of every kind; over one of them not the bytes travel but the open files."""

from __future__ import annotations

import os

from ... import _wait, sockets
from ...errors import LayoutError
from ...process import Process
from ..delivery import PATIENCE_S
from .carrier import CHUNK_BYTES, Carrier, Framed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._fd import Descriptor
    from ...sockets import Connection, Datagrams, Received

PACKET_BYTES = 1 << 15


class StreamSocket(Framed):
    """unix(7), SOCK_STREAM at a path, with framing."""

    name = "socket stream"
    kind = "stream"

    def make(self) -> None:  # noqa: D102
        self.path = os.path.join(self.folder, "socket")
        self.listener = sockets.listen(self.path, self.kind)
        self.own(self.listener)

    def start_sending(self) -> None:  # noqa: D102
        self.listener.close()
        self.begin(sockets.connect(self.path, self.kind, PATIENCE_S))

    def start_receiving(self) -> None:  # noqa: D102
        self.begin(self.listener.accept(PATIENCE_S))
        self.listener.close()

    def begin(self, connection: Connection) -> None:
        """Talk through this connection."""
        self.connection = connection
        self.own(connection)
        self.begin_sending(connection)
        self.begin_receiving(connection)

    def remove(self) -> None:  # noqa: D102
        self.listener.remove()


class PacketSocket(StreamSocket):
    """unix(7), SOCK_SEQPACKET: a connection that keeps the borders of messages."""

    name = "socket seqpacket"
    kind = "seqpacket"
    chunk_bytes = PACKET_BYTES

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        self.connection.send(message, timeout=PATIENCE_S)

    def receive_message(self) -> bytes:  # noqa: D102
        return self.take().data

    def take(self, most_descriptors: int = 0) -> Received:
        """The next message with what came along."""
        received = self.connection.receive(self.chunk_bytes, most_descriptors, timeout=PATIENCE_S)
        if received.eof:
            raise EOFError("end of the connection: the sender has left before its end mark")
        return received


class DatagramSocket(Carrier):
    """unix(7), SOCK_DGRAM: messages without a connection, so nothing tells that a sender is gone.

    Therefore the sender passes a pidfd of itself along with its first message.
    """

    name = "socket datagram"
    chunk_bytes = PACKET_BYTES

    def make(self) -> None:  # noqa: D102
        self.path = os.path.join(self.folder, "inbox")
        self.inbox = sockets.bind(self.path)
        self.own(self.inbox)

    def start_sending(self) -> None:  # noqa: D102
        self.inbox.close()
        self.outbox: Datagrams = sockets.bind("")
        self.own(self.outbox)
        with Process(os.getpid()) as myself:
            self.outbox.send_to(b"hello", self.path, [myself], timeout=PATIENCE_S)

    def start_receiving(self) -> None:  # noqa: D102
        with self.inbox.receive_from(100, 1, PATIENCE_S) as hello:
            self.sender = Process.adopt(hello.descriptors[0])
        self.own(self.sender)

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        self.outbox.send_to(message, self.path, timeout=PATIENCE_S)

    def receive_message(self) -> bytes:  # noqa: D102
        both = ((self.inbox, _wait.READABLE), (self.sender, _wait.READABLE))
        return _wait.on_descriptors(lambda: both, self._try_receive, PATIENCE_S, self.path)

    def _try_receive(self) -> bytes | None:
        received = self.inbox.try_receive_from(self.chunk_bytes)
        if received is None and self.sender.has_ended():
            received = self.inbox.try_receive_from(self.chunk_bytes)  # sent between the look and the end
            if received is None:
                raise EOFError("the pidfd of the sender: it has ended before its end mark")
        return None if received is None else received.data

    def remove(self) -> None:  # noqa: D102
        self.inbox.remove()


class DescriptorPassing(PacketSocket):
    """SCM_RIGHTS over a seqpacket connection: not the bytes travel but the open files, and the receiver reads them."""

    name = "descriptor passing"

    def send_body(self, file: Descriptor, size: int) -> Iterator[int]:  # noqa: D102
        self.connection.send(b"file", [file], timeout=PATIENCE_S)
        yield size

    def receive_body(self, size: int) -> Iterator[bytes | memoryview]:  # noqa: D102
        self.messages += 1
        with self.take(1) as received:
            if len(received.descriptors) != 1:
                raise LayoutError("descriptors with a file's message", 1, len(received.descriptors))
            while piece := os.read(received.descriptors[0].fileno(), CHUNK_BYTES):
                yield piece
