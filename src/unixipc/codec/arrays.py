"""numpy arrays: a small head that says what they are, then their bytes, once.

+0   4 bytes   "UIAR"
+4   uint32    length of the head, a multiple of 64: the array's bytes begin on a cache line of the message
+8   text      dtype as numpy writes it, a space, the lengths of the dimensions with commas; then NUL
"""

from __future__ import annotations

from ..errors import LayoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._generic import Array

__all__ = ["ArrayCodec"]

MAGIC = b"UIAR"
LINE = 64


class ArrayCodec:
    """numpy arrays of any shape, of numbers, booleans, times, fixed strings and records of those; no Python objects.

    Received arrays look at the message's bytes without another copy, and are read-only. Needs numpy.
    """

    def size_of(self, value: Array) -> int:
        """How many bytes it will take."""
        return len(_head_of(value)) + int(value.nbytes)

    def encode_into(self, value: Array, buffer: memoryview) -> None:
        """Write it there: its only copy."""
        import numpy

        head = _head_of(value)
        buffer[: len(head)] = head
        room = numpy.frombuffer(buffer, dtype=value.dtype, offset=len(head), count=value.size) if value.size else None
        if room is not None:
            room.reshape(value.shape)[...] = value

    def encode(self, value: Array) -> bytes:
        """Its bytes, head and all."""
        made = bytearray(self.size_of(value))
        with memoryview(made) as buffer:
            self.encode_into(value, buffer)
        return bytes(made)

    def decode(self, body: bytes) -> Array:
        """The array in these bytes; LayoutError if there is none."""
        return self.decode_view(memoryview(body))

    def decode_view(self, body: memoryview) -> Array:
        """The same for memory that belongs to somebody else: it stays in use as long as the array is."""
        import numpy

        head, dtype, shape = _read_head(body)
        array = numpy.frombuffer(body, dtype=numpy.uint8, offset=head) if len(body) > head else None
        made = numpy.empty(shape, dtype) if array is None else array.view(dtype).reshape(shape)
        made.flags.writeable = False
        return made


def _head_of(value: Array) -> bytes:
    import numpy

    if not isinstance(value, numpy.ndarray):
        raise TypeError(f"a numpy array is needed, not a {type(value).__name__}")
    if value.dtype.hasobject:
        raise TypeError(f"an array of {value.dtype} has Python objects in it, which mean nothing in another process")
    descr = value.dtype.str if value.dtype.names is None else repr(value.dtype.descr)
    text = f"{descr}|{','.join(map(str, value.shape))}".encode()
    length = -(-(8 + len(text) + 1) // LINE) * LINE
    return (MAGIC + length.to_bytes(4, "little") + text).ljust(length, b"\0")


def _read_head(body: memoryview) -> tuple[int, Any, tuple[int, ...]]:
    """(its length, dtype, shape), checked against how many bytes there are."""
    import ast
    import math

    import numpy

    if bytes(body[:4]) != MAGIC:
        raise LayoutError("magic of an array", MAGIC, bytes(body[:4]))
    length = int.from_bytes(body[4:8], "little")
    if length < LINE or length % LINE or length > len(body):
        raise LayoutError("head of an array", f"{LINE}..{len(body)} bytes", length)
    text = bytes(body[8:length]).split(b"\0")[0].decode("utf-8", "replace")
    try:
        descr, _, sizes = text.rpartition("|")
        dtype = numpy.dtype(ast.literal_eval(descr) if descr.startswith("[") else descr)
        shape = tuple(int(size) for size in sizes.split(",") if size)
    except (ValueError, TypeError, SyntaxError, KeyError) as error:
        raise LayoutError("dtype and shape of an array", "as numpy writes them", text) from error
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(body) - length:
        raise LayoutError("size of an array", f"{len(body) - length} bytes", text)
    return length, dtype, shape
