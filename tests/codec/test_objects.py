"""Arrays, msgspec and pickle as message bodies: what comes out is what went in, and foreign bytes are LayoutError."""

import dataclasses
import pickle
import sys

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as some

from unixipc import LayoutError, channel
from unixipc.codec import ArrayCodec, MsgspecCodec, PickleCodec, codec_of

ARRAYS = [
    numpy.arange(12, dtype="f8").reshape(3, 4),
    numpy.arange(12, dtype="i2")[::3],
    numpy.arange(12).reshape(3, 4).T,
    numpy.zeros((0, 3)),
    numpy.array(7),
    numpy.array([True, False]),
    numpy.array([1 + 2j]),
    numpy.array(["text", "longer"]),
    numpy.array([b"bytes"]),
    numpy.array(["2026-11-22"], dtype="datetime64[D]"),
    numpy.array([(1, 2.5)], dtype=[("n", "<i4"), ("x", "<f8")]),
    numpy.arange(3, dtype=">i4"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype} {array.shape}")
def test_an_array_comes_out_as_it_went_in(array):
    codec = codec_of("numpy")
    body = codec.encode(array)
    assert len(body) == codec.size_of(array)
    out = codec.decode(body)
    assert (out.dtype, out.shape) == (array.dtype, array.shape)
    assert numpy.array_equal(out, array)
    assert not out.flags.writeable


def test_a_received_array_looks_at_the_message_and_copies_nothing():
    body = ArrayCodec().encode(numpy.arange(1000))
    assert numpy.shares_memory(ArrayCodec().decode(body), numpy.frombuffer(body, dtype="u1"))


@pytest.mark.parametrize(
    ("value", "error"),
    [([1], TypeError), (numpy.array([object()]), TypeError), (numpy.array([{}, 1], dtype=object), TypeError)],
)
def test_what_is_no_array_of_plain_things_is_refused(value, error):
    with pytest.raises(error):
        ArrayCodec().encode(value)


GOOD = bytearray(ArrayCodec().encode(numpy.arange(12, dtype="f8").reshape(3, 4)))


@given(some.lists(some.tuples(some.integers(0, len(GOOD) - 1), some.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_are_an_array_or_layout_error(changes):
    body = bytearray(GOOD)
    for at, byte in changes:
        body[at] = byte
    try:
        array = ArrayCodec().decode(bytes(body))
    except LayoutError:
        return
    assert array.nbytes <= len(body)


@pytest.mark.parametrize("body", [b"", b"UIAR", b"x" * 100, bytes(GOOD[:-1]), bytes(GOOD) + b"x", bytes(GOOD[:64])])
def test_foreign_and_cut_bytes_are_layout_error(body):
    with pytest.raises(LayoutError):
        ArrayCodec().decode(body)


@dataclasses.dataclass
class Pirate:
    name: str
    fame: int


@pytest.mark.parametrize("format", ["msgpack", "json"])
def test_msgspec_with_and_without_a_type(format):
    loose, strict = MsgspecCodec(format=format), MsgspecCodec(Pirate, format)
    body = strict.encode(Pirate("Anne", 20))
    assert strict.decode(body) == Pirate("Anne", 20)
    assert loose.decode(body) == {"name": "Anne", "fame": 20}
    assert pickle.loads(pickle.dumps(strict)).decode(body) == Pirate("Anne", 20)
    with pytest.raises(LayoutError):
        strict.decode(loose.encode({"name": 5}))
    with pytest.raises(LayoutError):
        loose.decode(b"\xc1")
    with pytest.raises(ValueError, match="format"):
        MsgspecCodec(format="xml")


def test_without_msgspec_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "msgspec", None)
    with pytest.raises(ModuleNotFoundError, match=r"unixipc\[msgspec\]"):
        codec_of("json")


def test_pickle_when_asked_for_by_name():
    codec = codec_of("pickle")
    assert isinstance(codec, PickleCodec)
    assert codec.decode(codec.encode({"a": (1, {2})})) == {"a": (1, {2})}
    with pytest.raises(LayoutError):
        codec.decode(b"no pickle")


@pytest.mark.parametrize("word", ["numpy", "msgpack", "json", "pickle"])
def test_channels_speak_all_of_them(word):
    value = numpy.arange(6).reshape(2, 3) if word == "numpy" else {"n": [1, 2, 3]}
    with channel.Queue.anonymous(codec=word) as queue, queue.sender() as sender, queue.receiver() as receiver:
        sender.send(value)
        sender.send_many([value, value])
        with receiver.lease() as first:
            assert repr(first) == repr(value)
        assert [repr(each) for each in receiver.receive_many()] == [repr(value)] * 2
        assert sender.try_send(value)
        assert repr(receiver.try_receive()) == repr(value)


def test_an_array_is_written_in_place_and_looked_at_in_place():
    with channel.Queue.anonymous(1 << 16, codec="numpy") as queue:
        with queue.sender() as sender, queue.receiver() as receiver:
            sender.send(numpy.full(1000, 7, dtype="u2"))
            with receiver.peek() as array:
                assert array.sum() == 7000
                assert not array.flags.owndata
            assert queue.stat().used_bytes > 0  # the array is still there
            del array
            assert queue.stat().used_bytes == 0
            with pytest.raises(TypeError):
                sender.send("no array")
            assert queue.stat().depth == 0
