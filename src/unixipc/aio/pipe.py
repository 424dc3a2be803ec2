"""Awaitable pipes. -- pipe(7)"""

from __future__ import annotations

from .. import _wait
from ..pipe import Move, try_splice, try_tee, try_vmsplice
from ..pipe import PipeReader as SyncReader
from ..pipe import PipeWriter as SyncWriter
from ..pipe import pipe as sync_pipe
from . import _drive
from ._stream import Reading, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

    from .._fd import Descriptor

__all__ = ["PipeReader", "PipeWriter", "pipe", "splice", "tee", "vmsplice"]


class PipeReader(_drive.DescriptorTwin[SyncReader], Reading):
    """The end that bytes come out of; `unixipc.PipeReader`, awaitable."""

    @property
    def capacity_bytes(self) -> int:
        """How much the pipe holds before writers wait."""
        return self.sync.capacity_bytes

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be read."""
        return self.sync.pending_bytes


class PipeWriter(_drive.DescriptorTwin[SyncWriter], Writing):
    """The end that bytes go into; `unixipc.PipeWriter`, awaitable."""

    @property
    def capacity_bytes(self) -> int:
        """How much the pipe holds before writers wait."""
        return self.sync.capacity_bytes

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be read."""
        return self.sync.pending_bytes


def pipe(*, packet: bool = False, capacity_bytes: int | None = None) -> tuple[PipeReader, PipeWriter]:
    """A new pipe: (reader, writer). It never waits, so it is not awaited. -- pipe2(2)"""
    reader, writer = sync_pipe(packet=packet, capacity_bytes=capacity_bytes)
    return PipeReader(reader), PipeWriter(writer)


def _plain(end: object) -> Descriptor:
    plain: Any = getattr(end, "sync", end)
    descriptor: Descriptor = plain
    return descriptor


async def splice(source: object, target: object, n: int, timeout: float | None = None) -> int:
    """Wait until some of `n` bytes can be moved inside the kernel; how many; 0 at the end. -- splice(2)"""
    move = Move(try_splice, _plain(source), _plain(target), n)
    return await _drive.on_descriptors(move.watched, move.attempt, timeout, move.source.name)


async def tee(source: object, target: object, n: int, timeout: float | None = None) -> int:
    """Wait until some of `n` bytes can be duplicated from pipe to pipe; how many; 0 at the end. -- tee(2)"""
    move = Move(try_tee, _plain(source), _plain(target), n)
    return await _drive.on_descriptors(move.watched, move.attempt, timeout, move.source.name)


async def vmsplice(target: PipeWriter, data: Buffer, timeout: float | None = None) -> int:
    """Map the pages of `data` into the pipe; keep it unchanged until it is read. -- vmsplice(2)"""
    return await _drive.on_descriptor(target.sync, _wait.WRITABLE, try_vmsplice, target.sync, data, timeout=timeout)
