"""A C program at the other end of a pipe: frames both ways (I01, I13), and what it says to damage."""

import signal

import pytest

from unixipc import Exited, Killed, LayoutError, pipe, spawn
from unixipc.framing import FrameReader, FrameWriter

WAIT = 20
END, CUT, DAMAGED = Exited(11), Exited(12), Exited(13)  # 10 + enum uipc_frame


@pytest.fixture
def echoing(stranger):
    """(our writer, our reader, the C program that sends frames back reversed)."""
    there, ours = pipe()
    back, theirs = pipe()
    with there, ours, back, theirs:
        with spawn([stranger("pipe_peer"), "echo", "3", "4"], descriptors={3: there, 4: theirs}) as child:
            there.close()
            theirs.close()
            yield ours, back, child
            ours.close()


def test_I13_frames_from_c_are_read(stranger):
    reader, writer = pipe()
    with reader, spawn([stranger("pipe_peer"), "send", "9", "60", "1000"], descriptors={9: writer}) as child:
        writer.close()
        messages = list(FrameReader(reader))
        assert messages == [bytes([97 + i % 26]) * (i * 1000) for i in range(60)]
        assert child.wait(timeout=WAIT) == Exited(0)


def test_I13_frames_for_c_come_back(echoing):
    ours, back, child = echoing
    sender, receiver = FrameWriter(ours), FrameReader(back)
    for message in (b"", b"a", bytes(range(256)), b"long" * 10000):
        sender.send(message, timeout=WAIT)
        assert receiver.receive(timeout=WAIT) == message[::-1]
    ours.close()
    assert child.wait(timeout=WAIT) == END
    assert list(receiver) == []


@pytest.mark.parametrize(
    ("wire", "status"), [(b"uF\x43\x55\x05\0\0\0hel", CUT), (b"uF\x43", CUT), (b"no frame", DAMAGED)]
)
def test_I13_c_tells_a_cut_and_a_damaged_frame_too(echoing, wire, status):
    ours, back, child = echoing
    ours.write_all(wire, timeout=WAIT)
    ours.close()
    assert child.wait(timeout=WAIT) == status
    assert back.read(1, timeout=WAIT) == b""


def test_I13_a_killed_c_writer_is_an_end_inside_a_frame(stranger):
    """It wants to write more than the pipe holds, so it is inside a frame when it is killed."""
    reader, writer = pipe()
    with reader, spawn([stranger("pipe_peer"), "send", "9", "2", "1000000"], descriptors={9: writer}) as child:
        writer.close()
        receiver = FrameReader(reader)
        assert receiver.receive(timeout=WAIT) == b""
        part = reader.read_exactly(100, timeout=WAIT)
        child.kill()  # it is writing: a million bytes do not fit
        reader.keep(part)
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        with pytest.raises(EOFError, match="inside a frame of 1000000"):
            receiver.receive(timeout=WAIT)


def test_I09_a_c_writer_dies_of_sigpipe_when_we_leave(stranger):
    reader, writer = pipe()
    with reader, spawn([stranger("pipe_peer"), "send", "9", "2", "1000000"], descriptors={9: writer}) as child:
        writer.close()
        reader.read_exactly(8, timeout=WAIT)
        reader.close()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGPIPE)


def test_I13_a_limit_protects_from_a_strangers_long_frame(stranger):
    reader, writer = pipe()
    with reader, spawn([stranger("pipe_peer"), "send", "9", "2", "5000"], descriptors={9: writer}):
        writer.close()
        receiver = FrameReader(reader, max_bytes=4999)
        assert receiver.receive(timeout=WAIT) == b""
        with pytest.raises(LayoutError, match="5000"):
            receiver.receive(timeout=WAIT)
