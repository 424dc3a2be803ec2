"""Frozen value objects without the 6 ms that importing dataclasses costs every program that imports us."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_options):
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make an annotated class a frozen record: constructor, repr, ==, hash, pickling, match, ``_asdict()``."""
    fields = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in fields if name in cls.__dict__}
    body: dict[str, Any] = {key: value for key, value in cls.__dict__.items() if key not in defaults}
    body.pop("__dict__", None)
    body.pop("__weakref__", None)
    body |= {"__slots__": fields, "__match_args__": fields, "__init__": _initialiser(cls.__name__, fields, defaults)}
    body |= {"__setattr__": _refuse, "__delattr__": _refuse, "_asdict": _asdict, "__reduce__": _reduce}
    for name, method in (("__repr__", _repr), ("__eq__", _eq), ("__hash__", _hash)):
        body.setdefault(name, method)
    return type(cls.__name__, cls.__bases__, body)


def _initialiser(name: str, fields: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    def __init__(self: object, *values: object, **named: object) -> None:
        if named or len(values) != len(fields):
            values = _completed(name, fields, defaults, values, named)
        for field, value in zip(fields, values, strict=True):
            _set(self, field, value)

    return __init__


_set = object.__setattr__


def _completed(
    name: str, fields: tuple[str, ...], defaults: dict[str, Any], values: tuple[object, ...], named: dict[str, object]
) -> tuple[object, ...]:
    """All values in the order of the fields, or the TypeError that any function would raise."""
    if len(values) > len(fields):
        raise TypeError(f"{name}() takes {len(fields)} values, {len(values)} given")
    given = dict(zip(fields, values, strict=False))
    if twice := given.keys() & named.keys():
        raise TypeError(f"{name}() got {', '.join(twice)} twice")
    whole = {**defaults, **given, **named}
    if whole.keys() != set(fields):
        raise TypeError(f"{name}() takes exactly {', '.join(fields)}")
    return tuple(whole[field] for field in fields)


def _values(self: Any) -> tuple[object, ...]:
    return tuple(getattr(self, name) for name in self.__match_args__)


def _refuse(self: object, name: str, *_value: object) -> None:
    raise AttributeError(f"{type(self).__name__} is a frozen record: {name} cannot be changed")


def _asdict(self: Any) -> dict[str, object]:
    return dict(zip(self.__match_args__, _values(self), strict=True))


def _reduce(self: Any) -> tuple[object, ...]:
    return type(self), _values(self)


def _repr(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in _asdict(self).items())})"


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))
