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

Rooms: `process`, `pipe`, `pipeline`, `fifo`, `event`, `sockets`, `framing`; their awaitable twins: `unixipc.aio`.
Names that are a room and its main function at once (`pipe`, `pipeline`) are the function here;
``from unixipc.pipe import splice`` reaches the rest of the room.
"""

from . import errors, framing, process
from .errors import ClosedError, LayoutError, ObjectRemoved, OwnerDied, PeerGone
from .event import EventFd
from .fifo import Fifo
from .pipe import PipeReader, PipeWriter, pipe
from .pipeline import PipelineResult, pipeline
from .process import Child, Continued, Exited, Killed, Process, Stopped, fork, reap, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import aio as aio
    from . import features, inspector, sockets
    from . import testing as testing

__version__ = "0.1.0"

__all__ = [
    "Child",
    "ClosedError",
    "Continued",
    "EventFd",
    "Exited",
    "Fifo",
    "Killed",
    "LayoutError",
    "ObjectRemoved",
    "OwnerDied",
    "PeerGone",
    "PipeReader",
    "PipeWriter",
    "PipelineResult",
    "Process",
    "Stopped",
    "errors",
    "features",
    "fork",
    "framing",
    "inspector",
    "pipe",
    "pipeline",
    "process",
    "reap",
    "sockets",
    "spawn",
]

_LATER = ("aio", "features", "inspector", "sockets", "testing")
"""Rooms that cost time to import, loaded when first used. `aio` and `testing` need anyio: not for ``import *``."""


def __getattr__(name: str) -> object:
    if name in _LATER:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
