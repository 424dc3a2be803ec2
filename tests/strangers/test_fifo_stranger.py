"""A C program at the other end of a FIFO: F03 (each side waits), F07 (the end), F11 (speak and tick)."""

import pytest

from unixipc import Exited, Fifo, pipe, spawn
from unixipc.framing import FrameReader, FrameWriter

WAIT = 20


@pytest.fixture
def fifo(tmp_path):
    return Fifo.create(tmp_path / "fifo")


def test_F03_F11_we_hear_what_c_speaks(fifo, stranger):
    words = ["hello", "", "two words", "y" * 3000]
    with spawn([stranger("fifo_peer"), "write", fifo.path, *words]) as child:
        with fifo.reader(timeout=WAIT) as reader:
            assert list(FrameReader(reader)) == [word.encode() for word in words]
        assert child.wait(timeout=WAIT) == Exited(0)


def test_F03_F11_c_hears_what_we_speak(fifo, stranger):
    heard, out = pipe()
    with heard, spawn([stranger("fifo_peer"), "read", fifo.path], stdout=out) as child:
        out.close()
        with fifo.writer(timeout=WAIT) as writer:
            for word in (b"one", b"", b"three"):
                FrameWriter(writer).send(word, timeout=WAIT)
        assert heard.read_exactly(11, timeout=WAIT) == b"one\n\nthree\n"
        assert child.wait(timeout=WAIT) == Exited(11), "it saw a clean end"


def test_F07_a_persistent_reader_hears_one_stranger_after_another(fifo, stranger):
    with fifo.reader(persistent=True) as reader:
        for word in (b"first", b"second", b"third"):
            with spawn([stranger("fifo_peer"), "bytes", fifo.path, word]) as child:
                assert child.wait(timeout=WAIT) == Exited(0)
            assert reader.read(100, timeout=WAIT) == word
        assert reader.try_read(1) is None
