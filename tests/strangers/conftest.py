"""Strangers: small C programs of our own, compiled on the spot, that know nothing of Python."""

import os
import pathlib
import shlex
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "unixipc" / "_native"
RING = [*sorted((NATIVE / "ring").glob("*.c")), NATIVE / "robust" / "owner.c"]


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """The path of a compiled C program, by the name of its source."""
    folder = tmp_path_factory.mktemp("strangers")
    compiler = shlex.split(os.environ.get("CC", "cc"))

    def compiled(name, *more):
        program = folder / name
        if not program.exists():
            flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]
            subprocess.run([*compiler, *flags, "-o", program, HERE / f"{name}.c", *more], check=True, timeout=100)
        return program

    return compiled


@pytest.fixture(scope="session")
def with_ring(stranger):
    """The same of a program that is compiled with the channel's own sources."""
    if not NATIVE.is_dir():
        pytest.skip("the C sources are in the checkout, which is not here")
    return lambda name: stranger(name, *RING, f"-I{NATIVE}", "-D_GNU_SOURCE", "-pthread")
