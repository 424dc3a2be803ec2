"""Opening FIFOs: F03 (waits for the other side), F04 F05 F06 (what never waits), F08 (time-out and cancel)."""

import contextlib
import errno
import os
import resource
import signal
import threading
import time

import pytest

from unixipc import Exited, Fifo, fork

WAIT = 20


@contextlib.contextmanager
def full_table():
    """No number is left in this process's descriptor table."""
    lowest = os.dup(0)
    os.close(lowest)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def fifo(tmp_path):
    return Fifo.create(tmp_path / "fifo")


def every_opening(fifo):
    return fifo.try_reader, fifo.try_writer, lambda: fifo.reader(timeout=WAIT), lambda: fifo.writer(timeout=WAIT)


def open_count():
    return len(os.listdir("/proc/self/fd"))


def test_F03_each_side_waits_for_the_other(fifo):
    def write():
        with fifo.writer(timeout=WAIT) as writer:
            writer.write_all(b"met", timeout=WAIT)

    with fork(write) as child, fifo.reader(timeout=WAIT) as reader:
        assert reader.read_exactly(3, timeout=WAIT) == b"met"
        assert child.wait(timeout=WAIT) == Exited(0)


def test_F03_a_plain_open_on_the_other_side_is_enough(fifo):
    def write():
        with open(fifo.path, "wb") as file:
            file.write(b"plain")

    with fork(write) as child, fifo.reader(timeout=WAIT) as reader:
        assert reader.read_exactly(5, timeout=WAIT) == b"plain"
        assert child.wait(timeout=WAIT) == Exited(0)


def test_F04_trying_to_write_without_a_reader_is_none_and_trying_to_read_succeeds(fifo):
    assert fifo.try_writer() is None
    with pytest.raises(OSError) as refused:
        os.open(fifo.path, os.O_WRONLY | os.O_NONBLOCK)
    assert refused.value.errno == errno.ENXIO
    with fifo.try_reader() as reader, fifo.try_writer() as writer:
        writer.write_all(b"x")
        assert reader.read(1, timeout=WAIT) == b"x"


def test_F05_no_writer_yet_no_data_yet_and_no_writer_any_more_are_told_apart(fifo):
    """read(2) alone says b"" for the first and the last, EAGAIN for the middle one."""
    with fifo.try_reader() as reader:
        assert os.read(reader.fileno(), 1) == b""
        assert reader.try_read(1) is None, "nobody has been here yet: not the end"
        with pytest.raises(TimeoutError):
            reader.read(1, timeout=0.02)
        with fifo.writer(timeout=WAIT):
            assert reader.try_read(1) is None
            assert os.get_blocking(reader.fileno()), "the programs that inherit it expect that"
        assert reader.try_read(1) == b""
        assert reader.read(1, timeout=WAIT) == b""


def test_F05_a_reader_that_came_first_waits_for_the_first_writer(fifo):
    def write():
        with fifo.writer(timeout=WAIT) as writer:
            writer.write_all(b"first", timeout=WAIT)

    with fifo.try_reader() as reader, fork(write) as child:
        assert reader.read_exactly(5, timeout=WAIT) == b"first"
        assert child.wait(timeout=WAIT) == Exited(0)


def test_F06_a_persistent_reader_opens_at_once(fifo):
    with fifo.reader(persistent=True, timeout=0) as reader:
        assert reader.try_read(1) is None
        with fifo.try_writer() as writer:
            writer.write_all(b"x")
        assert reader.read(1, timeout=WAIT) == b"x"
        assert reader.try_read(1) is None, "never the end"


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_F08_a_timed_out_open_leaves_nothing_half_open(fifo, side):
    before = open_count()
    began = time.monotonic()
    with pytest.raises(TimeoutError) as late:
        getattr(fifo, side)(timeout=0.05)
    assert time.monotonic() - began >= 0.05
    assert (late.value.errno, late.value.filename) == (errno.ETIMEDOUT, fifo.path)
    assert open_count() == before
    if side == "reader":
        assert fifo.try_writer() is None, "no reader of ours is left in the kernel"
    else:
        with fifo.try_reader() as reader:
            assert reader.try_read(1) is None


def test_F08_an_open_can_be_timed_out_thousands_of_times_against_a_live_peer(fifo):
    """Whichever wins, the handle is whole or absent; nothing leaks."""
    before = open_count()
    stop = threading.Event()
    met = []

    def come_and_go():
        while not stop.is_set():
            writer = fifo.try_writer()
            if writer is not None:
                met.append(1)
                writer.close()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    opened = 0
    try:
        for _ in range(500):
            with contextlib.suppress(TimeoutError):
                with fifo.reader(timeout=0.0005):
                    opened += 1
    finally:
        stop.set()
        thread.join(WAIT)
    assert open_count() == before
    assert fifo.try_writer() is None


def test_F08_an_open_of_zero_seconds_is_one_try(fifo):
    for side in (fifo.reader, fifo.writer):
        with pytest.raises(TimeoutError):
            side(timeout=0)


def test_F08_a_signal_handler_that_raises_ends_the_open(fifo):
    class Enough(Exception):
        pass

    def raise_enough(*_):
        raise Enough

    before, count = signal.signal(signal.SIGALRM, raise_enough), open_count()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Enough):
            fifo.reader(timeout=WAIT)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert open_count() == count


def test_F08_a_signal_handler_that_returns_does_not_end_the_open(fifo):
    calls = []
    before = signal.signal(signal.SIGALRM, lambda *_: calls.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        with pytest.raises(TimeoutError):
            fifo.writer(timeout=0.1)
        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert calls


def test_F08_in_a_thread_the_open_times_out_too(fifo):
    outcome = []

    def wait_in_vain():
        try:
            fifo.reader(timeout=0.05)
        except TimeoutError:
            outcome.append("late")

    thread = threading.Thread(target=wait_in_vain)
    thread.start()
    thread.join(WAIT)
    assert outcome == ["late"]


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_a_negative_timeout_is_a_value_error(fifo, side):
    with pytest.raises(ValueError, match="timeout"):
        getattr(fifo, side)(timeout=-1)


def test_a_full_descriptor_table_is_emfile_and_named(fifo):
    with full_table():
        for attempt in every_opening(fifo):
            with pytest.raises(OSError) as refused:
                attempt()
            assert (refused.value.errno, refused.value.filename) == (errno.EMFILE, fifo.path)
            assert "RLIMIT_NOFILE" in refused.value.__notes__[0]


def test_a_name_that_became_something_else_is_refused_and_left_alone(fifo):
    os.rename(fifo.path, fifo.path + ".old")
    with open(fifo.path, "w") as file:
        file.write("precious")
    before = open_count()
    for attempt in every_opening(fifo):
        with pytest.raises(OSError) as refused:
            attempt()
        assert (refused.value.errno, refused.value.filename) == (errno.EINVAL, fifo.path)
        assert "took the name's place" in refused.value.__notes__[0]
    assert open_count() == before
    with open(fifo.path) as file:
        assert file.read() == "precious"


def test_a_name_that_is_gone_is_file_not_found(fifo):
    fifo.remove()
    for attempt in every_opening(fifo):
        with pytest.raises(FileNotFoundError) as refused:
            attempt()
        assert (refused.value.errno, refused.value.filename) == (errno.ENOENT, fifo.path)
