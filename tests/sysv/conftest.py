"""For the System V tests: a namespace of the run's own, patience, and another user."""

from __future__ import annotations

import gc
import os
import time

import pytest

from unixipc import Exited, fork

WAIT = 20
NOBODY = 65534


@pytest.fixture(autouse=True)
def _in_a_namespace_of_our_own(own_ipc_namespace):
    """Everything here makes objects that live until somebody removes them."""


@pytest.fixture
def until():
    """Look again until it is so: the kernel tells nobody that a process has fallen asleep."""

    def look(condition):
        deadline = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < deadline, "it never became so"
            time.sleep(0.002)

    return look


class Children(list):
    """Processes of one test."""

    def start(self, function, *args, times=1):
        """Run it in a child of its own, or in several."""
        for _ in range(times):
            self.append(fork(function, *args))
        return self[-1]

    def all_succeed(self, timeout=WAIT):
        """Wait for each of them; an assertion that fails there fails here."""
        assert [str(child.wait(timeout=timeout)) for child in self] == [str(Exited(0))] * len(self)


@pytest.fixture
def children():
    """Whatever happens, the test's children end with it."""
    started = Children()
    yield started
    for child in started:
        if child.status is None:
            child.kill()
            child.wait(timeout=WAIT)
        child.close()


@pytest.fixture
def as_nobody():
    """Run a function as a user without privileges, in a child; its assertions count."""
    if os.geteuid():
        pytest.skip("only root can become another user")

    def run(function, *args):
        def other_user():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            function(*args)

        with fork(other_user) as child:
            assert child.wait(timeout=WAIT) == Exited(0)

    return run


@pytest.fixture
def no_collector():
    """For handlers that raise at any moment: inside a callback of the collector the exception would be lost."""
    gc.disable()
    yield
    gc.enable()
