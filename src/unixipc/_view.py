"""Arrays in memory that somebody may want to take away: they must hold it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from typing_extensions import Buffer

    from ._generic import Array, Shape

__all__ = ["array_in"]


def array_in(memory: Buffer, dtype: DTypeLike, shape: Shape, offset_bytes: int) -> Array:
    """A numpy array that holds a view of the memory: ``numpy.ndarray(buffer=...)`` would only hold the object."""
    import math

    import numpy

    kind, here = numpy.dtype(dtype), memoryview(memory)
    if not 0 <= offset_bytes <= len(here):
        raise ValueError(f"byte {offset_bytes} is not within {len(here)}")
    if not kind.itemsize:
        raise ValueError(f"items of {kind!r} have no size")
    if shape is None:
        shape = (len(here) - offset_bytes) // kind.itemsize
    sizes = [int(size) for size in numpy.atleast_1d(numpy.asarray(shape, dtype=object))]
    items = math.prod(sizes)  # numpy's would wrap round
    if min(sizes, default=0) < 0 or items * kind.itemsize > len(here) - offset_bytes:
        raise ValueError(f"{items} items of {kind.itemsize} bytes do not fit behind byte {offset_bytes} of {len(here)}")
    if not items:
        return numpy.empty(shape, kind)
    return numpy.frombuffer(here[offset_bytes : offset_bytes + items * kind.itemsize], kind).reshape(shape)
