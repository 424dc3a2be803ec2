"""wait: P02 P03 P12 P13 P14 P23, who may wait, time-outs, and bad input."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from unixipc import ClosedError, Continued, Exited, Killed, Stopped, features, fork, pipe, spawn
from unixipc.process import wait_any, wait_any_end

WAIT = 20


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("code", [0, 1, 42, 127, 128, 255])
def test_P02_the_exit_code_is_the_low_eight_bits(code):
    with fork(lambda: code) as child:
        assert child.wait(timeout=WAIT) == Exited(code)
    with spawn(["/bin/sh", "-c", f"exit {code + 256}"]) as child:
        assert child.wait(timeout=WAIT) == Exited(code)


def test_P02_waiting_for_a_certain_child_leaves_the_others():
    with fork(lambda: 1) as first, fork(lambda: 2) as second:
        first.wait_end(timeout=WAIT)
        assert second.wait(timeout=WAIT) == Exited(2)
        assert first.status is None
        assert first.wait(timeout=WAIT) == Exited(1)


def test_P02_the_status_can_be_asked_for_again_and_after_close():
    with fork(lambda: 8) as child:
        assert child.wait(timeout=WAIT) == child.wait(timeout=WAIT) == child.try_wait() == Exited(8)
    assert child.status == Exited(8)
    assert child.wait(timeout=0) == Exited(8)


def test_P03_a_zombie_is_waitable_until_it_is_waited_for():
    with fork(lambda: 3) as child:
        child.wait_end(timeout=WAIT)
        assert state_of(child.pid) == "Z"
        os.kill(child.pid, 0)  # a zombie can still be signalled
        child.send_signal(0)
        assert child.has_ended()
        assert state_of(child.pid) == "Z", "has_ended and wait_end reap nothing"
        assert child.wait(timeout=WAIT) == Exited(3)
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, 0)


def test_P03_the_zombie_is_called_defunct_by_ps():
    with fork(lambda: 0) as child:
        child.wait_end(timeout=WAIT)
        with open(f"/proc/{child.pid}/status") as file:
            assert "State:\tZ (zombie)\n" in file.read()


def test_P12_looking_leaves_the_zombie_for_the_standard_library():
    """What WNOWAIT is for: wait_end, then anybody may still take the status."""
    with fork(lambda: 6) as child:
        child.wait_end(timeout=WAIT)
        found = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert found.si_status == 6
        assert child.wait(timeout=WAIT) == Exited(6)


def test_P12_the_end_of_any_child_can_be_waited_for_without_reaping():
    with fork(lambda: 6) as child:
        assert wait_any_end(timeout=WAIT) == wait_any_end(group=os.getpgrp(), timeout=WAIT) == child.pid
        assert state_of(child.pid) == "Z"
        assert child.wait(timeout=WAIT) == Exited(6)
        with pytest.raises(ChildProcessError):
            wait_any_end(timeout=WAIT)


@pytest.mark.skipif(
    not features.available("exit_status_after_reaping"), reason=str(features.why_not("exit_status_after_reaping"))
)
def test_P12_the_status_is_known_even_if_somebody_else_took_it():
    with fork(lambda: 6) as child:
        assert os.waitpid(child.pid, 0) == (child.pid, 6 << 8)
        assert child.wait(timeout=WAIT) == Exited(6)


def test_P12_waiting_by_group():
    with fork(lambda: 1, new_group=True) as mine, fork(signal.pause) as other:
        assert wait_any(group=mine.pid, timeout=WAIT) == (mine.pid, Exited(1))
        with pytest.raises(ChildProcessError):
            wait_any(group=mine.pid, timeout=WAIT)
        other.kill()


def test_P13_what_an_ended_child_cost_is_known():
    def work():
        block = bytearray(b"x") * (64 << 20)
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        return len(block) & 0

    with fork(work) as child:
        assert child.usage is None
        child.wait(timeout=WAIT)
        assert child.usage.user_seconds + child.usage.system_seconds >= 0.05
        assert child.usage.peak_kib >= 64 << 10


def test_P14_stopping_and_continuing_are_told_when_asked_for():
    with fork(signal.pause) as child:
        assert child.try_wait(stopped=True, continued=True) is None
        child.send_signal(signal.SIGSTOP)
        assert child.wait(timeout=WAIT, stopped=True) == Stopped(signal.SIGSTOP)
        assert child.try_wait(stopped=True) is None, "told once"
        assert state_of(child.pid) == "T"
        child.send_signal(signal.SIGCONT)
        assert child.wait(timeout=WAIT, continued=True) == Continued()
        assert child.status is None, "it has not ended"
        child.terminate()
        assert child.wait(timeout=WAIT, stopped=True, continued=True) == Killed(signal.SIGTERM)


def test_P14_a_stop_nobody_asked_for_is_no_end():
    with fork(signal.pause) as child:
        child.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            child.wait(timeout=0.02)
        assert child.wait(timeout=WAIT, stopped=True) == Stopped(signal.SIGSTOP)
        child.kill()


def test_P14_waiting_for_a_stop_times_out():
    with fork(signal.pause) as child:
        with pytest.raises(TimeoutError) as late:
            child.wait(timeout=0.05, stopped=True)
        assert late.value.filename == f"process {child.pid}"
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMAX - 5])
def test_P23_death_by_signal_is_a_value(number):
    def die():
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.pause()

    with fork(die) as child:
        status = child.wait(timeout=WAIT)
    assert status == Killed(int(number), core=False)
    match status:
        case Killed(signal=caught, core=False):
            assert caught == number
        case _:
            pytest.fail("a status can be matched")


def test_P23_the_core_flag_is_the_kernels(tmp_path):
    """The same death, told by the standard library's status word."""

    def abort():
        os.chdir(tmp_path)
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        most = 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)
        resource.setrlimit(resource.RLIMIT_CORE, (most, hard))
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGABRT)

    with fork(abort) as twin:
        twin.wait_end(timeout=WAIT)
        dumped = os.WCOREDUMP(os.waitpid(twin.pid, 0)[1])
    with fork(abort) as child:
        assert child.wait(timeout=WAIT) == Killed(signal.SIGABRT, core=dumped)


def test_P23_the_standard_library_agrees():
    assert subprocess.run([sys.executable, "-c", "raise SystemExit(77)"]).returncode == 77
    with spawn([sys.executable, "-c", "raise SystemExit(77)"]) as child:
        assert child.wait(timeout=WAIT) == Exited(77)


def test_a_wait_times_out_and_the_child_goes_on():
    with fork(signal.pause) as child:
        assert child.try_wait() is None
        began = time.monotonic()
        with pytest.raises(TimeoutError) as late:
            child.wait(timeout=0.05)
        assert time.monotonic() - began >= 0.05
        assert late.value.filename == f"process {child.pid}"
        assert not child.has_ended()
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


@pytest.mark.parametrize("bad", [-1, -0.001, float("nan")])
def test_a_negative_timeout_is_a_value_error(bad):
    with fork(signal.pause) as child:
        with pytest.raises(ValueError, match="timeout"):
            child.wait(timeout=bad)
        child.kill()


def test_only_the_parent_can_wait_but_others_see_the_end():
    go, start = pipe()
    with go, start, fork(go.read, 1, WAIT) as elder:

        def stranger():
            try:
                elder.wait(timeout=WAIT)
            except ChildProcessError as refused:
                return 7 if refused.errno == 10 and refused.filename == f"process {elder.pid}" else 1
            return 2

        with fork(stranger) as younger:
            assert younger.wait(timeout=WAIT) == Exited(7)
        start.write_all(b"!")
        assert elder.wait(timeout=WAIT) == Exited(0)


def test_a_closed_handle_is_a_closed_error():
    go, start = pipe()
    with go, start, fork(go.read, 1, WAIT) as child:
        pid = child.pid
        child.close()
        for use in (child.wait, child.try_wait, child.kill, child.has_ended, child.fileno, lambda: child.wait_end(0)):
            with pytest.raises(ClosedError):
                use()
        start.write_all(b"!")
        assert wait_any(timeout=WAIT) == (pid, Exited(0))


def test_a_signal_handler_that_raises_ends_the_wait():
    class Enough(Exception):
        pass

    def raise_enough(*_):
        raise Enough

    before = signal.signal(signal.SIGALRM, raise_enough)
    try:
        with fork(signal.pause) as child:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Enough):
                child.wait(timeout=WAIT)
            child.kill()
    finally:
        signal.signal(signal.SIGALRM, before)
