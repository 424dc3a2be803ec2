"""The programs of the chapter on mapped memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from unixipc.cli.demo import programs

LIMIT_S = 30
PAGE = os.sysconf("SC_PAGESIZE")


def demo(*words):
    command = [sys.executable, "-m", "unixipc.cli", "demo", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)


def test_they_are_here():
    assert {"mmapdemo", "mmap_anon"} <= programs().keys()


@pytest.mark.parametrize("offset", [0, 1, PAGE - 1, PAGE, PAGE + 1])
def test_mmapdemo(tmp_path, offset):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 32)
    done = demo("mmapdemo", str(offset), str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"is {bytes([offset % 256])!r}\n")


def test_mmapdemo_of_itself():
    done = demo("mmapdemo", "0")
    assert done.returncode == 0 and done.stdout.endswith("mmapdemo.py is b'\"'\n")


@pytest.mark.parametrize("words", [("-1",), ("5",), ("99999999999",)])
def test_mmapdemo_beyond_the_end(tmp_path, words):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    done = demo("mmapdemo", "--", *words, str(path))
    assert done.returncode == 1 and "which has 5" in done.stderr and "Traceback" not in done.stderr


def test_mmapdemo_of_what_cannot_be_mapped(tmp_path):
    done = demo("mmapdemo", "0", str(tmp_path))
    assert done.returncode == 1 and "No such device" in done.stderr and "Traceback" not in done.stderr
    done = demo("mmapdemo", "0", str(tmp_path / "missing"))
    assert done.returncode == 1 and "No such file" in done.stderr


def test_mmap_anon():
    done = demo("mmap_anon", "hello", "you")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Exited(code=0)" in done.stdout and done.stdout.endswith("says 'hello you'\n")
    assert "the memory is b'\\x00" in done.stdout
