"""Seqpacket sockets: U10 (borders, truncation, an empty message is not the end), U17 (the real length)."""

import errno
import os
import signal

import pytest

from unixipc import Exited, Killed, PeerGone, fork, sockets

WAIT = 20


@pytest.fixture
def pair():
    a, b = sockets.pair(kind="seqpacket")
    with a, b:
        yield a, b


def test_U10_messages_keep_their_borders(pair):
    a, b = pair
    for message in (b"one", b"", b"three", b"x" * 5000):
        assert a.send(message, timeout=WAIT) == len(message)
    assert [b.receive(8000, timeout=WAIT).data for _ in range(4)] == [b"one", b"", b"three", b"x" * 5000]


def test_U10_an_empty_message_is_not_the_end(pair):
    """Both are b"" to recv(2): `eof` tells them apart, whether or not descriptors are asked for."""
    a, b = pair
    a.send(b"", timeout=WAIT)
    a.send(b"", timeout=WAIT)
    a.close()
    kinds = [b.receive(10, max_descriptors=most, timeout=WAIT) for most in (0, 3, 0, 3)]
    assert [(got.data, got.eof) for got in kinds] == [(b"", False), (b"", False), (b"", True), (b"", True)]


@pytest.mark.parametrize("accepted_side_receives", [True, False])
def test_U10_an_empty_message_over_a_listener_is_not_the_end(tmp_path, accepted_side_receives):
    """Also when it was sent before the connection was accepted."""
    with sockets.listen(tmp_path / "s", kind="seqpacket", temporary=True) as listener:
        with sockets.connect(listener.address, kind="seqpacket", timeout=WAIT) as client:
            if accepted_side_receives:
                client.send(b"", timeout=WAIT)
            with listener.accept(timeout=WAIT) as server:
                if not accepted_side_receives:
                    server.send(b"", timeout=WAIT)
                sender, receiver = (client, server) if accepted_side_receives else (server, client)
                assert receiver.receive(10, timeout=WAIT).eof is False
                sender.close()
                assert receiver.receive(10, timeout=WAIT).eof is True


def test_U10_credentials_cannot_be_switched_off_for_they_mark_a_message(pair):
    a, b = pair
    b.pass_credentials = False
    assert b.pass_credentials is True
    a.send(b"", timeout=WAIT)
    assert b.receive(1, timeout=WAIT).eof is False


def test_U10_U17_a_short_receive_says_that_it_was_and_how_long_the_message_is(pair):
    a, b = pair
    a.send(b"y" * 3000, timeout=WAIT)
    a.send(b"next", timeout=WAIT)
    got = b.receive(10, timeout=WAIT)
    assert (got.data, got.truncated, got.size_bytes) == (b"y" * 10, True, 3000)
    got = b.receive(10, timeout=WAIT)
    assert (got.data, got.truncated, got.size_bytes) == (b"next", False, 4)


def test_U17_peeking_with_no_room_tells_the_length_and_leaves_the_message(pair):
    a, b = pair
    a.send(b"z" * 777, timeout=WAIT)
    size = b.receive(0, peek=True, timeout=WAIT).size_bytes
    assert size == 777
    got = b.receive(size, timeout=WAIT)
    assert (got.data, got.truncated) == (b"z" * 777, False)


def test_U10_messages_of_a_forked_child_and_its_death(pair):
    a, b = pair

    def send_and_wait():
        a.close()
        for number in range(100):
            b.send(b"%d" % number, timeout=WAIT)
        signal.pause()

    with fork(send_and_wait) as child:
        b.close()
        assert [a.receive(10, timeout=WAIT).data for _ in range(100)] == [b"%d" % n for n in range(100)]
        child.kill()
        assert a.receive(10, timeout=WAIT).eof
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        with pytest.raises(PeerGone) as gone:
            a.send(b"x", timeout=WAIT)
        assert gone.value.errno == errno.EPIPE


def test_a_message_beyond_the_send_buffer_is_emsgsize_and_nothing_of_it_goes(pair):
    a, b = pair
    a.send_buffer_bytes = 4096
    with pytest.raises(OSError) as refused:
        a.send(b"x" * (1 << 20), timeout=WAIT)
    assert refused.value.errno == errno.EMSGSIZE
    assert "SO_SNDBUF" in refused.value.__notes__[0]
    assert refused.value.filename == "socket pair"
    assert b.try_receive(10) is None


def test_a_full_queue_is_not_now_and_loses_nothing(pair):
    a, b = pair
    sent = 0
    while a.try_send(b"%6d" % sent) is not None:
        sent += 1
    with pytest.raises(TimeoutError):
        a.send(b"late", timeout=0.02)

    def drain():
        a.close()
        for number in range(sent):
            assert b.receive(10, timeout=WAIT).data == b"%6d" % number
        assert b.receive(10, timeout=WAIT).data == b"one more"

    with fork(drain) as child:
        b.close()
        a.send(b"one more", timeout=WAIT)
        assert child.wait(timeout=WAIT) == Exited(0)


def test_every_message_brings_credentials(pair):
    a, b = pair
    a.send(b"x", timeout=WAIT)
    assert b.receive(1, timeout=WAIT).credentials == (os.getpid(), os.getuid(), os.getgid())


def test_read_gives_messages_too(pair):
    a, b = pair
    a.write(b"one", timeout=WAIT)
    a.write(b"two", timeout=WAIT)
    assert (b.read(10, timeout=WAIT), b.read(10, timeout=WAIT)) == (b"one", b"two")


@pytest.mark.parametrize("kind", ["seqpacket", "dgram"])
def test_U10_two_readers_of_one_socket_and_nothing_is_cut_in_silence(kind):
    """What was looked at may be taken by the other before it is received: the next one is longer."""
    a, b = sockets.pair(kind)
    short, long, rounds = b"s" * 10, b"L" * 5000, 3000

    def send():
        for _ in range(rounds):
            a.send(short, timeout=WAIT)
            a.send(long, timeout=WAIT)

    def take():
        while b.receive(8192, timeout=WAIT).data != b"end":
            pass

    with a, b, fork(send) as sender, fork(take) as other:
        while not sender.has_ended():
            try:
                assert b.try_read(100) in (None, short), "a message that is cut is EMSGSIZE"
            except OSError as refused:
                assert refused.errno == errno.EMSGSIZE
        a.send(b"end", timeout=WAIT)
        assert other.wait(timeout=WAIT) == sender.wait(timeout=WAIT) == Exited(0)


def test_U10_what_was_cut_because_another_was_faster_says_so(pair):
    a, b = pair
    a.send(b"short", timeout=WAIT)
    a.send(b"L" * 500, timeout=WAIT)
    b.receive(100, timeout=WAIT)
    with pytest.raises(OSError, match="Message too long") as refused:
        b.try_read(100)
    assert "it stays" in refused.value.__notes__[0]
    assert b.receive(1000, timeout=WAIT).data == b"L" * 500
