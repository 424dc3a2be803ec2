"""Datagram sockets: U09 (reliable, in order, waits when full), U10 (borders), answers, and bad input."""

import errno
import os
import signal
import threading

import pytest

from unixipc import ClosedError, Exited, ObjectRemoved, fork, sockets

WAIT = 20


@pytest.fixture
def inbox(tmp_path):
    with sockets.bind(tmp_path / "inbox", temporary=True) as it:
        yield it


@pytest.fixture
def outbox():
    with sockets.bind("") as it:
        yield it


def test_U09_messages_come_whole_and_in_order_from_another_process(inbox):
    def send():
        with sockets.bind("") as mine:
            for number in range(1000):
                mine.send_to(b"%d" % number, inbox.address, timeout=WAIT)

    with fork(send) as child:
        assert [inbox.receive_from(10, timeout=WAIT).data for _ in range(1000)] == [b"%d" % n for n in range(1000)]
        assert child.wait(timeout=WAIT) == Exited(0)


def test_U09_a_full_queue_is_not_now_then_a_timeout_and_loses_nothing(inbox, outbox):
    sent = 0
    while outbox.try_send_to(b"%d" % sent, inbox.address) is not None:
        sent += 1
    assert sent >= 1
    with pytest.raises(TimeoutError) as late:
        outbox.send_to(b"late", inbox.address, timeout=0.03)
    assert late.value.filename == str(inbox.address)
    assert [inbox.receive_from(10, timeout=WAIT).data for _ in range(sent)] == [b"%d" % n for n in range(sent)]
    assert inbox.try_receive_from(10) is None


def test_U09_a_sender_waits_until_there_is_room(inbox, outbox):
    sent = 0
    while outbox.try_send_to(b"%d" % sent, inbox.address) is not None:
        sent += 1

    def send_one_more():
        with sockets.bind("") as mine:
            mine.send_to(b"more", inbox.address, timeout=WAIT)

    with fork(send_one_more) as child:
        messages = [inbox.receive_from(10, timeout=WAIT).data for _ in range(sent + 1)]
        assert messages[-1] == b"more"
        assert child.wait(timeout=WAIT) == Exited(0)


def test_U09_the_sender_can_be_answered_when_it_has_an_abstract_name(inbox, outbox):
    outbox.send_to(b"question", inbox.address, timeout=WAIT)
    question = inbox.receive_from(100, timeout=WAIT)
    inbox.send_to(b"answer", question.sender, timeout=WAIT)
    assert outbox.receive_from(100, timeout=WAIT).data == b"answer"


def test_U09_the_sender_can_be_answered_when_it_is_bound_to_a_path(tmp_path, inbox):
    """From another process: the sender's name must mean the same there."""

    def ask():
        with sockets.bind(tmp_path / "asker", temporary=True) as mine:
            mine.send_to(b"question", inbox.address, timeout=WAIT)
            answer = mine.receive_from(100, timeout=WAIT)
            assert answer.data == b"answer"
            assert os.fsdecode(answer.sender) == str(inbox.address)

    with fork(ask) as child:
        question = inbox.receive_from(100, timeout=WAIT)
        assert os.fsdecode(question.sender) == str(tmp_path / "asker")
        inbox.send_to(b"answer", question.sender, timeout=WAIT)
        assert child.wait(timeout=WAIT) == Exited(0)


def test_U10_a_short_receive_of_a_datagram_tells_the_real_length(inbox, outbox):
    outbox.send_to(b"x" * 3000, inbox.address, timeout=WAIT)
    outbox.send_to(b"", inbox.address, timeout=WAIT)
    got = inbox.receive_from(5, timeout=WAIT)
    assert (got.data, got.truncated, got.size_bytes) == (b"xxxxx", True, 3000)
    got = inbox.receive_from(5, timeout=WAIT)
    assert (got.data, got.truncated, got.eof) == (b"", False, False)


def test_U09_a_pair_of_datagram_sockets_keeps_borders():
    a, b = sockets.pair(kind="dgram")
    with a, b:
        a.send(b"one", timeout=WAIT)
        a.send(b"two", timeout=WAIT)
        assert [b.receive(10, timeout=WAIT).data for _ in range(2)] == [b"one", b"two"]


def test_a_message_beyond_the_buffer_is_emsgsize(inbox, outbox):
    outbox.send_buffer_bytes = 4096
    with pytest.raises(OSError) as refused:
        outbox.send_to(b"x" * (1 << 20), inbox.address, timeout=WAIT)
    assert refused.value.errno == errno.EMSGSIZE
    assert "SO_SNDBUF" in refused.value.__notes__[0]
    assert inbox.try_receive_from(1) is None


def test_sending_to_nobody_is_a_clear_error(tmp_path, outbox):
    with pytest.raises(FileNotFoundError) as refused:
        outbox.send_to(b"x", tmp_path / "nobody", timeout=WAIT)
    assert refused.value.errno == errno.ENOENT
    assert refused.value.__notes__


def test_sending_to_a_stale_name_is_refused(tmp_path, outbox):
    sockets.bind(tmp_path / "stale").close()
    with pytest.raises(ConnectionRefusedError) as refused:
        outbox.send_to(b"x", tmp_path / "stale", timeout=WAIT)
    assert refused.value.errno == errno.ECONNREFUSED


def test_an_error_of_sending_names_the_receiver(tmp_path, outbox):
    with pytest.raises(FileNotFoundError) as refused:
        outbox.send_to(b"x", tmp_path / "nobody", timeout=WAIT)
    assert refused.value.filename == str(tmp_path / "nobody")


def test_sending_to_a_stream_socket_says_wrong_kind(tmp_path, outbox):
    with sockets.listen(tmp_path / "s", temporary=True) as listener, pytest.raises(OSError) as refused:
        outbox.send_to(b"x", listener.address, timeout=WAIT)
    assert refused.value.errno == errno.EPROTOTYPE


def test_a_receiver_that_dies_leaves_a_name_that_refuses(tmp_path, outbox):
    ready, tell = sockets.pair()

    def receive_until_killed():
        with sockets.bind(tmp_path / "doomed"):
            tell.write_all(b"!", timeout=WAIT)
            signal.pause()

    with ready, tell, fork(receive_until_killed) as child:
        ready.read_exactly(1, timeout=WAIT)
        outbox.send_to(b"x", tmp_path / "doomed", timeout=WAIT)
        child.kill()
        child.wait(timeout=WAIT)
    with pytest.raises(ConnectionRefusedError):
        outbox.send_to(b"x", tmp_path / "doomed", timeout=WAIT)
    with sockets.bind(tmp_path / "doomed", temporary=True) as heir:  # takes the stale name over
        outbox.send_to(b"y", heir.address, timeout=WAIT)
        assert heir.receive_from(1, timeout=WAIT).data == b"y"


def test_binding_a_live_name_is_address_in_use(inbox):
    with pytest.raises(OSError) as refused:
        sockets.bind(inbox.address)
    assert refused.value.errno == errno.EADDRINUSE
    assert refused.value.filename == str(inbox.address)


def test_a_name_that_was_replaced_is_not_removed(tmp_path):
    with sockets.bind(tmp_path / "s") as first:
        os.unlink(tmp_path / "s")
        with sockets.bind(tmp_path / "s", temporary=True) as second, sockets.bind("") as outbox:
            with pytest.raises(ObjectRemoved) as removed:
                first.remove()
            assert removed.value.errno == errno.EIDRM
            outbox.send_to(b"x", second.address, timeout=WAIT)
            assert second.receive_from(1, timeout=WAIT).data == b"x"


def test_a_closed_socket_is_a_closed_error(inbox, outbox):
    outbox.close()
    for use in (lambda: outbox.send_to(b"x", inbox.address), lambda: outbox.receive_from(1), lambda: outbox.fileno()):
        with pytest.raises(ClosedError):
            use()


def test_closing_in_another_thread_ends_a_receive(outbox):
    closer = threading.Timer(0.05, outbox.close)
    closer.start()
    with pytest.raises(ClosedError):
        outbox.receive_from(1, timeout=WAIT)
    closer.join(WAIT)


def test_a_negative_size_is_a_value_error(outbox):
    with pytest.raises(ValueError):
        outbox.receive_from(-1)
    with pytest.raises(ValueError):
        sockets.bind("@x", mode=-1)
