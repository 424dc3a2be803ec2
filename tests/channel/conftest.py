"""Channels under test: C programs that are compiled with the ring's own sources, and names that end with their test."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import textwrap

import pytest

from unixipc import channel

HERE = pathlib.Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "unixipc" / "_native"
RING = [*sorted((NATIVE / "ring").glob("*.c")), NATIVE / "robust" / "owner.c"]


@pytest.fixture(scope="session")
def with_ring(tmp_path_factory):
    """The path of a program compiled with the ring, by the name of its source here."""
    if not NATIVE.is_dir():
        pytest.skip("the C sources are in the checkout, which is not here")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"no C compiler: {compiler[0]}")
    folder = tmp_path_factory.mktemp("ring")

    def compiled(name, *flags):
        program = folder / "-".join([name, *(flag.strip("-").replace("=", "-").replace(",", "-") for flag in flags)])
        if not program.exists():
            usual = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", f"-I{NATIVE}", f"-I{HERE.parent / 'native'}"]
            command = [*compiler, *usual, *flags, HERE / f"{name}.c", *RING, "-pthread", "-o", program]
            subprocess.run(command, check=True, timeout=100)
        return program

    return compiled


@pytest.fixture
def name():
    """A name that nobody has; it is taken away at the end."""
    fresh = f"test-{os.getpid()}-{os.urandom(6).hex()}"
    yield fresh
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path_of(fresh))


def path_of(name):
    return f"/dev/shm/unixipc.channel.{name}"


@pytest.fixture
def queue(name):
    """A small queue that is full soon."""
    with channel.Queue.create(name, 4096) as made:
        yield made


@pytest.fixture
def run_python():
    """Run a program in an interpreter of its own; it must end well."""

    def run(text, *args, code=0):
        line = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(text), *map(str, args)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=100)
        assert done.returncode == code, done.stderr
        return done.stdout

    return run
