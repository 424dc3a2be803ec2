"""How concurrency on shared memory is done: nobody reads what somebody else has half written.

Three guards, chosen by what the program needs:

============== ======================================== ====================================================
by             who excludes whom                        when a holder is killed
============== ======================================== ====================================================
"semaphore"    everybody (one at a time)                the kernel gives the semaphore back (SEM_UNDO)
"record_lock"  a writer everybody; readers share        the kernel drops the lock on the file's bytes
"seqlock"      nobody: readers copy, and repeat the     readers wait for the next writer, which makes it
               copy if the one writer was at work       whole again; their time-out ends that
============== ======================================== ====================================================

In the first two the body may be half written by a killed writer, and nobody is told: write so that it can be checked.
"""

from __future__ import annotations

import errno
import os

from .. import _wait
from .._call import explained, failure
from .._fd import Descriptor
from .._native.file import open_owned
from .._native.locks import OpenedHold, range_in_kernel, range_now
from .._native.seqlock import HEADER_BYTES, SEQUENCE_OFFSET, SeqLock, Writing
from .._native.wait import Word
from .._native.within import Closes, Lent, Together
from .._text import text_of
from .semaphore import Semaphore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    from typing_extensions import Buffer

    from .memory import Segment, SharedMemory

    Access: TypeAlias = Literal["read", "write"]

__all__ = ["Guarded"]

LOOK_NS = 100_000_000
"""A writer may be killed after its last change and before it has woken the readers: they look this often."""
WAYS = ("semaphore", "record_lock", "seqlock")


class Guarded(Closes):
    """A segment that is attached and guarded. Made by `SharedMemory.guarded`; closing it detaches.

    `read` and `write` copy; `reading` and `writing` give the bytes themselves for the time of a ``with``.

    Every process that uses the segment must use the same guard. The five fates: **close** detaches, and drops what is
    held. **remove** is the memory's. **fork**: the child may use its copy. **exec** detaches. **kill -9**: see above.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment

    @property
    def size_bytes(self) -> int:
        """How many bytes are guarded."""
        return self.segment.size_bytes

    @property
    def closed(self) -> bool:
        """Whether this was closed."""
        return self.segment.closed

    def read(self, size_bytes: int | None = None, offset_bytes: int = 0, timeout: float | None = None) -> bytes:
        """A whole copy: all bytes from one moment. ValueError if they are not all within."""
        start, end = self._range(size_bytes, offset_bytes)
        with self.reading(timeout) as body:
            return bytes(body[start:end])

    def write(self, data: Buffer, offset_bytes: int = 0, timeout: float | None = None) -> None:
        """Put these bytes there; readers see all of them or none. ValueError if they do not fit."""
        view = memoryview(data).cast("B")
        start, end = self._range(len(view), offset_bytes)
        with self.writing(timeout) as body:
            body[start:end] = view

    def reading(self, timeout: float | None = None) -> _Context:
        """For ``with``: the bytes, and nobody writes meanwhile."""
        raise NotImplementedError

    def writing(self, timeout: float | None = None) -> _Context:
        """For ``with``: the bytes to change, and nobody reads meanwhile."""
        raise NotImplementedError

    def _range(self, size_bytes: int | None, offset_bytes: int) -> tuple[int, int]:
        size = self.size_bytes - offset_bytes if size_bytes is None else size_bytes
        if offset_bytes < 0 or size < 0 or offset_bytes + size > self.size_bytes:
            raise ValueError(f"{size} bytes from {offset_bytes} are not within {self.size_bytes}")
        return offset_bytes, offset_bytes + size

    def remove(self) -> None:
        """Remove the segment and what guards it, for everybody. -- shmctl(2), IPC_RMID"""
        self.segment.source.remove()

    def close(self) -> None:
        """Detach. BufferError while views of the bytes are in use."""
        self.segment.detach()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.segment!r}>"


if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    _Context = AbstractContextManager[memoryview]


class BySemaphore(Guarded):
    """One at a time, by a System V semaphore with undo."""

    def __init__(self, segment: Segment, semaphore: Semaphore, own: bool) -> None:
        super().__init__(segment)
        self.semaphore, self._own = semaphore, own

    def _held(self, readonly: bool, timeout: float | None) -> _Context:
        return Together(self.semaphore.hold(undo=True, timeout=timeout), Lent(self.segment, readonly))

    def reading(self, timeout: float | None = None) -> _Context:
        """For ``with``: the bytes, and nobody else has them."""
        return self._held(True, timeout)

    def writing(self, timeout: float | None = None) -> _Context:
        """For ``with``: the bytes to change, and nobody else has them."""
        return self._held(False, timeout)

    def remove(self) -> None:
        """Remove the segment, and the semaphore if it came with the guard."""
        super().remove()
        if self._own:
            self.semaphore.remove()

    def close(self) -> None:
        """Detach."""
        super().close()
        if self._own:
            self.semaphore.close()


class ByRecordLock(Guarded):
    """Many readers or one writer, by an open-file-description lock on a file. -- fcntl(2), F_OFD_SETLKW

    Each hold opens the file anew: a lock belongs to the opening, so threads and forked children exclude each other too.
    """

    def __init__(self, segment: Segment, path: str) -> None:
        super().__init__(segment)
        self.path = path
        self._waiting: list[Descriptor] = []
        self._open(os.O_RDONLY).close()  # a missing file is told now

    def _open(self, flags: int) -> Descriptor:
        try:
            return open_owned(self.path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise explained(error, "open(2)", self.path) from None

    def _held(self, access: Access, timeout: float | None) -> _Context:
        return Together(OpenedHold(lambda: self._locked(access, timeout)), Lent(self.segment, access == "read"))

    def _locked(self, access: Access, timeout: float | None) -> Descriptor:
        """The file, open and locked; closing it unlocks."""
        deadline = _wait.Deadline(timeout)
        while True:  # ends: each turn somebody has replaced the file while we waited for the old one's lock
            file = self._open(os.O_RDONLY if access == "read" else os.O_RDWR)
            try:
                if not range_now(file.fileno(), "ofd", access, 0, 0, self.path):
                    self._wait(file, access, deadline)
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _wait(self, file: Descriptor, access: Access, deadline: _wait.Deadline) -> None:
        self._waiting.append(file)
        try:
            lock = (file.fileno(), "ofd", access, 0, 0, self.path)
            _wait.in_kernel(range_in_kernel, *lock, timeout=deadline.left(), name=self.path, on=file)
        finally:
            self._waiting.remove(file)

    def close(self) -> None:
        """Detach. Threads that wait for the lock get `ClosedError`."""
        super().close()
        for file in tuple(self._waiting):
            file.close()

    def reading(self, timeout: float | None = None) -> _Context:
        """For ``with``: the bytes, and nobody writes meanwhile."""
        return self._held("read", timeout)

    def writing(self, timeout: float | None = None) -> _Context:
        """For ``with``: the bytes to change, and nobody else has them."""
        return self._held("write", timeout)


class BySeqlock(Guarded):
    """One writer that never waits, and readers that copy. The first 64 bytes are the lock's; see seqlock.h.

    The first to write is the writer, until it closes or dies; another gets PermissionError, also another of the same
    process. (Pids tell, so all must be in the same pid namespace.)
    """

    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        self._lock = SeqLock(segment, not segment.readonly)
        self._word = Word(segment, SEQUENCE_OFFSET, segment.readonly)
        self._readers: list[None] = []  # one for each thread that reads
        self._closing = False

    @property
    def closed(self) -> bool:
        """Whether this was closed."""
        return self._closing

    @property
    def size_bytes(self) -> int:
        """How many bytes are guarded: the segment without the lock."""
        return self._lock.body_bytes

    def read(self, size_bytes: int | None = None, offset_bytes: int = 0, timeout: float | None = None) -> bytes:
        """A whole copy: all bytes from one moment; repeated while the writer is at work."""
        start, end = self._range(size_bytes, offset_bytes)

        def attempt() -> bytes | None:
            return self._lock.try_read(end - start, start)

        self._readers.append(None)
        try:
            return _wait.on_word(self._word, attempt, timeout, repr(self.segment), LOOK_NS)
        finally:
            self._readers.pop()
            if self._closing and not self._readers:
                super().close()

    def reading(self, timeout: float | None = None) -> _Context:
        """Not possible: a reader does not keep the writer out. TypeError."""
        raise TypeError("a seqlock's readers cannot hold the bytes still: use read(), which copies")

    def _begun(self, timeout: float | None) -> Writing:
        return Writing(self._lock, self._claim, self._word, timeout, self.segment.__repr__)

    def writing(self, timeout: float | None = None) -> _Context:
        """For ``with``: the bytes to change; readers wait meanwhile."""
        return Together(self._begun(timeout), Lent(self.segment, False, HEADER_BYTES))

    def write(self, data: Buffer, offset_bytes: int = 0, timeout: float | None = None) -> None:
        """Put these bytes there, at once. PermissionError if there is another writer."""
        view = memoryview(data).cast("B")
        start, _end = self._range(len(view), offset_bytes)
        with self._begun(timeout):
            self._lock.put(view, start)

    def _claim(self) -> LockType:
        """Be the writer, if there is none that lives; the turn that the threads of the writing process take."""
        if self.segment.readonly:
            raise TypeError("this segment is attached read-only")
        me = os.getpid()
        while self._lock.claimed != me:
            there = self._lock.writer
            if there and _alive(there):
                hint = f"process {there} is the one writer of this seqlock; it leaves by close(), or when it ends"
                raise failure(errno.EPERM, "seqlock", repr(self.segment), hint)
            self._lock.claim(there, me)
        return self._lock.turn

    def close(self) -> None:
        """Detach; if this was the writer, another may be it. Threads that wait for a whole copy get `ClosedError`."""
        if not self._closing:
            self._closing = True
            if self._lock.claimed == os.getpid():
                self._lock.claim(self._lock.claimed, 0)
            self._lock.close()
            self._word.wake()
            self._word.close()
        if not self._readers:  # else the last of them detaches
            super().close()


def _alive(pid: int) -> bool:
    """Whether the process can still write: one that has ended, and that nobody has waited for, cannot."""
    try:
        return text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def guarded(
    memory: SharedMemory, by: str | Semaphore, path: str | None, readonly: bool, timeout: float | None
) -> Guarded:
    """The segment of `memory`, attached and guarded."""
    if not isinstance(by, Semaphore) and by not in WAYS:
        raise ValueError(f"by must be {', '.join(map(repr, WAYS))} or a Semaphore, not {by!r}")
    if by == "record_lock":
        path = path or memory.key_path
        if path is None:
            raise ValueError("a record lock needs a file: give its path, or make the key with Key.ftok")
        return _attached(memory, readonly, lambda segment: ByRecordLock(segment, path))
    if by == "seqlock":
        return _attached(memory, readonly, BySeqlock)
    if isinstance(by, Semaphore):
        return _attached(memory, readonly, lambda segment: BySemaphore(segment, by, False))
    if not memory.key:
        raise ValueError("a private segment has no key for its semaphore: make a Semaphore and give it as `by`")
    semaphore = Semaphore.ensure(memory.key, 1, memory.stat().permissions.mode, timeout)
    return _attached(memory, readonly, lambda segment: BySemaphore(segment, semaphore, True))


def _attached(memory: SharedMemory, readonly: bool, guard: Callable[[Segment], Guarded]) -> Guarded:
    segment = memory.attach(readonly)
    try:
        return guard(segment)
    except BaseException:
        try:
            segment.detach()
        except BufferError:
            pass  # the failed guard still holds it; it goes with that
        raise
