"""Built of one semaphore set each: a reader-writer lock and a barrier that survive kill -9. -- semop(2)

All of it is undo: what a process holds, or that it has arrived, is taken back by the kernel when the process ends. And
both begin with all values 0, which is what the kernel makes: there is nothing to initialise but the barrier's number.
"""

from __future__ import annotations

from functools import partial

from .._native.within import Closes, Held
from .semaphore import Op, SemaphoreSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Barrier", "ReadWriteLock"]


class _OnOneSet(Closes):
    """Has a `SemaphoreSet`; closing, removing and pickling are the set's."""

    SIZE = 0

    def __init__(self, semaphores: SemaphoreSet) -> None:
        if len(semaphores) != self.SIZE:
            raise ValueError(f"{type(self).__name__} needs a set of {self.SIZE}, not of {len(semaphores)} semaphores")
        self.semaphores = semaphores

    @property
    def closed(self) -> bool:
        """Whether the set's handle was closed."""
        return self.semaphores.closed

    def check_open(self) -> None:
        """`ClosedError` once the set's handle is closed."""
        self.semaphores.check_open()

    def close(self) -> None:
        """Forget the set; a temporary one is removed."""
        self.semaphores.close()

    def remove(self) -> None:
        """Remove the set; who waits gets `ObjectRemoved`. -- semctl(2), IPC_RMID"""
        self.semaphores.remove()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.semaphores!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.semaphores,)


def _held(index: int, change: int) -> Op:
    """Taken back when this process ends."""
    return Op(index, change, undo=True)


READERS, WRITER, WAITING = range(3)
SHARED = (WAITING, 0), (WRITER, 0), (READERS, 1)
_NOBODY = Op(READERS, 0), Op(WRITER, 0)
ALONE = (
    (*_NOBODY, _held(WRITER, 1)),
    (_held(WAITING, 1),),
    (*_NOBODY, _held(WRITER, 1), _held(WAITING, -1)),
    (_held(WAITING, -1),),
)
"""How a writer takes it: at once; or it arrives, leaves with the lock, or withdraws."""


class ReadWriteLock(_OnOneSet):
    """Many readers or one writer; a waiting writer keeps new readers out. One set of three: readers, writer, waiting.

    Held by the process (SEM_UNDO): what a killed process held is free again, and nothing tells the next one that the
    data may be half written. Not recursive. Errors, and the other fates: those of `SemaphoreSet`.
    """

    SIZE = 3

    @classmethod
    def ensure(cls, key: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing. -- semget(2)"""
        return cls(SemaphoreSet.ensure(key, [0, 0, 0], mode))

    @classmethod
    def temporary(cls, mode: int = 0o600) -> Self:
        """One without a key, removed at `close`, at the latest when the interpreter ends. -- semget(2)"""
        return cls(SemaphoreSet.temporary([0, 0, 0], mode))

    def try_acquire(self) -> bool:
        """Hold it alone now; False if somebody holds it. -- semop(2)"""
        return self.semaphores.try_op(*ALONE[0])

    def acquire(self, timeout: float | None = None) -> None:
        """Wait until nobody holds it, and hold it alone. -- semop(2)"""
        self.semaphores.take_or_meet(*ALONE, timeout)

    def release(self) -> None:
        """Hold it no longer. RuntimeError if no writer holds it. -- semop(2)"""
        self._drop(WRITER)

    def try_acquire_shared(self) -> bool:
        """Hold it with other readers now; False if a writer holds it or waits. -- semop(2)"""
        return self.semaphores.try_op(*SHARED, undo=True)

    def acquire_shared(self, timeout: float | None = None) -> None:
        """Wait until no writer holds it or waits, and hold it with other readers. -- semop(2)"""
        self.semaphores.op(*SHARED, undo=True, timeout=timeout)

    def release_shared(self) -> None:
        """Read no longer. RuntimeError if no reader holds it. -- semop(2)"""
        self._drop(READERS)

    def _drop(self, index: int) -> None:
        self.semaphores.take_back(index, repr(self))

    def writing(self, timeout: float | None = None) -> Held[None]:
        """For ``with``: alone."""
        take = partial(self.semaphores.take_or_meet, *ALONE, timeout)
        return Held(take, partial(self.semaphores.take_back, WRITER, repr(self)), None)

    def reading(self, timeout: float | None = None) -> Held[None]:
        """For ``with``: with other readers."""
        take = partial(self.semaphores.op, *SHARED, undo=True, timeout=timeout)
        return Held(take, partial(self.semaphores.take_back, READERS, repr(self)), None)


TURN, PARTIES = 2, 3
_IS_TURN = (((TURN, 0),), ((TURN, -1), (TURN, 1)))
"""Possible while it is turn 0, turn 1; changes nothing."""
_FLIP = ((TURN, 1), (TURN, -1))


class Barrier(_OnOneSet):
    """`parties` processes wait here for each other, again and again; with two it is a rendezvous.

    One set of four: who has arrived in even and in odd turns, the turn, the number of parties. A process that is killed
    while it waits has not arrived: its successor may take its place. Errors, and the other fates: `SemaphoreSet`.
    """

    SIZE = 4

    @classmethod
    def ensure(cls, key: int, parties: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing. -- semget(2)"""
        return cls(SemaphoreSet.ensure(key, [0, 0, 0, _checked(parties)], mode))

    @classmethod
    def temporary(cls, parties: int, mode: int = 0o600) -> Self:
        """One without a key, removed at `close`, at the latest when the interpreter ends. -- semget(2)"""
        return cls(SemaphoreSet.temporary([0, 0, 0, _checked(parties)], mode))

    @property
    def parties(self) -> int:
        """How many wait for each other."""
        return self.semaphores.values[PARTIES]

    @property
    def waiting(self) -> int:
        """How many have arrived and wait at this moment."""
        values = self.semaphores.values
        return values[values[TURN]]

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have arrived; True for who came last. TimeoutError: we have not arrived. -- semop(2)"""
        parties = self.parties
        while True:  # ends: it is one of the two turns, and does not change again before we have arrived
            for turn in (0, 1):
                arrive, withdraw = (*_IS_TURN[turn], _held(turn, 1)), (*_IS_TURN[turn], _held(turn, -1))
                complete = ((turn, -parties), _FLIP[turn])
                leave = (*_IS_TURN[1 - turn], (turn, 1), _held(turn, -1))  # the turn is over: forget our undo
                last = self.semaphores.meet(arrive, complete, leave, withdraw, timeout)
                if last is not None:
                    return last


def _checked(parties: int) -> int:
    if not 1 <= parties <= 32767:
        raise ValueError(f"a barrier has 1..32767 parties, not {parties}")
    return parties
