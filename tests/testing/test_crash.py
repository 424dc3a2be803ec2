"""The furniture itself: killed where it says, by the real SIGKILL."""

from __future__ import annotations

import pytest

from unixipc import Exited, Killed, pipe
from unixipc.framing import FrameReader, FrameWriter
from unixipc.testing import crash

SIGKILL = Killed(9)


def talk(writer):
    writer.write_all(b"before ")
    crash.point("half-way")
    writer.write_all(b"after")


@pytest.mark.parametrize(("point", "status", "said"), [
    ("half-way", SIGKILL, b"before "),
    ("no such point", Exited(0), b"before after"),
    ("unixipc._stream.Writing.write_all", SIGKILL, b""),
])  # fmt: skip
def test_killed_at_a_named_point(point, status, said):
    reader, writer = pipe()
    with reader, crash.killed_at(talk, writer, point=point) as child:
        writer.close()
        assert child.wait(timeout=30) == status
        assert reader.read(100) == said


def test_steps_are_counted_and_each_can_be_the_last():
    def three():
        a = 1
        b = a + 1
        return 0 * b

    assert crash.steps(three) == 3
    ends = []
    for n in range(4):
        with crash.killed_at_step(three, n) as child:
            ends.append(child.wait(timeout=30))
    assert ends == [SIGKILL, SIGKILL, SIGKILL, Exited(0)]


def test_killed_at_a_moment():
    reader, writer = pipe()
    with reader, writer, crash.killed_after(reader.read, 0.02, 1) as child:
        assert child.wait(timeout=30) == SIGKILL


def test_a_child_that_ends_before_its_moment_is_left_in_peace():
    with crash.killed_after(int, 5.0) as child:
        assert child.wait(timeout=30) == Exited(0)


def test_a_sender_of_frames_killed_at_every_step_never_makes_a_wrong_message():
    """The receiver gets whole messages, then the end, or is told that the last frame was cut."""

    def send(writer):
        frames = FrameWriter(writer)
        for n in range(2):
            frames.send(b"%d" % n * 100_000)

    def receive(reader):
        got = []
        try:
            got += FrameReader(reader)
        except EOFError:
            got.append(None)
        return got

    total = crash.steps(sender_into_nothing, send)
    assert total > 20
    for n in range(0, total, 3):
        reader, writer = pipe()
        with reader, crash.killed_at_step(send, n, writer) as child:
            writer.close()
            got = receive(reader)
            child.wait(timeout=30)
        whole = [message for message in got if message is not None]
        assert whole == [b"%d" % i * 100_000 for i in range(len(whole))]


def sender_into_nothing(send):
    """`send` with somebody who reads it all, so that it can be counted in one process."""
    reader, writer = pipe(capacity_bytes=1 << 20)
    with reader, writer:
        send(writer)
