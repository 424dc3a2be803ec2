"""I07: writes of up to PIPE_BUF bytes are all or nothing, however many write at once, and whoever is killed."""

import os
import select
import signal

import pytest

from unixipc import Exited, Killed, fork, pipe
from unixipc.pipe import PIPE_BUF

WAIT = 20


def test_I07_our_pipe_buf_is_the_systems():
    reader, writer = pipe()
    with reader, writer:
        assert os.fpathconf(writer.fileno(), "PC_PIPE_BUF") == select.PIPE_BUF == PIPE_BUF == 4096


@pytest.mark.parametrize("size", [100, PIPE_BUF])
def test_I07_records_of_many_writers_never_mix(size):
    """Each record is one letter over and over: a mixed one would hold two."""
    reader, writer = pipe()
    count, each = 6, 100

    def write_records(letter):
        reader.close()
        for _ in range(each):
            assert writer.write(letter * size, timeout=WAIT) == size

    with reader:
        with writer:
            children = [fork(write_records, bytes([65 + number])) for number in range(count)]
        seen = {}
        for _ in range(count * each):
            record = reader.read_exactly(size, timeout=WAIT)
            assert len(set(record)) == 1
            seen[record[0]] = seen.get(record[0], 0) + 1
        assert reader.read(1, timeout=WAIT) == b""
        assert seen == {65 + number: each for number in range(count)}
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)


def test_I07_a_record_that_does_not_fit_whole_is_not_now():
    reader, writer = pipe(capacity_bytes=4096)
    with reader, writer:
        writer.write_all(b"x")
        assert writer.try_write(b"y" * PIPE_BUF) is None
        assert reader.pending_bytes == 1, "nothing of it went"


def test_I07_killed_writers_leave_no_torn_record():
    reader, writer = pipe()
    size = PIPE_BUF

    def write_until_killed(letter):
        reader.close()
        while True:
            writer.write(letter * size, timeout=WAIT)

    with reader:
        with writer:
            children = [fork(write_until_killed, bytes([65 + number])) for number in range(4)]
        for _ in range(200):
            assert len(set(reader.read_exactly(size, timeout=WAIT))) == 1
        for child in children:
            with child:
                child.kill()
                assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        rest = b""
        while part := reader.read(65536, timeout=WAIT):
            rest += part
        assert len(rest) % size == 0
        assert all(len(set(rest[at : at + size])) == 1 for at in range(0, len(rest), size))
