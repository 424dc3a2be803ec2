"""Pipes: I01 I02 (ends), I03 (dup), I05 (packets), I08 (not now), I09 (EPIPE), I10 (pending), and bad input."""

import contextlib
import errno
import os
import pickle
import resource
import signal
import threading
import time

import pytest

from unixipc import ClosedError, Exited, Killed, PeerGone, PipeReader, PipeWriter, fork, pipe

WAIT = 20


@contextlib.contextmanager
def full_table(free=0):
    """The descriptor table has `free` numbers left."""
    taken = [os.dup(0) for _ in range(free + 1)]
    for fd in taken:
        os.close(fd)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def ends():
    reader, writer = pipe()
    with reader, writer:
        yield reader, writer


def test_I01_bytes_go_in_at_one_end_and_come_out_at_the_other(ends):
    reader, writer = ends
    assert writer.write(b"hello", timeout=WAIT) == 5
    assert reader.read(100, timeout=WAIT) == b"hello"


def test_I01_each_end_does_only_its_part(ends):
    reader, writer = ends
    assert not hasattr(reader, "write")
    assert not hasattr(writer, "read")
    with pytest.raises(OSError):
        os.write(reader.fileno(), b"x")


def test_I01_both_ends_are_close_on_exec(ends):
    assert [os.get_inheritable(end.fileno()) for end in ends] == [False, False]


def test_I01_a_child_talks_to_its_parent(ends):
    reader, writer = ends
    with fork(writer.write_all, b"from the child") as child:
        assert reader.read_exactly(14, timeout=WAIT) == b"from the child"
        assert child.wait(timeout=WAIT) == Exited(0)


def test_I02_the_end_comes_only_when_every_copy_of_the_write_end_is_closed(ends):
    reader, writer = ends
    go, start = pipe()
    with go, start, fork(go.read, 1, WAIT) as child:  # it inherited a copy of the write end
        writer.close()
        with pytest.raises(TimeoutError):
            reader.read(1, timeout=0.03)
        start.write_all(b"!")
        assert reader.read(1, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Exited(0)


def test_I02_peer_gone_comes_only_when_every_copy_of_the_read_end_is_closed(ends):
    reader, writer = ends
    go, start = pipe()
    with go, start, fork(go.read, 1, WAIT) as child:
        reader.close()
        assert writer.write(b"somebody could read this", timeout=WAIT) > 0
        start.write_all(b"!")
        child.wait_end(timeout=WAIT)
        with pytest.raises(PeerGone) as gone:
            writer.write(b"x", timeout=WAIT)
        assert gone.value.errno == errno.EPIPE


def test_I03_dup_takes_the_lowest_free_number_and_dup2_a_certain_one(ends):
    reader, writer = ends
    lowest = os.dup(0)
    os.close(lowest)
    with writer.dup() as copy, writer.dup(lowest=100) as high:
        assert copy.fileno() == lowest
        assert high.fileno() >= 100
        assert os.get_inheritable(copy.fileno()) is os.get_inheritable(high.fileno()) is False
        os.write(copy.fileno(), b"x")
        writer.close()
        assert reader.read(1, timeout=WAIT) == b"x"
        assert reader.try_read(1) is None, "the copies keep the pipe open"
    assert reader.read(1, timeout=WAIT) == b""


def test_I03_dup2_replaces_a_standard_descriptor_in_one_step(ends):
    reader, writer = ends

    def shout():
        writer.dup2(1)
        assert os.get_inheritable(1)
        os.execvp("echo", ["echo", "to the pipe"])

    with fork(shout) as child:
        writer.close()
        assert reader.read(100, timeout=WAIT) == b"to the pipe\n"
        assert child.wait(timeout=WAIT) == Exited(0)


def test_I03_dup2_may_be_close_on_exec_and_refuses_what_makes_no_sense(ends):
    reader, _ = ends
    with reader.dup(lowest=200) as place:
        number = place.fileno()
        assert reader.dup2(number, inheritable=False) == number
        assert os.get_inheritable(number) is False
    with pytest.raises(ValueError, match="already"):
        reader.dup2(reader.fileno())
    for bad in (lambda: reader.dup2(-1), lambda: reader.dup(-1)):
        with pytest.raises(ValueError):
            bad()


def test_I05_a_packet_pipe_keeps_message_borders():
    reader, writer = pipe(packet=True)
    with reader, writer:
        for message in (b"one", b"two!", b"x" * 4096):
            writer.write(message, timeout=WAIT)
        assert [reader.read(8192, timeout=WAIT) for _ in range(3)] == [b"one", b"two!", b"x" * 4096]
        writer.write(b"longer than the room", timeout=WAIT)
        writer.write(b"next", timeout=WAIT)
        assert reader.read(6, timeout=WAIT) == b"longer", "the rest of the packet is discarded: pipe(2)"
        assert reader.read(100, timeout=WAIT) == b"next"


def test_I05_the_ends_stay_blocking_for_a_program_that_is_given_one(ends):
    for end in ends:
        assert os.get_blocking(end.fileno())
    reader, writer = ends
    assert reader.try_read(1) is None
    while writer.try_write(b"x" * 65536) is not None:
        pass
    for end in ends:
        assert os.get_blocking(end.fileno())


def test_I08_an_empty_pipe_is_not_now_then_a_timeout(ends):
    reader, writer = ends
    assert reader.try_read(10) is None
    began = time.monotonic()
    with pytest.raises(TimeoutError) as late:
        reader.read(10, timeout=0.05)
    assert time.monotonic() - began >= 0.05
    assert (late.value.errno, late.value.filename) == (errno.ETIMEDOUT, "pipe reader")
    writer.write_all(b"later", timeout=WAIT)
    assert reader.read(10, timeout=WAIT) == b"later"


def test_I08_a_full_pipe_takes_a_part_then_is_not_now(ends):
    reader, writer = ends
    assert writer.try_write(b"x" * 100_000) == 65536
    assert writer.try_write(b"y") is None
    with pytest.raises(TimeoutError):
        writer.write(b"y", timeout=0.02)
    assert reader.read_exactly(65536, timeout=WAIT) == b"x" * 65536
    assert reader.try_read(1) is None


def test_I08_write_all_waits_for_the_reader_and_loses_nothing(ends):
    reader, writer = ends
    data = os.urandom(1 << 20)

    def send():
        reader.close()
        writer.write_all(data, timeout=WAIT)

    with fork(send) as child:
        writer.close()
        assert reader.read_exactly(len(data), timeout=WAIT) == data
        assert reader.read(1, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Exited(0)


def test_I08_a_timed_out_write_all_says_how_much_went(ends):
    reader, writer = ends
    with pytest.raises(TimeoutError) as late:
        writer.write_all(b"z" * 100_000, timeout=0.02)
    assert late.value.written_bytes == reader.pending_bytes == 65536
    assert any("65536 bytes had been written, 34464 had not" in note for note in late.value.__notes__)


def test_I08_a_timeout_does_not_claim_that_nothing_happened_when_bytes_went(ends):
    _, writer = ends
    with pytest.raises(TimeoutError) as late:
        writer.write_all(b"z" * 100_000, timeout=0.02)
    assert not any("nothing was" in note for note in late.value.__notes__)


def test_I08_read_exactly_keeps_what_came_for_the_next_read(ends):
    reader, writer = ends
    writer.write_all(b"abc")
    assert reader.try_read_exactly(5) is None
    with pytest.raises(TimeoutError):
        reader.read_exactly(5, timeout=0.02)
    assert reader.kept_bytes == 3
    writer.write_all(b"de")
    assert reader.read_exactly(5, timeout=WAIT) == b"abcde"
    writer.write_all(b"fg")
    writer.close()
    with pytest.raises(EOFError, match="2 bytes into the 3"):
        reader.read_exactly(3, timeout=WAIT)
    assert reader.read(10, timeout=WAIT) == b"fg"
    assert reader.read(10, timeout=WAIT) == b""


def test_I09_writing_with_no_reader_is_peer_gone_even_where_sigpipe_kills():
    def write_without_a_reader():
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        reader, writer = pipe()
        reader.close()
        try:
            writer.write(b"x", timeout=WAIT)
        except PeerGone as gone:
            assert isinstance(gone, ConnectionError)
            return 7 if gone.errno == errno.EPIPE and "every reader" in gone.__notes__[0] else 1
        return 2

    with fork(write_without_a_reader) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def test_I09_a_reader_that_dies_ends_a_wait_for_room(ends):
    reader, writer = ends

    def fill_and_wait():
        reader.close()
        try:
            writer.write_all(b"x" * (1 << 20), timeout=WAIT)
        except PeerGone as gone:
            return 7 if gone.written_bytes >= 65536 else 1
        return 2

    with fork(fill_and_wait) as child:
        writer.close()
        reader.read_exactly(10, timeout=WAIT)
        reader.close()
        assert child.wait(timeout=WAIT) == Exited(7)


def test_I09_a_killed_writer_is_the_end_after_its_last_bytes(ends):
    reader, writer = ends

    def write_and_hang():
        writer.write_all(b"last words")
        signal.pause()

    with fork(write_and_hang) as child:
        writer.close()
        assert reader.read_exactly(10, timeout=WAIT) == b"last words"
        child.kill()
        assert reader.read(1, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_I10_the_bytes_that_wait_are_counted_at_both_ends(ends):
    reader, writer = ends
    assert reader.pending_bytes == 0
    writer.write_all(b"12345")
    assert reader.pending_bytes == writer.pending_bytes == 5
    reader.read(2, timeout=WAIT)
    assert reader.pending_bytes == 3


@pytest.mark.parametrize(
    "data", [b"bytes", bytearray(b"bytes"), memoryview(b"xbytesx")[1:6]], ids=lambda d: type(d).__name__
)
def test_any_buffer_can_be_written(ends, data):
    reader, writer = ends
    assert writer.write(data, timeout=WAIT) == 5
    writer.write_all(data, timeout=WAIT)
    assert reader.read_exactly(10, timeout=WAIT) == b"bytesbytes"


def test_text_and_gaps_are_refused(ends):
    for bad in ("text", 5, None, memoryview(b"abcdef")[::2]):
        with pytest.raises((TypeError, BufferError)):
            ends[1].write(bad)
    assert ends[0].pending_bytes == 0


READS = [lambda r: r.read(1), lambda r: r.try_read(1), lambda r: r.read_exactly(1), lambda r: r.try_read_exactly(1),
         lambda r: r.pending_bytes, lambda r: r.capacity_bytes, lambda r: r.fileno(), lambda r: r.dup(),
         lambda r: r.detach(), lambda r: r.__enter__(), lambda r: r.read(0), lambda r: r.read_exactly(0)]  # fmt: skip
WRITES = [lambda w: w.write(b"x"), lambda w: w.try_write(b"x"), lambda w: w.write_all(b"x"), lambda w: w.write(b""),
          lambda w: w.write_all(b""), lambda w: w.capacity_bytes, lambda w: w.dup2(100)]  # fmt: skip


@pytest.mark.parametrize(("end", "use"), [(0, use) for use in READS] + [(1, use) for use in WRITES])
def test_a_closed_end_is_a_closed_error(ends, end, use):
    ends[end].close()
    ends[end].close()
    assert ends[end].closed
    with pytest.raises(ClosedError, match="closed"):
        use(ends[end])


@pytest.mark.parametrize("end", [0, 1])
def test_closing_in_another_thread_ends_a_wait(ends, end):
    reader, writer = ends
    while writer.try_write(b"x" * 65536) is not None:
        pass
    if end == 0:
        reader.read_exactly(65536, timeout=WAIT)
    closer = threading.Timer(0.05, ends[end].close)
    closer.start()
    with pytest.raises(ClosedError):
        writer.write(b"x", timeout=WAIT) if end else reader.read(1, timeout=WAIT)
    closer.join(WAIT)


@pytest.mark.parametrize("n", [-1, -(2**40)])
def test_a_negative_size_is_a_value_error(ends, n):
    reader, writer = ends
    writer.write_all(b"fine")
    for read in (reader.read, reader.try_read, reader.read_exactly, reader.try_read_exactly):
        with pytest.raises(ValueError):
            read(n)
    assert reader.read(10, timeout=WAIT) == b"fine"


@pytest.mark.parametrize("timeout", [-1, -1e-9, float("nan")])
def test_a_bad_timeout_is_a_value_error(ends, timeout):
    with pytest.raises(ValueError, match="timeout"):
        ends[0].read(1, timeout=timeout)


def test_an_endless_timeout_is_no_timeout(ends):
    ends[1].write_all(b"x")
    assert ends[0].read(1, timeout=float("inf")) == b"x"


@pytest.mark.parametrize("free", [0, 1])
def test_a_full_descriptor_table_is_emfile_and_leaks_nothing(free):
    with full_table(free), pytest.raises(OSError) as refused:
        pipe()
    assert refused.value.errno == errno.EMFILE
    assert "RLIMIT_NOFILE" in refused.value.__notes__[0]


def test_dup_with_a_full_table_is_emfile(ends):
    with full_table(), pytest.raises(OSError) as refused:
        ends[0].dup()
    assert (refused.value.errno, refused.value.filename) == (errno.EMFILE, "pipe reader")


@pytest.mark.parametrize("adopt", [PipeReader, PipeWriter])
def test_a_descriptor_that_is_no_pipe_is_refused_and_stays_open(tmp_path, adopt):
    with open(tmp_path / "f", "w+b") as file:
        with pytest.raises(OSError) as refused:
            adopt(file.fileno())
        assert (refused.value.errno, refused.value.filename) == (errno.EINVAL, f"fd {file.fileno()}")
        assert "a file, not a pipe" in refused.value.__notes__[0]
        file.write(b"still open")
    with pytest.raises(OSError) as refused:
        adopt(9999)
    assert (refused.value.errno, refused.value.filename) == (errno.EBADF, "fd 9999")


def test_the_wrong_end_of_a_pipe_is_ebadf_and_named():
    reader, writer = os.pipe()
    with PipeWriter(reader, name="the wrong one") as wrong, pytest.raises(OSError) as refused:
        wrong.write(b"x")
    assert (refused.value.errno, refused.value.filename) == (errno.EBADF, "the wrong one")
    os.close(writer)


def test_an_end_cannot_be_pickled_and_says_what_to_do(ends):
    with pytest.raises(TypeError, match="Unix socket"):
        pickle.dumps(ends[0])


def test_an_end_that_is_forgotten_warns_and_is_closed():
    with pytest.warns(ResourceWarning, match="unclosed <PipeWriter"):
        reader, writer = pipe()
        del writer
    with reader:
        assert reader.read(1, timeout=WAIT) == b""


def test_an_end_shows_what_it_is(ends):
    reader, _ = ends
    number = reader.fileno()
    assert repr(reader) == f"<PipeReader 'pipe reader' fd {number}>"
    reader.close()
    assert repr(reader) == "<PipeReader 'pipe reader' closed>"


def test_a_detached_number_is_the_callers(ends):
    reader, writer = ends
    number = reader.detach()
    assert reader.closed
    writer.write_all(b"x")
    assert os.read(number, 1) == b"x"
    os.close(number)
