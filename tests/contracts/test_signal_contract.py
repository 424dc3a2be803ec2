"""Streams and counters of signals as closable handles; blocking, asyncio and trio."""

from __future__ import annotations

from signal import SIGRTMIN, SIGUSR1

import pytest

from unixipc import aio, signals
from unixipc.testing.contracts import FORMS, ClosableContract


def made(form, name, number):
    return getattr(signals if form.blocking else aio.signals, name)(number)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestSignalStream(ClosableContract):
    def make(self, form):
        return made(form, "SignalStream", SIGRTMIN), []

    def wait_forever(self, handle):
        return (handle.receive,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestCounter(ClosableContract):
    name = "Counter"

    def make(self, form):
        return made(form, self.name, SIGUSR1), []

    def wait_forever(self, handle):
        return (handle.wait,)


class TestLatch(TestCounter):
    name = "Latch"
