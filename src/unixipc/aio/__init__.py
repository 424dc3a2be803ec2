"""Every room, awaitable: the same names and signatures, for asyncio and trio. Needs the extra ``unixipc[aio]``.

>>> import asyncio
>>> from unixipc import aio
>>> async def main():
...     reader, writer = aio.pipe()
...     async with reader, writer:
...         await writer.write_all(b"hello")
...         return await reader.read(100)
>>> asyncio.run(main())
b'hello'

A cancelled or timed-out receive has consumed nothing, a cancelled open or accept holds nothing, and no thread stays
behind. Any `try_` method, option or property is on the twin's `sync`, the plain handle, too.
"""

try:
    import anyio as _anyio  # noqa: F401 - the one import whose failure has a fix to tell
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError('unixipc.aio needs anyio: pip install "unixipc[aio]"', name="anyio") from _error

from . import channel, framing, locks, mapping, posix, robust, signals, sockets, sysv
from .event import EventFd
from .fifo import Fifo
from .locks import FileLock, RecordLock
from .mapping import MemFd, map_anonymous, map_file
from .pipe import PipeReader, PipeWriter, pipe, splice, tee, vmsplice
from .pipeline import Pipeline, pipeline
from .process import Child, Process, fork, spawn, wait_any

__all__ = [
    "Child",
    "EventFd",
    "Fifo",
    "FileLock",
    "MemFd",
    "PipeReader",
    "PipeWriter",
    "Pipeline",
    "Process",
    "RecordLock",
    "channel",
    "fork",
    "framing",
    "locks",
    "map_anonymous",
    "map_file",
    "mapping",
    "pipe",
    "pipeline",
    "posix",
    "robust",
    "signals",
    "sockets",
    "spawn",
    "splice",
    "sysv",
    "tee",
    "vmsplice",
    "wait_any",
]
