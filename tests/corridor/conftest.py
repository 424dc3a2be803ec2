"""Every waiting call of the house, as a factory: what the storms, the deadlines and the cancels are tried on."""

from __future__ import annotations

import mmap
import os
import pathlib

import pytest

from unixipc import EventFd, Fifo, _wait, fork, pipe, pipeline, sockets
from unixipc._native.file import flock_once
from unixipc._native.wait import Word
from unixipc.framing import FrameReader, FrameWriter
from unixipc.pipe import splice, tee
from unixipc.process import wait_any
from unixipc.sysv import MessageQueue

from .waits import Waits
from .waits_for_file_locks import WAITS_FOR_FILE_LOCKS
from .waits_for_posix import WAITS_FOR_POSIX
from .waits_for_robust import WAITS_FOR_ROBUST
from .waits_for_semaphores import WAITS_FOR_SEMAPHORES
from .waits_for_signals import WAITS_FOR_SIGNALS

LOCK_EX = 2


class PipeRead(Waits):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.reader, self.writer = self.own(*pipe())

    def wait(self, timeout):
        return self.reader.read(1, timeout=timeout) == b"x"

    def satisfy(self):
        self.writer.write(b"x")


class PipeReadExactly(PipeRead):
    def wait(self, timeout):
        return self.reader.read_exactly(1, timeout=timeout) == b"x"


class PipeWrite(PipeRead):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        while self.writer.try_write(bytes(4096)) is not None:
            pass

    def wait(self, timeout):
        return self.writer.write(b"x", timeout=timeout) == 1

    def satisfy(self):
        self.reader.read(65536)


class PipeWriteAll(PipeWrite):
    def wait(self, timeout):
        return self.writer.write_all(b"x", timeout=timeout) is None


class FrameReceive(PipeRead):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.frames_in, self.frames_out = FrameReader(self.reader), FrameWriter(self.writer)

    def wait(self, timeout):
        return self.frames_in.receive(timeout=timeout) == b"x"

    def satisfy(self):
        self.frames_out.send(b"x")


class FrameSend(PipeWrite):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.frames_out = FrameWriter(self.writer)

    def wait(self, timeout):
        return self.frames_out.send(b"x", timeout=timeout) is None


class Splice(PipeRead):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.target_reader, self.target = self.own(*pipe())

    def wait(self, timeout):
        return splice(self.reader, self.target, 1, timeout=timeout) == 1


class Tee(Splice):
    def wait(self, timeout):
        return tee(self.reader, self.target, 1, timeout=timeout) == 1


class EventTake(Waits):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.event = self.own(EventFd())

    def wait(self, timeout):
        return self.event.take(timeout=timeout) == 1

    def satisfy(self):
        self.event.add()


class EventAdd(EventTake):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.event.add(2**64 - 2)

    def wait(self, timeout):
        return self.event.add(timeout=timeout) is None

    def satisfy(self):
        self.event.take()


class SocketReceive(Waits):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.a, self.b = self.own(*sockets.pair())

    def wait(self, timeout):
        return self.a.receive(1, timeout=timeout).data == b"x"

    def satisfy(self):
        self.b.send(b"x")


class SocketRead(SocketReceive):
    def wait(self, timeout):
        return self.a.read(1, timeout=timeout) == b"x"


class SocketSend(SocketReceive):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        while self.a.try_send(bytes(4096)) is not None:
            pass

    def wait(self, timeout):
        return self.a.send(b"x", timeout=timeout) == 1

    def satisfy(self):
        while self.b.try_receive(1 << 20) is not None:
            pass


class Accept(Waits):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.listener = self.own(sockets.listen(tmp_path / "accept.sock", temporary=True))

    def wait(self, timeout):
        self.own(self.listener.accept(timeout=timeout))
        return True

    def satisfy(self):
        self.own(sockets.connect(self.listener.address))


class Connect(Waits):
    """The backlog is full: connect(2) sleeps in the kernel."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.listener = self.own(sockets.listen(tmp_path / "full.sock", backlog=0, temporary=True))
        while (connection := sockets.try_connect(self.listener.address)) is not None:
            self.own(connection)

    def wait(self, timeout):
        self.own(sockets.connect(self.listener.address, timeout=timeout))
        return True

    def satisfy(self):
        self.own(self.listener.accept())


class SendTo(Waits):
    """The receiver's queue is full: sendto(2) sleeps in the kernel."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.inbox = self.own(sockets.bind(tmp_path / "inbox", temporary=True))
        self.outbox = self.own(sockets.bind(""))
        while self.outbox.try_send_to(b"x", self.inbox.address) is not None:
            pass

    def wait(self, timeout):
        return self.outbox.send_to(b"x", self.inbox.address, timeout=timeout) == 1

    def satisfy(self):
        while self.inbox.try_receive_from(10) is not None:
            pass


class FifoReader(Waits):
    """open(2) sleeps in the kernel until a writer comes."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.fifo = Fifo.ensure(tmp_path / "fifo")

    def wait(self, timeout):
        self.own(self.fifo.reader(timeout=timeout))
        return True

    def satisfy(self):
        self.own(self.fifo.writer(timeout=30))


class FifoWriter(FifoReader):
    def wait(self, timeout):
        self.own(self.fifo.writer(timeout=timeout))
        return True

    def satisfy(self):
        self.own(self.fifo.reader(timeout=30))


class PersistentRead(FifoReader):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.reader = self.own(self.fifo.reader(persistent=True))
        self.writer = self.own(self.fifo.writer())

    def wait(self, timeout):
        return self.reader.read(1, timeout=timeout) == b"x"

    def satisfy(self):
        self.writer.write(b"x")


class ChildWait(Waits):
    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        gate, self.gate = self.own(*pipe())
        self.child = fork(self.live, gate)
        self.stack.callback(lambda: (self.gate.close(), self.child.wait(timeout=30), self.child.close()))

    def live(self, gate):
        self.gate.close()
        gate.read(1)

    def wait(self, timeout):
        return self.child.wait(timeout=timeout).code == 0

    def satisfy(self):
        self.gate.close()


class ChildWaitEnd(ChildWait):
    def wait(self, timeout):
        return self.child.wait_end(timeout=timeout) is None


class ChildWaitStop(ChildWait):
    """waitid(2) with WSTOPPED sleeps in the kernel."""

    def wait(self, timeout):
        return self.child.wait(timeout=timeout, stopped=True, continued=True) is not None


class WaitAny(ChildWait):
    def wait(self, timeout):
        return wait_any(timeout=timeout)[0] == self.child.pid


class Flock(Waits):
    """flock(2) sleeps in the kernel; it is what the lock rooms will wait in."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.mine, self.theirs = (os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR) for _ in range(2))
        for fd in (self.mine, self.theirs):
            self.stack.callback(os.close, fd)
        flock_once(self.theirs, LOCK_EX)

    def wait(self, timeout):
        return _wait.in_kernel(flock_once, self.mine, LOCK_EX, timeout=timeout, name="lock")

    def satisfy(self):
        flock_once(self.theirs, 8)


class OnWord(Waits):
    """futex(2)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        memory = mmap.mmap(-1, 4096)
        self.stack.callback(memory.close)
        self.word = self.own(Word(memory, 64))

    def wait(self, timeout):
        return _wait.on_word(self.word, lambda: self.word.load() or None, timeout, "word") == 1

    def satisfy(self):
        self.word.store(1)
        self.word.wake()


class PipelineRun(Waits):
    """Programs that end when their input does; it gets none until `satisfy`."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.fifo = Fifo.ensure(tmp_path / "input")
        self.line = pipeline(["cat", str(self.fifo.path)], ["wc", "-c"])

    def wait(self, timeout):
        return self.line.run(timeout=timeout).stdout.strip() == b"1"

    def has_begun(self):
        children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return any(pathlib.Path(f"/proc/{pid}/comm").read_text() == "wc\n" for pid in children)

    def satisfy(self):
        with self.fifo.writer(timeout=30) as writer:
            writer.write(b"x")


class QueueReceive(Waits):
    """msgrcv(2)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.queue = self.own(MessageQueue.temporary(capacity_bytes=1))

    def wait(self, timeout):
        return self.queue.receive(timeout=timeout).body == b"x"

    def satisfy(self):
        self.queue.send(b"x")


class QueueWaitUntilThere(QueueReceive):
    """msgrcv(2) into no room: the message stays."""

    def wait(self, timeout):
        return self.queue.wait_until_there(timeout=timeout) is True and len(self.queue) == 1


class QueueSend(QueueReceive):
    """msgsnd(2): the queue is full."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.queue.send(b"x")

    def wait(self, timeout):
        return self.queue.send(b"y", timeout=timeout) is None

    def satisfy(self):
        self.queue.receive()


EVERY_WAIT = [
    PipeRead, PipeReadExactly, PipeWrite, PipeWriteAll, FrameReceive, FrameSend, Splice, Tee, EventTake, EventAdd,
    SocketReceive, SocketRead, SocketSend, Accept, Connect, SendTo, FifoReader, FifoWriter, PersistentRead,
    ChildWait, ChildWaitEnd, ChildWaitStop, WaitAny, Flock, OnWord, PipelineRun,
    QueueReceive, QueueWaitUntilThere, QueueSend,
    *WAITS_FOR_SEMAPHORES,
    *WAITS_FOR_FILE_LOCKS,
    *WAITS_FOR_POSIX,
    *WAITS_FOR_ROBUST,
    *WAITS_FOR_SIGNALS,
]  # fmt: skip


@pytest.fixture(params=EVERY_WAIT, ids=lambda kind: kind.__name__)
def waits(request, tmp_path):
    """One of every waiting call."""
    made = request.param(tmp_path)
    yield made
    made.close()
