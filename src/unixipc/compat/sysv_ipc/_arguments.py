"""Arguments as sysv_ipc takes them: which types, which ranges, and which exception for the others."""

from __future__ import annotations

from operator import index

from ._constants import KEY_MAX, KEY_MIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONG_MAX = (1 << 63) - 1


def c_int(value: Any) -> int:
    """TypeError for what is no integer, OverflowError beyond 32 bits."""
    return _within(index(value), 31, "int")


def c_short(value: Any) -> int:
    """The same for 16 bits."""
    return _within(index(value), 15, "short")


def c_long(value: Any) -> int:
    """The same for 64 bits."""
    return _within(index(value), 63, "long")


def _within(number: int, bits: int, name: str) -> int:
    if not -(1 << bits) <= number < 1 << bits:
        raise OverflowError(f"{number} does not fit into a C {name}")
    return number


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


def seconds(timeout: Any) -> float | None:
    """A timeout: None, or an int or float from 0 up; TypeError for all else, negative numbers too."""
    if timeout is None:
        return None
    if isinstance(timeout, float | int) and 0 <= timeout <= (LONG_MAX if isinstance(timeout, int) else float("inf")):
        return timeout
    raise TypeError(f"a timeout is None or a number of seconds from 0 up, not {timeout!r}")


def raw(data: Any) -> bytes | memoryview:
    """Bytes to send or write, without a copy: of a bytes-like object, or of a str in UTF-8."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("the bytes must lie in one piece (C-contiguous)")
    return view.cast("B") if view.nbytes else b""


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
