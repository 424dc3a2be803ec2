"""Pipes: with framing, in packet mode, filled by splice, through another program; and FIFOs."""

from __future__ import annotations

import os
from signal import SIGKILL

from ...fifo import Fifo
from ...pipe import PIPE_BUF, pipe, splice
from ...process import spawn
from ..delivery import PATIENCE_S
from .carrier import CHUNK_BYTES, Framed, shrunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._fd import Descriptor

END_S = 5.0


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
                raise shrunk(file)
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
