"""Every test with `ipc` runs twice: against posix_ipc itself, which proves what it says, and against ours."""

from __future__ import annotations

import contextlib
import itertools
import os

import pytest

import unixipc.compat.posix_ipc as ours

from ..beside import Beside, raises_of, run, start

__all__ = ["run", "start"]  # fixtures

BESIDE = Beside("posix_ipc", ours)
original, WITHOUT_IT = BESIDE.original, BESIDE.without_it
ipc, both, raises = BESIDE.one(), BESIDE.both(), raises_of()
CLASSES = ("Semaphore", "SharedMemory", "MessageQueue")
UNLINK = {
    "Semaphore": "unlink_semaphore",
    "SharedMemory": "unlink_shared_memory",
    "MessageQueue": "unlink_message_queue",
}
numbers = itertools.count()


@pytest.fixture
def name():
    return f"/unixipc-test-{os.getpid()}-{next(numbers)}"


@pytest.fixture
def make():
    """Makes objects; after the test they are closed and their names gone, by the class's own ways."""
    made = []

    def make(cls, *args, **named):
        made.append(cls(*args, **named))
        return made[-1]

    yield make
    for each in made:
        with contextlib.suppress(Exception):  # the test has unlinked it
            each.unlink()
        with contextlib.suppress(Exception):  # the test has closed it
            close(each)


def close(each):
    """Close an object of any of the three classes."""
    (each.close_fd if hasattr(each, "close_fd") else each.close)()


@pytest.fixture
def queue(ipc, make):
    return make(ipc.MessageQueue, None, ipc.O_CREX)


@pytest.fixture
def semaphore(ipc, make):
    return make(ipc.Semaphore, None, ipc.O_CREX)


@pytest.fixture
def memory(ipc, make):
    return make(ipc.SharedMemory, None, ipc.O_CREX, size=5000)
