"""Objects, by msgspec (schema, fast) or, when asked for by name, by pickle."""

from __future__ import annotations

from .._generic import Generic, T, overload
from ..errors import LayoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["MsgspecCodec", "PickleCodec"]


class MsgspecCodec(Generic[T]):
    """What msgspec can write: numbers, text, lists, dicts, ``msgspec.Struct``, dataclasses; as MessagePack or JSON.

    `type`: what bodies must be; LayoutError for others. Needs msgspec.
    """

    @overload
    def __init__(self, type: type[T], format: str = ...) -> None: ...

    @overload
    def __init__(self: MsgspecCodec[Any], type: object = None, format: str = ...) -> None: ...

    def __init__(self, type: Any = None, format: str = "msgpack") -> None:
        try:
            import msgspec
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'this codec needs msgspec: pip install "unixipc[msgspec]"', name="msgspec"
            ) from error
        if format not in ("msgpack", "json"):
            raise ValueError(f"format is 'msgpack' or 'json', not {format!r}")
        module: Any = getattr(msgspec, format)
        self.type, self.format, self._refused = type, format, msgspec.DecodeError
        self.encode: Callable[[T], bytes] = module.Encoder().encode
        self._decode = (module.Decoder() if type is None else module.Decoder(type)).decode

    def decode(self, body: bytes) -> T:
        """The object of these bytes."""
        try:
            made: T = self._decode(body)
            return made
        except self._refused as error:
            raise LayoutError(f"{self.format} body", self.type or "an object", str(error)) from error

    def __reduce__(self) -> tuple[object, ...]:
        return MsgspecCodec, (self.type, self.format)


class PickleCodec:
    """Anything that pickle takes. Only between programs that trust each other: who sends may run code here."""

    def encode(self, value: Any) -> bytes:
        """Its pickle."""
        import pickle

        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, body: bytes) -> Any:
        """The object of this pickle."""
        import pickle

        try:
            return pickle.loads(body)
        except (pickle.UnpicklingError, EOFError, ValueError, IndexError) as error:
            raise LayoutError("pickle", "an object", str(error)) from error
