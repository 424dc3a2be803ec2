"""Real shells for the tests of the command: they find it as `ipc`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

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
