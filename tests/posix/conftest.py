"""For the POSIX tests: a namespace of the run's own, fresh names that are taken away, patience, and another user."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unixipc import Exited, fork
from unixipc.posix import remove_queue, remove_semaphore

WAIT = 20
PATIENCE = 0.05
NOBODY = 65534


@pytest.fixture(autouse=True)
def _in_a_namespace_of_our_own(own_ipc_namespace):
    """Queues are in the IPC namespace; what is in /dev/shm is not."""


@pytest.fixture
def name():
    """A name that nobody has; whatever gets it is removed."""
    fresh = f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}"
    yield fresh
    for remove in (remove_queue, remove_semaphore):
        with contextlib.suppress(FileNotFoundError):
            remove(fresh)


@pytest.fixture(scope="session")
def queue_names(tmp_path_factory, own_ipc_namespace):
    """The names of every queue in this namespace: its file system, mounted for the run."""
    folder = tmp_path_factory.mktemp("mqueue")
    mounted = subprocess.run(["mount", "-t", "mqueue", "none", folder], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"the queues' file system cannot be mounted here: {mounted.stderr}")
    yield lambda: set(os.listdir(folder))
    subprocess.run(["umount", folder], check=True, timeout=WAIT)


@pytest.fixture
def until():
    """Look again until it is so: the kernel tells nobody that a process has fallen asleep."""

    def look(condition):
        deadline = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < deadline, "it never became so"
            time.sleep(0.002)

    return look


@pytest.fixture
def asleep():
    """Start a call in a thread, and give it a moment to fall asleep."""
    with ThreadPoolExecutor() as pool:

        def start(call, *args, **named):
            future = pool.submit(call, *args, **named)
            time.sleep(PATIENCE)
            return future

        yield start


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


SYSCTLS = "/proc/sys/fs/mqueue/"


@pytest.fixture
def limit():
    """A sysctl of this IPC namespace: `limit(name)` is its value, `limit(name, value)` sets it until the test ends."""
    before = {}

    def look_or_change(name, value=None):
        with open(SYSCTLS + name) as file:
            now = int(file.read())
        if value is not None:
            before.setdefault(name, now)
            try:
                with open(SYSCTLS + name, "w") as file:
                    file.write(str(value))
            except OSError as error:
                pytest.skip(f"sysctl fs.mqueue.{name}: {error}")
        return now

    yield look_or_change
    for name, value in before.items():
        with open(SYSCTLS + name, "w") as file:
            file.write(str(value))
