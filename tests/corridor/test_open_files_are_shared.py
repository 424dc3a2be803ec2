"""An open file's flags belong to everybody who has it: a try neither trusts O_NONBLOCK nor sets it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from unixipc import EventFd, Fifo, fork, sockets
from unixipc.process import Killed
from unixipc.signals import SignalStream, Timer

WAIT = 20
ROUNDS = 300


@contextlib.contextmanager
def fifo_end(side):
    with Fifo.temporary() as fifo, fifo.reader(persistent=True) as reader, fifo.writer(timeout=WAIT) as writer:
        if side == "persistent reader":
            yield reader, lambda: reader.try_read(10)
        elif side == "writer":
            while writer.try_write(bytes(4096)):
                pass
            yield writer, lambda: writer.try_write(b"more")
        else:
            with fifo.try_reader() as plain:
                yield plain, lambda: plain.try_read(10)


@contextlib.contextmanager
def handle(kind):
    """(a descriptor that has nothing to give now, a try that says so)."""
    with contextlib.ExitStack() as stack:
        if kind in ("reader", "persistent reader", "writer"):
            yield stack.enter_context(fifo_end(kind))
        elif kind == "event counter":
            event = stack.enter_context(EventFd())
            yield event, event.try_take
        elif kind == "full event counter":
            event = stack.enter_context(EventFd())
            event.add(2**64 - 2)
            yield event, lambda: event.try_add() or None
        elif kind == "timer":
            timer = stack.enter_context(Timer(1000))
            yield timer, timer.try_wait
        elif kind == "signals":
            stream = stack.enter_context(SignalStream(signal.SIGUSR2))
            yield stream, stream.try_receive
        else:
            listener = stack.enter_context(sockets.listen(""))
            yield listener, listener.try_accept


KINDS = ["reader", "persistent reader", "writer", "event counter", "full event counter", "timer", "signals", "listener"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_try_does_not_wait_whatever_flags_another_holder_gives_the_open_file(kind):
    with handle(kind) as (descriptor, attempt):
        for blocking in (True, False, True):
            with fork(os.set_blocking, descriptor.fileno(), blocking) as child:
                child.wait(timeout=WAIT)
            assert os.get_blocking(descriptor.fileno()) is blocking, "it is one open file"
            assert attempt() is None


@pytest.mark.parametrize("kind", ["reader", "persistent reader", "writer", "listener"])
def test_what_programs_are_given_is_in_blocking_mode(kind):
    """A server or a filter that was started with it would die of EAGAIN."""
    with handle(kind) as (descriptor, attempt):
        assert attempt() is None
        assert os.get_blocking(descriptor.fileno())


def test_a_large_write_to_a_fifo_in_blocking_mode_takes_what_fits():
    with Fifo.temporary() as fifo, fifo.try_reader() as reader, fifo.writer(timeout=WAIT) as writer:
        done = writer.try_write(bytes(1 << 20))
        assert 4096 <= done < 1 << 20
        assert writer.try_write(b"more") is None
        assert reader.read_exactly(done, timeout=WAIT) == bytes(done)
        assert writer.try_write(b"more") == 4


@contextlib.contextmanager
def rival(take):
    """A process that takes what another may have seen."""

    def steal():
        while True:
            take()

    with fork(steal) as child:
        yield child
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_a_try_does_not_wait_when_somebody_else_takes_the_bytes_that_were_there():
    with Fifo.temporary() as fifo, fifo.reader(persistent=True) as reader, fifo.writer(timeout=WAIT) as writer:
        with rival(lambda: os.read(reader.fileno(), 1)):  # in blocking mode, as any program reads
            for _ in range(ROUNDS):
                writer.write_all(b"x", timeout=WAIT)
                while reader.pending_bytes and reader.try_read(1) is None:
                    pass


def test_a_try_does_not_wait_when_somebody_else_takes_the_connection():
    with sockets.listen("") as listener, rival(lambda: os.close(accepted(listener.fileno()))):
        for _ in range(ROUNDS):
            with sockets.connect(listener.address, timeout=WAIT):
                if (mine := listener.try_accept()) is not None:
                    mine.close()


def accepted(number):
    import socket

    with socket.socket(fileno=os.dup(number)) as plain:
        return plain.accept()[0].detach()


def test_other_threads_run_while_a_try_meets_a_rival():
    """The interpreter is not held: a thread that only counts goes on."""
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    with Fifo.temporary() as fifo, fifo.reader(persistent=True) as reader:
        thread.start()
        try:
            while counted[0] < 1000:
                assert reader.try_read(1) is None
        finally:
            stop.set()
            thread.join(WAIT)
