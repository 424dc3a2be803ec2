"""What a carrier is, and what those over a byte stream have in common."""

from __future__ import annotations

import os

from ...errors import LayoutError
from ...framing import FrameReader, FrameWriter
from ..delivery import PATIENCE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from ..._fd import Descriptor
    from ..._stream import Sink, Source

    class Closable(Protocol):
        """What `Carrier.own` takes."""

        def close(self) -> object:
            """Give it back."""


CHUNK_BYTES = 1 << 16


class Carrier:
    """Carries messages, and file bodies cut into messages of at most `chunk_bytes`."""

    name = ""
    chunk_bytes = CHUNK_BYTES

    def __init__(self, folder: str) -> None:
        """Make the kernel objects; names go into `folder`."""
        self.folder = folder
        self.messages = 0
        self._ends: list[Closable] = []
        self.make()

    def make(self) -> None:
        """Make what both sides need."""
        raise NotImplementedError

    def own(self, *ends: Closable) -> None:
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
                raise shrunk(file)
            self.send(room[:got])
            size -= got
            yield got

    def receive_body(self, size: int) -> Iterator[bytes | memoryview]:
        """The pieces of a body of `size` bytes. Each is valid until the next one is asked for."""
        while size > 0:
            piece = self.receive()
            size -= len(piece)
            yield piece
        self.check_end(size)

    def check_end(self, left: int) -> None:
        """LayoutError if the pieces of a body were more than the body."""
        if left:
            raise LayoutError("end of a body", 0, left)

    def close(self) -> None:
        """Close everything that is open in this process."""
        for end in self._ends:
            end.close()

    def remove(self) -> None:
        """In the parent, at the end: take away what would outlive the processes."""


def shrunk(file: Descriptor) -> ValueError:
    """The error of a sender whose file ends too early."""
    return ValueError(f"{file.name}: the file shrank while it was carried")


class InPlace(Carrier):
    """Memory that both see: a message is written where the other will read it."""

    def fill(self, put: Callable[[memoryview], int]) -> int:
        """Wait for room, make a message of what `put` writes there, and pass it on; its length."""
        raise NotImplementedError

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        def copy(body: memoryview) -> int:
            body[: len(message)] = message
            return len(message)

        self.fill(copy)

    def send_body(self, file: Descriptor, size: int) -> Iterator[int]:
        """Straight from the file into the memory."""

        def read(body: memoryview) -> int:
            got = os.readv(file.fileno(), [body[:size]])
            if not got:
                raise shrunk(file)
            return got

        while size:
            got = self.fill(read)
            size -= got
            yield got


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
