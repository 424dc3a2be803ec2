"""Conditions: sleep until somebody who changed the shared state says so. -- futex(2)

>>> from unixipc import fork, robust
>>> from unixipc.mapping import map_anonymous
>>> memory = map_anonymous(4096)
>>> condition = robust.Condition.create(memory)
>>> def work():
...     with condition:
...         memory.buffer[64] = 42
...         condition.notify_all()
>>> with fork(work) as child, condition:
...     condition.wait_for(lambda: memory.buffer[64], timeout=10)
42
>>> condition.close(), memory.close()
(None, None)
"""

from __future__ import annotations

from .. import _wait
from .._native import robust as _robust
from . import _placed
from .mutex import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, TypeVar

    from typing_extensions import Buffer

    from ..errors import OwnerDied

    T = TypeVar("T")

__all__ = ["Condition"]


class Condition(_placed.Placed, _robust.ConditionCalls):
    """A mutex, and a place to sleep until a notification. 64 bytes (`size_bytes`) in shared memory, aligned to 64.

    Where it can be, and how it is made: as `Mutex`, whose methods it has. Who holds it may `wait`, which gives the
    mutex up while it sleeps, and `notify`. A wait may end without a notification for it (so that none is lost with who
    is killed): use `wait_for`, or look again.

    Errors: those of `Mutex`; RuntimeError: it is not held. OwnerDied from a wait: you hold it again, and in between a
    holder was killed.

    The five fates: those of `Mutex`. **kill -9** of one who waits: a notification that dies with it reaches those who
    wait too within half a second.
    """

    __slots__ = ()
    KIND = _robust.CONDITION
    size_bytes = _robust.size_bytes(0)

    @classmethod
    def create(cls, where: str | Buffer, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Make a new one in zeroed memory, or by name. FileExistsError: there is one. -- futex(2), shm_open(3)"""
        return _placed.create(cls, cls.KIND, 0, where, offset_bytes, mode)

    @classmethod
    def ensure(cls, where: str | Buffer, offset_bytes: int = 0, *, mode: int = 0o600) -> Self:
        """Use it, or make it if it is missing: any number of processes may do so at once. -- futex(2), shm_open(3)"""
        return _placed.ensure(cls, cls.KIND, 0, where, offset_bytes, mode)

    @classmethod
    def temporary(cls) -> Self:
        """One that this process and those it forks have, and that ends with them. -- mmap(2)"""
        return _placed.temporary(cls, cls.KIND, 0, "temporary condition")

    def hold(self, timeout: float | None = None, repair: Callable[[OwnerDied], object] | None = None) -> Any:
        """For ``with``: its mutex. `repair` is called when the last holder was killed."""
        return _robust.OwnerHold(self, self.acquire, self.release, timeout, repair)

    def wait(self, timeout: float | None = None) -> None:
        """Give the mutex up, sleep until a notification, and hold it again. -- futex(2)

        TimeoutError: there was none; the mutex is held again. RuntimeError: it was not held.
        """
        seen = self.notification  # before it is given up: a notification needs the mutex
        self.release()
        try:
            self.wait_for_notification(seen, timeout)
        finally:
            if not self.closed:
                self.acquire()

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until `predicate()`, called while the mutex is held, gives something true, and return that."""
        deadline = _wait.Deadline(timeout)
        while not (result := predicate()):
            try:
                self.wait(deadline.left())
            except TimeoutError:
                if result := predicate():
                    break
                raise _wait.timed_out(self.name, "wait", timeout) from None
        return result

    def __repr__(self) -> str:
        return f"<Condition {self.name} {state(self)}>"
