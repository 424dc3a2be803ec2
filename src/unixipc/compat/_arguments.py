"""Arguments as libraries in C take them: which types, which ranges, and which exception for the others."""

from __future__ import annotations

from operator import index

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
