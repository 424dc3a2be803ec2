"""For the POSIX tests: a namespace of the run's own, fresh names that are taken away, patience, and another user."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

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
def asleep():
    """Start a call in a thread, and give it a moment to fall asleep."""
    with ThreadPoolExecutor() as pool:

        def start(call, *args, **named):
            future = pool.submit(call, *args, **named)
            time.sleep(PATIENCE)
            return future

        yield start


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
