"""The programs of the chapter about signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

DEMO = (sys.executable, "-m", "unixipc.cli", "demo")
LIMIT_S = 30


def start(*words: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*DEMO, *words], stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def alone(*words: str) -> str:
    done = subprocess.run([*DEMO, *words], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return done.stdout


def test_sigcount():
    out = alone("sigcount", "7")
    assert "SIGUSR1 was counted 1 times" in out and "SIGRTMIN was counted 7 times, the last with value 6" in out


def test_sigstrtok():
    out = alone("sigstrtok")
    assert "broken by the handler: dictionary changed size" in out and "all went well" in out


def test_sigblock():
    lines = alone("sigblock", "0.1").splitlines()
    assert lines[1:] == ["waiting meanwhile: ['SIGINT']", "SIGINT is delivered now", "SIGINT is let through again"]


def test_sigusr():
    program = start("sigusr")
    try:
        first = program.stdout.readline()
        os.kill(int(re.search(r"PID (\d+)", first)[1]), signal.SIGUSR1)
        out, err = program.communicate(timeout=LIMIT_S)
    finally:
        program.kill()
        program.communicate()
    assert (out, err, program.returncode) == ("Done in by SIGUSR1!\n", "", 0)


@pytest.mark.parametrize(
    ("name", "heard", "end"),
    [
        ("sigint", "Ahhh! SIGINT!", "You entered: 'hello'"),
        ("pipesig", "signal 2", "read b'hello\\n'"),
        ("pselect", "a signal came", ""),
    ],
)
def test_ctrl_c_and_a_line(name: str, heard: str, end: str):
    program = start(name)
    try:
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline().strip() == heard
        out, err = program.communicate("hello\n" if end else None, timeout=LIMIT_S)
    finally:
        program.kill()
        program.communicate()
    assert end in out and err == "" and program.returncode == 0
