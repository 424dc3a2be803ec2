"""Messages over a byte stream: each goes as a frame, a small header and the bytes. For pipes, FIFOs, stream sockets.

>>> from unixipc import pipe
>>> from unixipc.framing import FrameReader, FrameWriter
>>> reader, writer = pipe()
>>> frames_in, frames_out = FrameReader(reader), FrameWriter(writer)
>>> frames_out.send(b"one"); frames_out.send(b"")
>>> frames_in.receive(), frames_in.receive()
(b'one', b'')
>>> writer.close(); list(frames_in)
[]
>>> reader.close()

The header, 8 bytes, little-endian, the same for C (see tests/strangers/frame.h)::

    offset 0        2         4                    8
           +--------+---------+--------------------+-----------------
           | "uF"   | check   | length of the body | body ...
           +--------+---------+--------------------+-----------------
    check = 0x5546 ^ (length & 0xffff) ^ (length >> 16)

Several writers may share a pipe as long as header and body together are at most `PIPE_BUF` bytes; what gets mixed up
beyond that, or comes from something that sends no frames, is a `LayoutError` (field, expected, found), never a wrong
message.
"""

from __future__ import annotations

import struct

from . import _wait
from ._stream import ReadExactly
from .errors import LayoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from ._native.descriptor import Descriptor
    from ._stream import Sink, Source

__all__ = ["FrameReader", "FrameWriter"]

HEADER = struct.Struct("<2sHI")
MAGIC = b"uF"
HEADER_BYTES = HEADER.size


def _check(length: int) -> int:
    return 0x5546 ^ (length & 0xFFFF) ^ (length >> 16)


class CutShort(EOFError):
    """The stream ended inside a frame: no clean end, so iteration does not swallow it."""


class FrameReader:
    """Receives the messages of a byte stream. One frame reader a stream: it keeps a header it has read already.

    Errors: EOFError at the end between two frames (iteration just ends), EOFError that says so when the stream ends
    inside one (the sender died), `LayoutError` for bytes that are no frame or a body above `max_bytes`. Where the next
    frame begins is unknown from then on, so every later receive is the same `LayoutError`.
    """

    def __init__(self, source: Source, max_bytes: int = 1 << 26) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must be at least 0, not {max_bytes}")
        self.source = source
        self.max_bytes = max_bytes
        self._header = ReadExactly(source, HEADER_BYTES)
        self._body: ReadExactly | None = None
        self._damage: tuple[str, object, object] | None = None

    def try_receive(self) -> bytes | None:
        """The next message if it is here whole, else None (what came of it is kept)."""
        if self._damage is not None:
            raise LayoutError(*self._damage)
        if self._body is None:
            header = self._some(self._header)
            if header is None:
                return None
            self._body = ReadExactly(self.source, self._checked(header))
        body = self._some(self._body)
        if body is not None:
            self._header, self._body = ReadExactly(self.source, HEADER_BYTES), None
        return body

    def _some(self, part: ReadExactly) -> bytes | None:
        """Go on reading a header or a body; the end is clean only before the first byte of a header."""
        try:
            return part.attempt()
        except EOFError:
            if part is self._header and not part.parts:
                raise EOFError(f"{self.source.name}: every sender has left") from None
            raise CutShort(
                f"{self.source.name}: the stream ended inside a frame of {part.wanted} bytes, after "
                f"{part.wanted - part.missing} of them: the sender died or gave up"
            ) from None

    def receive(self, timeout: float | None = None) -> bytes:
        """Wait for the next message. A time-out or a cancel loses nothing. -- read(2)"""
        message = self.try_receive()
        if message is None:
            return _wait.on_descriptor(_sleeping_on(self.source), _wait.READABLE, self.try_receive, timeout=timeout)
        return message

    def _checked(self, header: bytes) -> int:
        magic, check, length = HEADER.unpack(header)
        if magic != MAGIC:
            self._damage = "frame magic", MAGIC, magic
        elif check != _check(length):
            self._damage = "frame check", hex(_check(length)), hex(check)
        elif length > self.max_bytes:
            self._damage = "frame length", f"at most {self.max_bytes}", length
        if self._damage is not None:
            raise LayoutError(*self._damage)
        assert isinstance(length, int)
        return length

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                message = self.receive()
            except CutShort:
                raise
            except EOFError:
                return
            yield message


class FrameWriter:
    """Sends messages over a byte stream. A frame that fits into `PIPE_BUF` goes in one piece or not at all.

    A longer one may be under way when a time-out comes: a stream cannot take bytes back. Then the rest stays here
    (`pending_bytes`), and the next `send` or `flush` finishes it first: the receiver sees every frame whole.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._rest: memoryview | None = None

    @property
    def pending_bytes(self) -> int:
        """How much of a message that was begun has still to be written."""
        return 0 if self._rest is None else len(self._rest)

    def try_send(self, message: Buffer) -> bool:
        """True if the message was taken (its rest may be pending), False for not now: nothing of it was."""
        if self.try_flush() is None:
            return False
        frame = _frame(message)
        done = self.sink.try_write(frame)
        if done is None:
            return False
        if done < len(frame):
            self._rest = memoryview(frame)[done:]
            self.try_flush()
        return True

    def send(self, message: Buffer, timeout: float | None = None) -> None:
        """Send it, waiting until all of it is written.

        TimeoutError: with `pending_bytes` 0 nothing of it went; otherwise it is under way, so do not send it again.
        """
        job = Sending(self, message)
        if not job.attempt():
            try:
                _wait.on_descriptor(_sleeping_on(self.sink), _wait.WRITABLE, job.attempt, timeout=timeout)
            except BaseException as error:  # Ctrl-C too: whether to send it again depends on it
                job.explain(error)
                raise

    def try_flush(self) -> bool | None:
        """True when nothing is pending, None for not now."""
        while self._rest is not None:
            done = self.sink.try_write(self._rest)
            if done is None:
                return None
            self._rest = self._rest[done:] if done < len(self._rest) else None
        return True

    def flush(self, timeout: float | None = None) -> None:
        """Wait until nothing is pending."""
        job = Flushing(self)
        try:
            _wait.on_descriptor(_sleeping_on(self.sink), _wait.WRITABLE, job.attempt, timeout=timeout)
        except BaseException as error:
            job.explain(error)
            raise


class Flushing:
    """One flush under way: it pushes the rest of a message that was begun."""

    what = "what was begun is"

    def __init__(self, writer: FrameWriter) -> None:
        self.writer, self.pending_before = writer, writer.pending_bytes

    def attempt(self) -> bool | None:
        """True when nothing is pending, None for not now."""
        return self.writer.try_flush()

    def explain(self, error: BaseException) -> None:
        """Tell whoever catches `error` how much is under way, if anything was changed: a stream takes nothing back."""
        pending = self.writer.pending_bytes
        if pending == self.pending_before:
            return
        if isinstance(error, TimeoutError):
            error.__notes__.clear()  # they say that nothing was changed
        error.add_note(f"write(2): {self.what} under way, {pending} bytes are pending")


class Sending(Flushing):
    """One send under way: first take the message, then push the rest of it."""

    def __init__(self, writer: FrameWriter, message: Buffer) -> None:
        super().__init__(writer)
        self.message, self.taken = message, False

    def attempt(self) -> bool | None:
        self.taken = self.taken or self.writer.try_send(self.message)
        return self.writer.try_flush() if self.taken else None

    def explain(self, error: BaseException) -> None:
        """Whether this message is under way, or only one from before it, which is in its way."""
        self.what = "the message is" if self.taken else "nothing of this message went; the one before it is"
        self.pending_before = 0 if self.taken else self.pending_before
        super().explain(error)


def _frame(message: Buffer) -> bytes:
    body = message if type(message) is bytes else memoryview(message).cast("B")
    if len(body) >= 2**32:
        raise ValueError(f"a frame carries less than 4 GiB, not {len(body)} bytes")
    return b"".join((HEADER.pack(MAGIC, _check(len(body)), len(body)), body))


def _sleeping_on(end: Source | Sink) -> Descriptor:
    return end  # type: ignore[return-value]
