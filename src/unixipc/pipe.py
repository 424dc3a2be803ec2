"""Pipes: a one-way stream of bytes between related processes, or whoever was given an end. -- pipe(7)

>>> from unixipc import pipe
>>> reader, writer = pipe()
>>> writer.write(b"hello")
5
>>> reader.read(100)
b'hello'
>>> writer.close(); reader.read(100)
b''
>>> reader.close()

**Close the end you do not use.** Not because descriptors are scarce: a reader gets the end of the stream (``b""``)
only when *every* copy of the write end is closed, and a writer learns that nobody reads (`PeerGone`) only when every
copy of the read end is. A forked child inherits both ends; an exec'd program inherits none (close-on-exec).

The five fates: **close** frees this process's handle; the pipe and its bytes live while any handle does.
**remove**: there is no name to remove. **fork** copies the handles: both processes hold the same two ends.
**exec** closes them, unless passed by number. **kill -9** closes them: the others see the end or `PeerGone`,
and at most the write under way is cut short (never one of up to `PIPE_BUF` = 4096 bytes: those are all or nothing).
"""

from __future__ import annotations

import os
import stat

from . import _wait
from ._fd import Descriptor, check_kind, name_of, number_of
from ._native import pipe as _pipe
from ._native.descriptor import ReadEnd, WriteEnd
from ._stream import Reading, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from ._fd import HasFileno

__all__ = [
    "PIPE_BUF",
    "PipeReader",
    "PipeWriter",
    "pipe",
    "splice",
    "tee",
    "try_splice",
    "try_tee",
    "try_vmsplice",
    "vmsplice",
]

PIPE_BUF = 4096
"""Writes of up to this many bytes are never mixed with another writer's. -- pipe(7)"""


class _Sized:
    """What both ends know of the pipe between them (mixed into the native ends)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def name(self) -> object: ...
        def fileno(self) -> int: ...

    @property
    def capacity_bytes(self) -> int:
        """How much the pipe holds before writers wait. -- fcntl(2), F_GETPIPE_SZ"""
        return _pipe.capacity(self.fileno(), self.name)

    @capacity_bytes.setter
    def capacity_bytes(self, size: int) -> None:
        """Rounded up to a power of two of pages; EBUSY below what is in it, EPERM above the limits."""
        if size < 0:
            raise ValueError(f"a capacity is at least 0 bytes, not {size}")
        _pipe.set_capacity(self.fileno(), min(size, 2**31 - 1), self.name)

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be read. -- ioctl(2), FIONREAD"""
        return _pipe.pending(self.fileno(), self.name)


class PipeReader(ReadEnd, Reading, _Sized):
    """The end that bytes come out of; iterating is not offered, for a stream has no borders (see `framing`).

    `PipeReader(fd)` takes over a descriptor that is a pipe (EINVAL if it is none). Errors: `ClosedError` after close,
    OSError with errno otherwise, `TimeoutError` at the deadline. -- pipe(7)
    """

    def __init__(self, fd: int, name: object = "pipe reader") -> None:
        check_kind(fd, stat.S_ISFIFO, "pipe")
        super().__init__(fd, name)
        self.use_per_call()


class PipeWriter(WriteEnd, Writing, _Sized):
    """The end that bytes go into. `PeerGone` (EPIPE) when nobody can read any more. -- pipe(7)"""

    def __init__(self, fd: int, name: object = "pipe writer") -> None:
        check_kind(fd, stat.S_ISFIFO, "pipe")
        super().__init__(fd, name)
        self.use_per_call()


def pipe(*, packet: bool = False, capacity_bytes: int | None = None) -> tuple[PipeReader, PipeWriter]:
    """A new pipe: (reader, writer). -- pipe2(2)

    packet: each write of up to `PIPE_BUF` bytes is one packet and each read takes one (O_DIRECT; a read with less
    room than the packet discards the rest of it). Both ends are close-on-exec and stay blocking for an exec'd child
    that is given one. Errors: EMFILE, ENFILE; EPERM for a capacity beyond /proc/sys/fs/pipe-max-size.
    """
    reader, writer = _pipe.new_pipe(packet, PipeReader, PipeWriter)
    if capacity_bytes is not None:
        try:
            writer.capacity_bytes = capacity_bytes
        except BaseException:
            reader.close()
            writer.close()
            raise
    return reader, writer


def _end(end: int | HasFileno) -> int | Descriptor:
    """One of ours as it is, so that it keeps its number during the call; else the number."""
    return end if isinstance(end, Descriptor) else number_of(end)


def _length(n: int) -> int:
    if n < 0:
        raise ValueError(f"cannot move {n} bytes")
    return n


def try_splice(source: int | HasFileno, target: int | HasFileno, n: int) -> int | None:
    """Move up to `n` bytes inside the kernel, one side a pipe; 0 at the end, None for not now. -- splice(2)

    Into a socket that has room for a part only, this may take a millisecond: the kernel would wait there for all of it.
    """
    if isinstance(target, Descriptor) and stat.S_ISSOCK(os.fstat(target.fileno()).st_mode):
        return _splice_into_socket(_end(source), target, _length(n), name_of(source))
    return _pipe.splice(_end(source), _end(target), _length(n), name_of(source))


def _splice_into_socket(source: int | Descriptor, target: Descriptor, n: int, name: object) -> int | None:
    """The kernel's "do not wait" is about the pipe alone; a socket in blocking mode sleeps until an alarm ends it."""
    if not _wait.ready_now(target, _wait.WRITABLE):
        return None
    with _wait.Interrupt() as alarm:
        alarm.arm(0)
        return _pipe.splice(source, target, n, name)


def splice(source: Descriptor, target: Descriptor, n: int, timeout: float | None = None) -> int:
    """Wait until some of `n` bytes can be moved inside the kernel; how many; 0 at the end. -- splice(2)"""
    move = Move(try_splice, source, target, n)
    return _wait.on_descriptors(move.watched, move.attempt, timeout, source.name)


def try_tee(source: int | HasFileno, target: int | HasFileno, n: int) -> int | None:
    """Duplicate up to `n` bytes from pipe to pipe; they stay in the first. None for not now. -- tee(2)"""
    return _pipe.tee(_end(source), _end(target), _length(n), name_of(source))


def tee(source: Descriptor, target: Descriptor, n: int, timeout: float | None = None) -> int:
    """Wait until some of `n` bytes can be duplicated from pipe to pipe; how many; 0 at the end. -- tee(2)"""
    move = Move(try_tee, source, target, n)
    return _wait.on_descriptors(move.watched, move.attempt, timeout, source.name)


def try_vmsplice(target: PipeWriter, data: Buffer) -> int | None:
    """Map the pages of `data` into the pipe if there is room; how many bytes, None for not now. -- vmsplice(2)"""
    return _pipe.vmsplice(target, data, target.name)


def vmsplice(target: PipeWriter, data: Buffer, timeout: float | None = None) -> int:
    """Map the pages of `data` into the pipe without copying; how many bytes went. -- vmsplice(2)

    The kernel reads the memory when the reader reads: keep `data` alive and unchanged until then.
    """
    # the number is asked for at every try: after a close in another thread it may be somebody else's
    return _wait.on_descriptor(target, _wait.WRITABLE, try_vmsplice, target, data, timeout=timeout)


class Move:
    """One splice or tee under way; it waits for the side that is not ready: bytes in the source, room in the target."""

    def __init__(self, call: Callable[..., int | None], source: Descriptor, target: Descriptor, n: int) -> None:
        for end in (source, target):
            if not isinstance(end, Descriptor):
                raise TypeError(f"waiting needs one of our descriptors, not {type(end).__name__} (try_ takes any)")
        self.call, self.source, self.target, self.n = call, source, target, n
        self.full = False

    def attempt(self) -> int | None:
        """Move what can be moved now, else note which side is not ready."""
        done = self.call(self.source, self.target, self.n)
        # EAGAIN does not say which side is not ready: if the source has bytes, it is the target that is full.
        self.full = done is None and bool(_wait.ready_now(self.source, _wait.READABLE))
        return done

    def watched(self) -> tuple[tuple[Descriptor, int], ...]:
        """The side to sleep on."""
        return ((self.target, _wait.WRITABLE),) if self.full else ((self.source, _wait.READABLE),)
