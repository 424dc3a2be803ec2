"""What bodies are: Q05 and truth S22. C's layout, C's padding, and nothing that does not fit."""

import ctypes
import dataclasses
import pickle
import random
import shlex
import struct
import subprocess
from os import environ
from typing import Annotated

import pytest

from unixipc import LayoutError
from unixipc.codec import DataclassCodec, StructCodec, StructureCodec, codec_of


@dataclasses.dataclass
class Pirate:
    name: Annotated[bytes, 30]
    ship: Annotated[bytes, 1]
    notoriety: ctypes.c_int


@dataclasses.dataclass
class Everything:
    yes: bool
    small: ctypes.c_int8
    short: ctypes.c_uint16
    number: int
    whole: ctypes.c_uint64
    ratio: float
    single: ctypes.c_float
    letter: ctypes.c_char


@dataclasses.dataclass
class Crew:
    captain: Pirate
    ranks: ctypes.c_int * 3
    mate: Pirate
    flag: bool


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_char), ("y", ctypes.c_double)]


PIRATE = Pirate(b"Anne Bonny", b"S", 20)
EVERYTHING = Everything(True, -128, 65535, -(2**31), 2**64 - 1, 0.1, 0.5, b"z")


def changed(value, **fields):
    return dataclasses.replace(value, **fields)


# which codec ----------------------------------------------------------------------------------------------------------


def test_each_kind_of_description_has_its_codec():
    assert codec_of(None) is None
    assert isinstance(codec_of("i"), StructCodec)
    assert isinstance(codec_of(struct.Struct("i")), StructCodec)
    assert isinstance(codec_of(Point), StructureCodec)
    assert isinstance(codec_of(Pirate), DataclassCodec)


def test_what_encodes_and_decodes_is_a_codec_as_it_is():
    mine = codec_of("i")
    assert codec_of(mine) is mine


@pytest.mark.parametrize(
    "thing", [3, b"i", int, object(), Pirate(b"", b"", 0), str], ids=lambda thing: type(thing).__name__
)
def test_what_describes_nothing_is_refused(thing):
    with pytest.raises(TypeError):
        codec_of(thing)


# struct formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["", "i", "<HQ", "30sci", "2d3s", "?", "@iq0l"])
def test_a_struct_format_is_a_tuple_of_exactly_its_fields(format):
    codec = codec_of(format)
    value = struct.unpack(format, bytes(range(codec.size_bytes)))
    assert codec.decode(codec.encode(value)) == value
    assert len(codec.encode(value)) == codec.size_bytes == struct.calcsize(format)


@pytest.mark.parametrize("value", [(), (1, 2), (2**31,), (-(2**31) - 1,), ("1",), (1.5,), 1, None, b"1"], ids=repr)
def test_a_tuple_that_does_not_fit_the_format_is_refused(value):
    if value == b"1":
        value = b"12"  # iterates to two integers
    with pytest.raises(ValueError, match="does not fit"):
        codec_of("i").encode(value)


# ctypes structures ----------------------------------------------------------------------------------------------------


def test_a_structure_is_its_own_bytes():
    codec = codec_of(Point)
    body = codec.encode(Point(b"q", 0.25))
    again = codec.decode(body)
    assert len(body) == codec.size_bytes == ctypes.sizeof(Point) == 16
    assert (again.x, again.y) == (b"q", 0.25)


def test_a_decoded_structure_owns_its_bytes():
    body = bytearray(codec_of(Point).encode(Point(b"q", 0.25)))
    point = codec_of(Point).decode(bytes(body))
    point.x = b"r"
    assert body[0:1] == b"q"


@pytest.mark.parametrize("value", [b"", (b"q", 0.25), None, ctypes.c_int(3), PIRATE], ids=repr)
def test_another_type_is_no_such_structure(value):
    with pytest.raises(TypeError, match="Point"):
        codec_of(Point).encode(value)


def test_a_union_is_a_structure_too():
    class Either(ctypes.Union):
        _fields_ = [("number", ctypes.c_int), ("bytes", ctypes.c_char * 8)]

    assert codec_of(Either).decode(codec_of(Either).encode(Either(number=5))).number == 5


# dataclasses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [PIRATE, EVERYTHING, changed(EVERYTHING, yes=False, small=127, ratio=-1e300)])
def test_a_dataclass_comes_back_equal(value):
    codec = codec_of(type(value))
    assert codec.decode(codec.encode(value)) == value


def test_dataclasses_within_and_arrays_come_back():
    codec = codec_of(Crew)
    crew = codec.decode(codec.encode(Crew(PIRATE, (1, -2, 2**31 - 1), changed(PIRATE, notoriety=-1), True)))
    assert (crew.captain, crew.mate, crew.flag) == (PIRATE, changed(PIRATE, notoriety=-1), True)
    assert list(crew.ranks) == [1, -2, 2**31 - 1]


def test_characters_end_at_their_first_nul_and_may_fill_their_array():
    codec = codec_of(Pirate)
    for name, expected in ((b"x" * 30, b"x" * 30), (b"", b""), (b"a\0b", b"a")):
        assert codec.decode(codec.encode(changed(PIRATE, name=name))).name == expected


def test_annotations_may_be_strings():
    cls = dataclasses.make_dataclass("Later", [("number", "ctypes.c_int"), ("name", "Annotated[bytes, 3]")])
    cls.__module__ = __name__
    codec = codec_of(cls)
    assert codec.decode(codec.encode(cls(-5, b"abc"))) == cls(-5, b"abc")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": b"x" * 31}, {"name": "text"}, {"name": None}, {"name": 5}, {"ship": b"SS"},
        {"notoriety": 2**31}, {"notoriety": -(2**31) - 1}, {"notoriety": 2**100}, {"notoriety": 1.0},
        {"notoriety": "1"}, {"notoriety": None},
    ],
    ids=repr,
)  # fmt: skip
def test_a_field_that_does_not_fit_is_refused_and_named(fields):
    with pytest.raises(ValueError, match=rf"Pirate\.{next(iter(fields))}"):
        codec_of(Pirate).encode(changed(PIRATE, **fields))


@pytest.mark.parametrize(
    ("name", "value"),
    [("small", 128), ("small", -129), ("short", -1), ("short", 65536), ("number", 2**31), ("whole", -1),
     ("whole", 2**64), ("letter", b"zz"), ("letter", 5), ("ratio", "0.1"), ("yes", 2), ("yes", "no"), ("yes", None)],
)  # fmt: skip
def test_nothing_is_cut_to_fit(name, value):
    with pytest.raises(ValueError, match=rf"Everything\.{name}"):
        codec_of(Everything).encode(changed(EVERYTHING, **{name: value}))


@pytest.mark.parametrize("ranks", [(1, 2, 2**31), (1, 2, -(2**31) - 1), (1, 2, "3"), (1, 2, 3, 4), (1, 2), 5], ids=repr)
def test_nothing_is_cut_to_fit_into_an_array(ranks):
    with pytest.raises(ValueError, match=r"Crew\.ranks"):
        codec_of(Crew).encode(Crew(PIRATE, ranks, PIRATE, True))


def test_a_field_within_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"Pirate\.notoriety"):
        codec_of(Crew).encode(Crew(PIRATE, (1, 2, 3), changed(PIRATE, notoriety=2**31), True))
    with pytest.raises(ValueError, match=r"Crew\.captain"):
        codec_of(Crew).encode(Crew(b"no pirate", (1, 2, 3), PIRATE, True))


@pytest.mark.parametrize("value", [b"", EVERYTHING, None, (b"Anne Bonny", b"S", 20)], ids=repr)
def test_an_instance_of_another_class_is_refused(value):
    with pytest.raises(TypeError, match="Pirate"):
        codec_of(Pirate).encode(value)


@pytest.mark.parametrize(
    "hint",
    [bytes, str, list[int], "ctypes.c_int | None", Annotated[bytes, 0], Annotated[bytes, -1], Annotated[bytes, "n"],
     Annotated[str, 5], object, tuple],
    ids=repr,
)  # fmt: skip
def test_a_field_without_a_layout_is_refused_when_the_codec_is_made(hint):
    cls = dataclasses.make_dataclass("Vague", [("field", hint)])
    cls.__module__ = __name__
    with pytest.raises(TypeError, match=r"Vague\.field"):
        codec_of(cls)


@pytest.mark.parametrize(
    "hint",
    [ctypes.c_char_p, ctypes.c_wchar_p, ctypes.py_object, ctypes.POINTER(ctypes.c_int),
     ctypes.c_char_p * 2],
    ids=repr,
)  # fmt: skip
def test_a_pointer_is_refused_when_the_codec_is_made(hint):
    """It would come from another process: reading through it ends this one."""
    cls = dataclasses.make_dataclass("Lost", [("field", hint)])
    with pytest.raises(TypeError, match=r"Lost\.field"):
        codec_of(cls)


@pytest.mark.parametrize("options", [{"kw_only": True}, {"frozen": True}, {"slots": True}, {"order": True}], ids=repr)
def test_every_kind_of_dataclass_comes_back(options):
    cls = dataclasses.make_dataclass("Kind", [("number", ctypes.c_int), ("ratio", float)], **options)
    codec = codec_of(cls)
    value = cls(number=5, ratio=0.5)
    assert codec.decode(codec.encode(value)) == value


# lengths --------------------------------------------------------------------------------------------------------------


def test_S22_padding_that_c_sends_behind_the_last_field_is_accepted():
    """``sizeof(whole message) - sizeof(long)`` is a multiple of 8."""
    codec = codec_of(Pirate)
    body = codec.encode(PIRATE)
    assert len(body) == codec.size_bytes == 36
    for more in range(5):
        assert codec.decode(body + bytes(more)) == PIRATE


@pytest.mark.parametrize("thing", ["30sci", Pirate, Point, Crew, "i", "q"], ids=repr)
def test_S22_a_body_of_another_length_is_a_layout_error(thing):
    codec = codec_of(thing)
    beyond = -(-codec.size_bytes // 8) * 8 + 1
    for length in (0, codec.size_bytes - 1, beyond, 10 * beyond):
        with pytest.raises(LayoutError) as refused:
            codec.decode(bytes(length))
        assert f"{codec.size_bytes} bytes" in str(refused.value)
        assert f"{length} bytes" in str(refused.value)
    codec.decode(bytes(beyond - 1))


@pytest.mark.parametrize(
    "thing", ["iq", struct.Struct("<i"), Pirate, Point, Crew], ids=["text", "Struct", "Pirate", "Point", "Crew"]
)
def test_a_codec_can_be_pickled(thing):
    codec = codec_of(thing)
    again = pickle.loads(pickle.dumps(codec))
    assert type(again) is type(codec)
    assert again.size_bytes == codec.size_bytes


# the layout of C ------------------------------------------------------------------------------------------------------

C_TYPES = {
    "char": ctypes.c_char, "short": ctypes.c_short, "int": ctypes.c_int, "long": ctypes.c_long, "float": ctypes.c_float,
    "double": float, "_Bool": bool, "unsigned long long": ctypes.c_ulonglong, "int32_t": int, "uint8_t": ctypes.c_uint8,
}  # fmt: skip


def random_dataclass(source, name, within):
    """(the dataclass, its declaration in C): up to 9 fields, with arrays and with a structure of `within`."""
    fields, declared = [], []
    for n in range(source.randint(1, 9)):
        kind = source.choice([*C_TYPES, "text", "array", "struct"])
        if kind == "text":
            length = source.randint(1, 33)
            fields.append((f"f{n}", Annotated[bytes, length]))
            declared.append(f"char f{n}[{length}];")
        elif kind == "array":
            fields.append((f"f{n}", ctypes.c_int16 * 3))
            declared.append(f"int16_t f{n}[3];")
        elif kind == "struct" and within:
            other = source.choice(within)
            fields.append((f"f{n}", other))
            declared.append(f"struct {other.__name__} f{n};")
        elif kind in C_TYPES:
            fields.append((f"f{n}", C_TYPES[kind]))
            declared.append(f"{kind} f{n};")
    fields.append(("last", ctypes.c_char))
    return dataclasses.make_dataclass(name, fields), f"struct {name} {{ {' '.join(declared)} char last; }};"


def c_program(classes, declarations):
    lines = [
        f'printf("%zu", sizeof(struct {cls.__name__}));'
        + "".join(f'printf(" %zu", offsetof(struct {cls.__name__}, {f.name}));' for f in dataclasses.fields(cls))
        + 'puts("");'
        for cls in classes
    ]
    headers = ["#include <stddef.h>", "#include <stdint.h>", "#include <stdio.h>"]
    return "\n".join([*headers, *declarations, "int main(void) {", *lines, "}"])


def test_S22_sizes_and_offsets_are_the_compilers(tmp_path):
    """60 random structures, with holes, tails, arrays and structures within."""
    source = random.Random(22)
    classes, declarations = [], []
    for n in range(60):
        cls, declared = random_dataclass(source, f"S{n}", classes)
        classes.append(cls)
        declarations.append(declared)
    (tmp_path / "layout.c").write_text(c_program(classes, declarations))
    compiler = shlex.split(environ.get("CC", "cc"))
    subprocess.run([*compiler, "-o", tmp_path / "layout", tmp_path / "layout.c"], check=True, timeout=100)
    told = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, timeout=20, check=True).stdout
    for cls, line in zip(classes, told.splitlines(), strict=True):
        codec = codec_of(cls)
        offsets = [getattr(codec.structure, name).offset for name in codec.names]
        assert [codec.size_bytes, *offsets] == [int(word) for word in line.split()], cls
