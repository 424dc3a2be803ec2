"""sigaction as a whole, beside Python's signal module and asyncio: G03-G09, G20, G21, G23; S4, S5."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import signal
import threading
from signal import SIG_DFL, SIG_IGN, SIGCHLD, SIGINT, SIGKILL, SIGRTMIN, SIGSTOP, SIGUSR1, SIGUSR2

import pytest

from unixipc import Exited, Killed, fork, pipe, spawn
from unixipc.signals import Action, Counter, SignalStream, action_of, handling, mask, pending, send, sigaction

WAIT = 20
ME = os.getpid


def test_G03_sigaction_gives_back_what_was_there_and_takes_it_again():
    def first(*_):
        pass

    before = sigaction(SIGUSR1, first, mask=[SIGUSR2], restart=False, no_child_stop=True)
    try:
        now = action_of(SIGUSR1)
        assert (now.handler, now.mask, now.restart, now.no_child_stop) == (first, {SIGUSR2}, False, True)
        assert sigaction(SIGUSR1, SIG_IGN) == now
        assert sigaction(SIGUSR1, now).handler is SIG_IGN
        assert action_of(SIGUSR1) == now
    finally:
        sigaction(SIGUSR1, before)
    assert action_of(SIGUSR1) == before


def test_G03_the_mask_really_blocks_while_the_handler_runs():
    """In a process of one thread; another thread may take what this one blocks."""

    def child():
        events = []

        def first(*_):
            events.append("begins")
            if len(events) == 1:
                send(ME(), SIGUSR2)
                send(ME(), SIGUSR1)
                assert pending() == {SIGUSR1, SIGUSR2} == mask()
            events.append("ends")

        sigaction(SIGUSR2, lambda *_: events.append("second"))
        sigaction(SIGUSR1, first, mask=[SIGUSR2])
        send(ME(), SIGUSR1)
        assert events[:2] == ["begins", "ends"] and sorted(events[2:]) == ["begins", "ends", "second"]
        assert mask() == frozenset()

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


def test_G05_without_nodefer_and_with_a_mask_a_handler_is_not_entered_twice():
    def child():
        for nodefer, expected in ((False, 1), (True, 3)):
            depth, deepest, runs = [0], [0], []

            def handler(*_, depth=depth, deepest=deepest, runs=runs):
                depth[0] += 1
                deepest[0] = max(deepest[0], depth[0])
                if len(runs) < 2:
                    runs.append(1)
                    send(ME(), SIGUSR1)
                depth[0] -= 1

            with handling(SIGUSR1, handler, mask=[SIGUSR2], nodefer=nodefer):
                send(ME(), SIGUSR1)
            assert deepest[0] == expected, (nodefer, deepest)

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


def test_G05_reset_is_for_once():
    def child():
        sigaction(SIGUSR1, lambda *_: None, reset=True)
        send(ME(), SIGUSR1)
        assert action_of(SIGUSR1).handler is SIG_DFL
        send(ME(), SIGUSR1)

    with fork(child) as process:
        assert process.wait(WAIT) == Killed(SIGUSR1)


def test_G04_S5_restart_is_for_C_and_a_python_read_goes_on_in_any_case():
    for restart in (True, False):
        got = []
        with handling(SIGUSR1, lambda *_, got=got: got.append(1), restart=restart):
            assert action_of(SIGUSR1).restart is restart
            reader, writer = pipe()
            with reader, writer:
                timer = threading.Timer(0.05, lambda: (send(ME(), SIGUSR1), writer.write(b"x")))  # noqa: B023
                timer.start()
                assert os.read(reader.fileno(), 1) == b"x"
                timer.join()
        assert got == [1]


def test_G04_C_code_in_a_call_is_interrupted_without_restart_only():
    libc = ctypes.CDLL(None, use_errno=True)
    for restart in (True, False):
        reader, writer = pipe()
        with reader, writer, handling(SIGUSR1, lambda *_: None, restart=restart):
            buffer = ctypes.create_string_buffer(1)
            started = threading.Event()

            def disturb(started=started, writer=writer):
                started.wait(WAIT)
                for _ in range(20):
                    signal.pthread_kill(threading.main_thread().ident, SIGUSR1)
                    threading.Event().wait(0.005)
                writer.write(b"x")

            thread = threading.Thread(target=disturb)
            thread.start()
            started.set()
            got = libc.read(reader.fileno(), buffer, 1)
            code = ctypes.get_errno()
            thread.join()
            assert (got, restart) == (1, True) or (got, code, restart) == (-1, errno.EINTR, False)


def test_S8_no_child_wait_means_that_the_status_is_lost():
    def child():
        sigaction(SIGCHLD, SIG_DFL, no_child_wait=True)
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


@pytest.mark.parametrize("number", [SIGKILL, SIGSTOP])
def test_G09_kill_and_stop_cannot_be_caught_or_ignored_or_streamed_or_counted(number):
    for refuse in (
        lambda: sigaction(number, lambda *_: None),
        lambda: sigaction(number, SIG_IGN),
        lambda: SignalStream(number),
        lambda: Counter(number),
    ):
        with pytest.raises(OSError) as caught:
            refuse()
        assert caught.value.errno == errno.EINVAL and caught.value.filename == f"signal {int(number)}"


@pytest.mark.parametrize("number", [0, -1, 32, 33, 65, 1000])
def test_what_is_no_signal_is_refused(number):
    for refuse in (
        lambda: sigaction(number, SIG_IGN),
        lambda: action_of(number),
        lambda: SignalStream(number),
        lambda: Counter(number),
    ):
        with pytest.raises((OSError, ValueError)):
            refuse()


def test_bad_handlers_are_refused_and_change_nothing():
    before = action_of(SIGUSR1)
    for bad in ("handler", 17, object()):
        with pytest.raises((TypeError, ValueError)):
            sigaction(SIGUSR1, bad)
        assert action_of(SIGUSR1) == before
    with pytest.raises(ValueError, match="no signal 99"):
        sigaction(SIGUSR1, SIG_IGN, mask=[99])
    signal.signal(SIGUSR1, SIG_DFL)


def test_outside_of_the_main_thread_it_is_a_value_error():
    errors = []

    def elsewhere():
        for call in (lambda: sigaction(SIGUSR1, SIG_IGN), lambda: handling(SIGUSR1, SIG_IGN).__enter__()):
            try:
                call()
            except ValueError as error:
                errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(errors) == 2 and action_of(SIGUSR1).handler is SIG_DFL


def test_handling_puts_a_c_library_s_handler_back():
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    struck = []
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    ours = kind(struck.append)
    address = ctypes.cast(ours, ctypes.c_void_p).value
    old = libc.signal(SIGUSR2, address)
    try:
        with handling(SIGUSR2, lambda *_: struck.append("python")):
            send(ME(), SIGUSR2)
        assert struck == ["python"]
        assert action_of(SIGUSR2).handler is None, "a handler that is not Python's"
        send(ME(), SIGUSR2)
        assert struck == ["python", SIGUSR2]
        with pytest.raises(TypeError, match="not Python's"):
            sigaction(SIGUSR2, Action(None))
    finally:
        libc.signal(SIGUSR2, old)
        signal.signal(SIGUSR2, SIG_DFL)


def test_handling_puts_python_s_handler_back_even_when_the_new_one_raises():
    class Enough(Exception):
        pass

    def raising(*_):
        raise Enough

    before = signal.getsignal(SIGINT), action_of(SIGINT)
    for _ in range(50):
        with pytest.raises(Enough), handling(SIGINT, raising):
            send(ME(), SIGINT)
            pytest.fail("the handler did not run")
        assert (signal.getsignal(SIGINT), action_of(SIGINT)) == before


def test_G23_it_lives_beside_signal_signal():
    def plain(*_):
        pass

    before = signal.signal(SIGUSR1, plain)
    try:
        assert action_of(SIGUSR1).handler is plain
        got = []
        with handling(SIGUSR1, lambda number, frame: got.append(number)):
            signal.raise_signal(SIGUSR1)
        assert got == [SIGUSR1] and signal.getsignal(SIGUSR1) is plain
    finally:
        signal.signal(SIGUSR1, before)


def test_G23_it_lives_beside_asyncio_s_handlers():
    got = []

    async def main():
        loop, both = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(SIGUSR1, lambda: (got.append("asyncio"), both.set()))
        with handling(SIGUSR2, lambda *_: got.append("ours")), Counter(SIGRTMIN) as counter:
            for number in (SIGUSR2, SIGRTMIN, SIGUSR1):
                send(ME(), number)
            await asyncio.wait_for(both.wait(), WAIT)
            assert counter.count == 1
            with handling(SIGUSR1, lambda *_: got.append("ours again")):
                send(ME(), SIGUSR1)
            both.clear()
            send(ME(), SIGUSR1)
            await asyncio.wait_for(both.wait(), WAIT)
        loop.remove_signal_handler(SIGUSR1)

    asyncio.run(main())
    # asyncio is told by Python's C handler, whoever's Python handler runs: so it may hear of "ours again" too
    assert [each for each in got if each != "asyncio"] == ["ours", "ours again"] and got.count("asyncio") >= 2


def test_G21_fork_keeps_handlers_and_exec_resets_them_but_keeps_what_is_ignored():
    got = []

    def child():
        send(ME(), SIGUSR1)
        assert len(got) == 1
        os.execv("/bin/sh", ["sh", "-c", "kill -USR2 $$; kill -USR1 $$; exit 0"])

    with handling(SIGUSR1, lambda *_: got.append(1)), handling(SIGUSR2, SIG_IGN), fork(child) as process:
        assert process.wait(WAIT) == Killed(SIGUSR1), "USR2 stayed ignored, USR1 has its default action again"
    assert got == []


def test_G20_a_program_that_is_spawned_dies_of_a_broken_pipe():
    assert action_of(signal.SIGPIPE).handler is SIG_IGN, "Python's own way: EPIPE"
    with spawn(["/bin/sh", "-c", "kill -PIPE $$"]) as process:
        assert process.wait(WAIT) == Killed(signal.SIGPIPE)
