"""What every awaitable byte stream does: derived from the same tries and jobs as the blocking forms."""

from __future__ import annotations

from .. import _stream, _wait
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer


class Reading:
    """`read` and `read_exactly` for a twin whose `sync` is a readable end."""

    sync: Any

    def try_read(self, n: int) -> bytes | None:
        """Up to `n` bytes that are here now; b"" at the end; None for not now."""
        data: bytes | None = self.sync.try_read(n)
        return data

    def try_read_exactly(self, n: int) -> bytes | None:
        """All `n` bytes if they are here; None for not now (what came stays for the next read)."""
        return _stream.try_read_exactly(self.sync, n)

    def keep(self, data: bytes) -> None:
        """Put bytes back in front of the stream."""
        self.sync.keep(data)

    async def read(self, n: int, timeout: float | None = None) -> bytes:
        """Wait for up to `n` bytes; b"" at the end of the stream. -- read(2)"""
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_read, n, timeout=timeout)

    async def read_exactly(self, n: int, timeout: float | None = None) -> bytes:
        """Wait for exactly `n` bytes; EOFError if the stream ends before; a cancel loses nothing. -- read(2)"""
        job = _stream.ReadExactly(self.sync, n)
        try:
            return await _drive.on_descriptor(self.sync, _wait.READABLE, job.attempt, timeout=timeout)
        except BaseException:
            job.give_back()
            raise


class Writing:
    """`write` and `write_all` for a twin whose `sync` is a writable end."""

    sync: Any

    def try_write(self, data: Buffer) -> int | None:
        """Write what fits now; None for not now."""
        done: int | None = self.sync.try_write(data)
        return done

    async def write(self, data: Buffer, timeout: float | None = None) -> int:
        """Wait until at least one byte fits; how many were taken. -- write(2)"""
        return await _drive.on_descriptor(self.sync, _wait.WRITABLE, self.sync.try_write, data, timeout=timeout)

    async def write_all(self, data: Buffer, timeout: float | None = None) -> None:
        """Write every byte. Whatever ends it early has `written_bytes`: how many went before. -- write(2)"""
        job = _stream.WriteAll(self.sync, data)
        try:
            await _drive.on_descriptor(self.sync, _wait.WRITABLE, job.attempt, timeout=timeout)
        except BaseException as error:  # a cancel too: the caller may want to know
            job.explain(error)
            raise
