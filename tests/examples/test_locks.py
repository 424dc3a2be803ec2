"""`ipc demo lockdemo` in two terminals."""

from __future__ import annotations

import subprocess
import sys

import pytest

DEMO = (sys.executable, "-m", "unixipc.cli", "demo", "lockdemo")
LIMIT_S = 30


@pytest.fixture
def terminal(tmp_path):
    started = []
    (tmp_path / "file").touch()

    def start(*words):
        pipe = subprocess.PIPE
        command = [*DEMO, *words, str(tmp_path / "file")]
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1))
        return started[-1]

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            process.communicate(timeout=LIMIT_S)


def line(process):
    return process.stdout.readline().strip()


def press_return(process):
    process.stdin.write("\n")


def test_two_terminals_take_turns(terminal):
    first, second = terminal(), terminal()
    for each in (first, second):
        assert line(each) == "lockdemo: press return to lock"
    press_return(first)
    assert line(first) == "lockdemo: locked"
    press_return(second)
    assert f"process {first.pid} (" in line(second)
    first.kill()
    first.communicate(timeout=LIMIT_S)
    assert line(second) == "lockdemo: locked", "kill -9 unlocks"
    press_return(second)
    assert [line(second) for _ in range(3)][1] == "lockdemo: unlocked"
    second.communicate(timeout=LIMIT_S)  # Ctrl-D
    assert second.returncode == 0


def test_two_that_share_do_not_wait(terminal):
    first, second = terminal("--shared"), terminal("--shared")
    for each in (first, second):
        press_return(each)
        assert [line(each) for _ in range(2)][1] == "lockdemo: locked, shared"
