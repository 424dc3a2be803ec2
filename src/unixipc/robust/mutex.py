"""Mutexes that outlive their holder. -- futex(2), set_robust_list(2)

>>> from unixipc import robust
>>> from unixipc.mapping import map_anonymous
>>> with map_anonymous(4096) as memory:
...     mutex = robust.Mutex.create(memory, offset_bytes=128)
...     same = robust.Mutex.attach(memory, 128)      # in another process, as a rule
...     with mutex:
...         same.try_acquire()
...     mutex.close(), same.close()
False
(None, None)
"""

from __future__ import annotations

from .._native import robust as _robust
from . import _placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from typing_extensions import Buffer

    from ..errors import OwnerDied

__all__ = ["Mutex"]


class Mutex(_placed.Placed, _robust.MutexCalls):
    """One thread at a time, of any process. 64 bytes (`size_bytes`) in shared memory, aligned to 64.

    In memory of yours: `create` (zeros become a mutex), `attach` (it must be one), `ensure` (either). By name ("/name",
    a file in /dev/shm): `create`, `open`, `ensure`; `temporary` for forked children. ``with mutex`` acquires and
    releases; nothing is closed by it but by `close`. Not recursive. Nothing orders those who wait.

    Errors: TimeoutError, which names the holder; OwnerDied (with `pid`): **you hold it**, and its last holder was
    killed half-way. Repair what it guards and call `recover`, or the one after you is told so again; `hold` does
    that for you. A ``with`` that raises OwnerDied has released it again, and the next one is told. OSError(EDEADLK):
    this thread holds it; PermissionError: another thread has to release it; OSError(ENOSYS): not with this C library;
    LayoutError: the memory holds something else.

    The five fates: **close** releases what this thread holds, and is refused while another thread of the process holds
    it by this handle. **remove** takes the name; the lock lives with who has it. **fork**: the child holds nothing.
    **exec**, and the end of a thread, is as kill -9. **kill -9**: the next one has it at once, with OwnerDied.
    """

    __slots__ = ()
    KIND = _robust.MUTEX
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
        return _placed.temporary(cls, cls.KIND, 0, "temporary mutex")

    def hold(self, timeout: float | None = None, repair: Callable[[OwnerDied], object] | None = None) -> Any:
        """For ``with``. `repair` is called when the last holder was killed; if it returns, the state is sound.

        Without one, OwnerDied: it is released again, and the next one is told too.
        """
        return _robust.OwnerHold(self, self.acquire, self.release, timeout, repair)

    def __repr__(self) -> str:
        return f"<Mutex {self.name} {state(self)}>"


def state(mutex: _robust.MutexCalls) -> str:
    """For people."""
    if mutex.closed:
        return "closed"
    holder = mutex.holder
    how = "free" if holder is None else f"held by process {holder}"
    return how + (", suspect" if mutex.suspect else "")
