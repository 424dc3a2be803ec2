"""How the tour carries its cargo: one small class a mechanism, and the registry `CARRIERS` that later rooms add to.

A carrier is made in the parent, before both processes are forked, so both inherit it. Then each of the three calls one
of `start_sending`, `start_receiving` and `close` first, and so closes what it does not use: a forgotten write end would
mean that the end of the stream never comes. `remove` (in the parent, at the end) takes names and helpers away.
"""

from __future__ import annotations

import os
from signal import SIGKILL

from .. import _wait, sockets
from .._fd import Descriptor
from ..errors import LayoutError
from ..fifo import Fifo
from ..framing import FrameReader, FrameWriter
from ..pipe import PIPE_BUF, pipe, splice
from ..process import Process, spawn
from .delivery import PATIENCE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._stream import Sink, Source
    from ..sockets import Connection, Datagrams, Received

CHUNK_BYTES = 1 << 16
PACKET_BYTES = 1 << 15
END_S = 5.0


class Carrier:
    """Carries messages, and file bodies cut into messages of at most `chunk_bytes`."""

    name = ""
    chunk_bytes = CHUNK_BYTES

    def __init__(self, folder: str) -> None:
        """Make the kernel objects; names go into `folder`."""
        self.folder = folder
        self.messages = 0
        self._ends: list[Descriptor] = []
        self.make()

    def make(self) -> None:
        """Make what both sides need."""
        raise NotImplementedError

    def own(self, *ends: Descriptor) -> None:
        """Remember what `close` closes."""
        self._ends += ends

    def start_sending(self) -> None:
        """In the sender: take the sending end, close the other."""
        raise NotImplementedError

    def start_receiving(self) -> None:
        """In the receiver: take the receiving end, close the other."""
        raise NotImplementedError

    def send(self, message: bytes | memoryview) -> None:
        """Send one message."""
        raise NotImplementedError

    def receive(self) -> bytes:
        """Wait for the next message; EOFError when the sender has left."""
        self.messages += 1
        return self.receive_message()

    def receive_message(self) -> bytes:
        """Wait for the next message, uncounted."""
        raise NotImplementedError

    def send_body(self, file: Descriptor, size: int) -> Iterator[int]:
        """Send the `size` bytes of the file; after each piece, how long it was."""
        room = memoryview(bytearray(self.chunk_bytes))
        while size:
            got = os.readv(file.fileno(), [room[:size]])
            if not got:
                raise _shrunk(file)
            self.send(room[:got])
            size -= got
            yield got

    def receive_body(self, size: int) -> Iterator[bytes]:
        """The pieces of a body of `size` bytes."""
        while size > 0:
            piece = self.receive()
            size -= len(piece)
            yield piece
        if size:
            raise LayoutError("end of a body", 0, size)

    def close(self) -> None:
        """Close everything that is open in this process."""
        for end in self._ends:
            end.close()

    def remove(self) -> None:
        """In the parent, at the end: take away what would outlive the processes."""


def _shrunk(file: Descriptor) -> ValueError:
    return ValueError(f"{file.name}: the file shrank while it was carried")


class Framed(Carrier):
    """A byte stream: every message is a frame."""

    def begin_sending(self, sink: Sink) -> None:
        """Send through `sink`."""
        self._out = FrameWriter(sink)

    def begin_receiving(self, source: Source) -> None:
        """Receive from `source`."""
        self._in = FrameReader(source)

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        self._out.send(message, PATIENCE_S)

    def receive_message(self) -> bytes:  # noqa: D102
        return self._in.receive(PATIENCE_S)


class Pipe(Framed):
    """pipe(7), with framing."""

    name = "pipe"

    def make(self) -> None:  # noqa: D102
        self.reader, self.writer = pipe()
        self.own(self.reader, self.writer)

    def start_sending(self) -> None:  # noqa: D102
        self.reader.close()
        self.begin_sending(self.writer)

    def start_receiving(self) -> None:  # noqa: D102
        self.writer.close()
        self.begin_receiving(self.reader)


class PacketPipe(Pipe):
    """pipe2(2) with O_DIRECT: the kernel keeps the borders, a message is at most `PIPE_BUF` long."""

    name = "pipe, packet mode"
    chunk_bytes = PIPE_BUF

    def make(self) -> None:  # noqa: D102
        self.reader, self.writer = pipe(packet=True)
        self.own(self.reader, self.writer)

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        self.writer.write(message, PATIENCE_S)

    def receive_message(self) -> bytes:  # noqa: D102
        message = self.reader.read(PIPE_BUF, PATIENCE_S)
        if not message:
            raise EOFError("end of the stream: the sender has left before its end mark")
        return message


class SplicedPipe(Pipe):
    """splice(2): file bodies go from the page cache into the pipe without passing through the sender's memory."""

    name = "pipe, splice"

    def send_body(self, file: Descriptor, size: int) -> Iterator[int]:  # noqa: D102
        while size:
            moved = splice(file, self.writer, min(size, CHUNK_BYTES), PATIENCE_S)
            if not moved:
                raise _shrunk(file)
            size -= moved
            yield moved

    def receive_body(self, size: int) -> Iterator[bytes]:  # noqa: D102
        while size:
            piece = self.reader.read(min(size, CHUNK_BYTES), PATIENCE_S)
            if not piece:
                raise EOFError(f"end of the stream: the sender has left {size} bytes before the end of a file")
            self.messages += 1
            size -= len(piece)
            yield piece


class NamedPipe(Framed):
    """fifo(7), with framing."""

    name = "fifo"

    def make(self) -> None:  # noqa: D102
        self.fifo = Fifo.create(os.path.join(self.folder, "fifo"))

    def start_sending(self) -> None:  # noqa: D102
        writer = self.fifo.writer(PATIENCE_S)
        self.own(writer)
        self.begin_sending(writer)

    def start_receiving(self) -> None:  # noqa: D102
        reader = self.fifo.reader(timeout=PATIENCE_S)
        self.own(reader)
        self.begin_receiving(reader)

    def remove(self) -> None:  # noqa: D102
        self.fifo.remove()


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

    def receive_body(self, size: int) -> Iterator[bytes]:  # noqa: D102
        self.messages += 1
        with self.take(1) as received:
            if len(received.descriptors) != 1:
                raise LayoutError("descriptors with a file's message", 1, len(received.descriptors))
            while piece := os.read(received.descriptors[0].fileno(), CHUNK_BYTES):
                yield piece


class ThroughProgram(Framed):
    """A pipeline: two pipes with cat(1) between them, another program that knows nothing of us."""

    name = "pipeline, through cat"

    def make(self) -> None:  # noqa: D102
        into, self.writer = pipe()
        self.reader, out = pipe()
        self.own(self.writer, self.reader)
        with into, out:  # cat(1) has its own copies: ours would keep the stream from ending
            self.cat = spawn(["cat"], stdin=into, stdout=out, death_signal=SIGKILL)

    def start_sending(self) -> None:  # noqa: D102
        self.reader.close()
        self.begin_sending(self.writer)

    def start_receiving(self) -> None:  # noqa: D102
        self.writer.close()
        self.begin_receiving(self.reader)

    def remove(self) -> None:  # noqa: D102
        with self.cat:  # leaving it kills cat(1) if the time is up
            self.cat.wait(END_S)  # it ends because its input has


CARRIERS: dict[str, type[Carrier]] = {
    carrier.name: carrier
    for carrier in (
        Pipe,
        PacketPipe,
        SplicedPipe,
        NamedPipe,
        StreamSocket,
        PacketSocket,
        DatagramSocket,
        DescriptorPassing,
        ThroughProgram,
    )
}
"""Every mechanism the tour knows, in the order of the guide; a later room adds its line here."""
