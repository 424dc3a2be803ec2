"""The closing contract, for every handle in the house."""

from __future__ import annotations

import pytest

from unixipc import EventFd, Fifo, Process, aio, fork, pipe, sockets
from unixipc.testing.contracts import FORMS, ClosableContract


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestPipeReader(ClosableContract):
    def make(self, form):
        reader, writer = pipe() if form.blocking else aio.pipe()
        return reader, [writer]

    def wait_forever(self, handle):
        return handle.read, 1


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestPipeWriter(ClosableContract):
    def make(self, form):
        reader, writer = pipe() if form.blocking else aio.pipe()
        while writer.try_write(bytes(4096)) is not None:
            pass
        return writer, [reader]

    def wait_forever(self, handle):
        return handle.write, b"x"


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestFifoReader(ClosableContract):
    def make(self, form):
        with Fifo.temporary() as fifo:
            reader = fifo.reader(persistent=True)
        return (reader if form.blocking else aio.PipeReader(reader)), []

    def wait_forever(self, handle):
        return handle.read, 1


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestEventFd(ClosableContract):
    def make(self, form):
        return (EventFd() if form.blocking else aio.EventFd()), []

    def wait_forever(self, handle):
        return (handle.take,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestStreamConnection(ClosableContract):
    kind = "stream"

    def make(self, form):
        a, b = sockets.pair(self.kind) if form.blocking else aio.sockets.pair(self.kind)
        return a, [b]

    def wait_forever(self, handle):
        return handle.receive, 1


class TestPacketConnection(TestStreamConnection):
    kind = "seqpacket"


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestListener(ClosableContract):
    def make(self, form):
        listener = sockets.listen("")
        return (listener if form.blocking else aio.sockets.Listener(listener)), []

    def wait_forever(self, handle):
        return (handle.accept,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestDatagrams(ClosableContract):
    def make(self, form):
        socket = sockets.bind("")
        return (socket if form.blocking else aio.sockets.Datagrams(socket)), []

    def wait_forever(self, handle):
        return handle.receive_from, 1


class _Held:
    """A child that lives until it is closed."""

    def __init__(self):
        self.gate, ours = pipe()
        self.child = fork(self.live, ours)
        self.gate.close()
        self.ours = ours

    def live(self, ours):
        ours.close()
        self.gate.read(1)

    def close(self):
        self.ours.close()
        self.child.wait(timeout=30)
        self.child.close()


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestProcess(ClosableContract):
    def make(self, form):
        held = _Held()
        process = Process(held.child.pid)
        return (process if form.blocking else aio.Process(process)), [held]

    def wait_forever(self, handle):
        return (handle.wait_end,)
