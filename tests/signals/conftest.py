"""For every test of signals: the thread that runs them is as it was."""

from __future__ import annotations

import signal
import threading

import pytest

from unixipc.signals import action_of, mask

CATCHABLE = [number for number in range(1, 65) if number not in (9, 19, 32, 33)]


def actions():
    return {number: action_of(number).handler for number in CATCHABLE}


@pytest.fixture(autouse=True)
def leaves_actions_and_mask_as_they_were():
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    before = actions()
    yield
    assert mask() == frozenset()
    changed = {number for number, action in actions().items() if action != before[number]}
    assert changed <= {64, 63, 62, 61}, "only the library's own real-time signals may keep a handler"


@pytest.fixture
def other_thread():
    """A thread that blocks nothing and knows of nothing, as a C library's; its kernel id."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    yield thread
    stop.set()
    thread.join()
