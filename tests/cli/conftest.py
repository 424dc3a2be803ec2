"""Real shells for the tests of the command: they find it as `ipc`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from unixipc import inspector

LIMIT_S = 60
IPC = (sys.executable, "-m", "unixipc.cli")


class Shell:
    """Runs scripts in a folder of its own, each in a process group that ends with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        commands = folder / "bin"
        commands.mkdir()
        wrapper = commands / "ipc"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(IPC)} "$@"\n')
        wrapper.chmod(0o755)
        self.environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}"}

    def ipc(self, *words: object, **options: object) -> subprocess.CompletedProcess[str]:
        """One command, without a shell; its output as text."""
        options = {"text": True, **({} if "input" in options else {"stdin": subprocess.DEVNULL}), **options}
        command = [*IPC, *map(str, words)]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, timeout=LIMIT_S, check=False, **options
        )

    def run(self, script: str, shell: str = "sh", **options: object) -> subprocess.CompletedProcess[str]:
        """The script's output and status; after the time limit everything in it is killed."""
        options = {"stdin": subprocess.DEVNULL, **options}
        with subprocess.Popen(
            [shell, "-c", script], cwd=self.folder, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            finally:
                kill_group(process.pid)
        return subprocess.CompletedProcess(script, process.returncode, out, err)

    @contextmanager
    def started(self, *words: str, **options: object):
        """An `ipc` that runs meanwhile."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        with subprocess.Popen([*IPC, *words], cwd=self.folder, start_new_session=True, **options) as process:
            try:
                yield process
            finally:
                process.kill()


def kill_group(pid: int) -> None:
    """Whatever a script has left running."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.fixture
def shell(tmp_path):
    """A shell in an empty folder."""
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder)


@pytest.fixture
def name():
    """A name for a channel or POSIX object that nobody else has."""
    return f"test-{os.getpid()}-{os.urandom(4).hex()}"


class Town:
    """The processes of town.py: `pids` by their names, `everybody`, and the folder of their files."""

    def __init__(self, folder: Path, pids: dict[str, list[int]]) -> None:
        self.folder, self.pids = folder, pids
        self.everybody = sorted(pid for each in pids.values() for pid in each)


@contextmanager
def running_town(folder: Path, workers: int, teams: int):
    """Until the block ends."""
    words = [sys.executable, str(Path(__file__).with_name("town.py")), str(folder), str(workers), str(teams)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline()
            errors = folder / "errors"
            assert line, errors.read_text() if errors.exists() else "it did not begin"
            town = Town(folder, json.loads(line))
            wait_for_the_circle(town)
            yield town
        finally:
            process.stdin.close()
            try:
                assert process.wait(timeout=LIMIT_S) == 0
            finally:
                process.kill()


def wait_for_the_circle(town: Town) -> None:
    """Until everybody in it sleeps."""
    deadline = time.monotonic() + LIMIT_S
    while not inspector.why(town.pids["ledger"][0]).cycles:
        assert time.monotonic() < deadline, "no deadlock was made"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def town(own_ipc_namespace, tmp_path_factory):
    """36 processes that talk over everything, three of them in a deadlock; the folder's name is free of accidents."""
    with running_town(tmp_path_factory.mktemp("town"), 8, 0) as made:
        yield made
