"""What a program that is started while a stream or a counter is open begins with: as if none were open: G21."""

from __future__ import annotations

import os
import signal
import threading
from signal import SIG_IGN, SIGHUP, SIGRTMIN, SIGTERM, SIGUSR1, SIGUSR2

import pytest

from unixipc import Exited, Killed, pipe, pipeline, spawn
from unixipc.signals import Counter, SignalStream, blocked, handling, mask, send

from .alone import alone

WAIT = 20
SHOW = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]


def begins_with():
    """(blocked, ignored) of a program that is started now."""
    reader, writer = pipe()
    with reader, spawn(SHOW, stdout=writer) as child:
        writer.close()
        assert child.wait(WAIT) == Exited(0)
        return decoded(reader.read(1000, timeout=WAIT))


def decoded(text):
    return tuple({n for n in range(1, 65) if int(line.split()[1], 16) >> (n - 1) & 1} for line in text.splitlines())


@alone
def test_G21_what_is_blocked_for_a_stream_s_sake_is_not_blocked_in_a_program():
    with SignalStream(SIGTERM, SIGRTMIN):
        assert mask() == {SIGTERM, SIGRTMIN}
        assert begins_with()[0] == set()
        assert mask() == {SIGTERM, SIGRTMIN}, "here it is as before"


@alone
def test_G21_what_the_user_has_blocked_stays():
    with blocked(SIGTERM, SIGUSR1), SignalStream(SIGTERM, SIGUSR2):
        assert begins_with()[0] == {SIGTERM, SIGUSR1}
        with SignalStream(SIGRTMIN):
            assert begins_with()[0] == {SIGTERM, SIGUSR1}
    with blocked(SIGTERM):
        assert begins_with()[0] == {SIGTERM}
    assert begins_with()[0] == set()


@alone
@pytest.mark.parametrize("began", ["before", "since"])
def test_G21_threads_that_gave_one_back_or_were_started_since(began):
    found, go = [], threading.Event()

    def starts_a_program():
        go.wait(WAIT)
        found.append(begins_with()[0])

    thread = threading.Thread(target=starts_a_program)
    if began == "before":
        thread.start()
    with SignalStream(SIGUSR1) as stream:
        if began == "before":
            signal.pthread_kill(thread.ident, SIGUSR1)
            assert stream.receive(WAIT).signal == SIGUSR1
        else:
            thread.start()
        go.set()
        thread.join(WAIT)
    assert found == [set()]


@alone
@pytest.mark.parametrize("make", [SignalStream, Counter])
def test_G21_what_was_ignored_is_ignored_in_a_program(make):
    with handling(SIGHUP, SIG_IGN), make(SIGHUP):
        assert SIGHUP in begins_with()[1]
    with make(SIGHUP):
        assert SIGHUP not in begins_with()[1]


@alone
def test_G20_programs_expect_to_die_of_a_broken_pipe_whatever_is_streamed():
    with SignalStream(signal.SIGPIPE), handling(SIGUSR2, SIG_IGN):
        blocks, ignores = begins_with()
        assert blocks == set() and signal.SIGPIPE not in ignores and SIGUSR2 in ignores


@alone
def test_a_program_can_be_ended_while_its_parent_reads_that_signal():
    with SignalStream(SIGTERM), spawn(["sleep", "60"]) as child:
        send(child, SIGTERM)
        assert child.wait(WAIT) == Killed(SIGTERM)


@alone
def test_a_pipeline_s_programs_too():
    with SignalStream(SIGTERM):
        assert decoded(pipeline(SHOW, ["cat"]).run(timeout=WAIT).stdout)[0] == set()


@alone
def test_a_program_that_cannot_be_started_changes_nothing_here():
    with SignalStream(SIGTERM):
        with pytest.raises(FileNotFoundError):
            spawn(["/no/such/program"])
        assert mask() == {SIGTERM}


@alone
def test_a_forked_child_reads_on_and_its_programs_are_as_the_parent_s():
    from unixipc import fork

    with SignalStream(SIGTERM) as stream:

        def child():
            assert mask() == {SIGTERM}
            assert begins_with()[0] == set()
            send(os.getpid(), SIGTERM)
            assert stream.receive(WAIT).signal == SIGTERM

        with fork(child) as process:
            assert process.wait(WAIT) == Exited(0)
