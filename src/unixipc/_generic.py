"""Classes that say what they carry, ``Queue[bytes]``, without the import of typing that programs would pay for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Generic, SupportsIndex, TypeAlias, overload

    import numpy
    from numpy.typing import NDArray
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
    T_co = TypeVar("T_co", covariant=True, default=Any)
    T_contra = TypeVar("T_contra", contravariant=True, default=Any)
    U = TypeVar("U")
    Scalar = TypeVar("Scalar", bound=numpy.generic)
    Array: TypeAlias = NDArray[Any]
    Shape: TypeAlias = "SupportsIndex | Sequence[SupportsIndex] | None"
else:
    T = T_co = T_contra = None
    Alias = type(list[int])  # types.GenericAlias

    class Generic:
        """What is written in brackets is for type checkers."""

        __slots__ = ()
        __class_getitem__ = classmethod(Alias)

    def overload(function):
        """What a type checker reads; the definition that follows takes its place."""
        return function


__all__ = ["Generic", "T", "T_co", "T_contra", "overload"]
