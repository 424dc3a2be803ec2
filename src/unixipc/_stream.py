"""What every byte stream can do beyond one read and one write: exactly n bytes, all the bytes, wait for both."""

from __future__ import annotations

from . import _wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from typing_extensions import Buffer

    class Source(Protocol):
        """The reading side of a pipe, FIFO or stream socket."""

        @property
        def name(self) -> object: ...
        def fileno(self) -> int: ...
        def try_read(self, n: int) -> bytes | None: ...
        def keep(self, data: bytes) -> None: ...

    class Sink(Protocol):
        """The writing side of a pipe, FIFO or stream socket."""

        @property
        def name(self) -> object: ...
        def fileno(self) -> int: ...
        def try_write(self, data: Buffer) -> int | None: ...


class ReadExactly:
    """One read_exactly under way: `attempt` takes what is there, `give_back` puts it back in front of the stream."""

    def __init__(self, source: Source, n: int) -> None:
        if n < 0:
            raise ValueError(f"cannot read {n} bytes")
        self.source, self.wanted, self.missing = source, n, n
        self.parts: list[bytes] = []

    def attempt(self) -> bytes | None:
        """All bytes, or None for not now; EOFError when the stream ends before."""
        self.source.fileno()  # a closed handle is an error even for 0 bytes
        while self.missing:
            part = self.source.try_read(self.missing)
            if part is None:
                return None
            if not part:
                raise EOFError(
                    f"{self.source.name or 'stream'}: it ended {self.wanted - self.missing} bytes into "
                    f"the {self.wanted} asked for (read() gives them)"
                )
            self.parts.append(part)
            self.missing -= len(part)
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)

    def give_back(self) -> None:
        """Leave what came for the next read."""
        if self.parts:
            self.source.keep(b"".join(self.parts))


def try_read_exactly(source: Source, n: int) -> bytes | None:
    """All `n` bytes, or None and what came so far stays for the next read; EOFError when the stream ends before."""
    job, data = ReadExactly(source, n), None
    try:
        data = job.attempt()
    finally:
        if data is None:
            job.give_back()
    return data


class WriteAll:
    """One write_all under way: `attempt` pushes what fits, `written` tells how far it came."""

    def __init__(self, sink: Sink, data: Buffer, written: int = 0) -> None:
        self.sink = sink
        self.left = memoryview(data).cast("B")[written:]
        self.written = written

    def attempt(self) -> bool | None:
        """True when all is written, None for not now."""
        self.sink.fileno()  # a closed handle is an error even for 0 bytes
        while self.left:
            done = self.sink.try_write(self.left)
            if done is None:
                return None
            self.written += done
            self.left = self.left[done:]
        return True

    def explain(self, error: BaseException) -> None:
        """Tell whoever catches `error` how many bytes went: a byte stream cannot take them back."""
        error.written_bytes = self.written  # type: ignore[attr-defined]
        if isinstance(error, TimeoutError) and self.written:
            error.__notes__.clear()  # they say that nothing was changed
        error.add_note(f"{self.written} bytes had been written, {len(self.left)} had not")


class Reading:
    """`read_exactly` for a readable end (mixed into the native ends)."""

    __slots__ = ()

    def try_read_exactly(self: Source, n: int) -> bytes | None:
        """All `n` bytes if they are here; None for not now (what came stays for the next read)."""
        return try_read_exactly(self, n)

    def read_exactly(self: Source, n: int, timeout: float | None = None) -> bytes:
        """Wait for exactly `n` bytes. EOFError if the stream ends before; a time-out loses nothing. -- read(2)"""
        job = ReadExactly(self, n)
        try:
            return _wait.on_descriptor(self, _wait.READABLE, job.attempt, timeout=timeout)  # type: ignore[arg-type]
        except BaseException:
            job.give_back()
            raise


class Writing:
    """`write_all` for a writable end (mixed into the native ends)."""

    __slots__ = ()

    def write_all(self: Sink, data: Buffer, timeout: float | None = None) -> None:
        """Write every byte. An error has `written_bytes`: how many went before it. -- write(2)"""
        if timeout is not None:
            _wait.checked_ns(timeout)  # a bad one is an error before anything is written
        written = 0
        try:
            written = self.try_write(data) or 0  # most often that is all of it
            if type(data) is bytes and written == len(data):
                return
        except BaseException as error:
            WriteAll(self, data).explain(error)
            raise
        job = WriteAll(self, data, written)
        try:
            _wait.on_descriptor(self, _wait.WRITABLE, job.attempt, timeout=timeout)  # type: ignore[arg-type]
        except BaseException as error:  # Ctrl-C too: the caller may want to know
            job.explain(error)
            raise
