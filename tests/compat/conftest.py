"""Every test with `ipc` runs twice: against sysv_ipc itself, which proves what it says, and against ours."""

from __future__ import annotations

import contextlib
import itertools

import pytest

import unixipc.compat.sysv_ipc as ours

from ..beside import Beside, raises_of, run, start

__all__ = ["run", "start"]  # fixtures

BESIDE = Beside("sysv_ipc", ours)
original, WITHOUT_IT = BESIDE.original, BESIDE.without_it
ipc, both, raises = BESIDE.one(), BESIDE.both(), raises_of(wordless=("NotAttachedError", MemoryError))
KEYS = itertools.count(0x5EED0000)


@pytest.fixture
def key():
    return next(KEYS)


@pytest.fixture
def make():
    """Makes objects, and removes them after the test, by the class's own ways."""
    made = []

    def make(cls, *args, **named):
        made.append(cls(*args, **named))
        return made[-1]

    yield make
    for each in made:
        if getattr(each, "attached", False):
            each.detach()
        with contextlib.suppress(Exception):  # the test has removed it
            each.remove()


@pytest.fixture
def queue(ipc, make):
    return make(ipc.MessageQueue, None, ipc.IPC_CREX)


@pytest.fixture
def semaphore(ipc, make):
    return make(ipc.Semaphore, None, ipc.IPC_CREX)


@pytest.fixture
def memory(ipc, make):
    return make(ipc.SharedMemory, None, ipc.IPC_CREX)
