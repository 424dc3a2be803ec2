"""For every test: it leaves nothing on the machine, and it runs against the installed package."""

from __future__ import annotations

import gc
import os
import signal
import time

import pytest

from unixipc import Exited, fork
from unixipc.testing import traces
from unixipc.testing.namespaces import enter_own_ipc_namespace

from .private import enter_own_shared_memory

WAIT = 20
NOBODY = 65534

try:  # before any thread starts: System V objects of these tests are seen by nobody, and end with them
    enter_own_ipc_namespace()
    WHY_NO_NAMESPACE = None
except OSError as error:
    WHY_NO_NAMESPACE = str(error)
try:  # and so are the names in /dev/shm and /dev/mqueue: neither another worker's nor a browser's are mistaken for ours
    enter_own_shared_memory()
    WHY_NO_MOUNTS = None
except OSError as error:
    WHY_NO_MOUNTS = str(error)

# A shell starts background jobs with SIGINT ignored, and so may whatever runs these tests. Some are about Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # and nohup does so with this one
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_xdist_auto_num_workers(config):
    """`-n auto`: a worker a processor, each with names of its own; one process where it cannot have them."""
    alone = WHY_NO_NAMESPACE or WHY_NO_MOUNTS or os.geteuid()
    return 0 if alone else min(4, len(os.sched_getaffinity(0)))


def pytest_collection_finish():
    """The tests stay to the end: no search for garbage need go through them, and no forked child copies their pages."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    """What is imported for the summary may ask the collector who refers to what."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def leaves_no_trace(request):
    """Descriptors, children, threads, System V ids, names in /dev/shm and /dev/mqueue are after each test as before."""
    before = traces.look()
    yield
    left = traces.left_since(before)
    assert not left, f"{request.node.nodeid} left behind: {left}"


@pytest.fixture(scope="session")
def own_ipc_namespace():
    """For tests that make System V objects."""
    if WHY_NO_NAMESPACE is not None:
        pytest.skip(f"no IPC namespace of our own: {WHY_NO_NAMESPACE}")


@pytest.fixture
def own_shared_memory():
    """For tests that give names in /dev/shm at random."""
    if WHY_NO_MOUNTS is not None:
        pytest.skip(f"no /dev/shm of our own: {WHY_NO_MOUNTS}")


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
