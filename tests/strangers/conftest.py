"""Strangers: small C programs of our own, compiled on the spot, that know nothing of Python."""

import os
import pathlib
import shlex
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """The path of a compiled C program, by the name of its source."""
    folder = tmp_path_factory.mktemp("strangers")
    compiler = shlex.split(os.environ.get("CC", "cc"))

    def compiled(name):
        program = folder / name
        if not program.exists():
            flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]
            subprocess.run([*compiler, *flags, "-o", program, HERE / f"{name}.c"], check=True, timeout=100)
        return program

    return compiled
