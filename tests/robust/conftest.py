"""For the robust locks: names, memory, and children that end while they hold something."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from unixipc import Killed, features, fork, map_anonymous, pipe
from unixipc.posix import remove_memory

WAIT = 20


@pytest.fixture(autouse=True)
def _possible_here():
    if (reason := features.why_not("robust_list")) is not None:
        pytest.skip(reason)


@pytest.fixture
def name():
    """A name that nobody has; whatever gets it is removed."""
    fresh = f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}"
    yield fresh
    with contextlib.suppress(FileNotFoundError):
        remove_memory(fresh)


@pytest.fixture
def memory():
    """Two pages of zeros."""
    with map_anonymous(8192) as mapped:
        yield mapped


class Victim:
    """A child that does something and stays, until it is killed."""

    def __init__(self, *calls):
        self.reader, self.writer = pipe()
        self.child = fork(self.live, calls)
        self.writer.close()
        self.reader.read_exactly(1, timeout=WAIT)

    def live(self, calls):
        for call in calls:
            call()
        self.writer.write_all(b"!")
        signal.pause()

    @property
    def pid(self):
        return self.child.pid

    def kill(self):
        self.child.kill()
        assert self.child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        self.close()
        return self.child.pid

    def close(self):
        self.reader.close()
        self.child.close()


@pytest.fixture
def victim():
    """`victim(call, ...)`: a child that has made these calls, and waits for its end."""
    made = []

    def start(*calls):
        made.append(Victim(*calls))
        return made[-1]

    yield start
    for each in made:
        if each.child.status is None:
            each.kill()
        each.close()
