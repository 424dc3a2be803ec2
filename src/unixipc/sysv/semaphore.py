"""Semaphore sets: counters changed together in one atomic step, given back when their holder dies. -- sysvipc(7)

>>> from unixipc.sysv import SemaphoreSet
>>> with SemaphoreSet.temporary(initial=[1, 0, 5]) as s:
...     s.op((0, -1), (1, +2))          # both, or neither
...     with s[2].hold(undo=True):      # given back at the end, and when we are killed
...         s.values
(0, 2, 4)
"""

from __future__ import annotations

from .._at_exit import close_at_exit
from .._creation import checked_mode
from .._native import sysv as _sysv
from .._native.sysv import Hold
from .._record import record
from . import _initialisation
from ._object import Permissions, adopt, given, named, one_value, permissions_of, values_of
from .key import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Self

__all__ = ["Op", "Semaphore", "SemaphoreSet", "SetStat"]

PATIENCE_S = 10.0


@record
class Op:
    """One operation of an array: change semaphore `index` by `change` (0: wait until it is 0).

    `undo`: as the whole call unless said here. `nowait`: if this one is not possible now, the call fails with
    BlockingIOError instead of waiting (IPC_NOWAIT).
    """

    index: int
    change: int
    undo: bool | None = None
    nowait: bool = False


@record
class SetStat:
    """A set at one moment. Times are whole seconds since 1970; `operated_at` is None before the first semop."""

    id: int
    permissions: Permissions
    semaphores: int
    operated_at: int | None
    changed_at: int


def set_stat(raw: tuple[Any, ...]) -> SetStat:
    """From what the kernel gives."""
    number, permissions, semaphores, operated, changed = raw
    return SetStat(number, permissions_of(permissions), semaphores, operated or None, changed)


class SemaphoreSet(_sysv.SetCalls):
    """A set, by key or id. `create` (must not exist), `open` (must), `ensure` (either), `temporary` (gone at close).

    ``SemaphoreSet(id)`` takes the set of an id. Nobody who uses these ever sees a set before its initial values are in
    place, and a creator that was killed half-way is taken over (docs/design/semaphore-initialisation.md).

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(ERANGE) beyond 0..32767; OSError(E2BIG) for
    more operations than one call may have; OSError(EFBIG) for an index that the set does not have; OSError(EINVAL),
    OSError(ENOSPC) beyond the limits of kernel.sem; `ObjectRemoved` when the set was removed.

    The kernel is not fair: who asks for less may go first.

    The five fates: **close** forgets the id; the set lives on. **remove** destroys it at once; who waits gets
    `ObjectRemoved`. **fork** changes nothing: undo stays the parent's. **exec** keeps the undo. **kill -9**: every
    change that was made with undo is taken back by the kernel; what was made without stays for ever.
    """

    def __init__(self, id: int) -> None:
        adopt(self, id)

    @classmethod
    def create(cls, key: int, initial: Sequence[int], mode: int = 0o600, timeout: float | None = PATIENCE_S) -> Self:
        """Make a new set of ``len(initial)`` semaphores. FileExistsError if the key is in use. -- semget(2)

        `timeout` is for the lock of the namespace, under which sets are made.
        """
        return _initialisation.create(cls, Key(key).signed, values_of(initial), checked_mode(mode), timeout)

    @classmethod
    def open(cls, key: int, timeout: float | None = PATIENCE_S) -> Self:
        """The set of this key. If it is just being made, wait until its values are in place. -- semget(2)

        Needs read permission, to see that they are. BlockingIOError if nobody has ever given it values.
        """
        return _initialisation.open(cls, named(key), timeout)

    @classmethod
    def ensure(cls, key: int, initial: Sequence[int], mode: int = 0o600, timeout: float | None = PATIENCE_S) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- semget(2)

        Exactly one initialises it; the others wait for that, at most `timeout`. A set that exists keeps its values.
        """
        return _initialisation.ensure(cls, Key(key).signed, values_of(initial), checked_mode(mode), timeout)

    @classmethod
    def temporary(cls, initial: Sequence[int], mode: int = 0o600) -> Self:
        """A set without a key, removed at `close`, at the latest when the interpreter ends. -- semget(2)

        Children inherit it, and pickling passes it to others. After kill -9 it is left over: the kernel has no set that
        ends with its maker.
        """
        return close_at_exit(_initialisation.temporary(cls, values_of(initial), checked_mode(mode)))

    @property
    def key(self) -> Key:
        """The key; `Key.PRIVATE` if it has none, or may not be read."""
        return Key(self.key_value)

    @property
    def values(self) -> tuple[int, ...]:
        """Every value at one moment. -- semctl(2), GETALL"""
        return self.get_all()

    def set(self, values: Iterable[int]) -> None:
        """Reset every value at once. For repairs only: every process's undo is forgotten. -- semctl(2), SETALL"""
        self.set_all(values)

    def stat(self) -> SetStat:
        """The set at this moment. -- semctl(2), IPC_STAT"""
        return set_stat(self.status())

    def set_permissions(self, mode: int | None = None, uid: int | None = None, gid: int | None = None) -> None:
        """Change mode or owner; None leaves it as it is. -- semctl(2), IPC_SET"""
        self.change(*given(mode, uid, gid))

    def __len__(self) -> int:
        """How many semaphores it has."""
        return self.size()

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int) -> Semaphore:
        """One semaphore; negative numbers count from the end. IndexError if there is none."""
        try:
            size = len(self)
        except PermissionError:  # we may not look how many there are
            return Semaphore(self, index)
        if not -size <= index < size:
            raise IndexError(f"{self!r} has {size} semaphores, there is no {index}")
        return Semaphore(self, index % size)

    def __iter__(self) -> Iterator[Semaphore]:
        """Its semaphores."""
        return (Semaphore(self, index) for index in range(len(self)))

    def __reduce__(self) -> tuple[object, ...]:
        self.check_open()
        return type(self), (self.id,)


class Semaphore(_sysv.OneSemaphore):
    """One semaphore: an item of a set (``s[0]``), or a set of one (`create`, `open`, `ensure`, `temporary`).

    Its fates and errors are those of `SemaphoreSet`. Where it is a set of its own, ``with`` and `close` close that;
    ``with semaphore.hold():`` is what acquires and releases.
    """

    @classmethod
    def create(cls, key: int, initial: int, mode: int = 0o600, timeout: float | None = PATIENCE_S) -> Self:
        """Make a set of one. FileExistsError if the key is in use. -- semget(2)"""
        return cls._own(SemaphoreSet.create(key, [one_value(initial)], mode, timeout))

    @classmethod
    def open(cls, key: int, timeout: float | None = PATIENCE_S) -> Self:
        """The first semaphore of the set of this key. -- semget(2)"""
        return cls._own(SemaphoreSet.open(key, timeout))

    @classmethod
    def ensure(cls, key: int, initial: int, mode: int = 0o600, timeout: float | None = PATIENCE_S) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- semget(2)"""
        return cls._own(SemaphoreSet.ensure(key, [one_value(initial)], mode, timeout))

    @classmethod
    def temporary(cls, initial: int, mode: int = 0o600) -> Self:
        """A set of one without a key, removed at `close`, at the latest when the interpreter ends. -- semget(2)"""
        return cls._own(SemaphoreSet.temporary([one_value(initial)], mode))

    @classmethod
    def _own(cls, one: SemaphoreSet) -> Self:
        semaphore = cls(one, 0)
        semaphore._owns = True
        return semaphore

    _owns = False

    @property
    def value(self) -> int:
        """How many could be acquired at this moment. Setting it forgets every process's undo. -- semctl(2), GETVAL"""
        return self.set.get(self.index, "value")

    @value.setter
    def value(self, value: int) -> None:
        self.set.set_value(self.index, value)

    @property
    def last_pid(self) -> int:
        """Who changed it last; 0 for nobody, or a process of another pid namespace. -- semctl(2), GETPID"""
        return self.set.get(self.index, "last_pid")

    @property
    def waiters(self) -> int:
        """How many wait for the value to rise. -- semctl(2), GETNCNT"""
        return self.set.get(self.index, "waiters")

    @property
    def zero_waiters(self) -> int:
        """How many wait for the value to become 0. -- semctl(2), GETZCNT"""
        return self.set.get(self.index, "zero_waiters")

    def hold(self, n: int = 1, undo: bool = True, timeout: float | None = None) -> Hold:
        """For ``with``: acquire at the start, release at the end. With `undo` (the default) also when we are killed."""
        return Hold(self, n, undo, timeout)

    @property
    def name(self) -> object:
        """What errors call it."""
        return self.set.name

    @property
    def key(self) -> Key:
        """The set's key."""
        return Key(self.set.key_value)

    @property
    def id(self) -> int:
        """The set's id."""
        return self.set.id

    @property
    def closed(self) -> bool:
        """Whether the set's handle was closed."""
        return self.set.closed

    def check_open(self) -> None:
        """`ClosedError` once the set's handle is closed."""
        self.set.check_open()

    def stat(self) -> SetStat:
        """The set at this moment. -- semctl(2), IPC_STAT"""
        return set_stat(self.set.status())

    def close(self) -> None:
        """Forget the set, if it is this semaphore's own; an item of a set closes nothing."""
        if self._owns:
            self.set.close()

    def remove(self) -> None:
        """Remove the set, if it is this semaphore's own. TypeError for an item of a set. -- semctl(2), IPC_RMID"""
        if not self._owns:
            raise TypeError("one semaphore cannot be removed from a set: remove the set")
        self.set.remove()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semaphore) and (self.id, self.index) == (other.id, other.index)

    def __hash__(self) -> int:
        return hash((self.id, self.index))

    def __repr__(self) -> str:
        return f"<Semaphore {self.index} of {self.set!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _unpickled, (self.set, self.index, self._owns)


def _unpickled(owner: SemaphoreSet, index: int, owns: bool) -> Semaphore:
    semaphore = Semaphore(owner, index)
    semaphore._owns = owns
    return semaphore
