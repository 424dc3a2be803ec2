"""What message bodies are: C structures, numpy arrays, or what msgspec or pickle make.

>>> from unixipc.codec import codec_of
>>> pirate = codec_of("30s c i")  # struct { char name[30]; char ship_type; int notoriety; }
>>> pirate.size_bytes
36
>>> pirate.decode(pirate.encode((b"Anne Bonny", b"S", 20)))[1:]
(b'S', 20)
"""

from __future__ import annotations

from .arrays import ArrayCodec
from .objects import MsgspecCodec, PickleCodec
from .structures import DataclassCodec, StructCodec, StructureCodec

TYPE_CHECKING = False
if TYPE_CHECKING:
    import struct
    from typing import Any, Protocol, TypeAlias

    from typing_extensions import Buffer

    from .._generic import U

    class Codec(Protocol[U]):
        """Turns objects into bytes and back; LayoutError for bytes that are none of its own.

        A codec may also have ``size_of(value)`` and ``encode_into(value, buffer)``: channels then let it write in
        place; and ``decode_view(memoryview)``, which they use for `peek`.
        """

        def encode(self, value: U, /) -> Buffer:
            """The bytes of this object."""
            ...

        def decode(self, body: bytes, /) -> U:
            """The object of these bytes."""
            ...

    CodecFor: TypeAlias = "Codec[U] | type[U]"
    """What says by itself which type bodies have."""
    CodecLike: TypeAlias = "Codec[Any] | str | struct.Struct | type"

__all__ = [
    "ArrayCodec",
    "DataclassCodec",
    "MsgspecCodec",
    "PickleCodec",
    "StructCodec",
    "StructureCodec",
    "codec_of",
]

WORDS = {
    "numpy": ArrayCodec,
    "msgpack": MsgspecCodec,
    "json": lambda: MsgspecCodec(format="json"),
    "pickle": PickleCodec,
}
"""What can be asked for by name; none of them is a `struct` format."""


def codec_of(thing: CodecLike | None) -> Codec[Any] | None:
    """The codec for a word, a `struct` format or Struct, a `ctypes.Structure`, a dataclass, or a codec; None for bytes.

    The words: "numpy", "msgpack", "json", "pickle". TypeError for anything else, ValueError for what is no format.
    """
    if thing is None or (hasattr(thing, "encode") and hasattr(thing, "decode") and not isinstance(thing, (str, type))):
        return thing
    if isinstance(thing, type):
        return StructureCodec(thing) if hasattr(thing, "_fields_") else DataclassCodec(thing)
    if isinstance(thing, str) and thing in WORDS:
        made: Codec[Any] = WORDS[thing]()  # type: ignore[operator]
        return made
    if isinstance(thing, str) or hasattr(thing, "unpack_from"):
        return StructCodec(thing)
    raise TypeError(f"no codec for {thing!r}: a struct format, a ctypes.Structure, a dataclass, or encode and decode")
