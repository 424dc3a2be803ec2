"""Arguments as sysv_ipc takes them: which types, which ranges, and which exception for the others."""

from __future__ import annotations

from .._arguments import LONG_MAX
from ._constants import KEY_MAX, KEY_MIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def user_number(value: Any, name: str) -> int:
    """A uid or gid, in the bits of the kernel's unsigned type: -1 is what the kernel calls nobody."""
    number = integer(value, name)
    if not -(1 << 31) <= number < 1 << 32:
        raise OverflowError(f"{name} has 32 bits, {number} does not fit")
    return number & 0xFFFFFFFF


def integer(value: Any, name: str) -> int:
    """An attribute's new value: TypeError unless it is an int."""
    if not isinstance(value, int):
        raise TypeError(f"{name} takes an int, not {type(value).__name__}")
    return value


def key_number(key: Any) -> int:
    """A key as the kernel has it: the lowest 32 bits, signed. TypeError for all that is no key, too large ones also."""
    if not isinstance(key, int) or not KEY_MIN <= key <= KEY_MAX:
        raise TypeError(f"a key is None or an int in KEY_MIN..KEY_MAX ({KEY_MIN}..{KEY_MAX}), not {key!r}")
    return (key + (1 << 31)) % (1 << 32) - (1 << 31)


def character(value: Any) -> bytes:
    """One byte, as bytes or bytearray."""
    if not isinstance(value, bytes | bytearray) or len(value) != 1:
        raise TypeError(f"init_character is a bytes object of length 1, not {value!r}")
    return bytes(value)


def address_number(address: Any) -> int | None:
    """Where to attach: None or 0 lets the kernel choose."""
    if address is None:
        return None
    if not isinstance(address, int):
        raise TypeError(f"an address is an int or None, not {type(address).__name__}")
    if not -LONG_MAX <= address < 1 << 64:
        raise OverflowError(f"an address has 64 bits, {address} does not fit")
    return address & ((1 << 64) - 1) or None
