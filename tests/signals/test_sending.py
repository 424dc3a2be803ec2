"""Sending, with and without a value, and what a process does with its signals: G01, G02, G14, G22."""

from __future__ import annotations

import errno
import os
import signal
from signal import SIGRTMIN, SIGTERM, SIGUSR1, SIGUSR2

import pytest

from unixipc import Exited, Killed, Process, fork, pipe, spawn
from unixipc.signals import Counter, SignalStream, blocked, handling, send, state_of

WAIT = 20
ME = os.getpid


@pytest.mark.parametrize("how", ["pid", "child", "process"])
def test_G14_a_value_arrives_whatever_it_is_sent_to(how):
    ready_in, ready_out = pipe()

    def child():
        with SignalStream(SIGRTMIN) as stream:
            ready_out.write(b"x")
            values = [stream.receive(WAIT).value for _ in range(4)]
            os._exit(0 if values == [0, 7, -(2**31), 2**31 - 1] else 1)

    with ready_in, ready_out, fork(child) as process:
        ready_in.read(1, timeout=WAIT)
        with Process(process.pid) as handle:
            target = {"pid": process.pid, "child": process, "process": handle}[how]
            for value in (0, 7, -(2**31), 2**31 - 1):
                send(target, SIGRTMIN, value)
        assert process.wait(WAIT) == Exited(0)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**64])
def test_a_value_of_more_than_32_bits_is_refused(value):
    with Process(ME()) as me:
        for target in (ME(), me):
            with pytest.raises(ValueError, match="32"):
                send(target, SIGRTMIN, value)


def test_G01_groups_take_signals_without_values():
    with pytest.raises(ValueError, match="not to a group"):
        send(0, SIGUSR1, 1)
    with pytest.raises(ValueError, match="not to a group"):
        send(-5, SIGUSR1, 1)
    with spawn(["sleep", "60"], new_group=True) as child:
        send(-child.pid, SIGTERM)
        assert child.wait(WAIT) == Killed(SIGTERM)


def test_signal_0_only_asks():
    send(ME(), 0)
    child = fork(lambda: None)
    child.wait(WAIT)
    with child:
        with pytest.raises(ProcessLookupError) as caught:
            send(child.pid, 0)
        assert caught.value.filename == f"process {child.pid}"
        with pytest.raises(ProcessLookupError):
            send(child, SIGUSR1)


@pytest.mark.parametrize("bad", [65, -1, 1000])
def test_what_is_no_signal_is_refused(bad):
    for value in (None, 1):
        with pytest.raises(OSError) as caught:
            send(ME(), bad, value)
        assert caught.value.errno == errno.EINVAL


def test_another_user_s_process_is_refused():
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    parent = ME()

    def child():
        os.setresuid(65534, 65534, 65534)
        for value in (None, 1):
            with pytest.raises(PermissionError):
                send(parent, SIGUSR1, value)

    with fork(child) as process:
        assert process.wait(WAIT) == Exited(0)


# state_of -------------------------------------------------------------------------------------------------------------


def test_G22_state_of_another_process():
    said, say = pipe()
    finish, end = pipe()

    def child():
        with (
            Counter(SIGRTMIN + 3),
            handling(SIGUSR1, lambda *_: None),
            handling(SIGUSR2, signal.SIG_IGN),
            blocked(SIGUSR1, SIGTERM),
        ):
            send(ME(), SIGUSR1)
            say.write(b"x")
            finish.read(1, timeout=WAIT)

    with said, say, finish, end, fork(child) as process:
        said.read(1, timeout=WAIT)
        state = state_of(process.pid)
        assert {SIGUSR1, SIGTERM} <= state.blocked and SIGUSR2 in state.ignored
        assert {SIGUSR1, SIGRTMIN + 3} <= state.caught and state.pending == {SIGUSR1}
        end.write(b"x")
        assert process.wait(WAIT) == Exited(0)
        with pytest.raises(ProcessLookupError):
            state_of(process.pid)


def test_a_zombie_and_the_kernel_s_own_threads_have_a_state():
    with fork(lambda: None) as process:
        process.wait_end(WAIT)
        assert state_of(process.pid).pending is not None
        process.wait(WAIT)
    assert state_of(1).caught is not None


@pytest.mark.parametrize("bad", [0, -1, 2**31 - 1, 2**40])
def test_there_is_no_such_process(bad):
    with pytest.raises(ProcessLookupError):
        state_of(bad)
