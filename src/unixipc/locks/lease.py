"""Leases: to be told, and waited for, when somebody else is about to open a file. -- fcntl(2), F_SETLEASE

>>> import tempfile
>>> from unixipc.locks import Lease
>>> path = tempfile.NamedTemporaryFile(delete=False).name
>>> with Lease(path, "read") as lease:            # what I have read of it stays so
...     lease.held, lease.breaking
('read', None)
>>> import os; os.remove(path)
"""

from __future__ import annotations

import os
import weakref

from .. import _wait
from .._call import name_holders
from .._fd import number_of
from .._native.lease import LeaseCalls
from ..errors import ClosedError
from ._holders import opened_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from ._lock import PathOrFile

__all__ = ["Lease"]

_all: weakref.WeakSet[Lease] = weakref.WeakSet()


class Lease(LeaseCalls):
    """A lease on a file: who opens it against the lease waits until its holder has given way. -- fcntl(2), F_SETLEASE

    "read": nobody has it open for writing; opening it for writing, or truncating it, breaks the lease. "write": nobody
    else has it open at all; every open breaks it. So what the holder has in memory (read, or not yet written) is the
    truth until the break, and it has time to put that right: until it gives way, or /proc/sys/fs/lease-break-time
    (45 s) has passed, when the kernel takes the lease. Openings of the holder's own count too: read and write through
    this one (`fileno()`). A path is opened for reading, or ("write") for reading and writing; of an open file the lease
    has a descriptor of its own, and its signal owner (F_SETOWN) is the lease's. Only what is open for reading alone can
    be downgraded to "read", when somebody wants to read.

    A break is noticed by who waits (`wait_for_break`, in any thread; awaitable in `unixipc.aio`), and by nobody else:
    no handler, no mask and no signal of yours is touched. With `on_break` a thread of the lease's own waits while it is
    held, calls ``on_break(lease)``, and gives way when that returns or raises. ``with`` acquires it, and closes it.

    Errors: BlockingIOError, as others have the file open, or have a lease on it; PermissionError (EACCES): neither the
    file's owner nor CAP_LEASE; OSError(EINVAL): no regular file, or a file system without leases.

    The five fates: **close** releases it. **remove** and renaming do not break it. **fork**: the child has none, and
    does not keep its parent's alive (but with an open file of yours, which the child has too). **exec** and
    **kill -9** release it; who waited for it opens the file at once.
    """

    def __init__(
        self, file: PathOrFile, kind: Literal["read", "write"], *, on_break: Callable[[Lease], object] | None = None
    ) -> None:
        if kind not in ("read", "write"):
            raise ValueError(f"kind must be 'read' or 'write', not {kind!r}")
        self.on_break = on_break
        self._term: object = None  # one from each acquire on: who watches for an earlier one is through
        is_path = isinstance(file, (str, bytes, os.PathLike))
        super().__init__(os.fspath(file) if is_path else number_of(file), kind)  # type: ignore[arg-type]
        _all.add(self)

    def try_acquire(self) -> bool:
        """Hold the lease now; False if others have the file open (for "read": for writing). -- fcntl(2), F_SETLEASE"""
        if not super().try_acquire():
            return False
        self._term = object()
        if self.on_break is not None:
            try:
                _start_watching(self, self.on_break, self._term)
            except BaseException:
                self.release()
                raise
        return True

    def acquire(self) -> None:
        """The same, or BlockingIOError, which tells who has it open.

        It never waits: the kernel tells nobody when others have closed the file.
        """
        if not self.try_acquire():
            try:
                self.refuse_now()
            except BlockingIOError as error:
                name_holders(error, opened_by(self.fileno()))
                raise

    @property
    def breaking(self) -> Literal["read", "nothing"] | None:
        """None, or what the holder may keep, as somebody waits for it to give way. -- fcntl(2), F_GETLEASE"""
        return None if self.closed or self.held is None else self.try_wait_for_break()

    def wait_for_break(self, timeout: float | None = None) -> Literal["read", "nothing"]:
        """Wait until somebody wants to open the file; what may be kept: a "read" lease, or "nothing". -- fcntl(2)

        RuntimeError if it is not held, or is released meanwhile; TimeoutError: it is held as before.
        """
        if (found := self.try_wait_for_break()) is not None:
            return found
        return _wait.in_kernel(self.sleep_until_break, timeout=timeout, name=self.name, on=self)

    def give_way(self) -> None:
        """Downgrade, if that is enough for who waits, else release; nothing if nobody waits. TimeoutError: too late."""
        if self.breaking == "read":
            try:
                self.downgrade()
            except (RuntimeError, BlockingIOError):
                pass  # somebody else came, who wants to write
        if self.breaking is not None:
            self.release()

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.held or "not held"
        return f"<{type(self).__name__} {self.name!r} {self.kind}: {state}>"


_OVER = object()


def _start_watching(lease: Lease, on_break: Callable[[Lease], object], term: object) -> None:
    from threading import Thread

    Thread(target=_watch, args=(lease, on_break, term), name=f"unixipc {lease!r}", daemon=True).start()


def _watch(lease: Lease, on_break: Callable[[Lease], object], term: object) -> None:
    """The thread of a lease with `on_break`, from one acquire to its release."""

    def sleep() -> object:
        return _OVER if lease._term is not term else lease.sleep_until_break()

    while lease._term is term:
        try:
            found = _wait.in_kernel(sleep, timeout=None, name=lease.name, on=lease)
        except (RuntimeError, ClosedError):
            return
        if found is _OVER or lease._term is not term:
            return
        try:
            on_break(lease)
        finally:
            _give_way_if_held(lease)


def _give_way_if_held(lease: Lease) -> None:
    try:
        lease.give_way()
    except (RuntimeError, ClosedError):
        pass  # another thread did, just now


def _forget_in_child() -> None:
    """The parent still holds them; a copy here would keep them alive when it is killed."""
    for lease in list(_all):
        lease.forget()


os.register_at_fork(after_in_child=_forget_in_child)
