"""A signal when a descriptor is ready. -- fcntl(2), O_ASYNC

>>> from signal import SIGRTMIN
>>> from unixipc import pipe
>>> from unixipc.signals import SignalStream, on_ready
>>> reader, writer = pipe()
>>> with reader, writer, SignalStream(SIGRTMIN) as stream, on_ready(reader, SIGRTMIN):
...     writer.try_write(b"x")
...     stream.receive(timeout=10).fd == reader.fileno()
1
True
"""

from __future__ import annotations

from signal import SIGIO

from .._fd import number_of
from .._native import signals as _signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._fd import HasFileno

__all__ = ["on_ready"]


class on_ready(_signals.Announcing):
    """For ``with``: a signal when this pipe, FIFO, socket or terminal gets ready. -- fcntl(2), F_SETSIG, O_ASYNC

    `SignalInfo.fd` says which, `SignalInfo.band` for what (POLLIN, POLLOUT, ...). It comes when the state changes, not
    while it lasts: so read until nothing is there. `target`: another process, or a group (negative); `thread`: a
    thread, by the kernel's id; else this process. Have a handler, a stream or a block first: the default action of
    SIGIO, and of most, ends the process. A real-time signal queues; when its queue is full a plain SIGIO comes instead,
    without `fd`: look at all of them.

    OSError(EINVAL) for a file that sends none (a regular file, an event counter), ProcessLookupError for a target that
    is not there, OSError(EBUSY) for the library's own signal. RuntimeError when entered twice.

    The five fates: **close** (the end of the block) puts back what the file had: signal, target and flag. The block
    keeps the file open. **remove**: nothing to remove. **fork** and **exec** change nothing: it is the open file that
    has it, for all who hold it; the signals go on to the target, and a child that leaves the block does not end it.
    **kill -9** of the target ends them.
    """

    def __init__(
        self,
        file: int | HasFileno,
        signal: int = SIGIO,
        *,
        target: int | None = None,
        thread: int | None = None,
    ) -> None:
        if target is not None and thread is not None:
            raise ValueError("the signal goes either to a target or to a thread")
        if thread is not None and thread < 1:
            raise ValueError(f"a thread's id is at least 1, not {thread}")
        if target == 0:
            raise ValueError("a target is a process, or a group as a negative number; None is this process")
        super().__init__(number_of(file), signal, target or 0, thread or 0)
