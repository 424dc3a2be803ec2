"""Shared memory: the same bytes in several processes. -- sysvipc(7)

>>> from unixipc.sysv import SharedMemory
>>> with SharedMemory.temporary(4096) as memory, memory.attach() as mine, memory.attach(readonly=True) as yours:
...     mine.buffer[:5] = b"hello"
...     bytes(yours.buffer[:5]), mine.address == yours.address
(b'hello', False)
"""

from __future__ import annotations

import errno
import operator

from .._call import failure
from .._creation import checked_mode, create_or_open
from .._native import sysv as _sysv
from .._native.sysv import Segment
from .._record import record
from ._object import CREATE, EXCLUSIVE, Permissions, adopt, given, named, permissions_of, signed
from .key import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Self

    from ._guarded import Guarded
    from .semaphore import Semaphore

__all__ = ["MemoryStat", "Segment", "SharedMemory"]

HUGE, NO_RESERVE = 0o4000, 0o10000  # SHM_HUGETLB, SHM_NORESERVE
HUGE_SHIFT = 26
MARKED, LOCKED = 0o1000, 0o2000  # SHM_DEST, SHM_LOCKED
HUGE_SIZES = {"2MB": 21, "1GB": 30}


@record
class MemoryStat:
    """A segment at one moment. Times are whole seconds since 1970, None for never; `size_bytes` as it was asked for."""

    id: int
    permissions: Permissions
    size_bytes: int
    attached: int
    creator_pid: int
    last_pid: int
    attached_at: int | None
    detached_at: int | None
    changed_at: int
    locked: bool
    marked_for_removal: bool


def memory_stat(raw: tuple[Any, ...]) -> MemoryStat:
    """From what the kernel gives."""
    number, permissions, size, attached, creator, last, attached_at, detached_at, changed = raw
    flags = permissions[1]
    times = (attached_at or None, detached_at or None, changed)
    marks = (bool(flags & LOCKED), bool(flags & MARKED))
    return MemoryStat(number, permissions_of(permissions), size, attached, creator, last, *times, *marks)


class SharedMemory(_sysv.MemoryCalls):
    """A segment in the kernel, by key or id; `attach` makes its bytes appear in this process.

    `create` (must not exist), `open` (must), `ensure` (either), `temporary` (gone with its last user);
    ``SharedMemory(id)`` takes the segment of an id. New memory is zero.

    Errors: FileExistsError, FileNotFoundError, PermissionError; OSError(EINVAL) for a size of 0, beyond
    kernel.shmmax, or beyond the segment that exists; OSError(ENOSPC) beyond kernel.shmmni or kernel.shmall;
    OSError(ENOMEM) without memory or huge pages; `ObjectRemoved` when the segment is gone.

    The five fates: **close** forgets the id; the segment lives on, and what is attached stays attached. **remove**
    marks it: the key is free at once, the memory goes with the last attachment; until then its id can be attached.
    **fork** copies attachments, at the same addresses. **exec** detaches everything. **kill -9** detaches everything; a
    segment that is not marked stays, with its bytes as they are, half written ones too. A temporary one is marked from
    birth: nothing is left over.
    """

    key_path: str | None = None
    """The file that the key was made from, if `Key.ftok` made it."""

    def __init__(self, id: int) -> None:
        adopt(self, id)

    @classmethod
    def create(
        cls,
        key: int,
        size_bytes: int,
        mode: int = 0o600,
        huge_pages: Literal["2MB", "1GB"] | bool = False,
        reserve: bool = True,
    ) -> Self:
        """Make a new segment. FileExistsError if the key is in use. -- shmget(2)

        `huge_pages` must have been reserved (sysctl vm.nr_hugepages); True is the machine's usual size.
        ``reserve=False`` sets no memory aside (SHM_NORESERVE): if there is none when a page is first touched, the
        kernel kills the process (SIGBUS for huge pages).
        """
        flags = CREATE | EXCLUSIVE | checked_mode(mode) | _huge(huge_pages) | (0 if reserve else NO_RESERVE)
        return cls._got(key, signed(key), _checked_size(size_bytes), flags)

    @classmethod
    def open(cls, key: int) -> Self:
        """The segment of this key. Permissions are looked at when it is attached, not now. -- shmget(2)"""
        return cls._got(key, named(key), 0, 0)

    @classmethod
    def _got(cls, key: int, number: int, size_bytes: int, flags: int) -> Self:
        made = _sysv.get_memory(cls, number, size_bytes, flags)
        made.key_path = getattr(key, "path", None)
        return made

    @classmethod
    def ensure(cls, key: int, size_bytes: int, mode: int = 0o600) -> Self:
        """Open it, or make it if it is missing: any number of processes may do so at once. -- shmget(2)

        OSError(EINVAL) if the segment of this key is smaller.
        """
        return create_or_open(lambda: cls.create(key, size_bytes, mode), lambda: cls._at_least(key, size_bytes))

    @classmethod
    def _at_least(cls, key: int, size_bytes: int) -> Self:
        try:
            return cls._got(key, named(key), size_bytes, 0)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            there = cls.open(key).stat()
            hint = (
                f"a segment of {there.size_bytes} bytes has this key already (made by user "
                f"{there.permissions.creator_uid}), {size_bytes} were asked for; ftok keys may collide"
            )
            raise failure(errno.EINVAL, "shmget(2)", error.filename, hint) from None

    @classmethod
    def temporary(cls, size_bytes: int, mode: int = 0o600) -> Self:
        """A segment without a key that vanishes with its last user, even one that is killed. -- shmget(2)

        This handle keeps it alive (and counts as one attachment) until it is closed. Children inherit it, and pickling
        passes it to others.
        """
        return _sysv.get_memory(cls, 0, _checked_size(size_bytes), CREATE | checked_mode(mode), True)

    @property
    def key(self) -> Key:
        """The key; `Key.PRIVATE` if it has none (any more), or may not be read."""
        return Key(self.key_value)

    def stat(self) -> MemoryStat:
        """The segment at this moment. -- shmctl(2), IPC_STAT"""
        return memory_stat(self.status())

    def set_permissions(self, mode: int | None = None, uid: int | None = None, gid: int | None = None) -> None:
        """Change mode or owner; None leaves it as it is. -- shmctl(2), IPC_SET"""
        self.change(*given(mode, uid, gid))

    def guarded(
        self,
        by: Literal["semaphore", "record_lock", "seqlock"] | Semaphore,
        *,
        path: str | None = None,
        readonly: bool = False,
        timeout: float | None = 10.0,
    ) -> Guarded:
        """Attach it so that nobody reads what somebody else has half written; see `unixipc.sysv.Guarded`.

        `path`: the file whose bytes a record lock locks; default: the one that the key was made of (`Key.ftok`).
        """
        from ._guarded import guarded

        return guarded(self, by, path, readonly, timeout)

    def __reduce__(self) -> tuple[object, ...]:
        self.check_open()
        return type(self), (self.id,)


def _huge(pages: str | bool) -> int:
    if not pages:
        return 0
    if pages is True:
        return HUGE
    if pages not in HUGE_SIZES:
        raise ValueError(f"huge_pages must be True, {' or '.join(map(repr, HUGE_SIZES))}, not {pages!r}")
    return HUGE | HUGE_SIZES[pages] << HUGE_SHIFT


def _checked_size(size_bytes: int) -> int:
    size = operator.index(size_bytes)
    if size < 0:
        raise ValueError(f"a segment cannot have {size} bytes")
    return size
