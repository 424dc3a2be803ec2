"""Framing (I13, F10): messages over byte streams; never a wrong message, whatever comes in whatever pieces."""

import os
import signal
import struct

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unixipc import ClosedError, Exited, Fifo, LayoutError, PeerGone, aio, fork, pipe, sockets
from unixipc.framing import HEADER_BYTES, FrameReader, FrameWriter
from unixipc.testing.contracts import FORMS

WAIT = 20
ROOM = 1 << 20  # what a pipe of an ordinary user may hold


def frame_of(message):
    """The bytes on the wire, written down independently of the library."""
    length = len(message)
    return struct.pack("<2sHI", b"uF", 0x5546 ^ (length & 0xFFFF) ^ (length >> 16), length) + message


def connected():
    reader, writer = pipe(capacity_bytes=ROOM)
    return reader, writer


@pytest.fixture
def ends():
    reader, writer = connected()
    with reader, writer:
        yield reader, writer


@pytest.fixture
def framed(ends):
    return FrameReader(ends[0]), FrameWriter(ends[1])


def test_I13_messages_of_every_size_come_whole_and_in_order(framed):
    receiver, sender = framed
    messages = [b"", b"x", b"a" * 4088, b"b" * 4089, b"c" * 65536, bytes(range(256)) * 500]
    for message in messages:
        sender.send(message, timeout=WAIT)
    assert [receiver.receive(timeout=WAIT) for _ in messages] == messages


def test_I13_the_bytes_on_the_wire_are_as_documented(ends):
    reader, writer = ends
    FrameWriter(writer).send(b"hello", timeout=WAIT)
    assert reader.read(100, timeout=WAIT) == b"uF\x43\x55\x05\0\0\0hello" == frame_of(b"hello")


def test_I13_iteration_ends_when_every_sender_has_left(ends, framed):
    receiver, sender = framed
    sender.send(b"one")
    sender.send(b"two")
    ends[1].close()
    assert list(receiver) == [b"one", b"two"]
    with pytest.raises(EOFError, match="every sender has left"):
        receiver.receive(timeout=WAIT)


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_I13_fifos_and_stream_sockets_carry_frames_too(kind, tmp_path):
    if kind == "fifo":
        fifo = Fifo.create(tmp_path / "fifo")
        source = fifo.try_reader()
        sink = fifo.writer(timeout=WAIT)
    else:
        source, sink = sockets.pair()
    with source, sink:
        big = os.urandom(50000)
        FrameWriter(sink).send(big, timeout=WAIT)
        assert FrameReader(source).receive(timeout=WAIT) == big


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(st.binary(max_size=300), max_size=8), data=st.data())
def test_I13_any_messages_in_any_chunks_are_the_same_messages(messages, data):
    """Before each chunk the reader may look, in vain or not: nothing is lost, doubled or mixed."""
    wire = b"".join(map(frame_of, messages))
    reader, writer = connected()
    with reader, writer:
        receiver, got = FrameReader(reader), []
        while wire:
            size = data.draw(st.integers(1, len(wire)))
            writer.write_all(wire[:size])
            wire = wire[size:]
            while (message := receiver.try_receive()) is not None:
                got.append(message)
        writer.close()
        assert [*got, *receiver] == messages


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(st.binary(max_size=5000), max_size=6))
def test_I13_what_the_writer_sends_is_what_the_format_says(messages):
    reader, writer = connected()
    with reader, writer:
        sender = FrameWriter(writer)
        for message in messages:
            assert sender.try_send(message)
        writer.close()
        wire = b"".join(map(frame_of, messages))
        assert (reader.read_exactly(len(wire)) if wire else b"") == wire
        assert reader.read(1, timeout=WAIT) == b""


@settings(max_examples=80, deadline=None)
@given(before=st.lists(st.binary(max_size=50), max_size=3), body=st.binary(max_size=50), cut=st.integers(1, 57))
def test_I13_a_stream_that_ends_inside_a_frame_is_no_clean_end(before, body, cut):
    frame = frame_of(body)[:cut]
    whole = len(frame) == HEADER_BYTES + len(body)
    reader, writer = connected()
    with reader, writer:
        writer.write_all(b"".join(map(frame_of, before)) + frame)
        writer.close()
        receiver, got = FrameReader(reader), []
        if whole:
            assert list(receiver) == [*before, body]
        else:
            with pytest.raises(EOFError, match="inside a frame"):
                for message in receiver:
                    got.append(message)  # noqa: PERF402 - what came before the error counts
            assert got == before
            with pytest.raises(EOFError):
                receiver.receive(timeout=WAIT)


@settings(max_examples=150, deadline=None)
@given(
    before=st.lists(st.binary(max_size=40), max_size=3),
    body=st.binary(max_size=400),
    place=st.integers(0, HEADER_BYTES - 1),
    flip=st.integers(1, 255),
)
def test_I13_a_damaged_header_is_a_layout_error_and_never_a_wrong_message(before, body, place, flip):
    frame = bytearray(frame_of(body))
    frame[place] ^= flip
    reader, writer = connected()
    with reader, writer:
        writer.write_all(b"".join(map(frame_of, before)) + frame)
        writer.close()
        receiver, got = FrameReader(reader), []
        with pytest.raises(LayoutError) as damaged:
            for message in receiver:
                got.append(message)  # noqa: PERF402 - what came before the error counts
        assert got == before
        assert damaged.value.field.startswith("frame")
        assert damaged.value.expected != damaged.value.found


@settings(max_examples=60, deadline=None)
@given(inner=st.lists(st.binary(max_size=40), min_size=1, max_size=4), place=st.integers(0, HEADER_BYTES - 1))
def test_I13_after_damage_the_stream_stays_damaged(inner, place):
    """A body may look like frames: whoever goes on after the error must not be given them as messages."""
    frame = bytearray(frame_of(b"".join(map(frame_of, inner))))
    frame[place] ^= 0x55
    reader, writer = connected()
    with reader, writer:
        writer.write_all(frame)
        writer.close()
        receiver = FrameReader(reader)
        for _ in range(10):
            with pytest.raises((LayoutError, EOFError)):
                receiver.receive(timeout=WAIT)


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(min_size=1, max_size=200).filter(lambda noise: not noise.startswith(b"uF")))
def test_I13_noise_is_a_layout_error_or_an_end_never_a_message(noise):
    reader, writer = connected()
    with reader, writer:
        writer.write_all(noise)
        writer.close()
        with pytest.raises((LayoutError, EOFError)):
            FrameReader(reader).receive(timeout=WAIT)


def test_I13_a_body_above_the_limit_is_refused_before_it_is_read(ends):
    reader, writer = ends
    FrameWriter(writer).send(b"x" * 101, timeout=WAIT)
    receiver = FrameReader(reader, max_bytes=100)
    with pytest.raises(LayoutError) as refused:
        receiver.receive(timeout=WAIT)
    assert (refused.value.field, refused.value.found) == ("frame length", 101)
    with pytest.raises(LayoutError):
        receiver.receive(timeout=WAIT)


def test_I13_a_length_of_four_gigabytes_from_a_stranger_allocates_nothing(ends):
    reader, writer = ends
    length = 0xFFFFFFFF
    writer.write_all(struct.pack("<2sHI", b"uF", 0x5546 ^ (length & 0xFFFF) ^ (length >> 16), length))
    with pytest.raises(LayoutError, match="at most 67108864"):
        FrameReader(reader).receive(timeout=WAIT)


def test_I13_a_timed_out_receive_loses_nothing(ends, framed):
    _, writer = ends
    receiver, _ = framed
    wire = frame_of(b"slowly")
    for place in range(len(wire)):
        with pytest.raises(TimeoutError):
            receiver.receive(timeout=0)
        assert receiver.try_receive() is None
        writer.write_all(wire[place : place + 1])
    assert receiver.receive(timeout=WAIT) == b"slowly"


def test_I13_a_frame_that_fits_pipe_buf_goes_whole_or_not_at_all():
    reader, writer = pipe()
    with reader, writer:
        sender = FrameWriter(writer)
        sent = 0
        while sender.try_send(b"x" * 4088):
            sent += 1
        assert (sent, sender.pending_bytes) == (16, 0)
        with pytest.raises(TimeoutError):
            sender.send(b"x" * 4088, timeout=0.02)
        assert sender.pending_bytes == 0
        writer.close()
        assert list(FrameReader(reader)) == [b"x" * 4088] * 16


def test_I13_a_long_frame_that_timed_out_is_finished_by_the_next_send():
    reader, writer = pipe()
    with reader, writer:
        sender, receiver = FrameWriter(writer), FrameReader(reader)
        with pytest.raises(TimeoutError) as late:
            sender.send(b"L" * 100_000, timeout=0.02)
        assert sender.pending_bytes > 0
        assert not any("nothing was" in note for note in late.value.__notes__), "some of it went"
        assert any("under way" in note for note in late.value.__notes__)
        assert sender.try_send(b"not now") is False

        def finish():
            reader.close()
            sender.send(b"next", timeout=WAIT)
            sender.flush(timeout=WAIT)

        with fork(finish) as child:
            writer.close()
            assert list(receiver) == [b"L" * 100_000, b"next"]
            assert child.wait(timeout=WAIT) == Exited(0)


def test_I13_a_killed_sender_is_told_from_one_that_left():
    reader, writer = connected()

    def send_half_and_hang():
        writer.write_all(frame_of(b"whole") + frame_of(b"x" * 1000)[:500])
        signal.pause()

    with reader, fork(send_half_and_hang) as child:
        writer.close()
        receiver = FrameReader(reader)
        assert receiver.receive(timeout=WAIT) == b"whole"
        child.kill()
        with pytest.raises(EOFError, match="inside a frame of 1000 bytes"):
            receiver.receive(timeout=WAIT)
        child.wait(timeout=WAIT)


def test_F10_many_senders_may_share_a_pipe():
    reader, writer = pipe()

    def send_many(letter):
        sender = FrameWriter(writer)
        for number in range(100):
            sender.send(letter * (number * 40), timeout=WAIT)

    with reader:
        with writer:
            children = [fork(send_many, bytes([65 + number])) for number in range(4)]
        messages = list(FrameReader(reader))
        for number in range(4):
            letter = bytes([65 + number])
            mine = [message for message in messages if message[:1] == letter]
            assert mine == [letter * (size * 40) for size in range(1, 100)], "each sender's in order"
        assert messages.count(b"") == 4
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)


def test_sending_to_nobody_is_peer_gone(ends, framed):
    ends[0].close()
    with pytest.raises(PeerGone):
        framed[1].send(b"x", timeout=WAIT)


def test_a_closed_end_is_a_closed_error(ends, framed):
    receiver, sender = framed
    for end in ends:
        end.close()
    for use in (receiver.receive, receiver.try_receive, lambda: sender.send(b"x"), lambda: sender.try_send(b"")):
        with pytest.raises(ClosedError):
            use()


@pytest.mark.parametrize("bad", ["text", None, 5])
def test_what_is_no_bytes_is_refused_and_nothing_goes(ends, framed, bad):
    with pytest.raises(TypeError):
        framed[1].send(bad, timeout=WAIT)
    assert ends[0].pending_bytes == 0


def test_a_negative_limit_is_a_value_error(ends):
    with pytest.raises(ValueError, match="max_bytes"):
        FrameReader(ends[0], max_bytes=-1)


def test_any_buffer_can_be_a_message(framed):
    receiver, sender = framed
    for message in (bytearray(b"abc"), memoryview(b"xabcx")[1:4], memoryview(b"abcd").cast("I")):
        sender.send(message, timeout=WAIT)
    assert [receiver.receive(timeout=WAIT) for _ in range(3)] == [b"abc", b"abc", b"abcd"]


def framed_pipe(form):
    reader, writer = pipe() if form.blocking else aio.pipe()
    return reader, writer, (FrameWriter if form.blocking else aio.framing.FrameWriter)(writer)


def notes(error):
    return " ".join(getattr(error, "__notes__", ()))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_I13_a_time_out_says_what_of_the_message_is_under_way(form):
    async def main():
        reader, writer, sender = framed_pipe(form)
        try:
            with pytest.raises(TimeoutError) as late:
                await form.call(sender.send, b"L" * 100_000, timeout=0.02)
            assert f"the message is under way, {sender.pending_bytes} bytes are pending" in notes(late.value)
            assert "nothing was consumed" not in notes(late.value)
            with pytest.raises(TimeoutError) as late:
                await form.call(sender.send, b"next", timeout=0.02)
            assert "nothing was consumed or changed" in notes(late.value), "the pipe was full from the start"
            for wait in (lambda **how: sender.send(b"next", **how), sender.flush):
                (reader if form.blocking else reader.sync).read(4096, timeout=WAIT)
                with pytest.raises(TimeoutError) as late:
                    await form.call(wait, timeout=0.02)
                assert "nothing was consumed" not in notes(late.value), "some of the first one went"
                assert f"under way, {sender.pending_bytes} bytes are pending" in notes(late.value)
        finally:
            reader.close()
            writer.close()

    form.run(main)


@pytest.mark.parametrize("form", [form for form in FORMS if not form.blocking], ids=str)
def test_I13_a_cancel_says_what_of_the_message_is_under_way(form):
    async def main():
        reader, writer, sender = framed_pipe(form)
        told = []
        with anyio.move_on_after(0.02):
            try:
                await sender.send(b"L" * 100_000)
            except BaseException as error:
                told.append(notes(error))
                raise
        assert f"under way, {sender.pending_bytes} bytes are pending" in told[0]
        reader.close()
        writer.close()

    form.run(main)
