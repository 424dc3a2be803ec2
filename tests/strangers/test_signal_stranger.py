"""A C program at the other side of a signal, with values: sigqueue(3), sigwaitinfo(2), SA_SIGINFO."""

from __future__ import annotations

import os
import signal
import subprocess
from signal import SIGRTMIN, SIGUSR1

import pytest

from unixipc import Process
from unixipc.signals import Counter, SignalStream, blocked, handling, send, state_of, wait_for

WAIT = 20
SI_QUEUE, SI_USER = -1, 0
ME = os.getpid
EXTREMES = [0, 1, -1, 2**31 - 1, -(2**31)]


@pytest.fixture
def peer(stranger):
    """Start the program; whatever happens it ends with the test."""
    started = []

    def start(*words):
        command = [stranger("signal_peer"), *(str(int(word)) if isinstance(word, int) else word for word in words)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for program in started:
        program.kill()
        program.communicate(timeout=WAIT)


def told(program):
    out, _ = program.communicate(timeout=WAIT)
    assert program.returncode == 0
    return [tuple(map(int, line.split())) for line in out.splitlines()]


def test_G14_values_of_c_arrive_in_a_stream_with_their_sender(peer):
    with SignalStream(SIGRTMIN) as stream:
        ((sender,),) = told(peer("send", ME(), SIGRTMIN, -3, 50))
        got = [stream.receive(WAIT) for _ in range(50)]
        assert sorted(info.value for info in got) == list(range(-3, 47))
        assert {(info.pid, info.uid, info.code) for info in got} == {(sender, os.getuid(), SI_QUEUE)}
        assert stream.try_receive() is None


def test_G14_values_of_c_are_counted_and_the_last_is_kept(peer):
    with Counter(SIGRTMIN) as counter:
        told(peer("send", ME(), SIGRTMIN, 100, 7))
        while counter.count < 7:
            counter.wait(WAIT)
        assert counter.take() == 7 and counter.last_value in range(100, 107)


def test_G13_a_plain_signal_of_c_is_waited_for(peer):
    with blocked(SIGUSR1), SignalStream(SIGUSR1):  # the stream keeps it from the other threads until the wait begins
        program = peer("plain", ME(), SIGUSR1)
        info = wait_for([SIGUSR1], WAIT)
        assert (info.pid, info.code, info.value) == (program.pid, SI_USER, 0)
        told(program)


def test_a_handler_of_ours_runs_for_c(peer):
    seen = []
    with handling(SIGUSR1, lambda number, _frame: seen.append(number)):
        told(peer("plain", ME(), SIGUSR1))
        assert seen == [SIGUSR1]


@pytest.mark.parametrize("verb", ["take", "catch"])
def test_G14_our_values_arrive_in_c(peer, verb):
    program = peer(verb, SIGRTMIN, len(EXTREMES))
    assert program.stdout.readline() == "ready\n"
    for value in EXTREMES:
        send(program.pid, SIGRTMIN, value)
    assert told(program) == [(ME(), SI_QUEUE, value) for value in EXTREMES]


def test_G14_our_values_arrive_in_c_by_a_handle_that_means_no_other_process(peer):
    program = peer("take", SIGRTMIN, 2)
    assert program.stdout.readline() == "ready\n"
    with Process(program.pid) as process:
        send(process, SIGRTMIN, 42)
        send(process, SIGRTMIN)
        (first, second) = told(program)
        assert first == (ME(), SI_QUEUE, 42) and second[:2] == (ME(), SI_USER)
        with pytest.raises(ProcessLookupError):
            send(process, SIGRTMIN, 1)


def test_G22_what_c_blocks_and_catches_is_seen_from_here(peer):
    program = peer("catch", SIGRTMIN, 1)
    assert program.stdout.readline() == "ready\n"
    state = state_of(program.pid)
    assert SIGRTMIN in state.caught and SIGUSR1 not in state.caught | state.blocked
    send(program.pid, SIGRTMIN, 0)
    told(program)
    assert signal.getsignal(SIGRTMIN) is signal.SIG_DFL
