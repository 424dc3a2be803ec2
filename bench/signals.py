"""How long does a signal with a value take to another process, and one back?"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from unixipc.signals import SignalStream, send

from . import harness
from .harness import CONSUMER, PRODUCER, Case, Effort, Report, Side

NUMBER = signal.SIGRTMIN
OURS, STDLIB = "unixipc send, SignalStream", "os.kill, sigwaitinfo (no value)"
BY_DESCRIPTOR, BY_WAITING = "C sigqueue, signalfd", "C sigqueue, sigwaitinfo"
TRIPS, ROUNDS = 1000, 5
Send = Callable[[int, int], object]
Receive = Callable[[], object]


def sides(n: int, send_to: Send, receive: Receive, sender_pid: str) -> tuple[Side, Side]:
    """The child begins: so the parent learns its pid."""

    def child(start: Callable[[], None]) -> None:
        parent = os.getppid()
        start()
        send_to(parent, 0)
        for value in range(n):
            receive()
            send_to(parent, value)

    def parent(start: Callable[[], None]) -> None:
        start()
        pid = getattr(receive(), sender_pid)
        for value in range(n):
            send_to(pid, value)
            receive()

    return child, parent


def ours(n: int, cpus: tuple[int, int]) -> float:
    with SignalStream(NUMBER) as stream:  # the child reads its own signals from it
        both = sides(n, lambda pid, value: send(pid, NUMBER, value), stream.receive, "pid")
        return harness.two_processes(*both, cpus) / n / 1e3


def stdlib(n: int, cpus: tuple[int, int]) -> float:
    wanted = {NUMBER}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    try:
        both = sides(n, lambda pid, _value: os.kill(pid, NUMBER), lambda: signal.sigwaitinfo(wanted), "si_pid")
        return harness.two_processes(*both, cpus) / n / 1e3
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def on(cpus: tuple[int, int], effort: Effort) -> Report:
    n = effort.n(TRIPS)
    cases = [
        Case(OURS, "ours", lambda: ours(n, cpus)),
        Case(STDLIB, "stdlib", lambda: stdlib(n, cpus)),
        harness.c_case(BY_DESCRIPTOR, "signals", "signalfd", n, *cpus, convert=lambda ns: ns / 1e3),
        harness.c_case(BY_WAITING, "signals", "sigwaitinfo", n, *cpus, convert=lambda ns: ns / 1e3),
    ]
    title = f"a signal with a value there and one back, {'two CPUs' if len(set(cpus)) == 2 else 'one CPU'}"
    return Report("signals", title, "us", harness.interleave(cases, effort, ROUNDS), BY_DESCRIPTOR)


def run(effort: Effort) -> list[Report]:
    two = on((PRODUCER, CONSUMER), effort)
    two.at_most(1.3, OURS, BY_DESCRIPTOR)
    return [two, on((PRODUCER, PRODUCER), effort)]


if __name__ == "__main__":
    harness.answer(run)
