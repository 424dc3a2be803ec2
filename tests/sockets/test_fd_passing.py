"""U11: descriptors that travel with a message. Always owned, close-on-exec, counted; nothing lost, nothing leaked."""

import contextlib
import errno
import fcntl
import os
import resource
import signal
import threading

import pytest

from unixipc import EventFd, Exited, PipeReader, PipeWriter, fork, pipe, sockets

WAIT = 20
KINDS = ("stream", "seqpacket", "dgram")


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


def open_count():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(params=KINDS)
def pair(request):
    a, b = sockets.pair(kind=request.param)
    with a, b:
        yield a, b


@pytest.fixture
def file(tmp_path):
    (tmp_path / "f").write_bytes(b"0123456789")
    with open(tmp_path / "f", "rb", buffering=0) as it:
        yield it


def test_U11_the_receiver_gets_the_same_open_file(pair, file):
    """The open file description is shared: one offset for both."""
    a, b = pair
    a.send(b"take", descriptors=[file], timeout=WAIT)
    with b.receive(10, max_descriptors=1, timeout=WAIT) as got:
        (theirs,) = got.descriptors
        assert theirs.fileno() != file.fileno()
        assert os.read(theirs.fileno(), 4) == b"0123"
        assert file.read(4) == b"4567"
        assert (got.data, got.truncated, got.descriptors_lost) == (b"take", False, False)
    assert theirs.closed


def test_U11_received_descriptors_are_close_on_exec_from_birth(pair, file):
    a, b = pair
    os.set_inheritable(file.fileno(), True)
    a.send(b"x", descriptors=[file], timeout=WAIT)
    with b.receive(1, max_descriptors=1, timeout=WAIT) as got:
        assert fcntl.fcntl(got.descriptors[0].fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_U11_another_process_writes_into_a_pipe_it_was_given():
    a, b = sockets.pair()

    def write_into_what_comes():
        a.close()
        with b.receive(1, max_descriptors=1, timeout=WAIT) as got:
            with PipeWriter(got.descriptors[0].detach()) as writer:
                writer.write_all(b"from the other side", timeout=WAIT)

    with a, b, fork(write_into_what_comes) as child:
        reader, writer = pipe()
        with reader, writer:
            a.send(b"!", descriptors=[writer], timeout=WAIT)
            writer.close()
            assert reader.read_exactly(19, timeout=WAIT) == b"from the other side"
            assert reader.read(1, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Exited(0)


def test_U11_a_received_descriptor_becomes_what_it_is():
    a, b = sockets.pair()
    with a, b, EventFd(7) as event, sockets.listen("") as listener:
        a.send(b"x", descriptors=[event, listener], timeout=WAIT)
        with b.receive(1, max_descriptors=2, timeout=WAIT) as got:
            counter, server = got.descriptors
            assert os.eventfd_read(counter.fileno()) == 7
            with sockets.Listener(server.detach()) as again:
                assert again.address == listener.address
                listener.close()
                with sockets.connect(again.address, timeout=WAIT), again.accept(timeout=WAIT):
                    pass


def test_U11_253_go_with_one_message_and_254_are_refused_before_anything_goes(pair, file):
    a, b = pair
    assert sockets.MOST_DESCRIPTORS == 253
    with pytest.raises(ValueError, match="at most 253"):
        a.send(b"x", descriptors=[file] * 254, timeout=WAIT)
    assert b.try_receive(1) is None
    a.send(b"x", descriptors=[file] * 253, timeout=WAIT)
    with b.receive(1, max_descriptors=253, timeout=WAIT) as got:
        assert len(got.descriptors) == 253
        assert len({d.fileno() for d in got.descriptors}) == 253
        assert not got.truncated


@pytest.mark.parametrize(("sent", "asked"), [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (4, 2), (253, 252), (253, 1)])
@pytest.mark.parametrize("extra", [None, "pass_credentials", "pass_pidfd"])
def test_U11_more_than_asked_is_said_and_leaks_none(pair, file, sent, asked, extra):
    """A short control buffer loses descriptors silently in C: here the message says so, whatever the alignment."""
    a, b = pair
    if extra is not None:
        setattr(b, extra, True)
    before = open_count()
    a.send(b"x", descriptors=[file] * sent, timeout=WAIT)
    with b.receive(1, max_descriptors=asked, timeout=WAIT) as got:
        assert (got.data, got.truncated, got.descriptors_lost) == (b"x", True, True)
        assert len(got.descriptors) == asked
        for descriptor in got.descriptors:
            os.fstat(descriptor.fileno())
    assert open_count() == before


def test_U11_a_plain_read_takes_no_descriptor_and_leaks_none(pair, file):
    a, b = pair
    before = open_count()
    a.send(b"x", descriptors=[file], timeout=WAIT)
    assert b.read(1, timeout=WAIT) == b"x"
    assert open_count() == before


@pytest.mark.parametrize(("free", "sent"), [(0, 1), (0, 2), (1, 2), (2, 3), (1, 253)])
def test_U11_a_full_table_is_emfile_and_the_message_stays_whole(pair, file, free, sent):
    a, b = pair
    a.send(b"precious", descriptors=[file] * sent, timeout=WAIT)
    before = open_count()
    with full_table(free):
        for attempt in (lambda: b.receive(8, max_descriptors=253, timeout=WAIT), lambda: b.try_receive(8, sent)):
            with pytest.raises(OSError) as refused:
                attempt()
            assert refused.value.errno == errno.EMFILE
            assert refused.value.filename == "socket pair"
            assert "RLIMIT_NOFILE" in refused.value.__notes__[0]
    assert open_count() == before
    with b.receive(8, max_descriptors=sent, timeout=WAIT) as got:
        assert (got.data, len(got.descriptors), got.truncated) == (b"precious", sent, False)


def test_U11_a_message_that_fits_the_last_free_numbers_is_received(pair, file):
    a, b = pair
    a.send(b"x", descriptors=[file] * 2, timeout=WAIT)
    with full_table(free=2):
        got = b.receive(1, max_descriptors=2, timeout=WAIT)
    with got:
        assert len(got.descriptors) == 2


def test_U11_looking_for_room_takes_no_numbers_from_other_threads(pair, file):
    """Not for a moment: with three numbers left another thread opens a file whenever it wants."""
    _a, b = pair
    stop, refused = threading.Event(), []

    def open_and_close():
        while not stop.is_set():
            try:
                os.close(os.open("/dev/null", os.O_RDONLY))
            except OSError as error:
                refused.append(error)

    thread = threading.Thread(target=open_and_close)
    with full_table(free=3):
        thread.start()
        try:
            for _ in range(3000):
                assert b.try_receive(8, max_descriptors=253) is None
        finally:
            stop.set()
            thread.join(WAIT)
    assert not refused


def test_U11_a_descriptor_that_is_not_open_is_named_and_nothing_goes(pair, file):
    a, b = pair
    with pytest.raises(OSError) as refused:
        a.send(b"x", descriptors=[file, 9999], timeout=WAIT)
    assert refused.value.errno == errno.EBADF
    assert "not open" in refused.value.__notes__[0]
    assert b.try_receive(1, max_descriptors=2) is None


def test_U11_a_closed_handle_among_the_descriptors_is_refused(pair):
    a, b = pair
    reader, writer = pipe()
    reader.close()
    with writer, pytest.raises(ValueError, match="closed"):
        a.send(b"x", descriptors=[writer, reader], timeout=WAIT)
    assert b.try_receive(1) is None


def test_U11_descriptors_with_no_byte_on_a_stream_are_refused_not_lost(file):
    """The kernel takes an empty stream write and drops what came with it."""
    a, b = sockets.pair()
    with a, b, pytest.raises(ValueError):
        a.send(b"", descriptors=[file], timeout=WAIT)


def test_U11_an_empty_packet_may_carry_descriptors(file):
    a, b = sockets.pair(kind="seqpacket")
    with a, b:
        a.send(b"", descriptors=[file], timeout=WAIT)
        with b.receive(1, max_descriptors=1, timeout=WAIT) as got:
            assert (got.data, got.eof, len(got.descriptors)) == (b"", False, 1)


def test_U11_peeking_gives_copies_and_leaves_the_message(pair, file):
    a, b = pair
    a.send(b"x", descriptors=[file], timeout=WAIT)
    with b.receive(1, max_descriptors=1, peek=True, timeout=WAIT) as look:
        with b.receive(1, max_descriptors=1, timeout=WAIT) as got:
            assert len(look.descriptors) == len(got.descriptors) == 1
            assert look.descriptors[0].fileno() != got.descriptors[0].fileno()


def test_U11_an_end_in_flight_still_counts_as_open(pair):
    a, b = pair
    reader, writer = pipe()
    with reader:
        a.send(b"x", descriptors=[writer], timeout=WAIT)
        writer.close()
        assert reader.try_read(1) is None, "the copy on its way holds the pipe open"
        b.receive(1, max_descriptors=1, timeout=WAIT).close()
        assert reader.read(1, timeout=WAIT) == b""


def test_U11_what_is_never_received_is_closed_with_the_socket(pair):
    a, b = pair
    reader, writer = pipe()
    with reader:
        a.send(b"x", descriptors=[writer], timeout=WAIT)
        writer.close()
        b.close()
        a.close()
        assert reader.read(1, timeout=WAIT) == b""


def test_U11_a_forgotten_message_closes_its_descriptors_and_warns(pair, file):
    a, b = pair
    a.send(b"x", descriptors=[file], timeout=WAIT)
    before = open_count()
    with pytest.warns(ResourceWarning, match="unclosed"):
        got = b.receive(1, max_descriptors=1, timeout=WAIT)
        assert open_count() == before + 1
        del got
    assert open_count() == before


def test_U11_a_stream_never_merges_descriptors_of_two_messages(file):
    a, b = sockets.pair()
    with a, b:
        a.send(b"one", descriptors=[file], timeout=WAIT)
        a.send(b"two", descriptors=[file, file], timeout=WAIT)
        with b.receive(100, max_descriptors=9, timeout=WAIT) as first:
            with b.receive(100, max_descriptors=9, timeout=WAIT) as second:
                assert [(g.data, len(g.descriptors)) for g in (first, second)] == [(b"one", 1), (b"two", 2)]


def test_U11_a_killed_receiver_loses_only_its_own_copy(pair):
    a, b = pair
    reader, writer = pipe()

    def receive_and_hang():
        a.close()
        writer.close()
        reader.close()
        with b.receive(1, max_descriptors=1, timeout=WAIT):
            b.send(b"!", timeout=WAIT)
            signal.pause()

    with reader, writer, fork(receive_and_hang) as child:
        a.send(b"x", descriptors=[writer], timeout=WAIT)
        writer.close()
        assert a.read(1, timeout=WAIT) == b"!"
        assert reader.try_read(1) is None
        child.kill()
        assert reader.read(1, timeout=WAIT) == b""
        child.wait(timeout=WAIT)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become the user whose limit counts")
def test_U11_too_many_in_flight_is_explained():
    def flood():
        os.setgid(65534)
        os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
        a, b = sockets.pair()
        with a, b:
            try:
                for _ in range(100):
                    a.send(b"x", descriptors=[0], timeout=WAIT)
            except OSError as error:
                return 7 if error.errno == errno.ETOOMANYREFS and "in flight" in error.__notes__[0] else 1
        return 2

    with fork(flood) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def test_U11_a_passed_reader_goes_on_where_the_first_stopped():
    a, b = sockets.pair()
    reader, writer = pipe()
    with a, b, reader, writer:
        writer.write_all(b"abcdef", timeout=WAIT)
        assert reader.read(3, timeout=WAIT) == b"abc"
        a.send(b"x", descriptors=[reader], timeout=WAIT)
        reader.close()
        with b.receive(1, max_descriptors=1, timeout=WAIT) as got:
            with PipeReader(got.descriptors[0].detach()) as again:
                assert again.read(10, timeout=WAIT) == b"def"
