"""Awaitable FIFOs: opening waits for the other side in a thread that a cancel interrupts. -- fifo(7)"""

from __future__ import annotations

import os

from ..fifo import Fifo as SyncFifo
from . import _drive
from .pipe import PipeReader, PipeWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TypeAlias

    Path: TypeAlias = "str | os.PathLike[str]"

__all__ = ["Fifo"]


class Fifo:
    """A FIFO's name; `unixipc.Fifo`, awaitable. ``await Fifo.create(path)``, ``open``, ``ensure``, ``temporary``."""

    def __init__(self, sync: SyncFifo) -> None:
        self.sync = sync
        self.path = sync.path

    @classmethod
    async def create(cls, path: Path, mode: int = 0o600) -> Self:
        """Make a new FIFO. FileExistsError if the path exists. -- mkfifo(3)"""
        return cls(SyncFifo.create(path, mode))

    @classmethod
    async def open(cls, path: Path) -> Self:
        """A FIFO that exists. -- stat(2)"""
        return cls(SyncFifo.open(path))

    @classmethod
    async def ensure(cls, path: Path, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing. -- mkfifo(3)"""
        return cls(SyncFifo.ensure(path, mode))

    @classmethod
    async def temporary(cls, mode: int = 0o600) -> Self:
        """A FIFO in a new private folder; both go at `close`. -- mkfifo(3)"""
        return cls(SyncFifo.temporary(mode))

    def try_reader(self, *, persistent: bool = False) -> PipeReader:
        """Open the reading end at once; reading waits for the first writer. -- open(2)"""
        return PipeReader(self.sync.try_reader(persistent=persistent))

    def try_writer(self) -> PipeWriter | None:
        """Open the writing end if a reader is there, else None. -- open(2)"""
        writer = self.sync.try_writer()
        return None if writer is None else PipeWriter(writer)

    async def reader(self, *, persistent: bool = False, timeout: float | None = None) -> PipeReader:
        """Open the reading end, waiting for a writer. A cancel leaves nothing open. -- open(2)"""
        if persistent:
            return self.try_reader(persistent=True)
        return PipeReader(await _drive.in_thread(self.sync.reader, timeout=timeout, give_back=lambda end: end.close()))

    async def writer(self, timeout: float | None = None) -> PipeWriter:
        """Open the writing end, waiting for a reader. A cancel leaves nothing open. -- open(2)"""
        return PipeWriter(await _drive.in_thread(self.sync.writer, timeout=timeout, give_back=lambda end: end.close()))

    def stat(self) -> os.stat_result:
        """What the name stands for. -- stat(2)"""
        return self.sync.stat()

    def remove(self) -> None:
        """Take the name away, if it is still ours. -- unlink(2)"""
        self.sync.remove()

    def close(self) -> None:
        """Forget the name; a temporary FIFO is removed."""
        self.sync.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<aio Fifo {self.path!r}>"
