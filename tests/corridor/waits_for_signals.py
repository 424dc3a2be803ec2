"""Every waiting call on signals."""

from __future__ import annotations

import os
from signal import SIGRTMIN

from unixipc.signals import Counter, SignalStream, Timer, send, wait_for

from .waits import Waits

NUMBER = SIGRTMIN + 5


class SignalReceive(Waits):
    """signalfd(2)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.stream = self.own(SignalStream(NUMBER))

    def wait(self, timeout):
        return self.stream.receive(timeout=timeout).value == 7

    def satisfy(self):
        send(os.getpid(), NUMBER, 7)


class SignalWaitFor(SignalReceive):
    """The stream keeps what comes between two waits; the wait takes it."""

    def wait(self, timeout):
        return wait_for([NUMBER], timeout=timeout).value == 7


class CounterWait(Waits):
    """eventfd(2), written by the C handler."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.counter = self.own(Counter(NUMBER))

    def wait(self, timeout):
        return self.counter.wait(timeout=timeout) == 1

    def satisfy(self):
        send(os.getpid(), NUMBER)


class TimerWait(Waits):
    """timerfd(2)."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.timer = self.own(Timer())

    def wait(self, timeout):
        return self.timer.wait(timeout=timeout) == 1

    def satisfy(self):
        self.timer.set(0)


WAITS_FOR_SIGNALS = [SignalReceive, SignalWaitFor, CounterWait, TimerWait]
