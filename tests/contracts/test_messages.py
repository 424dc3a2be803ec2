"""The message contract, for everything in the house that carries messages."""

from __future__ import annotations

import pytest

from unixipc import aio, pipe, sockets
from unixipc.framing import FrameReader, FrameWriter
from unixipc.testing.contracts import FORMS, MessageContract


class Closing:
    """A frame reader or writer that closes its stream too."""

    def close(self):
        (self.source if hasattr(self, "source") else self.sink).close()


class SyncIn(Closing, FrameReader):
    pass


class SyncOut(Closing, FrameWriter):
    pass


class AsyncIn(Closing, aio.framing.FrameReader):
    pass


class AsyncOut(Closing, aio.framing.FrameWriter):
    pass


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestFramesOverAPipe(MessageContract):
    def make(self, form):
        if form.blocking:
            reader, writer = pipe()
            return SyncIn(reader), SyncOut(writer)
        reader, writer = aio.pipe()
        return AsyncIn(reader), AsyncOut(writer)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestFramesOverASocket(MessageContract):
    def make(self, form):
        if form.blocking:
            a, b = sockets.pair()
            return SyncIn(a), SyncOut(b)
        a, b = aio.sockets.pair()
        return AsyncIn(a), AsyncOut(b)


class SyncPackets:
    """A seqpacket connection that speaks bytes."""

    def __init__(self, connection):
        self.connection = connection
        self.close = connection.close

    def receive(self, timeout=None):
        return self.data(self.connection.receive(100_000, timeout=timeout))

    def try_receive(self):
        received = self.connection.try_receive(100_000)
        return None if received is None else self.data(received)

    def send(self, message, timeout=None):
        self.connection.send(message, timeout=timeout)

    def try_send(self, message):
        return self.connection.try_send(message) is not None

    @staticmethod
    def data(received):
        if received.eof:
            raise EOFError("the peer has left")
        return received.data


class AsyncPackets(SyncPackets):
    async def receive(self, timeout=None):
        return self.data(await self.connection.receive(100_000, timeout=timeout))

    async def send(self, message, timeout=None):
        await self.connection.send(message, timeout=timeout)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestSeqpacket(MessageContract):
    def make(self, form):
        if form.blocking:
            a, b = sockets.pair("seqpacket")
            return SyncPackets(a), SyncPackets(b)
        a, b = aio.sockets.pair("seqpacket")
        return AsyncPackets(a), AsyncPackets(b)
