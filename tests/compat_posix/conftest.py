"""Every test with `ipc` runs twice: against posix_ipc itself, which proves what it says, and against ours."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import subprocess
import sys
import time

import pytest

import unixipc.compat.posix_ipc as ours

try:
    import posix_ipc as original
except ImportError:
    original = None

WITHOUT_IT = pytest.mark.skipif(original is None, reason="posix_ipc is not installed (dependency group `test`)")
PATIENCE_S = 60
CLASSES = ("Semaphore", "SharedMemory", "MessageQueue")
UNLINK = {
    "Semaphore": "unlink_semaphore",
    "SharedMemory": "unlink_shared_memory",
    "MessageQueue": "unlink_message_queue",
}
numbers = itertools.count()


@pytest.fixture(params=[pytest.param(original, id="original", marks=WITHOUT_IT), pytest.param(ours, id="ours")])
def ipc(request, own_ipc_namespace):
    return request.param


@pytest.fixture(params=[pytest.param(("original", "ours"), id="original to ours"),
                        pytest.param(("ours", "original"), id="ours to original")])  # fmt: skip
def both(request, own_ipc_namespace):
    """(the one, the other): for two sides of one object."""
    if original is None:
        pytest.skip("posix_ipc is not installed (dependency group `test`)")
    return tuple({"original": original, "ours": ours}[each] for each in request.param)


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


@pytest.fixture
def raises(ipc):
    """`raises(name of an exception of the module, or a built-in class, call, ...)`: exactly that class."""

    def raises(expected, call, *args, **named):
        cls = getattr(ipc, expected) if isinstance(expected, str) else expected
        with pytest.raises(cls) as caught:
            call(*args, **named)
        assert caught.type is cls or issubclass(cls, OSError)
        assert str(caught.value)
        return caught.value

    return raises


@pytest.fixture
def start():
    """Starts Python code with the module as `ipc` in a process of its own; it is killed if the test ends before it."""
    started = []

    def start(module, code, *args, user=None):
        begin = "import mmap, os, resource, select, signal, sys, threading, time\n"
        begin += f"import {module.__name__}\nipc = sys.modules[{module.__name__!r}]\n"
        begin += "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        if user is not None:
            begin += f"os.setgroups([]); os.setgid({user}); os.setuid({user})\n"
        command = [sys.executable, "-c", begin + code, *map(str, args)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """The same, to its end: what it printed. It must end well."""

    def run(module, code, *args, user=None):
        process = start(module, code, *args, user=user)
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        return output.split()

    return run


def until(condition):
    """A test's patience: what another process does in its own time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def asleep(process):
    """Whether it sleeps in the kernel."""
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
