"""Every way two processes on a Unix machine can talk: it never hangs, never leaks, never lies.

>>> from unixipc import fork, pipe
>>> reader, writer = pipe()
>>> with fork(writer.write_all, b"hello from the child") as child:
...     writer.close()
...     reader.read(100)
b'hello from the child'
>>> child.status
Exited(code=0)
>>> reader.close()

Rooms: `process`, `signals`, `pipe`, `pipeline`, `fifo`, `event`, `locks`, `sysv`, `posix`, `mapping`, `robust`,
`sockets`, `channel`, `framing`, `codec`; their awaitable twins: `unixipc.aio`.
Names that are a room and its main function at once (`pipe`, `pipeline`) are the function here;
``from unixipc.pipe import splice`` reaches the rest of the room.
"""

import sys

from . import errors, process
from .errors import ClosedError, LayoutError, ObjectRemoved, OwnerDied, PeerGone
from .process import Child, Continued, Exited, Killed, Process, Stopped, fork, reap, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import aio as aio
    from . import channel as channel
    from . import codec as codec
    from . import features, framing, inspector, locks, mapping, posix, robust, signals, sockets, sysv
    from . import testing as testing
    from .event import EventFd
    from .fifo import Fifo
    from .locks import FileLock, RecordLock
    from .mapping import MemFd, map_anonymous, map_file
    from .pipe import PipeReader, PipeWriter, pipe
    from .pipeline import PipelineResult, pipeline

__version__ = "0.1.0"

__all__ = [
    "Child",
    "ClosedError",
    "Continued",
    "EventFd",
    "Exited",
    "Fifo",
    "FileLock",
    "Killed",
    "LayoutError",
    "MemFd",
    "ObjectRemoved",
    "OwnerDied",
    "PeerGone",
    "PipeReader",
    "PipeWriter",
    "PipelineResult",
    "Process",
    "RecordLock",
    "Stopped",
    "codec",
    "errors",
    "features",
    "fork",
    "framing",
    "inspector",
    "locks",
    "map_anonymous",
    "map_file",
    "mapping",
    "pipe",
    "pipeline",
    "posix",
    "process",
    "reap",
    "robust",
    "signals",
    "sockets",
    "spawn",
    "sysv",
]

_ROOMS = (
    "aio",
    "channel",
    "codec",
    "features",
    "framing",
    "inspector",
    "locks",
    "mapping",
    "posix",
    "robust",
    "signals",
    "sockets",
    "sysv",
    "testing",
)
"""Loaded when first used. `aio` and `testing` need anyio, so they are not for ``import *``."""
_HOMES = {
    "EventFd": "event",
    "Fifo": "fifo",
    "FileLock": "locks",
    "MemFd": "mapping",
    "RecordLock": "locks",
    "map_anonymous": "mapping",
    "map_file": "mapping",
    "PipeReader": "pipe",
    "PipeWriter": "pipe",
    "PipelineResult": "pipeline",
    "pipe": "pipe",
    "pipeline": "pipeline",
}
"""Names that live in a room which is loaded when they are first used: a fork costs what its process has loaded."""
_BOTH = ("pipe", "pipeline")
"""A room and its main function share these names; as an attribute of the package each is the function."""


def __getattr__(name: str) -> object:
    import importlib

    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})


class _Package(type(sys)):  # type: ignore[misc]
    """Importing a submodule sets it as an attribute of its package: for `_BOTH`, that is the function instead."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _BOTH and isinstance(value, type(sys)):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
