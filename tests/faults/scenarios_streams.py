"""Pipes, FIFOs, events, pipelines and frames, used once from creation to close."""

from __future__ import annotations

import os

from world import WAIT, Soon, World, scenario

from unixipc import ClosedError, EventFd, Exited, Fifo, Process, pipe, pipeline
from unixipc.framing import FrameReader, FrameWriter
from unixipc.pipe import splice, tee, vmsplice

BLOCK = b"0123456789abcdef" * 4096  # beyond what goes without giving the interpreter away


def both(world, pair):
    for end in pair:
        world.later(end.close)
    return pair


@scenario
def a_pipe(world: World) -> None:
    reader, writer = both(world, pipe(capacity_bytes=131072))
    assert writer.capacity_bytes == 131072
    writer.write_all(b"few", timeout=WAIT)
    assert reader.pending_bytes == 3
    assert reader.read(100, timeout=WAIT) == b"few"
    writer.write_all(BLOCK, timeout=WAIT)
    writer.close()
    assert reader.read_exactly(len(BLOCK), timeout=WAIT) == BLOCK
    assert reader.read(1, timeout=WAIT) == b""
    reader.close()


@scenario
def a_wait_for_a_pipe(world: World) -> None:
    reader, writer = both(world, pipe(packet=True))
    with Soon(world, lambda: writer.write_all(b"late", timeout=WAIT), writer.close):
        assert reader.read(10, timeout=WAIT) == b"late"
    for end in (reader, writer):
        end.close()


@scenario
def a_reader_closed_under_a_wait(world: World) -> None:
    reader, writer = both(world, pipe())
    with Soon(world, reader.close, writer.close):
        try:
            reader.read(1, timeout=WAIT)
        except ClosedError:
            pass
        else:
            raise AssertionError("there was nothing to read")
    writer.close()


@scenario
def pages_moved_between_pipes(world: World) -> None:
    reader, writer = both(world, pipe())
    second, into = both(world, pipe())
    third, last = both(world, pipe())
    vmsplice(writer, b"pages", timeout=WAIT)
    assert tee(reader, into, 5, timeout=WAIT) == 5
    assert splice(second, last, 5, timeout=WAIT) == 5
    assert third.read(10, timeout=WAIT) == b"pages" == reader.read(10, timeout=WAIT)
    for end in (reader, writer, second, into, third, last):
        end.close()


@scenario
def a_duplicate(world: World) -> None:
    reader, writer = both(world, pipe())
    with writer.dup() as copy, EventFd() as lowest:
        world.later(copy.close)
        assert lowest.dup2(copy.fileno(), inheritable=False) == copy.fileno()
    writer.write(b"x", timeout=WAIT)
    reader.use_flag()
    assert reader.read(1, timeout=WAIT) == b"x"
    reader.close(), writer.close()


@scenario
def a_fifo(world: World) -> None:
    path = world.later_unlinked()
    fifo = Fifo.create(path, mode=0o622)
    with fifo.reader(persistent=True) as reader, fifo.writer(timeout=WAIT) as writer:
        writer.write_all(b"hello", timeout=WAIT)
        assert reader.read(10, timeout=WAIT) == b"hello"
    with fifo.try_reader() as reader, fifo.try_writer() as writer:
        writer.write_all(b"again", timeout=WAIT)
        writer.close()
        assert reader.read(10, timeout=WAIT) == b"again"
        assert reader.read(10, timeout=WAIT) == b""
    Fifo.open(path).remove()


@scenario
def a_fifo_for_a_while(world: World) -> None:
    with Fifo.temporary() as fifo:
        world.later(fifo.close)
        with Fifo.ensure(fifo.path).reader(persistent=True) as reader, fifo.writer(timeout=WAIT) as writer:
            writer.write(b"!", timeout=WAIT)
            assert reader.read(1, timeout=WAIT) == b"!"


@scenario
def an_event(world: World) -> None:
    with EventFd(2, semaphore=True) as event:
        event.add(1, timeout=WAIT)
        assert [event.take(timeout=WAIT) for _ in range(3)] == [1, 1, 1]
        assert event.try_take() is None


@scenario
def frames(world: World) -> None:
    reader, writer = both(world, pipe())
    sender, receiver = FrameWriter(writer), FrameReader(reader)
    for message in (b"", b"one", BLOCK[:40000]):
        sender.send(message, timeout=WAIT)
        assert receiver.receive(timeout=WAIT) == message
    writer.close()
    assert list(receiver) == []
    reader.close()


@scenario
def a_pipeline(world: World) -> None:
    result = pipeline(["cat"], ["tr", "a-z", "A-Z"]).run(b"words", timeout=WAIT)
    assert result.stdout == b"WORDS", result
    assert result.statuses == (Exited(0), Exited(0))


@scenario
def a_descriptor_of_another_process(world: World) -> None:
    reader, writer = both(world, pipe())
    with Process(os.getpid()) as me, me.take_descriptor(writer.fileno()) as copy:
        os.write(copy.fileno(), b"taken")
    assert reader.read(10, timeout=WAIT) == b"taken"
    reader.close(), writer.close()


LEFT_BUT_TOLD = {"a_fifo_for_a_while": {"lstat", "unlink", "rmdir"}}
"""What could not be removed is left, and `close` says so."""


TOLERATED = {
    "a_pipeline": {("syscall(pidfd_open)", None): "of ourselves: only a child in a pid namespace of its own asks it"},
}
