"""I11 (splice), I12 (tee, vmsplice): bytes that move inside the kernel."""

import errno
import os
import threading

import pytest

from unixipc import ClosedError, Exited, PeerGone, fork, pipe, sockets
from unixipc._fd import Descriptor
from unixipc.pipe import splice, tee, try_splice, try_tee, vmsplice

WAIT = 20


@pytest.fixture
def two():
    a_reader, a_writer = pipe()
    b_reader, b_writer = pipe()
    with a_reader, a_writer, b_reader, b_writer:
        yield a_reader, a_writer, b_reader, b_writer


def test_I11_bytes_move_from_pipe_to_pipe(two):
    a_reader, a_writer, b_reader, b_writer = two
    a_writer.write_all(b"moving")
    assert splice(a_reader, b_writer, 100, timeout=WAIT) == 6
    assert a_reader.try_read(1) is None
    assert b_reader.read(100, timeout=WAIT) == b"moving"


def test_I11_at_most_n_bytes_move_and_the_end_is_0(two):
    a_reader, a_writer, b_reader, b_writer = two
    a_writer.write_all(b"moving")
    assert splice(a_reader, b_writer, 2, timeout=WAIT) == 2
    a_writer.close()
    assert splice(a_reader, b_writer, 100, timeout=WAIT) == 4
    assert splice(a_reader, b_writer, 100, timeout=WAIT) == 0
    assert b_reader.read(100, timeout=WAIT) == b"moving"


def test_I11_a_file_goes_into_a_pipe_and_a_pipe_into_a_socket(two, tmp_path):
    a_reader, a_writer, *_ = two
    data = os.urandom(30000)
    (tmp_path / "f").write_bytes(data)
    near, far = sockets.pair()
    with near, far, Descriptor(os.open(tmp_path / "f", os.O_RDONLY)) as file:
        assert splice(file, a_writer, 1 << 20, timeout=WAIT) == 30000
        left = 30000
        while left:
            left -= splice(a_reader, near, left, timeout=WAIT)
        assert far.read_exactly(30000, timeout=WAIT) == data


def test_I11_an_empty_source_is_not_now_then_a_timeout(two):
    a_reader, _, b_reader, b_writer = two
    assert try_splice(a_reader, b_writer, 10) is None
    with pytest.raises(TimeoutError):
        splice(a_reader, b_writer, 10, timeout=0.03)
    assert b_reader.try_read(1) is None


def test_I11_a_full_target_is_waited_for(two):
    a_reader, a_writer, b_reader, b_writer = two
    a_writer.write_all(b"last")
    assert b_writer.try_write(b"x" * 65536) == 65536
    assert try_splice(a_reader, b_writer, 10) is None
    with pytest.raises(TimeoutError):
        splice(a_reader, b_writer, 10, timeout=0.03)

    def make_room():
        assert b_reader.read_exactly(65536, timeout=WAIT) == b"x" * 65536
        assert b_reader.read_exactly(4, timeout=WAIT) == b"last"

    with fork(make_room) as child:
        assert splice(a_reader, b_writer, 10, timeout=WAIT) == 4
        assert child.wait(timeout=WAIT) == Exited(0)


def test_I11_a_source_that_fills_later_is_waited_for(two):
    a_reader, a_writer, b_reader, b_writer = two
    later = threading.Timer(0.03, a_writer.write_all, (b"late",))
    later.start()
    assert splice(a_reader, b_writer, 10, timeout=WAIT) == 4
    later.join(WAIT)
    assert b_reader.read(10, timeout=WAIT) == b"late"


def test_I11_a_target_without_a_reader_is_peer_gone(two):
    a_reader, a_writer, b_reader, b_writer = two
    a_writer.write_all(b"x")
    b_reader.close()
    with pytest.raises(PeerGone) as gone:
        splice(a_reader, b_writer, 10, timeout=WAIT)
    assert gone.value.errno == errno.EPIPE
    assert a_reader.read(1, timeout=WAIT) == b"x", "nothing was lost"


def test_I12_tee_leaves_the_bytes_in_the_first_pipe(two):
    a_reader, a_writer, b_reader, b_writer = two
    a_writer.write_all(b"twice")
    assert tee(a_reader, b_writer, 100, timeout=WAIT) == 5
    assert a_reader.read(100, timeout=WAIT) == b_reader.read(100, timeout=WAIT) == b"twice"
    assert try_tee(a_reader, b_writer, 100) is None
    a_writer.close()
    assert tee(a_reader, b_writer, 100, timeout=WAIT) == 0


def test_I12_vmsplice_maps_memory_into_the_pipe(two):
    _, a_writer, *_ = two
    reader = two[0]
    data = bytearray(os.urandom(20000))
    assert vmsplice(a_writer, data, timeout=WAIT) == 20000
    assert reader.read_exactly(20000, timeout=WAIT) == data


def test_I12_vmsplice_into_a_full_pipe_times_out(two):
    _, a_writer, *_ = two
    while a_writer.try_write(b"x" * 65536) is not None:
        pass
    with pytest.raises(TimeoutError):
        vmsplice(a_writer, b"y", timeout=0.02)
    assert two[0].pending_bytes == 65536


@pytest.mark.parametrize("call", [try_splice, try_tee])
def test_I12_the_same_pipe_or_no_pipe_is_einval_and_said_so(two, tmp_path, call):
    a_reader, a_writer, *_ = two
    a_writer.write_all(b"stays")
    with open(tmp_path / "a", "w+b") as one, open(tmp_path / "b", "w+b") as other:
        for source, target in [(a_reader, a_writer), (one, other)]:
            with pytest.raises(OSError) as refused:
                call(source, target, 10)
            assert refused.value.errno == errno.EINVAL
            assert refused.value.filename in ("pipe reader", str(tmp_path / "a"))
            assert "pipe" in refused.value.__notes__[0]
    assert a_reader.read(10, timeout=WAIT) == b"stays"


def test_I12_vmsplice_into_something_else_is_refused(tmp_path):
    near, far = sockets.pair()
    with near, far, pytest.raises(OSError) as refused:
        vmsplice(near, b"x", timeout=WAIT)
    assert refused.value.errno == errno.EBADF
    assert "needs a pipe" in refused.value.__notes__[0]


def test_waiting_needs_our_descriptors_but_trying_takes_numbers(two):
    a_reader, a_writer, b_reader, b_writer = two
    a_writer.write_all(b"x")
    with pytest.raises(TypeError, match="try_"):
        splice(a_reader.fileno(), b_writer, 1)
    assert try_splice(a_reader.fileno(), b_writer.fileno(), 1) == 1
    assert b_reader.read(1, timeout=WAIT) == b"x"


@pytest.mark.parametrize("call", [try_splice, try_tee, splice, tee])
def test_a_negative_length_or_a_closed_end_is_refused(two, call):
    a_reader, a_writer, _, b_writer = two
    a_writer.write_all(b"x")
    with pytest.raises(ValueError, match="-1"):
        call(a_reader, b_writer, -1)
    b_writer.close()
    with pytest.raises(ClosedError):
        call(a_reader, b_writer, 1)
    assert a_reader.read(1, timeout=WAIT) == b"x"


def test_closing_the_source_in_another_thread_ends_the_wait(two):
    a_reader, _, _, b_writer = two
    closer = threading.Timer(0.05, a_reader.close)
    closer.start()
    with pytest.raises(ClosedError):
        splice(a_reader, b_writer, 1, timeout=WAIT)
    closer.join(WAIT)


def test_closing_the_target_in_another_thread_ends_vmsplice_and_touches_no_other_pipe(two):
    """The number is free again after the close: whoever gets it must not get our bytes."""
    _, a_writer, *_ = two
    while a_writer.try_write(b"x" * 65536) is not None:
        pass
    heirs = []

    def close_and_reuse_the_number():
        a_writer.close()
        heirs.extend(pipe())

    closer = threading.Timer(0.05, close_and_reuse_the_number)
    closer.start()
    with pytest.raises(ClosedError):
        vmsplice(a_writer, b"not for the heir", timeout=WAIT)
    closer.join(WAIT)
    reader, writer = heirs
    with reader, writer:
        assert reader.try_read(100) is None
