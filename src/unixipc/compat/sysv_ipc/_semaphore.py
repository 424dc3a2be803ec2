"""Semaphores as sysv_ipc has them: each the first of its set."""

from __future__ import annotations

from errno import EACCES, EAGAIN, EEXIST, EIDRM, EINVAL, ENOENT, ENOMEM, ERANGE, ETIMEDOUT

from ..._native import sysv as _sysv
from .._arguments import c_int, c_long, c_short, seconds
from ._arguments import integer
from ._constants import IPC_CREX, IPC_EXCL, OWNER_MAY_WRITE, SEMAPHORE_VALUE_MAX
from ._errors import BusyError, ExistentialError, PermissionsError, Refusals, busy
from ._object import FIRST_OWN, Attribute, KernelObject, adopted, obtained, status
from ._window import entered, left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USING = Refusals(
    {
        ENOENT: (ExistentialError, "no semaphore has this key:"),
        EINVAL: (ExistentialError, "no semaphore has this id (any more):"),
        EEXIST: (ExistentialError, "a semaphore has this key already:"),
        EIDRM: (ExistentialError, "the semaphore was removed:"),
        EACCES: (PermissionsError, "not permitted on semaphore"),
        ERANGE: (ValueError, f"a semaphore's value stays within 0..{SEMAPHORE_VALUE_MAX} (SEMVMX):"),
        EAGAIN: (BusyError, "not possible now on semaphore"),
        ETIMEDOUT: (BusyError, "not possible within the timeout on semaphore"),
        ENOMEM: (MemoryError, "the kernel has no memory for this:"),
    }
)


class Semaphore(KernelObject):
    """A counter that never falls below 0. ``with semaphore:`` acquires and releases. -- semget(2)

    `flags`: 0 opens the semaphore of this key, IPC_CREAT makes it if it is missing, IPC_CREX makes a new one. With
    IPC_CREAT, also without IPC_EXCL, its value becomes `initial_value`, unless `mode` lets the owner only read. Another
    process may see a new one before that: `o_time` is 0 until the first operation.
    """

    __slots__ = ("_block", "_handle", "_key", "_undo")
    _looking = USING
    _kind = "Semaphore"

    def __init__(self, key: int | None, flags: int = 0, mode: int = 0o600, initial_value: int = 0) -> None:
        flags, mode, initial_value = c_int(flags), c_int(mode), c_int(initial_value)
        self._block, self._undo = True, False
        wanted = flags & IPC_CREX
        with USING:
            self._handle = obtained(lambda k: _sysv.get_set(_sysv.SetCalls, k, 1, mode | wanted), key, flags, mode)
            self._key = self._handle.key_value
            if wanted and mode & OWNER_MAY_WRITE:
                self._initialise(initial_value, wanted & IPC_EXCL)

    def _initialise(self, value: int, made: int) -> None:
        try:
            self._handle.set_value(0, value)
        except BaseException:
            if made:
                self._handle.remove()
            raise

    def _operate(self, change: int, timeout: float | None) -> None:
        with USING:
            if self._block and timeout != 0:
                self._handle.op((0, change), undo=self._undo, timeout=timeout)
            elif not self._handle.try_op((0, change), undo=self._undo):
                raise busy(f"not possible now on semaphore {self._handle.name}", EAGAIN)

    def acquire(self, timeout: float | None = None, delta: int = 1) -> None:
        """Take `delta` (its sign does not matter) from the value, waiting until it is that large. -- semop(2)

        `timeout` in seconds, None for ever, 0 not at all: BusyError then, and if `block` is False.
        """
        self._operate(-_step(delta), seconds(timeout))

    def release(self, delta: int = 1) -> None:
        """Add `delta` (its sign does not matter) to the value; ValueError beyond SEMAPHORE_VALUE_MAX. -- semop(2)"""
        self._operate(_step(delta), None)

    def P(self, timeout: float | None = None, delta: int = 1) -> None:
        """The same as `acquire`."""
        self._operate(-_step(delta), seconds(timeout))

    def V(self, delta: int = 1) -> None:
        """The same as `release`."""
        self._operate(_step(delta), None)

    def Z(self, timeout: float | None = None) -> None:
        """Wait until the value is 0; `timeout` as for `acquire`. -- semop(2)"""
        self._operate(0, seconds(timeout))

    def remove(self) -> None:
        """Remove it at once; who waits there gets ExistentialError. -- semctl(2), IPC_RMID"""
        with USING:
            self._handle.remove()

    __enter__, __exit__ = entered, left

    def _get(self, what: str) -> int:
        with USING:
            value: int = self._handle.get(0, what)
        return value

    def _set_value(self, value: Any) -> None:
        with USING:
            self._handle.set_value(0, c_long(integer(value, "value")))

    value = Attribute(lambda semaphore: semaphore._get("value"), _set_value)
    """How many could be acquired now. Setting it forgets what `undo` would have undone, in every process."""
    block = Attribute(
        lambda semaphore: semaphore._block, lambda semaphore, value: setattr(semaphore, "_block", bool(value))
    )
    """Whether this object's operations wait; if not, they raise BusyError where they would."""
    undo = Attribute(
        lambda semaphore: semaphore._undo, lambda semaphore, value: setattr(semaphore, "_undo", bool(value))
    )
    """Whether the kernel takes this object's operations back when this process ends, however it does (SEM_UNDO)."""
    last_pid = Attribute(lambda semaphore: semaphore._get("last_pid"))
    """Who operated on it or set it last; 0 for nobody."""
    waiting_for_nonzero = Attribute(lambda semaphore: semaphore._get("waiters"))
    """How many wait in `acquire`."""
    waiting_for_zero = Attribute(lambda semaphore: semaphore._get("zero_waiters"))
    """How many wait in `Z`."""
    o_time = Attribute(status(FIRST_OWN + 1))
    """When somebody operated on it last, in seconds since 1970; 0 for never."""


def _step(delta: Any) -> int:
    step = abs(c_short(delta))
    if not step:
        raise ValueError("The delta must be non-zero")  # in its own words: programs compare them; Z() waits for zero
    return step


def remove_semaphore(id: int, /) -> None:
    """Remove the semaphore of this id. -- semctl(2), IPC_RMID"""
    with USING:
        adopted(_sysv.SetCalls, c_int(id)).remove()
