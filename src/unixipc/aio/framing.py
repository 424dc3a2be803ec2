"""Awaitable messages over a byte stream. -- see `unixipc.framing`"""

from __future__ import annotations

from .. import _wait
from .. import framing as _framing
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from typing_extensions import Buffer

__all__ = ["FrameReader", "FrameWriter"]


class FrameReader:
    """Receives the messages of an awaitable byte stream; ``async for`` ends with the stream."""

    def __init__(self, source: Any, max_bytes: int = 1 << 26) -> None:
        self.source = source
        self.sync = _framing.FrameReader(getattr(source, "sync", source), max_bytes)

    def try_receive(self) -> bytes | None:
        """The next message if it is here whole, else None."""
        return self.sync.try_receive()

    async def receive(self, timeout: float | None = None) -> bytes:
        """Wait for the next message. A time-out or a cancel loses nothing. -- read(2)"""
        source: Any = self.sync.source
        return await _drive.on_descriptor(source, _wait.READABLE, self.sync.try_receive, timeout=timeout)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                message = await self.receive()
            except _framing.CutShort:
                raise
            except EOFError:
                return
            yield message


class FrameWriter:
    """Sends messages over an awaitable byte stream."""

    def __init__(self, sink: Any) -> None:
        self.sink = sink
        self.sync = _framing.FrameWriter(getattr(sink, "sync", sink))

    @property
    def pending_bytes(self) -> int:
        """How much of a message that was begun has still to be written."""
        return self.sync.pending_bytes

    def try_send(self, message: Buffer) -> bool:
        """True if the message was taken, False for not now."""
        return self.sync.try_send(message)

    def try_flush(self) -> bool | None:
        """True when nothing is pending, None for not now."""
        return self.sync.try_flush()

    async def send(self, message: Buffer, timeout: float | None = None) -> None:
        """Send it, waiting until all of it is written. -- write(2)

        TimeoutError or a cancel: with `pending_bytes` 0 nothing of it went; otherwise it is under way, so do not send
        it again. The exception says so.
        """
        await self._waiting(_framing.Sending(self.sync, message), timeout)

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until nothing is pending."""
        await self._waiting(_framing.Flushing(self.sync), timeout)

    async def _waiting(self, job: _framing.Flushing, timeout: float | None) -> None:
        sink: Any = self.sync.sink
        try:
            await _drive.on_descriptor(sink, _wait.WRITABLE, job.attempt, timeout=timeout)
        except BaseException as error:  # a cancel too: whether to send it again depends on it
            job.explain(error)
            raise
