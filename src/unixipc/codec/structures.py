"""C structures of `struct`, `ctypes` or a dataclass, with C's own layout and padding."""

from __future__ import annotations

from .._generic import Generic, T
from ..errors import LayoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import struct
    from typing import Any

__all__ = ["DataclassCodec", "StructCodec", "StructureCodec"]

LONG_BYTES = 8
"""A C program may send ``sizeof(whole message) - sizeof(long)``, which counts padding at the end up to this."""


def _checked(body: bytes, size: int, of: str) -> bytes:
    """Exactly `size` bytes, or with the padding that C may have behind them."""
    padded = -(-size // LONG_BYTES) * LONG_BYTES
    if not size <= len(body) <= padded:
        raise LayoutError(f"length of {of}", f"{size} bytes", f"{len(body)} bytes")
    return body[:size]


class StructCodec:
    """Tuples, by a format of `struct`. Without "<" and the like it aligns as C does; "0l" at its end pads as C does."""

    def __init__(self, format: str | struct.Struct) -> None:
        import struct

        try:
            self.struct = struct.Struct(format) if isinstance(format, str) else format
        except struct.error as error:
            raise ValueError(f"{format!r} is no struct format: {error}") from None
        self.size_bytes = self.struct.size

    def encode(self, value: tuple[Any, ...]) -> bytes:
        """The bytes of a tuple; ValueError if it does not fit the format."""
        import struct

        try:
            return self.struct.pack(*value)
        except (struct.error, TypeError) as error:
            raise ValueError(f"{value!r} does not fit {self.struct.format!r}: {error}") from None

    def decode(self, body: bytes) -> tuple[Any, ...]:
        """The tuple of these bytes."""
        return self.struct.unpack(_checked(body, self.size_bytes, repr(self.struct.format)))

    def __reduce__(self) -> tuple[object, ...]:
        return StructCodec, (self.struct.format,)


class StructureCodec(Generic[T]):
    """Instances of a `ctypes.Structure` (or Union)."""

    def __init__(self, structure: type[T]) -> None:
        import ctypes

        _refuse_pointers(structure, structure.__name__)
        self.structure: Any = structure
        self.size_bytes = ctypes.sizeof(structure)  # type: ignore[arg-type] # of what is none it raises

    def encode(self, value: T) -> bytes:
        """The structure's own bytes; TypeError for another type."""
        if not isinstance(value, self.structure):
            raise TypeError(f"a {self.structure.__name__} is needed, not a {type(value).__name__}")
        return bytes(value)

    def decode(self, body: bytes) -> T:
        """A structure of its own, filled with these bytes."""
        made: T = self.structure.from_buffer_copy(_checked(body, self.size_bytes, self.structure.__name__))
        return made


class DataclassCodec(Generic[T]):
    """Instances of a dataclass, laid out as a C compiler would lay out the same fields in the same order.

    Annotations: a ctypes type, also an array (a tuple here), but no pointer; ``bool`` (C's _Bool), ``float`` (double),
    ``int`` (C's int); ``Annotated[bytes, n]`` is ``char[n]``, cut at its first NUL; another dataclass is a structure
    within.
    """

    def __init__(self, cls: type[T]) -> None:
        import ctypes
        import dataclasses
        from typing import get_type_hints

        if not dataclasses.is_dataclass(cls):
            raise TypeError(f"{cls.__name__} is neither a dataclass nor a ctypes.Structure")
        self.cls = cls
        self.fields = dataclasses.fields(cls)
        hints = get_type_hints(cls, include_extras=True)
        self.inner = {
            field.name: DataclassCodec(hints[field.name])
            for field in self.fields
            if dataclasses.is_dataclass(hints[field.name])
        }
        types = [(field.name, self._c_type(field.name, hints[field.name])) for field in self.fields]
        self.structure: Any = type(cls.__name__, (ctypes.Structure,), {"_fields_": types})
        self.size_bytes = ctypes.sizeof(self.structure)
        self.names = [field.name for field in self.fields]

    def _c_type(self, name: str, hint: Any) -> Any:
        import ctypes

        if name in self.inner:
            return self.inner[name].structure
        plain: dict[Any, Any] = {bool: ctypes.c_bool, float: ctypes.c_double, int: ctypes.c_int}
        if hint in plain:
            return plain[hint]
        length = getattr(hint, "__metadata__", (None,))[0]
        if getattr(hint, "__origin__", None) is bytes and isinstance(length, int) and length > 0:
            return ctypes.c_char * length
        try:
            ctypes.sizeof(hint)
        except TypeError:
            raise TypeError(
                f"{self.cls.__name__}.{name}: {hint!r} has no layout in C: use a ctypes type, bool, int, float, "
                "Annotated[bytes, n] or a dataclass"
            ) from None
        _refuse_pointers(hint, f"{self.cls.__name__}.{name}")
        return hint

    def encode(self, value: T) -> bytes:
        """The bytes of an instance; ValueError if a field does not fit, TypeError for another class."""
        if not isinstance(value, self.cls):
            raise TypeError(f"a {self.cls.__name__} is needed, not a {type(value).__name__}")
        return bytes(self._filled(value))

    def _filled(self, value: Any) -> Any:
        result = self.structure()
        for name, c_type in self.structure._fields_:
            item, inner = getattr(value, name), self.inner.get(name)
            try:
                setattr(result, name, _fitting(c_type, item) if inner is None else inner._filled(item))
            except (TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"{self.cls.__name__}.{name}: {item!r} does not fit: {error}") from None
        return result

    def decode(self, body: bytes) -> T:
        """An instance with these bytes' fields."""
        return self._read(self.structure.from_buffer_copy(_checked(body, self.size_bytes, self.cls.__name__)))

    def _read(self, found: Any) -> T:
        values = {field.name: self._item(field.name, getattr(found, field.name)) for field in self.fields}
        result = self.cls(**{field.name: values[field.name] for field in self.fields if field.init})
        for field in self.fields:
            if not field.init:
                object.__setattr__(result, field.name, values[field.name])
        return result

    def _item(self, name: str, value: Any) -> Any:
        if name in self.inner:
            return self.inner[name]._read(value)
        return _plain(value)

    def __reduce__(self) -> tuple[object, ...]:
        return DataclassCodec, (self.cls,)


def _plain(value: Any) -> Any:
    """Arrays as tuples; other values as they are."""
    return tuple(_plain(item) for item in value) if hasattr(value, "_length_") else value


def _fitting(c_type: Any, item: Any) -> Any:
    """What ctypes would cut or convert silently is refused."""
    import ctypes

    if isinstance(item, c_type):
        return item
    element = getattr(c_type, "_type_", None)
    if hasattr(c_type, "_length_") and element is not ctypes.c_char:
        if isinstance(item, (str, bytes)) or len(item) != c_type._length_:
            raise ValueError(f"{c_type._length_} items are needed")
        return c_type(*(_fitting(element, each) for each in item))
    if c_type is ctypes.c_bool and item not in (True, False):
        raise ValueError("it is neither True nor False")
    if isinstance(item, int) and element is not None and c_type(item).value != item:
        raise ValueError(f"it has more bits than {c_type.__name__}")
    return item


def _refuse_pointers(c_type: Any, name: str) -> None:
    """An address from another process means nothing here, and following it would end the interpreter."""
    import ctypes

    if hasattr(c_type, "_length_"):
        return _refuse_pointers(c_type._type_, name)
    for field in getattr(c_type, "_fields_", ()):
        _refuse_pointers(field[1], f"{name}.{field[0]}")
    function: Any = ctypes.CFUNCTYPE(None).__mro__[1]
    simple = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_wchar_p, ctypes.py_object)
    pointers = (ctypes._Pointer, function, *simple)
    if issubclass(c_type, pointers):
        raise TypeError(f"{name}: {c_type.__name__} is a pointer, which means nothing in another process")
    return None
