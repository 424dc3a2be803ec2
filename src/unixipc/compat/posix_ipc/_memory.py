"""Shared memory as posix_ipc has it: a name and a descriptor, to be mapped with Python's `mmap`."""

from __future__ import annotations

import os
from errno import EACCES, EBADF, EEXIST, EFBIG, EINVAL, ENAMETOOLONG, ENOENT, EPERM, EROFS
from operator import index

from ..._call import explained
from ..._creation import create_or_open
from ..._fd import Descriptor
from ..._native import posix as _posix
from ...mapping._reserve import resize
from .._arguments import LONG_MAX, c_int
from ._constants import DEFAULT_MODE, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, UINT_BITS
from ._errors import ExistentialError, PermissionsError, Refusals
from ._names import Named, checked_name, mode_attribute, mode_to_give, name_to_unlink, obtained

OBTAINING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted to open shared memory"),
        EEXIST: (ExistentialError, "shared memory has this name already:"),
        ENOENT: (ExistentialError, "no shared memory has this name:"),
        EINVAL: (ValueError, "not a name for shared memory:"),
        ENAMETOOLONG: (ValueError, "the name is too long:"),
    }
)
SIZING = Refusals(
    {
        EINVAL: (ValueError, "not a size, or it is open for reading only:"),
        EFBIG: (ValueError, "too large a size for shared memory"),
        EROFS: (PermissionsError, "it can only be read:"),
        EACCES: (PermissionsError, "it can only be read:"),
    }
)
LOOKING = Refusals({EBADF: (ExistentialError, "it was closed:")})
CLOSING = Refusals({EBADF: (ValueError, "somebody else has closed the descriptor of")})
UNLINKING = Refusals(
    {
        EACCES: (PermissionsError, "not permitted to unlink shared memory"),
        EPERM: (PermissionsError, "not permitted to unlink shared memory"),
        ENOENT: (ExistentialError, "no shared memory has this name:"),
        ENAMETOOLONG: (ValueError, "the name is too long:"),
    }
)

_open: set[Descriptor] = set()
"""What nobody has closed stays open until the process ends, even if its object is forgotten: the program may have kept
the number."""


class SharedMemory(Named):
    """Memory by name: give `fd` to ``mmap.mmap``, then `close_fd`. -- shm_open(3)

    `flags`: 0 opens the memory of this name, O_CREAT makes it if it is missing, O_CREX makes a new one; O_TRUNC empties
    it. A `size` other than 0 becomes its length, whether it is new or not, and is set aside: OSError(ENOSPC) if
    /dev/shm has too little. `mode` (less the umask) is for new ones.
    """

    __slots__ = ("_handle",)
    _kind = "SharedMemory"
    _handle: Descriptor

    def __init__(
        self,
        name: str | None,
        flags: int = 0,
        mode: int = DEFAULT_MODE,
        size: int = 0,
        read_only: bool | int = False,
    ) -> None:
        checked, flags, mode = checked_name(name), index(flags) & UINT_BITS, c_int(mode)
        size, read_only = index(size), c_int(read_only)
        wanted = flags | (O_RDONLY if read_only else O_RDWR)
        self._name, (self._handle, made) = obtained(lambda name: _obtained(name, wanted, mode), checked, flags)
        self._mode = mode_attribute(mode)
        if size:
            _size_new(self._handle, self._name, size, made)
        _open.add(self._handle)

    @property
    def fd(self) -> int:
        """The descriptor's number; -1 once it is closed."""
        return -1 if self._handle.closed else self._handle.fileno()

    def fileno(self) -> int:
        """The same as `fd`."""
        return self.fd

    @property
    def size(self) -> int:
        """How long it is now. -- fstat(2)"""
        with LOOKING:
            return self._stat().st_size

    def _stat(self) -> os.stat_result:
        try:
            return os.fstat(self.fd)
        except OSError as error:
            raise explained(error, "fstat(2)", self._name) from None

    def close_fd(self) -> None:
        """Close the descriptor; what was mapped stays mapped. Twice is fine. -- close(2)"""
        if self._handle.closed:
            return
        _open.discard(self._handle)
        try:
            with CLOSING:
                self._stat()
        except ValueError:
            self._handle.detach()  # os.close() was given the number: it is not ours any more
            raise
        self._handle.close()

    def unlink(self) -> None:
        """Take its name away; who has it open or mapped keeps it. -- shm_unlink(3)"""
        with UNLINKING:
            _posix.unlink_memory(self._name)


def _obtained(name: str, flags: int, mode: int) -> tuple[Descriptor, bool]:
    """(the memory, whether we made it). O_CREAT in two steps, because the kernel does not say what it did."""
    with OBTAINING:
        if not flags & O_CREAT:
            return _posix.open_any_memory(Descriptor, name, flags), False
        given = mode_to_give(mode)

        def create() -> tuple[Descriptor, bool]:
            return _posix.open_any_memory(Descriptor, name, flags | O_EXCL, given), True

        if flags & O_EXCL:
            return create()
        return create_or_open(create, lambda: (_posix.open_any_memory(Descriptor, name, flags & ~O_CREAT), False))


def _size_new(memory: Descriptor, name: str, size: int, made: bool) -> None:
    """Give it its length. If that fails, what we made is gone again; what was there is left as it was."""
    try:
        with SIZING:
            resize(memory, size if 0 < size <= LONG_MAX else -1)  # -1: the kernel refuses it
    except BaseException:
        memory.close()
        if made:
            _posix.unlink_memory(name)
        raise


def unlink_shared_memory(name: str, /) -> None:
    """Take shared memory's name away. -- shm_unlink(3)"""
    with UNLINKING:
        _posix.unlink_memory(name_to_unlink(name))
