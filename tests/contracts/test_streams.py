"""The stream contract, for everything in the house that is a byte stream."""

from __future__ import annotations

import pytest

from unixipc import Fifo, aio, pipe, sockets
from unixipc.testing.contracts import FORMS, StreamContract


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestPipe(StreamContract):
    def make(self, form):
        return pipe() if form.blocking else aio.pipe()


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestFifo(StreamContract):
    def make(self, form):
        with Fifo.temporary() as fifo:
            reader = fifo.try_reader()
            writer = fifo.try_writer()
        return (reader, writer) if form.blocking else (aio.PipeReader(reader), aio.PipeWriter(writer))


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestSocketPair(StreamContract):
    def make(self, form):
        return sockets.pair() if form.blocking else aio.sockets.pair()


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestConnection(StreamContract):
    def make(self, form):
        with sockets.listen("") as listener:
            there = sockets.connect(listener.address)
            here = listener.accept(timeout=10)
        return (here, there) if form.blocking else (aio.sockets.Connection(here), aio.sockets.Connection(there))
