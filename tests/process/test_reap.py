"""reap: P04 P05 (SIGCHLD ignored), P06 (SA_NOCLDWAIT, SA_NOCLDSTOP), P19 (one signal for many deaths)."""

import errno
import os
import signal
import subprocess
import time

import pytest

from unixipc import Exited, Killed, Stopped, features, fork, pipe, reap, spawn
from unixipc.process import auto_reap, try_wait_any, wait_any

WAIT = 20


def zombies():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        pids = file.read().split()
    states = []
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            states.append(file.read().rpartition(")")[2].split()[0])
    return states.count("Z")


def in_a_child(work):
    """Run a test's body in a process of its own: it changes what happens at SIGCHLD."""
    with fork(work) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


def test_P19_fifty_children_that_die_at_once_are_all_reaped():
    go, start = pipe()

    def end_with(number):
        start.close()
        assert go.read(1, timeout=WAIT) == b"", "the last write end is closed: all go at the same moment"
        return number

    children = [fork(end_with, number) for number in range(50)]
    with go:
        assert not any(child.has_ended() for child in children)
        start.close()
        for child in children:
            child.wait_end(timeout=WAIT)
        assert zombies() == 50
        assert dict(reap()) == {child.pid: Exited(number) for number, child in enumerate(children)}
        assert zombies() == 0
        assert list(reap()) == []
        for number, child in enumerate(children):
            with child:
                assert child.wait(timeout=WAIT) == Exited(number), "a handle keeps the status that reap took"


def test_P19_a_sigchld_handler_that_reaps_misses_nobody():
    """Blocked while they die, the signal comes once for all of them."""

    def body():
        reaped, calls = {}, []

        def on_child(*_):
            calls.append(1)
            reaped.update(reap())

        signal.signal(signal.SIGCHLD, on_child)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        children = [fork(lambda: 1) for _ in range(20)]
        for child in children:
            child.wait_end(timeout=WAIT)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        assert len(calls) == 1
        assert reaped == {child.pid: Exited(1) for child in children}

    in_a_child(body)


def test_P19_reap_gives_those_that_ended_and_waits_for_none():
    with fork(signal.pause) as running, fork(lambda: 2) as ended:
        ended.wait_end(timeout=WAIT)
        assert list(reap()) == [(ended.pid, Exited(2))]
        running.kill()


def test_reap_takes_children_that_others_started():
    process = subprocess.Popen(["/bin/true"])
    pidfd = os.pidfd_open(process.pid)
    assert signal.sigtimedwait([], 0) is None
    with fork(lambda: 0) as child:
        child.wait_end(timeout=WAIT)
        assert wait_any(timeout=WAIT)[1] == Exited(0)
        assert wait_any(timeout=WAIT)[1] == Exited(0)
    os.close(pidfd)
    assert process.wait(WAIT) == 0


def test_wait_any_waits_and_times_out():
    with fork(signal.pause) as child:
        assert try_wait_any() is None
        with pytest.raises(TimeoutError):
            wait_any(timeout=0.05)
        child.kill()
        assert wait_any(timeout=WAIT) == (child.pid, Killed(signal.SIGKILL))


def test_without_children_waiting_is_echild():
    for wait in (try_wait_any, lambda: wait_any(timeout=WAIT)):
        with pytest.raises(ChildProcessError) as refused:
            wait()
        assert refused.value.errno == errno.ECHILD
        assert refused.value.__notes__


def test_P05_wait_any_while_sigchld_is_ignored_waits_for_all_and_fails():
    def body():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        go, start = pipe()
        children = [fork(lambda: go.read(1, timeout=WAIT) and 0) for _ in range(3)]
        began = time.monotonic()
        with fork(lambda: time.sleep(0.2) or start.write_all(b"xxx")):
            try:
                wait_any(timeout=WAIT)
            except ChildProcessError as refused:
                assert refused.errno == errno.ECHILD
                assert "SIGCHLD is ignored" in refused.__notes__[0]
                assert time.monotonic() - began >= 0.2
                assert all(child.has_ended() for child in children)
                return 0
            return 1

    in_a_child(body)


def test_P04_ignoring_sigchld_reaps_by_itself_and_loses_the_status_of_others():
    """The trap: subprocess then reports 0 for a command that failed."""

    def body():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        assert subprocess.run(["/bin/false"]).returncode == 0
        with fork(lambda: 5) as child:
            child.wait_end(timeout=WAIT)
        assert zombies() == 0

    in_a_child(body)


@pytest.mark.skipif(
    not features.available("exit_status_after_reaping"), reason=str(features.why_not("exit_status_after_reaping"))
)
def test_P04_a_child_knows_its_status_even_while_sigchld_is_ignored():
    def body():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with fork(lambda: 5) as child, spawn(["/bin/sh", "-c", "kill -9 $$"]) as killed:
            assert child.wait(timeout=WAIT) == Exited(5)
            assert killed.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        with fork(signal.pause) as child:
            assert child.try_wait() is None
            child.send_signal(signal.SIGTERM)
            assert child.wait(timeout=WAIT, stopped=True) == Killed(signal.SIGTERM)

    in_a_child(body)


def test_P04_ignoring_survives_exec_and_auto_reap_does_not():
    bit = 1 << (signal.SIGCHLD - 1)
    script = ["grep", "SigIgn", "/proc/self/status"]  # no shell: some reset it

    def ignored_in_a_program():
        reader, writer = pipe()
        with reader, spawn(script, stdout=writer) as child:
            writer.close()
            text = reader.read(100, timeout=WAIT)
            child.wait_end(timeout=WAIT)
        return bool(int(text.split()[1], 16) & bit)

    def ignoring():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        return ignored_in_a_program()

    def reaping():
        auto_reap()
        return ignored_in_a_program()

    with fork(ignoring) as first, fork(reaping) as second:
        assert first.wait(timeout=WAIT) == Exited(1)
        assert second.wait(timeout=WAIT) == Exited(0)


def test_P06_auto_reap_lets_children_vanish():
    def body():
        with auto_reap():
            for _ in range(3):
                os.posix_spawn("/bin/true", ["true"], {})
            with pytest.raises(ChildProcessError):
                wait_any(timeout=WAIT)
            assert zombies() == 0
        with fork(lambda: 4) as child:
            child.wait_end(timeout=WAIT)
            assert zombies() == 1, "restored"
            assert child.wait(timeout=WAIT) == Exited(4)

    in_a_child(body)


@pytest.mark.parametrize(("stops", "expected"), [(True, 1), (False, 0)])
def test_P06_stops_bring_a_sigchld_unless_they_shall_not(stops, expected):
    """SA_NOCLDSTOP. The signal is blocked, so it stays pending for us to see."""

    def body():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        with auto_reap(on=False, stops=stops), fork(signal.pause) as child:
            child.send_signal(signal.SIGSTOP)
            assert child.wait(timeout=WAIT, stopped=True) == Stopped(signal.SIGSTOP)
            told = signal.SIGCHLD in signal.sigpending()
            child.kill()
            child.wait(timeout=WAIT)
            assert signal.SIGCHLD in signal.sigpending(), "a death is always told"
        return int(told)

    with fork(body) as child:
        assert child.wait(timeout=WAIT) == Exited(expected)


def test_P06_auto_reap_refuses_to_replace_the_programs_own_handler():
    def body():
        for disposition in (signal.SIG_IGN, lambda *_: None):
            signal.signal(signal.SIGCHLD, disposition)
            try:
                auto_reap()
            except OSError as refused:
                assert (refused.errno, refused.filename) == (errno.EBUSY, "SIGCHLD")
            else:
                return 1
        return 0

    in_a_child(body)


def test_a_handle_closed_while_the_child_runs_leaves_no_zombie_for_ever():
    go, start = pipe()
    with go, start:
        child = fork(go.read, 1, WAIT)
        pid = child.pid
        child.close()
        start.write_all(b"!")
        pidfd = os.pidfd_open(pid)
        assert os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT).si_pid == pid
        os.close(pidfd)
        with fork(lambda: 0):
            assert not os.path.exists(f"/proc/{pid}"), "the next fork reaps it"


def test_a_handle_that_is_forgotten_warns_and_leaves_no_zombie_for_ever():
    with pytest.warns(ResourceWarning, match="unclosed <Child"):
        pid = fork(lambda: 0).pid
    pidfd = os.pidfd_open(pid) if os.path.exists(f"/proc/{pid}") else None
    if pidfd is not None:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        os.close(pidfd)
    list(reap())
    assert not os.path.exists(f"/proc/{pid}")
    with fork(lambda: 0):
        pass
