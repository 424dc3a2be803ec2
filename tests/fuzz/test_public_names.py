"""No public call crashes the interpreter, and none hangs: random calls, each in a process that may be hurt by them."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).with_name("public_names.py")
CALLS = 500


def fuzz(seed, calls, folder, seconds):
    log = folder / f"{seed}.log"
    try:
        done = subprocess.run(
            [sys.executable, PROGRAM, str(seed), str(calls), str(log)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as hung:
        raise AssertionError(f"seed {seed} hangs in: {last_lines(log)}\n{hung.stderr}") from None
    assert done.returncode == 0, (
        f"seed {seed} ended with {done.returncode} in: {last_lines(log)}\n{done.stderr[-4000:]}"
    )


def last_lines(log):
    return "\n".join(log.read_text(errors="replace").splitlines()[-3:]) if log.exists() else "nothing"


@pytest.mark.usefixtures("own_ipc_namespace", "own_shared_memory")
@pytest.mark.parametrize("seed", range(4))
def test_500_random_calls_leave_the_interpreter_alive(seed, tmp_path):
    fuzz(seed, CALLS, tmp_path, 60)


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("own_ipc_namespace", "own_shared_memory")
@pytest.mark.parametrize("first", range(1000, 1010))
def test_10_000_random_calls_leave_the_interpreter_alive(first, tmp_path):
    for seed in range(20):
        fuzz(first * 100 + seed, CALLS, tmp_path, 120)
