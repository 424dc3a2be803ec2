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


def test_only_pipes_are_asked_about():
    a, b = sockets.pair()
    with a, b, pytest.raises(OSError, match="Invalid argument") as refused:
        inspector.holders(a)
    assert "a socket, not a pipe" in refused.value.__notes__[0]
