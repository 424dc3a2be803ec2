"""The five fates of what is set up for a signal: actions, masks, counters, latches, streams."""

from __future__ import annotations

import os
import signal
import sys
import time
from signal import SIG_DFL, SIGRTMIN, SIGUSR1

import pytest

from unixipc import ClosedError, Exited, Killed, fork, pipe
from unixipc.signals import (
    Counter,
    Latch,
    SignalStream,
    action_of,
    blocked,
    handling,
    mask,
    send,
    state_of,
)

from .conftest import ran_in_a_child

WAIT = 20
ME = os.getpid
counting = pytest.mark.parametrize("cls", [Counter, Latch])
MAKERS = {"Counter": Counter, "Latch": Latch, "SignalStream": SignalStream}
every_handle = pytest.mark.parametrize("made", MAKERS.values(), ids=MAKERS.keys())


@pytest.fixture(autouse=True)
def as_before():
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    before = action_of(SIGUSR1)
    yield
    assert mask() == frozenset()
    assert action_of(SIGUSR1) == before


def told_by_a_child(function):
    """What the child, which may become another program, writes to its standard output."""
    reader, writer = pipe()

    def body():
        writer.dup2(1)
        function()

    with reader:
        with writer, fork(body) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        return reader.read(10_000, timeout=WAIT).decode()


def status_after_exec():
    """Become a program that prints its masks."""
    os.execvp("cat", ["cat", "/proc/self/status"])


def has(field, number, status):
    (line,) = [line for line in status.splitlines() if line.startswith(field)]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


# close ----------------------------------------------------------------------------------------------------------------


@every_handle
def test_close_puts_the_action_and_the_mask_back(made):
    seen = []
    with handling(SIGUSR1, lambda *_: seen.append(1)):
        before = action_of(SIGUSR1)
        handle = made(SIGUSR1)
        number = handle.fileno()
        assert action_of(SIGUSR1) != before
        handle.close()
        handle.close()
        assert handle.closed and action_of(SIGUSR1) == before and mask() == frozenset()
        send(ME(), SIGUSR1)
        assert seen == [1]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@counting
def test_close_keeps_the_handle_from_any_use(cls):
    counter = cls(SIGUSR1)
    counter.close()
    for use in (counter.fileno, counter.wait, counter.try_wait, counter.check_open):
        with pytest.raises(ClosedError):
            use()
    assert counter.count == counter.last_value == 0


def test_close_of_a_stream_delivers_what_is_pending_to_the_action_that_was_there():
    seen = []
    with handling(SIGUSR1, lambda *_: seen.append(1)):
        stream = SignalStream(SIGUSR1)
        send(ME(), SIGUSR1)
        stream.close()
        assert seen == [1]
    with pytest.raises(ClosedError):
        stream.try_receive()


def test_the_end_of_a_block_restores_the_mask_and_then_the_handler_runs():
    seen = []
    with handling(SIGUSR1, lambda *_: seen.append(mask())):
        with blocked(SIGUSR1):
            signal.raise_signal(SIGUSR1)
            assert seen == []
        assert seen == [frozenset()]


@every_handle
def test_what_nobody_refers_to_is_as_good_as_closed(made):
    """A stream says that it was forgotten, as every descriptor does."""
    handle = made(SIGUSR1)
    if made is SignalStream:
        with pytest.warns(ResourceWarning, match="unclosed"):
            del handle
    else:
        handle.event.close()
        del handle
    assert action_of(SIGUSR1).handler is SIG_DFL and mask() == frozenset()


# remove ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Counter, Latch, SignalStream, blocked])
def test_there_is_nothing_to_remove(cls):
    assert not hasattr(cls, "remove")


# fork -----------------------------------------------------------------------------------------------------------------


@counting
def test_a_forked_child_counts_for_itself_from_the_count_so_far(cls):
    with cls(SIGUSR1) as counter:
        send(ME(), SIGUSR1)
        counter.wait(WAIT)

        def child():
            assert counter.count == 1
            send(ME(), SIGUSR1)
            assert counter.take() == 2
            counter.close()
            assert action_of(SIGUSR1).handler is SIG_DFL

        ran_in_a_child(child)
        assert counter.count == 1
        send(ME(), SIGUSR1)
        assert counter.take() == 2, "the child's close did nothing here"


def test_a_forked_child_reads_its_own_signals_and_its_close_is_its_own():
    with SignalStream(SIGRTMIN) as stream:
        send(ME(), SIGRTMIN, 1)

        def child():
            assert stream.try_receive() is None
            send(ME(), SIGRTMIN, 2)
            assert stream.receive(WAIT).value == 2
            stream.close()
            assert mask() == frozenset()

        ran_in_a_child(child)
        assert stream.receive(WAIT).value == 1
        send(ME(), SIGRTMIN, 3)
        assert stream.receive(WAIT).value == 3


def test_a_forked_child_has_the_mask_and_the_handlers_but_not_what_is_pending():
    seen = []

    def child():
        assert mask() == {SIGUSR1}
        assert SIGUSR1 not in state_of(ME()).pending
        block.__exit__(None, None, None)
        assert seen == []
        send(ME(), SIGUSR1)
        assert seen == [ME()]

    with handling(SIGUSR1, lambda *_: seen.append(ME())):
        with blocked(SIGUSR1) as before:
            assert before == frozenset()
        block = blocked(SIGUSR1)
        with block:
            signal.raise_signal(SIGUSR1)
            ran_in_a_child(child)
        assert seen == [ME()]


# exec -----------------------------------------------------------------------------------------------------------------


@counting
def test_exec_ends_the_counting_with_the_default_action(cls):
    def child():
        counter = cls(SIGUSR1)
        assert counter.fileno() > 2
        status_after_exec()

    status = told_by_a_child(child)
    assert not has("SigCgt", SIGUSR1, status) and not has("SigIgn", SIGUSR1, status)
    assert not has("SigBlk", SIGUSR1, status)


def test_exec_closes_a_stream_and_the_program_starts_with_the_signal_blocked():
    def child():
        with SignalStream(SIGUSR1):
            status_after_exec()

    status = told_by_a_child(child)
    assert has("SigBlk", SIGUSR1, status) and not has("SigCgt", SIGUSR1, status)


@every_handle
def test_exec_hands_no_descriptor_on(made):
    def child():
        handle = made(SIGUSR1)
        look = "import os, sys; print(os.path.exists(f'/proc/self/fd/{sys.argv[1]}'))"
        os.execv(sys.executable, [sys.executable, "-S", "-c", look, str(handle.fileno())])

    assert told_by_a_child(child) == "False\n"


def test_exec_keeps_the_mask_and_what_is_ignored_and_drops_handlers():
    def child():
        with blocked(SIGUSR1), handling(signal.SIGUSR2, signal.SIG_IGN), handling(SIGRTMIN, lambda *_: None):
            status_after_exec()

    status = told_by_a_child(child)
    assert has("SigBlk", SIGUSR1, status) and has("SigIgn", signal.SIGUSR2, status)
    assert not has("SigCgt", SIGRTMIN, status)


# kill -9 --------------------------------------------------------------------------------------------------------------


@every_handle
def test_kill_9_ends_it_at_once_and_nothing_is_left(made):
    ready, tell = pipe()

    def child():
        with made(SIGUSR1), blocked(signal.SIGKILL, signal.SIGTERM):
            tell.write_all(b"!")
            while True:
                time.sleep(WAIT)

    before = set(os.listdir("/dev/shm"))
    with ready, tell, fork(child) as process:
        ready.read_exactly(1, timeout=WAIT)
        process.send_signal(SIGUSR1)
        process.kill()
        assert process.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    assert set(os.listdir("/dev/shm")) == before


def test_kill_9_of_the_sender_leaves_what_it_has_sent():
    def child(parent):
        for value in range(3):
            send(parent, SIGRTMIN, value)
        os.kill(ME(), signal.SIGKILL)

    with SignalStream(SIGRTMIN) as stream:
        with fork(child, ME()) as process:
            assert process.wait(timeout=WAIT) == Killed(signal.SIGKILL)
            sender = process.pid
        got = sorted((info.value, info.pid) for info in (stream.receive(WAIT) for _ in range(3)))
        assert got == [(0, sender), (1, sender), (2, sender)]
