"""Keys: the numbers by which unrelated processes find the same System V object. -- sysvipc(7)

>>> from unixipc.sysv import Key
>>> Key(0x4b1d)
Key(0x00004b1d)
>>> Key.ftok("/etc/passwd", "B") == Key.ftok("/etc/passwd", ord("B"))
True
"""

from __future__ import annotations

import os

from .._call import explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Self

__all__ = ["Key"]

LOWEST, HIGHEST = -(1 << 31), (1 << 32) - 1


class Key(int):
    """A key: a C ``int``, 32 bits, shown as ipcs(1) shows it; unique for one kind of object in one IPC namespace.

    A negative number is the same key as its unsigned form. 0 is `Key.PRIVATE`: it names nothing, and always makes a
    new object, which others find by its id only. ValueError for a number that does not fit into 32 bits.
    """

    PRIVATE: ClassVar[Key]
    """Always a new object without a name (IPC_PRIVATE)."""

    path: str | None = None
    """The file that `ftok` made it from."""

    def __new__(cls, number: int) -> Self:
        """A key from a number of 32 bits."""
        if not hasattr(number, "__index__"):
            hint = "Key.ftok(path, id) makes one from a file"
            raise TypeError(f"a key is a number of 32 bits, not {number!r}: {hint}")
        if not LOWEST <= number <= HIGHEST:
            raise ValueError(f"a key has 32 bits ({LOWEST}..{HIGHEST}), {number} does not fit")
        return super().__new__(cls, number & HIGHEST)

    @classmethod
    def ftok(cls, path: str | os.PathLike[str], id: str | int) -> Self:
        """The key of an existing file and a project id (one character, or 1..255). -- ftok(3)

        Not unique: it holds 8 bits of the id, 8 of the device and 16 of the inode number. Two files may have the same
        key, a file that was deleted and made again has another one, and hard links share one. So make the file once,
        and let `create` (which refuses a key in use) find the collisions.
        """
        number = ord(id) if isinstance(id, str) and len(id) == 1 else id
        if not isinstance(number, int) or not 1 <= number <= 255:
            raise ValueError(f"a project id is one character or a number in 1..255 (8 bits are used), not {id!r}")
        try:
            found = os.stat(path)
        except OSError as error:
            raise explained(error, "ftok(3)", path) from None
        key = cls((found.st_ino & 0xFFFF) | (found.st_dev & 0xFF) << 16 | number << 24)
        key.path = os.fspath(path)
        return key

    @classmethod
    def random(cls) -> Self:
        """A key that hardly anybody else has; pass it on. `create` refuses it should it be taken. -- getrandom(2)"""
        return cls(int.from_bytes(os.urandom(4), "little") % HIGHEST + 1)

    @property
    def signed(self) -> int:
        """The number as the C type has it."""
        return self - (1 << 32) if self >= 1 << 31 else int(self)

    def __repr__(self) -> str:
        return f"Key(0x{int(self):08x})" if self else "Key.PRIVATE"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (int(self), self.path)


def _rebuilt(number: int, path: str | None) -> Key:
    key = Key(number)
    if path is not None:
        key.path = path
    return key


Key.PRIVATE = Key(0)
