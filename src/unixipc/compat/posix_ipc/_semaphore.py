"""Named semaphores as posix_ipc has them."""

from __future__ import annotations

import os
from errno import EACCES, EAGAIN, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOMEM, EPERM, ETIMEDOUT
from operator import index

from ..._call import failure
from ..._creation import create_or_open
from ..._native import posix as _posix
from .._arguments import c_int, seconds
from ._constants import DEFAULT_MODE, O_CREAT, O_CREX, O_EXCL
from ._errors import REFUSED, BusyError, ExistentialError, PermissionsError, Refusals, busy
from ._names import Named, checked_name, mode_attribute, mode_to_give, name_to_unlink, obtained
from ._notify import entered, left

MOST_BYTES = 255
"""NAME_MAX: the C library looks no further. (The kernel's own limit comes first: it keeps 4 bytes for "sem.".)"""

OBTAINING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted to open semaphore"),
        EEXIST: (ExistentialError, "a semaphore has this name already:"),
        ENOENT: (ExistentialError, "no semaphore has this name:"),
        EINVAL: (ValueError, "not a name for a semaphore, or not a value for one (0..SEMAPHORE_VALUE_MAX):"),
        ENAMETOOLONG: (ValueError, "the name is too long:"),
        ENOMEM: (MemoryError, "there is no memory for semaphore"),
    }
)
USING = Refusals(
    {
        EINVAL: (ExistentialError, "no such semaphore:"),
        EAGAIN: (BusyError, "not possible now on semaphore"),
        ETIMEDOUT: (BusyError, "not possible within the timeout on semaphore"),
    }
)
UNLINKING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted to unlink semaphore"),
        EPERM: (PermissionsError, "not permitted to unlink semaphore"),
        ENOENT: (ExistentialError, "no semaphore has this name:"),
        EINVAL: (ExistentialError, "no semaphore can have this name:"),
        ENAMETOOLONG: (ValueError, "the name is too long:"),
    }
)


class Semaphore(Named):
    """A counter that never falls below 0. ``with semaphore:`` acquires and releases. -- sem_open(3)

    `flags`: 0 opens the semaphore of this name, O_CREAT makes it if it is missing, O_CREX makes a new one. `mode` (less
    the umask) and `initial_value` are for new ones.
    """

    __slots__ = ("_handle",)
    _kind = "Semaphore"
    _looking = USING
    _handle: _posix.SemaphoreCalls

    def __init__(self, name: str | None, flags: int = 0, mode: int = DEFAULT_MODE, initial_value: int = 0) -> None:
        checked, flags, mode = checked_name(name), c_int(flags), c_int(mode)
        value = index(initial_value)
        self._name, self._handle = obtained(lambda name: _obtained(name, flags, mode, value), checked, flags)
        self._mode = mode_attribute(mode)

    def acquire(self, timeout: float | None = None) -> None:
        """Take one from the value, waiting until it is above 0. -- sem_wait(3)

        `timeout` in seconds, None for ever, 0 not at all: BusyError then.
        """
        limit = seconds(timeout)
        try:
            if limit != 0:
                self._handle.acquire(limit)
                return
            got = self._handle.try_acquire()
        except REFUSED:  # entering USING in any case would cost more than the semaphore
            with USING:
                raise
        if not got:
            raise busy(f"not possible now on semaphore {self._name}", EAGAIN)

    def release(self) -> None:
        """Add one to the value. -- sem_post(3)"""
        try:
            self._handle.release()
        except REFUSED:
            with USING:
                raise

    def close(self) -> None:
        """Forget it; who waits here in another thread gets ExistentialError, and so does all that is done with it."""
        with USING:
            self._handle.check_open()
            self._handle.close()

    def unlink(self) -> None:
        """Take its name away; who has it open keeps it. -- sem_unlink(3)"""
        with UNLINKING:
            self._handle.check_open()
            _posix.unlink_semaphore(_word(self._name))

    @property
    def value(self) -> int:
        """How many could be acquired now. -- sem_getvalue(3)"""
        with USING:
            return self._handle.value

    __enter__, __exit__ = entered, left


def _obtained(name: str, flags: int, mode: int, value: int) -> _posix.SemaphoreCalls:
    with OBTAINING:
        word, kind = _word(name), _posix.SemaphoreCalls
        if not flags & O_CREAT:
            return _posix.open_semaphore(kind, word)
        given = mode_to_give(mode)

        def create() -> _posix.SemaphoreCalls:
            return _posix.open_semaphore(kind, word, O_CREX, given, value)

        if flags & O_EXCL:
            return create()
        try:
            return create_or_open(create, lambda: _posix.open_semaphore(kind, word))
        except OSError as error:
            if error.errno != EINVAL:
                raise
            return _there_or(error, word)


def _there_or(impossible: OSError, word: str) -> _posix.SemaphoreCalls:
    """The semaphore that has the name: a value that none can have matters only where one is made."""
    try:
        return _posix.open_semaphore(_posix.SemaphoreCalls, word)
    except FileNotFoundError:
        raise impossible from None


def _word(name: str) -> str:
    """The name with one slash in front: the C library takes any number there, and none elsewhere."""
    word = name.lstrip("/")
    if not word or "/" in word or len(os.fsencode(word)) > MOST_BYTES:
        raise failure(EINVAL, "sem_open(3)", name, 'a name is "/" and one word')
    return "/" + word


def unlink_semaphore(name: str, /) -> None:
    """Take a semaphore's name away. -- sem_unlink(3)"""
    with UNLINKING:
        _posix.unlink_semaphore(_word(name_to_unlink(name)))
