"""Shared memory as sysv_ipc has it: a segment and its attachment to this process in one object."""

from __future__ import annotations

from errno import EACCES, EEXIST, EIDRM, EINVAL, ENOENT, ENOMEM, EPERM
from operator import index
from weakref import WeakSet

from ..._call import failure
from ..._native import sysv as _sysv
from ...sysv import Segment
from .._arguments import LONG_MAX, c_int, c_long, raw
from ._arguments import address_number, character
from ._constants import IPC_CREX, MODE_BITS, OWNER_MAY_WRITE, PAGE_SIZE, SHM_EXEC, SHM_RDONLY, SHM_REMAP, SHM_RND
from ._errors import ExistentialError, NotAttachedError, PermissionsError, Refusals
from ._object import FIRST_OWN, Attribute, KernelObject, adopted, obtained, status
from ._window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILL_BYTES = 1 << 20

OBTAINING = Refusals(
    {
        EACCES: (PermissionsError, "its mode does not grant the permissions that were asked for:"),
        EEXIST: (ExistentialError, "a segment has this key already:"),
        ENOENT: (ExistentialError, "no segment has this key:"),
        EINVAL: (ValueError, "not a size for a new segment, or more than there is of"),
        ENOMEM: (MemoryError, "there is no memory for a segment of this size:"),
    }
)
ATTACHING = Refusals(
    {
        EACCES: (PermissionsError, "its mode does not allow to attach"),
        ENOMEM: (MemoryError, "this process has no room for"),
        EINVAL: (ValueError, "no such id, or not an address or flags to attach it with:"),
        EIDRM: (ExistentialError, "the segment was removed:"),
    }
)
USING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted on segment"),
        EPERM: (PermissionsError, "not permitted on segment"),
        EINVAL: (ExistentialError, "no segment has this id (any more):"),
        EIDRM: (ExistentialError, "the segment was removed:"),
    }
)

_attached: set[Segment] = set()
"""What nobody has detached stays attached until the process ends, even if its object is forgotten: the program may have
kept the address."""
_looked_at: WeakSet[Segment] = WeakSet()
"""What was detached while memoryviews of it were in use: it goes with the last of them. (Whoever holds the object
counts, not only who holds its buffer: numpy.ndarray takes the address and then holds the object.)"""


class SharedMemory(Window, KernelObject):
    """A segment, attached to this process: `read` and `write`, or a buffer (``memoryview(it)``). -- shmget(2)

    `flags`: 0 opens the segment of this key, IPC_CREAT makes it if it is missing, IPC_CREX makes a new one, of `size`
    bytes (default: a page), filled with `init_character`. Without the owner's write permission in `mode` it is attached
    read-only.
    """

    __slots__ = ("_handle", "_key", "_readonly")
    _looking = USING
    _kind = "SharedMemory"
    _readonly: bool

    def __init__(
        self, key: int | None, flags: int = 0, mode: int = 0o600, size: int = 0, init_character: bytes = b" "
    ) -> None:
        flags, given = c_int(flags) & ~MODE_BITS, c_int(mode)
        mode = given & MODE_BITS
        new, filler = flags & IPC_CREX == IPC_CREX, character(init_character)
        wanted = index(size) or (PAGE_SIZE if new else 0)
        if not 0 <= wanted <= LONG_MAX:
            raise ValueError(f"a segment cannot have {wanted} bytes")
        with OBTAINING:
            self._handle = obtained(
                lambda k: _sysv.get_memory(_sysv.MemoryCalls, k, wanted, mode | flags), key, flags, given
            )
        self._key = self._handle.key_value
        writable = mode & OWNER_MAY_WRITE
        try:
            self._attach(None, 0 if writable else SHM_RDONLY)
        except BaseException:
            if new:
                self._handle.remove()
            raise
        if new and writable:
            _fill(self._shown, filler)

    def _attach(self, at: int | None, flags: int) -> None:
        with ATTACHING:
            mapped = (_attach_over if flags & SHM_REMAP else _attach_at)(self._handle, at, flags)
        _attached.add(mapped)
        self._shown, self._readonly = mapped, bool(flags & SHM_RDONLY)

    def attach(self, address: int | None = None, flags: int = 0) -> None:
        """Attach it (again), at `address` or where the kernel likes. -- shmat(2)

        `flags`: SHM_RDONLY, SHM_RND, SHM_REMAP. What it was attached as before stays so until the process ends.
        """
        self._attach(address_number(address), c_int(flags))

    def detach(self) -> None:
        """Detach it from this process; NotAttachedError if it is not attached. -- shmdt(2)

        Memoryviews (arrays ...) of it remain good: the kernel is told when the last of them is gone.
        """
        mapped = self._mapped("detach")
        self._shown = None
        _attached.discard(mapped)
        _looked_at.add(mapped)  # unless nobody has it any more when we return: the attachment ends with its object

    def _mapped(self, doing: str) -> Segment:
        mapped: Segment | None = self._shown
        if mapped is None or mapped.closed:
            raise NotAttachedError(f"cannot {doing}: the segment is not attached to this process")
        return mapped

    def read(self, byte_count: int = 0, offset: int = 0) -> bytes:
        """`byte_count` bytes from `offset`; fewer where the segment ends, all there are for 0."""
        count, start = c_long(byte_count), index(offset)
        with memoryview(self._mapped("read")) as view:
            if not 0 <= start < len(view):
                raise ValueError(f"offset {start} is not in the segment of {len(view)} bytes")
            if count < 0:
                raise ValueError(f"byte_count must be at least 0, not {count}")
            return bytes(view[start : start + count] if count else view[start:])

    def write(self, s: Any, offset: int = 0) -> None:
        """Write bytes (or a str, as UTF-8) at `offset`; ValueError if they do not fit, OSError if it is read-only."""
        data, start = raw(s), index(offset)
        if self._readonly:
            raise failure(EACCES, "shmat(2)", self._handle.name, "it was attached read-only (SHM_RDONLY)")
        with memoryview(self._mapped("write")) as view:
            if not 0 <= start <= len(view) - len(data):
                raise ValueError(f"{len(data)} bytes at {start} do not fit into the segment of {len(view)} bytes")
            view[start : start + len(data)] = data

    def remove(self) -> None:
        """Mark it: the key is free at once, the memory when nobody has it attached any more. -- shmctl(2), IPC_RMID"""
        with USING:
            self._handle.remove()

    def _is_attached(self) -> bool:
        return self._shown is not None and not self._shown.closed

    address = Attribute(lambda memory: memory._shown.address if memory._is_attached() else 0)
    """Where it is attached in this process; 0 if it is not."""
    attached = Attribute(_is_attached)
    """Whether it is attached to this process, as this object knows."""
    size = Attribute(status(FIRST_OWN))
    """How many bytes it has."""
    number_attached = Attribute(status(FIRST_OWN + 1))
    """How many attachments it has, in all processes."""
    creator_pid = Attribute(status(FIRST_OWN + 2))
    """Who made it."""
    last_pid = Attribute(status(FIRST_OWN + 3))
    """Who attached or detached it last."""
    last_attach_time = Attribute(status(FIRST_OWN + 4))
    """When somebody attached it last, in seconds since 1970."""
    last_detach_time = Attribute(status(FIRST_OWN + 5))
    """When somebody detached it last; 0 for never."""
    last_change_time = Attribute(status(FIRST_OWN + 6))
    """When owner or mode were last set, at first when it was made."""


def _fill(mapped: Segment, filler: bytes) -> None:
    if filler == b"\0":
        return  # as new memory is
    piece = filler * min(FILL_BYTES, mapped.size_bytes)
    with memoryview(mapped) as view:
        for start in range(0, len(view), len(piece)):
            end = min(start + len(piece), len(view))
            view[start:end] = piece[: end - start]


def _attach_at(handle: _sysv.MemoryCalls, at: int | None, flags: int, over: Segment | None = None) -> Segment:
    readonly, round_down, execute = (bool(flags & each) for each in (SHM_RDONLY, SHM_RND, SHM_EXEC))
    return handle.attach(readonly, at, round_down=round_down, execute=execute, replace=over)


def _attach_over(handle: _sysv.MemoryCalls, at: int | None, flags: int) -> Segment:
    """SHM_REMAP, but only over an attachment of ours that nobody looks at: other memory would vanish under its user."""
    if at is None:
        raise ValueError("SHM_REMAP needs an address")
    if flags & SHM_RND:
        at -= at % PAGE_SIZE
    old = _in_the_way(at, handle.status()[2])
    new = _attach_at(handle, at if old is None else None, flags, old)
    if old is not None:
        _attached.discard(old)
    return new


def _in_the_way(at: int, size: int) -> Segment | None:
    for mapped in (*_attached, *_looked_at):
        if not mapped.closed and mapped.address < at + size and at < mapped.address + mapped.size_bytes:
            if mapped.address != at:
                raise ValueError(f"0x{at:x} lies within another attachment: SHM_REMAP can only replace all of it")
            return mapped
    return None


def attach(id: int, address: int | None = None, flags: int = 0) -> SharedMemory:
    """The segment of this id, attached; its `key` is -1. -- shmat(2)"""
    memory = SharedMemory.__new__(SharedMemory)
    with ATTACHING:
        memory._handle, memory._key = adopted(_sysv.MemoryCalls, c_int(id)), -1
    memory.attach(address, flags)
    return memory


def remove_shared_memory(id: int, /) -> None:
    """Mark the segment of this id for removal. -- shmctl(2), IPC_RMID"""
    with USING:
        adopted(_sysv.MemoryCalls, c_int(id)).remove()
