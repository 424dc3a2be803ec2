"""For `compat` and `compat_posix`: fixtures that run a test against the module that ours stands in for, and ours."""

from __future__ import annotations

import importlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

PATIENCE_S = 60
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def until(condition):
    """A test's patience: what another process does in its own time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def asleep(process):
    """Whether it sleeps in the kernel."""
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


class Beside:
    """The module of that name, which proves what the tests say, and ours."""

    def __init__(self, name, ours):
        try:
            self.original = importlib.import_module(name)
        except ImportError:
            self.original = None
        self.ours = ours
        self.why = f"{name} is not installed (dependency group `test`)"
        self.without_it = pytest.mark.skipif(self.original is None, reason=self.why)

    def one(self):
        """The fixture `ipc`: each of them."""
        original = pytest.param(self.original, id="original", marks=self.without_it)

        @pytest.fixture(params=[original, pytest.param(self.ours, id="ours")])
        def ipc(request, own_ipc_namespace):
            return request.param

        return ipc

    def both(self):
        """The fixture `both`, (the one, the other): for two sides of one object."""
        ways = [("original", "ours"), ("ours", "original")]

        @pytest.fixture(params=ways, ids=" to ".join)
        def both(request, own_ipc_namespace):
            if self.original is None:
                pytest.skip(self.why)
            return tuple(getattr(self, each) for each in request.param)

        return both


def raises_of(wordless=()):
    """The fixture `raises(name of an exception of the module, or a built-in class, call, ...)`: exactly that class."""

    @pytest.fixture
    def raises(ipc):
        def raises(expected, call, *args, **named):
            cls = getattr(ipc, expected) if isinstance(expected, str) else expected
            with pytest.raises(cls) as caught:
                call(*args, **named)
            assert caught.type is cls or issubclass(cls, OSError)
            assert str(caught.value) or expected in wordless
            return caught.value

        return raises

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
