"""The shop window: what the package offers does not depend on what was imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

import unixipc

FIRST = [
    "",
    "import unixipc.pipe",
    "from unixipc.pipe import splice",
    "from unixipc import Fifo",
    "from unixipc import aio",
]


def run(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("first", FIRST)
def test_a_name_that_is_a_room_and_a_function_is_the_function(first):
    code = "from unixipc import pipe, pipeline; r, w = pipe(); r.close(); w.close(); pipeline(['true']).run()"
    run(f"{first}\n{code}\nimport unixipc; assert unixipc.pipe is pipe and unixipc.pipeline is pipeline")


@pytest.mark.parametrize("name", [*unixipc.__all__, "aio", "testing"])
def test_every_name_can_be_had_on_its_own(name):
    run(f"from unixipc import {name}; assert {name} is not None")


def test_everything_at_once_and_dir():
    run("from unixipc import *; fork, pipe, sockets, EventFd")
    assert set(unixipc.__all__) <= set(dir(unixipc))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_room"):
        unixipc.no_such_room
    with pytest.raises(ImportError):
        from unixipc import no_such_room  # noqa: F401
