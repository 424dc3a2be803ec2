"""Masks, pending signals, and sleeping with another mask: G10-G12, G15, G17; B6."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
import time
from signal import SIGINT, SIGKILL, SIGRTMIN, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2

import pytest

from unixipc import Exited, fork, pipe
from unixipc.signals import blocked, handling, mask, pending, pselect, send, suspend, try_wait_for

from .alone import alone

WAIT = 20
ME = os.getpid


def test_G10_blocked_is_for_this_block_and_nests():
    assert mask() == frozenset()
    with blocked(SIGUSR1) as before:
        assert before == frozenset() and mask() == {SIGUSR1}
        with blocked(SIGUSR2, SIGUSR1) as inner:
            assert inner == {SIGUSR1} and mask() == {SIGUSR1, SIGUSR2}
        assert mask() == {SIGUSR1}
    assert mask() == frozenset()


def test_B6_the_mask_is_of_one_thread():
    seen = []
    with blocked(SIGUSR1):
        started = threading.Thread(target=lambda: seen.append(mask()))
        started.start()
        started.join()
    thread = threading.Thread(target=lambda: blocked(SIGUSR2).__enter__())
    thread.start()
    thread.join()
    assert seen == [{SIGUSR1}], "a thread inherits the mask of who starts it"
    assert mask() == frozenset()


def test_a_block_is_left_where_it_was_entered():
    block, errors = blocked(SIGUSR1), []

    def elsewhere():
        try:
            block.__exit__(None, None, None)
        except RuntimeError as error:
            errors.append(error)

    with pytest.raises(RuntimeError, match="not entered"):
        block.__exit__(None, None, None)
    with block:
        with pytest.raises(RuntimeError, match="entered already"):
            block.__enter__()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert len(errors) == 1 and mask() == frozenset()


def test_G09_kill_and_stop_are_left_out_of_a_mask():
    with blocked(SIGKILL, SIGSTOP, SIGUSR1):
        assert mask() == {SIGUSR1}


@pytest.mark.parametrize("bad", [0, -1, 65, 1 << 40])
def test_what_is_no_signal_is_refused(bad):
    with pytest.raises(ValueError, match="no signal"):
        blocked(bad)
    with pytest.raises(ValueError, match="no signal"):
        suspend([bad], timeout=0)
    assert mask() == frozenset()


@alone
def test_G11_G15_standard_signals_merge_while_pending_and_the_handler_runs_after_the_block():
    got = []
    with handling(SIGUSR1, lambda *_: got.append(1)):
        with blocked(SIGUSR1):
            assert SIGUSR1 not in pending()
            for _ in range(5):
                send(ME(), SIGUSR1)
            assert SIGUSR1 in pending() and got == []
        assert got == [1], "five were sent, one was delivered"


@alone
def test_a_handler_that_raises_at_a_block_leaves_no_mask_behind():
    class Enough(Exception):
        pass

    def raising(*_):
        raise Enough

    rounds = 2000
    with handling(signal.SIGALRM, raising):
        for _ in range(rounds):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-5))
                for _ in range(30):
                    with blocked(SIGUSR1, SIGTERM):
                        pass
            except Enough:
                pass
            finally:
                quiet()
            assert mask() == frozenset()


def quiet():
    """The alarm is off, and none is on its way."""
    for _ in range(3):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        except Exception:
            continue


@pytest.mark.parametrize("rounds", [300, pytest.param(20_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
@alone
def test_G12_suspend_loses_no_wake_up_whenever_the_signal_comes(rounds):
    got, source = [], random.Random(12)
    with handling(SIGUSR1, lambda *_: got.append(1)), blocked(SIGUSR1), fork(strike, ME(), rounds) as striker:
        for n in range(1, rounds + 1):
            for _ in range(source.randrange(200)):
                pass
            while len(got) < n:  # the flag
                suspend(timeout=WAIT)
            send(striker.pid, SIGUSR2)
        assert striker.wait(WAIT) == Exited(0)
    assert len(got) == rounds


def strike(pid, rounds):
    """One signal at a random moment; the next one when it has been answered."""
    source = random.Random(21)
    got = []
    signal.signal(SIGUSR2, lambda *_: got.append(1))
    with blocked(SIGUSR2):
        for n in range(1, rounds + 1):
            time.sleep(source.random() * 3e-4)
            send(pid, SIGUSR1)
            while len(got) < n:
                suspend(timeout=WAIT)


def test_G12_suspend_times_out_and_restores_the_mask():
    with blocked(SIGUSR1), pytest.raises(TimeoutError):
        suspend(timeout=0.02)
    with blocked(SIGUSR1):
        assert mask() == {SIGUSR1}


@alone
def test_suspend_leaves_blocked_what_it_is_told_to():
    got = []
    with handling(SIGUSR1, lambda *_: got.append(1)), blocked(SIGUSR1):
        send(ME(), SIGUSR1)
        with pytest.raises(TimeoutError):
            suspend([SIGUSR1], timeout=0.02)
        assert got == []
        suspend(timeout=WAIT)
        assert got == [1]


def test_ctrl_c_ends_suspend_and_pselect():
    for sleep in (suspend, pselect):
        timer = threading.Timer(0.05, lambda: send(ME(), SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            sleep(timeout=WAIT)
        timer.join()


@pytest.mark.parametrize("rounds", [300, pytest.param(20_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
@alone
def test_G17_pselect_loses_no_wake_up(rounds):
    got = []
    reader, writer = pipe()
    with reader, writer, handling(SIGUSR1, lambda *_: got.append(1)), blocked(SIGUSR1):
        with fork(strike, ME(), rounds) as striker:
            for n in range(1, rounds + 1):
                while len(got) < n:
                    assert pselect([reader], timeout=WAIT) == ([], [], [])
                send(striker.pid, SIGUSR2)
            assert striker.wait(WAIT) == Exited(0)


def test_G17_pselect_says_what_is_ready():
    reader, writer = pipe()
    with reader, writer:
        assert pselect([reader], [writer], timeout=WAIT) == ([], [writer], [])
        assert pselect([reader], timeout=0.01) == ([], [], [])
        assert pselect([reader], timeout=0) == ([], [], [])
        writer.write(b"x")
        assert pselect([reader], [writer], [reader], timeout=WAIT) == ([reader], [writer], [])
        assert pselect([reader.fileno()], timeout=0) == ([reader.fileno()], [], [])
        writer.close()
        reader.read(1)
        assert pselect([reader], timeout=WAIT) == ([reader], [], []), "the end of the stream is readable"


@alone
def test_G17_pselect_takes_what_is_pending_even_with_no_time_at_all():
    got = []
    with handling(SIGUSR1, lambda *_: got.append(1)), blocked(SIGUSR1):
        send(ME(), SIGUSR1)
        assert pselect(timeout=0) == ([], [], []) and got == [1]


def test_pselect_and_bad_descriptors():
    reader, writer = pipe()
    number = reader.fileno()
    reader.close(), writer.close()
    with pytest.raises(OSError) as caught:
        pselect([number], timeout=1)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(ValueError, match="64"):
        pselect([0] * 65, timeout=0)
    with pytest.raises(ValueError, match="timeout"):
        pselect(timeout=-1)


def test_pselect_watches_descriptors_beyond_1024(request):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2100:
        pytest.skip("RLIMIT_NOFILE is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2100, hard))
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    reader, writer = pipe()
    with reader, writer, reader.dup(2000) as high:
        writer.write(b"x")
        assert high.fileno() >= 2000 and pselect([high], timeout=WAIT)[0] == [high]


@alone
def test_G13_try_wait_for_takes_in_order_the_lowest_number_first():
    with blocked(SIGRTMIN, SIGRTMIN + 1):
        for number, value in ((SIGRTMIN + 1, 1), (SIGRTMIN, 2), (SIGRTMIN + 1, 3), (SIGRTMIN, 4)):
            send(ME(), number, value)
        taken = []
        while (info := try_wait_for([SIGRTMIN, SIGRTMIN + 1])) is not None:
            taken.append((info.signal - SIGRTMIN, info.value))
    assert taken == [(0, 2), (0, 4), (1, 1), (1, 3)]
