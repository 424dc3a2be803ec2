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
    body |= {"__slots__": fields, "__match_args__": fields, "__init__": _first_initialiser(fields, defaults)}
    body |= {"__setattr__": _refuse, "__delattr__": _refuse, "_asdict": _asdict, "__reduce__": _reduce}
    for name, method in (("__repr__", _repr), ("__eq__", _eq), ("__hash__", _hash)):
        body.setdefault(name, method)
    return type(cls.__name__, cls.__bases__, body)


def _first_initialiser(fields: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    """Writes the class's real one when the first object is made: many programs never make one.

    Written out, a field a line, it takes a third of the time of a loop: the inspector makes a hundred thousand records.
    """

    def __init__(self: object, *values: object, **named: object) -> None:
        made = next(each for each in type(self).__mro__ if each.__dict__.get("__match_args__") is fields)
        made.__init__ = _initialiser(made, fields, defaults)  # type: ignore[misc]
        made.__init__(self, *values, **named)  # type: ignore[misc]

    return __init__


def _initialiser(cls: type, fields: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    parameters = ", ".join(f"{name}=_defaults[{name!r}]" if name in defaults else name for name in fields)
    lines = "".join(f"    _set_{name}(self, {name})\n" for name in fields) or "    pass\n"
    names: dict[str, Any] = {f"_set_{name}": cls.__dict__[name].__set__ for name in fields}
    names["_defaults"] = defaults
    source = f"def __init__(self, {parameters}):\n{lines}"  # names of fields, from our own source
    # Compiled first: a Ctrl-C within exec() of text ends the interpreter by SIGINT in the end, even if it was caught.
    exec(compile(source, f"<{cls.__name__}.__init__>", "exec"), names)
    return names["__init__"]


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
