"""A signal when a descriptor is ready: G25."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import tempfile
import threading
import time
from signal import SIGIO, SIGRTMAX, SIGRTMIN, SIGUSR1

import pytest

from unixipc import EventFd, Exited, fork, pipe, sockets
from unixipc.signals import Counter, SignalStream, blocked, on_ready, try_wait_for

from .alone import alone

WAIT = 20
ME = os.getpid
F_GETSIG, F_GETOWN_EX = 11, 16


def state(file):
    """(O_ASYNC?, signal, owner's kind and id)."""
    number = file.fileno()
    owner = struct.unpack("ii", fcntl.fcntl(number, F_GETOWN_EX, bytes(8)))
    return bool(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ASYNC), fcntl.fcntl(number, F_GETSIG, 0), owner


def make_pipe():
    return pipe()


def make_sockets():
    return sockets.pair()


@pytest.mark.parametrize("make", [make_pipe, make_sockets])
@pytest.mark.parametrize("number", [SIGIO, SIGRTMIN, SIGUSR1])
def test_G25_it_says_which_and_for_what_and_nothing_afterwards(make, number):
    reader, writer = make()
    with reader, writer, SignalStream(number) as stream:
        before = state(reader)
        with on_ready(reader, number):
            assert stream.try_receive() is None
            os.write(writer.fileno(), b"x")
            info = stream.receive(WAIT)
            assert (info.signal, info.fd, info.pid, info.value, info.timer) == (number, reader.fileno(), 0, 0, None)
            assert info.band & select.POLLIN and info.code == 1  # POLL_IN
            assert state(reader)[:2] == (True, number)
        assert state(reader) == before
        while stream.try_receive():
            continue
        os.write(writer.fileno(), b"x")
        assert stream.try_receive() is None


@alone
def test_G25_it_may_be_taken_with_wait_for_too():
    reader, writer = pipe()
    with reader, writer, blocked(SIGIO), on_ready(reader):
        writer.try_write(b"x")
        info = try_wait_for([SIGIO])
        assert info.fd == reader.fileno() and info.band & select.POLLIN and info.uid == 0


def test_a_counter_may_have_it():
    reader, writer = pipe()
    with reader, writer, Counter(SIGRTMIN) as counter, on_ready(reader, SIGRTMIN):
        writer.try_write(b"x")
        assert counter.wait(WAIT) >= 1 and counter.last_value == 0, "what it says is no value"


@alone
def test_several_files_are_told_apart_in_order():
    ends = [pipe() for _ in range(5)]
    with SignalStream(SIGRTMIN) as stream:
        blocks = [on_ready(reader, SIGRTMIN) for reader, _ in ends]
        for block in blocks:
            block.__enter__()
        for _, writer in reversed(ends):
            writer.try_write(b"x")
        seen = list(dict.fromkeys(stream.receive(WAIT).fd for _ in ends))
        for block in blocks:
            block.__exit__()
        assert seen == [reader.fileno() for reader, _ in reversed(ends)]
    for reader, writer in ends:
        reader.close()
        writer.close()


def test_a_child_may_be_the_target():
    reader, writer = pipe()
    ready_in, ready_out = pipe()

    def child():
        with SignalStream(SIGIO) as stream:
            ready_out.write(b"x")
            assert stream.receive(WAIT).fd == number

    with reader, writer, ready_in, ready_out:
        number = reader.fileno()
        with fork(child) as process:
            ready_in.read(1, timeout=WAIT)
            with on_ready(reader, target=process.pid):
                writer.try_write(b"x")
                assert process.wait(WAIT) == Exited(0)


def test_a_thread_may_be_the_target():
    reader, writer = pipe()
    thread_id, taken, done = [], [], threading.Event()

    def takes():
        with blocked(SIGRTMIN):
            thread_id.append(threading.get_native_id())
            while not taken and not done.is_set():
                taken.extend(filter(None, [try_wait_for([SIGRTMIN])]))
                time.sleep(0.001)

    thread = threading.Thread(target=takes)
    thread.start()
    while not thread_id:
        time.sleep(0.001)
    with reader, writer, on_ready(reader, SIGRTMIN, thread=thread_id[0]):
        writer.try_write(b"x")
        thread.join(WAIT)
        done.set()
    assert taken[0].fd is not None


def test_a_thread_that_does_not_block_it_gives_it_back_whole(other_thread):
    reader, writer = pipe()
    with (
        reader,
        writer,
        SignalStream(SIGRTMIN) as stream,
        on_ready(reader, SIGRTMIN, thread=other_thread.native_id),
    ):
        writer.try_write(b"x")
        info = stream.receive(WAIT)
        assert info.fd == reader.fileno() and info.band & select.POLLIN and info.code == 1


def test_what_the_file_had_before_comes_back():
    reader, writer = pipe()
    with reader, writer, SignalStream(SIGRTMIN, SIGUSR1) as stream:
        with on_ready(reader, SIGUSR1):
            outer = state(reader)
            with on_ready(reader, SIGRTMIN):
                writer.try_write(b"x")
                assert stream.receive(WAIT).signal == SIGRTMIN
            assert state(reader) == outer
            writer.try_write(b"x")
            assert SIGUSR1 in {stream.receive(WAIT).signal, getattr(stream.try_receive(), "signal", None)}


def test_a_file_that_was_closed_meanwhile_does_no_harm():
    reader, writer = pipe()
    with writer, SignalStream(SIGRTMIN):
        block = on_ready(reader, SIGRTMIN)
        block.__enter__()
        number = reader.fileno()
        reader.close()
        with tempfile.TemporaryFile() as other:
            assert other.fileno() == number
            before = state(other)
            block.__exit__()
            assert state(other) == before


def test_files_that_send_none_are_refused_and_left_as_they_were():
    with tempfile.TemporaryFile() as file, EventFd() as event:
        for each in (file, event):
            before = state(each)
            with pytest.raises(OSError) as caught, on_ready(each, SIGRTMIN):
                pytest.fail("it was entered")
            assert caught.value.errno == errno.EINVAL and "sends no signals" in caught.value.__notes__[0]
            assert state(each) == before


def test_bad_targets_and_signals():
    reader, writer = pipe()
    with reader, writer:
        before = state(reader)
        for named in ({"target": 0}, {"thread": 0}, {"thread": -1}, {"target": 1, "thread": 1}):
            with pytest.raises(ValueError):
                on_ready(reader, **named)
        for number in (0, 65, -1):
            with pytest.raises(ValueError, match="no signal"):
                on_ready(reader, number)
        for named in ({"target": 2**31 - 1}, {"target": -(2**31 - 1)}, {"thread": 2**31 - 1}):
            with pytest.raises(ProcessLookupError), on_ready(reader, **named):
                pytest.fail("it was entered")
        with pytest.raises(OSError) as caught:
            on_ready(reader, SIGRTMAX)
        assert caught.value.errno == errno.EBUSY
        assert state(reader) == before
    with pytest.raises(OSError) as caught, on_ready(2**20):
        pytest.fail("it was entered")
    assert caught.value.errno == errno.EBADF


def test_a_block_is_entered_once_and_left_once():
    one, other = socket.socketpair()
    with one, other:
        block = on_ready(one, SIGRTMIN)
        with pytest.raises(RuntimeError, match="not entered"):
            block.__exit__()
        with blocked(SIGRTMIN), block, pytest.raises(RuntimeError, match="entered already"):
            block.__enter__()
        assert not state(one)[0]


def test_a_block_that_nobody_left_ends_with_its_last_reference():
    reader, writer = pipe()
    with reader, writer:
        block = on_ready(reader, SIGRTMIN)
        block.__enter__()
        assert state(reader)[0]
        del block
        assert not state(reader)[0]


def test_fork_the_signals_go_on_to_the_parent_and_the_child_s_end_of_the_block_does_not_end_it():
    reader, writer = pipe()
    block = on_ready(reader, SIGRTMIN)
    with reader, writer, SignalStream(SIGRTMIN) as stream, block:
        before = state(reader)

        def child():
            block.__exit__()
            assert state(reader) == before
            writer.try_write(b"x")

        with fork(child) as process:
            assert stream.receive(WAIT).fd == reader.fileno()
            assert process.wait(WAIT) == Exited(0)
        assert state(reader) == before


def test_a_block_that_is_made_before_a_fork_and_entered_in_the_child_is_the_child_s():
    reader, writer = pipe()
    block = on_ready(reader, SIGRTMIN)

    def child():
        with SignalStream(SIGRTMIN) as stream, block:
            writer.try_write(b"x")
            assert stream.receive(WAIT).fd == reader.fileno()

    with reader, writer, fork(child) as process:
        assert process.wait(WAIT) == Exited(0)
