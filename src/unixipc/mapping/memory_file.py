"""Files in memory without a name, with seals. -- memfd_create(2)

>>> from unixipc.mapping import MemFd
>>> with MemFd.create("page", 4096) as file:
...     with file.map() as memory:
...         memory.buffer[:5] = b"hello"
...     file.seal("write", "grow", "shrink")
...     with file.map("r") as memory:
...         bytes(memory.buffer[:5]), sorted(file.seals)
(b'hello', ['grow', 'shrink', 'write'])
"""

from __future__ import annotations

import errno
import os

from .._call import failure
from .._native import mapping as _mapping
from ._reserve import resize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

__all__ = ["SEALS", "MemFd"]

SEALS = {"seal": 1, "shrink": 2, "grow": 4, "write": 8, "future_write": 16}
"""What can be forbidden for ever, and the kernel's bit for it."""


class MemFd(_mapping.Mappable):
    """A file in memory without a name; seals can forbid changes for ever. `MemFd(fd)` takes over a descriptor.

    Pass it over a Unix socket, or let children inherit it: who holds it can map it. With ``seal("shrink")`` nobody can
    take pages away, so a receiver who checks `seals` may trust its length; with ``seal("write")`` its bytes too.

    The five fates: **close** forgets it; the memory lives as long as any descriptor or mapping. **remove**: it has no
    name. **fork** shares it. **exec** closes it. **kill -9** closes it, and nothing is left.
    """

    def __init__(self, fd: int, name: object = None) -> None:
        told = _name_of_memory_file(fd)
        super().__init__(fd, told if name is None else name)

    @classmethod
    def create(cls, name: str = "unixipc", size_bytes: int = 0, *, sealable: bool = True) -> Self:
        """A new one, all zero, its memory set aside: ENOMEM or ENOSPC now, no SIGBUS later. -- memfd_create(2)

        `name` is what /proc shows, and need not be the only one; at most 249 bytes, or it is OSError(EINVAL).
        """
        made = _mapping.new_memory_file(cls, name, sealable, 0)
        try:
            made.resize(size_bytes)
        except BaseException:
            made.close()
            raise
        return made

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return os.fstat(self.fileno()).st_size

    def resize(self, size_bytes: int) -> None:
        """Make it this long; what is new is zero, and set aside. -- ftruncate(2), posix_fallocate(3)

        PermissionError if a seal forbids it. Mappings of what is cut off have zeros there and tell (`Mapping.check`).
        """
        if size_bytes < 0:
            raise ValueError(f"a file has at least 0 bytes, not {size_bytes}")
        resize(self, size_bytes)

    def seal(self, *seals: str) -> None:
        """Forbid for ever: "write", "grow", "shrink", "future_write" (not through mappings that exist), "seal" (more).

        OSError(EBUSY) for "write" while anybody has it mapped "rw", also after ``Mapping.protect``; PermissionError
        after "seal", or if it was made with ``sealable=False``. Seals add up, and are the file's: everybody has them.
        """
        _mapping.add_seals(self.fileno(), _seal_bits(seals), self.name)

    @property
    def seals(self) -> frozenset[str]:
        """What is forbidden. -- fcntl(2), F_GET_SEALS"""
        bits = _mapping.get_seals(self.fileno(), self.name)
        return frozenset(name for name, bit in SEALS.items() if bits & bit)


def _seal_bits(seals: Iterable[str]) -> int:
    bits = 0
    for seal in seals:
        if seal not in SEALS:
            raise ValueError(f"a seal is one of {', '.join(map(repr, SEALS))}, not {seal!r}")
        bits |= SEALS[seal]
    return bits


def _name_of_memory_file(fd: int) -> str:
    """Its name, or an OSError(EINVAL) that says what it is instead; without /proc any file in memory will do."""
    _mapping.get_seals(fd, f"fd {fd}")
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "memfd"
    if not target.startswith("/memfd:"):
        raise failure(errno.EINVAL, "fcntl(F_GET_SEALS)", f"fd {fd}", f"this descriptor is {target}, no memory file")
    return target.removeprefix("/memfd:").removesuffix(" (deleted)")
