"""I15: who holds the other end."""

from __future__ import annotations

import os

import pytest

from unixipc import Fifo, fork, inspector, pipe, sockets, spawn

WAIT = 20


def seen(end):
    return {(each.pid, each.number, each.reads, each.writes) for each in inspector.holders(end)}


def test_I15_both_ends_of_a_pipe_are_found_in_every_process():
    reader, writer = pipe()
    go, start = pipe()
    with reader, writer, go, start, fork(go.read, 1, WAIT) as child:
        r, w, me = reader.fileno(), writer.fileno(), os.getpid()
        both = {(me, r, True, False), (me, w, False, True), (child.pid, r, True, False), (child.pid, w, False, True)}
        assert seen(reader) == seen(writer) == both
        start.write_all(b"!")


def test_I15_a_program_that_was_given_an_end_is_named():
    reader, writer = pipe()
    with reader, spawn(["sleep", "1000"], stdout=writer) as child:
        writer.close()
        (holder,) = [each for each in inspector.holders(reader) if each.writes]
        assert (holder.pid, holder.command, holder.number) == (child.pid, "sleep", 1)
        child.kill()


def test_I15_a_fifo_opened_for_both_is_both():
    with Fifo.temporary() as fifo, fifo.reader(persistent=True) as reader, fifo.writer() as writer:
        me = os.getpid()
        assert seen(reader) == {(me, reader.fileno(), True, True), (me, writer.fileno(), False, True)}


def test_how_full_our_own_pipe_is_and_nothing_of_others(children):
    """Nobody is told how full another's is: to find out would make one more reader or writer of it, for a moment."""
    reader, writer = pipe()
    go, start = pipe()
    ready, tell = pipe()

    def have():
        ours = pipe()
        tell.write_all(f"{os.fstat(ours[0].fileno()).st_ino:<20}".encode())
        go.read(1)

    with reader, writer, go, start, ready, tell:
        writer.write_all(b"x" * 1000)
        children.start(have)
        theirs = int(ready.read(20, WAIT))
        rows = {row.id: row for row in inspector.ls("pipe")}
        row = rows[os.fstat(reader.fileno()).st_ino]
        assert (row.capacity_bytes, row.unread_bytes) == (writer.capacity_bytes, 1000)
        assert (rows[theirs].capacity_bytes, rows[theirs].unread_bytes) == (None, None)
        start.write_all(b"!")
        children.all_succeed()


def test_how_full_our_own_fifo_is():
    with Fifo.temporary() as fifo, fifo.reader(persistent=True), fifo.writer() as writer:
        writer.write_all(b"hello")
        (row,) = [row for row in inspector.ls("fifo") if row.path == str(fifo.path)]
        assert (row.unread_bytes, row.capacity_bytes) == (5, writer.capacity_bytes)


def test_only_pipes_are_asked_about():
    a, b = sockets.pair()
    with a, b, pytest.raises(OSError, match="Invalid argument") as refused:
        inspector.holders(a)
    assert "a socket, not a pipe" in refused.value.__notes__[0]
