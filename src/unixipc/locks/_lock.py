"""What a lock on a file is, whichever call makes it: files, forks, conversions, who holds it."""

from __future__ import annotations

import operator
import os
import weakref

from .._creation import checked_mode
from .._fd import number_of
from .._native.locks import Hold, LockCalls
from . import _file_systems
from ._holders import holders_of, kept_out_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, TypeAlias

    from .._fd import HasFileno
    from ._holders import Holder

    PathOrFile: TypeAlias = "str | bytes | os.PathLike[str] | int | HasFileno"

_all: weakref.WeakSet[FileLocking] = weakref.WeakSet()


class FileLocking(LockCalls):
    """A lock on a file; ``with`` acquires and releases it. The base of `FileLock` and `RecordLock`."""

    def __init__(
        self,
        file: PathOrFile,
        kind: str,
        *,
        shared: bool,
        start: int = 0,
        length: int = 0,
        whence: str = "start",
        mode: int = 0o600,
        trust_file_system: bool = False,
        timeout: float | None = None,
    ) -> None:
        start, length = operator.index(start), operator.index(length)
        if mode != -1:
            checked_mode(mode)
        self.kind, self.length_bytes = kind, length
        self.file: object = None
        if isinstance(file, (str, bytes, os.PathLike)):
            super().__init__(os.fspath(file), -1, kind, shared, start, length, mode, timeout, whence)
        else:
            super().__init__(None, number_of(file), kind, shared, start, length, mode, timeout, whence)
            self.file = file  # kept open as long as we are
        if not trust_file_system:
            try:
                _file_systems.check(self.fileno(), kind, self.name)
            except BaseException:
                self.close()
                raise
        _all.add(self)

    def reading(self, timeout: float | None = None) -> Hold[Self]:
        """For ``with``: hold it shared. -- flock(2), fcntl(2)"""
        return Hold(self, True, timeout)

    def writing(self, timeout: float | None = None) -> Hold[Self]:
        """For ``with``: hold it alone. -- flock(2), fcntl(2)"""
        return Hold(self, False, timeout)

    def try_upgrade(self) -> bool:
        """Make the shared lock that we hold exclusive, now and in one step; False if others share it. -- flock(2)

        After False a record lock is still held, shared. A flock is lost (`held` says so): the kernel removes the old
        lock before it looks for the new one.
        """
        return self.convert(False)

    def upgrade(self, timeout: float | None = None) -> bool:
        """Make the shared lock that we hold exclusive. Whether nobody else had it in between. -- flock(2), fcntl(2)

        True: it was changed in one step. False: others shared it, so it was given up and waited for (two that kept
        theirs would wait for each other for ever), and somebody may have written meanwhile: read again.
        TimeoutError, or any other error: it is not held any more.
        """
        if self.try_upgrade():
            return True
        self.give_up()
        try:
            self.acquire(timeout, False)
        except BaseException as error:
            error.add_note(GIVEN_UP)
            raise
        return False

    def downgrade(self) -> None:
        """Share the exclusive lock that we hold; nobody else has it alone in between. -- flock(2), fcntl(2)"""
        if not self.convert(True):
            raise RuntimeError(f"{self!r} was lost")  # Linux has no reason to refuse it

    def holders(self) -> list[Holder]:
        """Who holds locks on this file, of any kind, as far as can be seen from here. -- proc_locks(5)

        A lock that belongs to an opening is told once for each process that has the opening now.
        """
        return holders_of(self.fileno() if self.path is None else self.path)

    def waiters(self) -> list[Holder]:
        """Who sleeps until it gets a lock on this file, and the lock it will hold then. -- proc_locks(5)"""
        return holders_of(self.fileno() if self.path is None else self.path, waiting=True)

    def held_by(self, shared: bool | None = None) -> tuple[str, list[int]]:
        """Who keeps us out, as a sentence, and their pids as far as they are known."""
        if self.held:
            return "another thread or task of this process holds it, by this very object", [os.getpid()]
        how = self.shared if shared is None else shared
        file = self.fileno() if self.path is None else self.path
        return kept_out_by(file, self.kind, how, self.first_byte(), self.length_bytes)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a lock cannot be pickled: make one from the path in the other process")

    def __repr__(self) -> str:
        state = "closed" if self.closed else "free" if not self.held else "held"
        how = " shared" if self.held_shared else ""
        return f"<{type(self).__name__} {self.name!r} {state}{how}>"


GIVEN_UP = "upgrade: the shared lock was given up for it, and is not held any more"


def _forget_in_child() -> None:
    """A forked child holds nothing, and its copies of the descriptors must not keep its parent's locks alive."""
    for lock in list(_all):
        lock.forget()


os.register_at_fork(after_in_child=_forget_in_child)
