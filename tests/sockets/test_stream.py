"""Stream sockets: U01 U02 U05 U06 U08 U16 U17 U18 U19, and bad input."""

import contextlib
import errno
import os
import resource
import signal
import socket
import threading

import pytest

from unixipc import ClosedError, Exited, Killed, PeerGone, fork, sockets

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
def pair():
    a, b = sockets.pair()
    with a, b:
        yield a, b


@pytest.fixture
def listener(tmp_path):
    with sockets.listen(tmp_path / "s", temporary=True) as it:
        yield it


def test_U01_a_server_echoes_to_clients_in_other_processes(listener):
    def client(word):
        with sockets.connect(listener.address, timeout=WAIT) as connection:
            connection.write_all(word, timeout=WAIT)
            connection.shutdown_write()
            assert connection.read_exactly(len(word), timeout=WAIT) == word
            assert connection.read(1, timeout=WAIT) == b""

    with fork(client, b"one") as first, fork(client, b"another") as second:
        for _ in range(2):
            with listener.accept(timeout=WAIT) as connection:
                while data := connection.read(100, timeout=WAIT):
                    connection.write_all(data, timeout=WAIT)
        assert first.wait(timeout=WAIT) == second.wait(timeout=WAIT) == Exited(0)


def test_U01_iterating_a_listener_accepts(listener):
    clients = [sockets.connect(listener.address, timeout=WAIT) for _ in range(3)]
    for client, connection in zip(clients, listener, strict=False):
        with client, connection:
            client.write_all(b"hello", timeout=WAIT)
            assert connection.read(10, timeout=WAIT) == b"hello"
    assert listener.try_accept() is None


def test_U02_connecting_to_no_name_is_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        sockets.connect(tmp_path / "nobody", timeout=WAIT)
    assert refused.value.errno == errno.ENOENT
    assert refused.value.filename == str(tmp_path / "nobody")
    assert "is the server running" in refused.value.__notes__[0]


def test_U02_connecting_as_the_wrong_kind_says_so(listener):
    with pytest.raises(OSError) as refused:
        sockets.connect(listener.address, kind="seqpacket", timeout=WAIT)
    assert refused.value.errno == errno.EPROTOTYPE
    assert "another kind" in refused.value.__notes__[0]
    assert listener.try_accept() is None


def test_U05_a_full_backlog_makes_connect_wait_and_never_refuses(tmp_path):
    """Not ECONNREFUSED: that means nobody listens. A time-out leaves nothing open."""
    with sockets.listen(tmp_path / "s", backlog=0, temporary=True) as listener:
        waiting = []
        while (connection := sockets.try_connect(listener.address)) is not None:
            waiting.append(connection)
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(TimeoutError) as late:
            sockets.connect(listener.address, timeout=0.05)
        assert late.value.errno == errno.ETIMEDOUT
        assert late.value.filename == str(listener.address)
        assert set(os.listdir("/proc/self/fd")) == before

        def connect_when_there_is_room():
            with sockets.connect(listener.address, timeout=WAIT) as connection:
                connection.write_all(b"in", timeout=WAIT)

        with fork(connect_when_there_is_room) as child:
            for connection in waiting:
                with listener.accept(timeout=WAIT):
                    connection.close()
            with listener.accept(timeout=WAIT) as last:
                assert last.read(10, timeout=WAIT) == b"in"
            assert child.wait(timeout=WAIT) == Exited(0)


def test_U06_opening_the_path_as_a_file_is_enxio(listener):
    with pytest.raises(OSError) as refused:
        os.open(str(listener.address), os.O_RDWR)
    assert refused.value.errno == errno.ENXIO


def test_U06_plain_read_and_write_work_on_a_connected_socket(pair):
    a, b = pair
    os.write(a.fileno(), b"plain")
    assert b.read(100, timeout=WAIT) == b"plain"
    b.write_all(b"back", timeout=WAIT)
    assert os.read(a.fileno(), 100) == b"back"


def test_U08_a_pair_crosses_a_fork(pair):
    a, b = pair

    def shout():
        a.close()
        b.write_all(b.read(100, timeout=WAIT).upper(), timeout=WAIT)

    with fork(shout) as child:
        b.close()
        a.write_all(b"b", timeout=WAIT)
        assert a.read(100, timeout=WAIT) == b"B"
        assert a.read(100, timeout=WAIT) == b"", "the end comes: no copy of the other side is left"
        assert child.wait(timeout=WAIT) == Exited(0)


def test_U08_a_megabyte_goes_both_ways_at_once(pair):
    a, b = pair
    data = os.urandom(1 << 20)

    def echo():
        a.close()
        while part := b.read(65536, timeout=WAIT):
            b.write_all(part, timeout=WAIT)

    with fork(echo) as child:
        b.close()
        writer = threading.Thread(target=lambda: (a.write_all(data, timeout=WAIT), a.shutdown_write()))
        writer.start()
        assert a.read_exactly(len(data), timeout=WAIT) == data
        writer.join(WAIT)
        assert a.read(1, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Exited(0)


def test_U16_writing_to_a_vanished_peer_is_peer_gone_and_no_sigpipe():
    def child_with_default_sigpipe():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a C program's: a plain write would kill
        a, b = sockets.pair()
        b.close()
        try:
            a.write(b"x", timeout=WAIT)
        except PeerGone as gone:
            return 7 if gone.errno == errno.EPIPE and gone.__notes__ else 1
        return 2

    with fork(child_with_default_sigpipe) as child:
        assert child.wait(timeout=WAIT) == Exited(7)


def test_U16_a_peer_that_closes_with_our_data_unread_is_connection_reset(pair):
    a, b = pair
    a.write_all(b"never read", timeout=WAIT)
    b.close()
    with pytest.raises(PeerGone) as gone:
        a.read(10, timeout=WAIT)
    assert gone.value.errno == errno.ECONNRESET
    assert isinstance(gone.value, ConnectionError)
    assert "unread" in gone.value.__notes__[0]
    assert gone.value.filename == "socket pair"


def test_U16_a_killed_peer_is_the_end_of_the_stream(pair):
    a, b = pair

    def wait_to_be_killed():
        a.close()
        b.write_all(b"last words", timeout=WAIT)
        signal.pause()

    with fork(wait_to_be_killed) as child:
        b.close()
        assert a.read_exactly(10, timeout=WAIT) == b"last words"
        child.kill()
        assert a.read(10, timeout=WAIT) == b""
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        with pytest.raises(PeerGone):
            a.write(b"x", timeout=WAIT)


def test_U17_peeking_leaves_the_bytes(pair):
    a, b = pair
    a.write_all(b"abc", timeout=WAIT)
    assert b.receive(2, peek=True, timeout=WAIT).data == b"ab"
    assert b.receive(10, timeout=WAIT).data == b"abc"


def test_U17_a_short_receive_on_a_stream_discards_nothing(pair):
    """MSG_TRUNC would throw the rest of a stream away (and gave the standard library uninitialised memory)."""
    a, b = pair
    a.write_all(b"x" * 3000, timeout=WAIT)
    received = b.receive(1, timeout=WAIT)
    assert (received.data, received.size_bytes, received.truncated) == (b"x", 1, False)
    assert b.read_exactly(2999, timeout=WAIT) == b"x" * 2999


def test_U18_after_a_half_close_the_answer_still_comes(pair):
    a, b = pair
    a.write_all(b"question", timeout=WAIT)
    a.shutdown_write()
    assert b.read(100, timeout=WAIT) == b"question"
    end = b.receive(100, timeout=WAIT)
    assert (end.data, end.eof) == (b"", True)
    b.write_all(b"answer", timeout=WAIT)
    assert a.read(100, timeout=WAIT) == b"answer"
    with pytest.raises(PeerGone) as gone:
        a.write(b"more", timeout=WAIT)
    assert gone.value.errno == errno.EPIPE


def test_U18_when_the_peer_wants_no_more_writing_is_peer_gone(pair):
    a, b = pair
    b.shutdown_read()
    with pytest.raises(PeerGone) as gone:
        a.write(b"x", timeout=WAIT)
    assert gone.value.errno == errno.EPIPE


def test_U19_what_is_on_the_way_is_known_on_both_sides(pair):
    a, b = pair
    assert (a.unsent_bytes, b.pending_bytes) == (0, 0)
    a.write_all(b"12345", timeout=WAIT)
    assert b.pending_bytes == 5
    assert a.unsent_bytes >= 5, "SIOCOUTQ counts the kernel's overhead too"
    b.read(100, timeout=WAIT)
    assert (a.unsent_bytes, b.pending_bytes) == (0, 0)


def test_the_send_buffer_can_be_sized(pair):
    a, _ = pair
    a.send_buffer_bytes = 8192
    assert a.send_buffer_bytes == 16384, "the kernel doubles what is set: socket(7)"
    with pytest.raises(ValueError, match="at least 0"):
        a.send_buffer_bytes = -1


def test_a_full_stream_is_not_now_and_then_a_timeout(pair):
    a, b = pair
    sent = 0
    while (done := a.try_write(b"x" * 65536)) is not None:
        sent += done
    assert sent > 0
    with pytest.raises(TimeoutError):
        a.write(b"y", timeout=0.02)
    assert b.read_exactly(sent, timeout=WAIT) == b"x" * sent
    assert b.try_read(1) is None, "the timed-out write left nothing"


def test_write_all_says_how_far_it_came(pair):
    a, b = pair
    with pytest.raises(TimeoutError) as late:
        a.write_all(b"z" * (8 << 20), timeout=0.05)
    assert late.value.written_bytes == b.pending_bytes > 0
    assert any(str(late.value.written_bytes) in note for note in late.value.__notes__)


def test_a_read_exactly_that_ends_early_keeps_what_came(pair):
    a, b = pair
    a.write_all(b"abc", timeout=WAIT)
    with pytest.raises(TimeoutError):
        b.read_exactly(4, timeout=0.02)
    a.close()
    with pytest.raises(EOFError, match="3 bytes into the 4"):
        b.read_exactly(4, timeout=WAIT)
    assert b.kept_bytes == 3
    assert b.receive(10, timeout=WAIT).data == b"abc"


def test_a_full_descriptor_table_leaves_the_client_in_the_backlog(listener):
    with sockets.connect(listener.address, timeout=WAIT) as client:
        client.write_all(b"still here", timeout=WAIT)
        with full_table():
            with pytest.raises(OSError) as refused:
                listener.accept(timeout=WAIT)
            with pytest.raises(OSError):
                listener.try_accept()
        assert refused.value.errno == errno.EMFILE
        assert refused.value.filename == str(listener.address)
        assert "RLIMIT_NOFILE" in refused.value.__notes__[0]
        with listener.accept(timeout=WAIT) as server:
            assert server.read(100, timeout=WAIT) == b"still here"


@pytest.mark.parametrize(
    "make", [sockets.pair, lambda: sockets.connect("@x"), lambda: sockets.listen("@x"), lambda: sockets.bind("")]
)
def test_a_full_descriptor_table_is_a_clear_error(make):
    with full_table(), pytest.raises(OSError) as refused:
        make()
    assert refused.value.errno == errno.EMFILE
    assert "RLIMIT_NOFILE" in refused.value.__notes__[0]


@pytest.mark.parametrize(
    "use",
    [
        lambda c: c.read(1), lambda c: c.try_read(1), lambda c: c.read_exactly(1), lambda c: c.write(b"x"),
        lambda c: c.write_all(b"x"), lambda c: c.send(b"x"), lambda c: c.receive(1), lambda c: c.try_receive(1),
        lambda c: c.peer, lambda c: c.peer_address, lambda c: c.address, lambda c: c.shutdown_write(),
        lambda c: c.pending_bytes, lambda c: c.fileno(), lambda c: c.dup(), lambda c: c.__enter__(),
        lambda c: c.read_exactly(0), lambda c: c.write_all(b""),
    ],
)  # fmt: skip
def test_a_closed_connection_is_a_closed_error(pair, use):
    pair[0].close()
    pair[0].close()
    with pytest.raises(ClosedError, match="closed"):
        use(pair[0])


def test_closing_in_another_thread_ends_a_wait(pair):
    a, _ = pair
    closer = threading.Timer(0.05, a.close)
    closer.start()
    with pytest.raises(ClosedError):
        a.read(1, timeout=WAIT)
    closer.join(WAIT)


@pytest.mark.parametrize(
    "use",
    [
        lambda c: c.read(-1), lambda c: c.try_read(-1), lambda c: c.read_exactly(-1), lambda c: c.receive(-1),
        lambda c: c.receive(1, max_descriptors=-1), lambda c: c.receive(1, max_descriptors=254),
        lambda c: c.read(1, timeout=-1), lambda c: c.read(1, timeout=float("nan")),
    ],
)  # fmt: skip
def test_a_negative_size_is_a_value_error_and_changes_nothing(pair, use):
    a, b = pair
    with pytest.raises(ValueError):
        use(a)
    b.write_all(b"fine", timeout=WAIT)
    assert a.read(10, timeout=WAIT) == b"fine"


def test_text_is_not_bytes(pair):
    with pytest.raises(TypeError):
        pair[0].write("text")


@pytest.mark.parametrize(
    "call", [sockets.pair, lambda kind: sockets.listen("@x", kind), lambda kind: sockets.connect("@x", kind)]
)
def test_an_unknown_kind_lists_the_known_ones(call):
    with pytest.raises(ValueError, match="'stream' or 'seqpacket'"):
        call("raw")


@pytest.mark.parametrize("options", [{"mode": -1}, {"mode": 0o1777}, {"backlog": -1}])
def test_bad_listen_options_leave_no_file(tmp_path, options):
    with pytest.raises(ValueError):
        sockets.listen(tmp_path / "s", **options)
    assert os.listdir(tmp_path) == []


def test_a_descriptor_that_is_no_unix_socket_is_refused_and_stays_open():
    reader, writer = os.pipe()
    with socket.socket(socket.AF_INET) as inet, socket.socket(socket.AF_UNIX) as idle:
        for fd, adopt, says in [
            (reader, sockets.Connection, "is a pipe, not a socket"),
            (inet.fileno(), sockets.Connection, "not a Unix domain socket"),
            (idle.fileno(), sockets.Listener, "does not listen"),
        ]:
            with pytest.raises(OSError) as refused:
                adopt(fd)
            assert refused.value.errno == errno.EINVAL
            assert refused.value.filename == f"fd {fd}"
            assert says in refused.value.__notes__[0]
            os.fstat(fd)
        with pytest.raises(ValueError, match="stream socket, not a datagram"):
            sockets.Datagrams(idle.fileno())
        os.fstat(idle.fileno())
    os.close(reader)
    os.close(writer)


def test_a_descriptor_that_is_not_open_is_refused():
    with pytest.raises(OSError) as refused:
        sockets.Connection(9999)
    assert refused.value.errno == errno.EBADF
    assert refused.value.filename == "fd 9999"


def test_a_connection_takes_over_the_standard_librarys_socket():
    a, b = socket.socketpair()
    with sockets.Connection(a.detach()) as ours:
        assert ours.kind_name == "stream"
        b.sendall(b"x" * 10)
        assert ours.read_exactly(10, timeout=WAIT) == b"x" * 10
    b.close()
