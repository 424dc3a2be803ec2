"""The programs about channels: killed workers lose no job, and the same pictures reach two programs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

DEMO = (sys.executable, "-m", "unixipc.cli", "demo")
LIMIT_S = 60


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DEMO, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_pool_survives_the_kills_of_its_workers(workers: int):
    done = demo("pool", "120", str(workers))
    assert (done.returncode, done.stderr) == (0, "")
    found = re.fullmatch(r"pool: 120 of 120 jobs done, (\d+) workers killed, (\d+) jobs done twice\n", done.stdout)
    assert found, done.stdout
    killed, again = map(int, found.groups())
    assert killed >= 5 and again <= killed  # a worker has one job in its hands when it is killed


def test_frames_reach_both_programs():
    pytest.importorskip("numpy")
    done = demo("frames", "60")
    assert (done.returncode, done.stderr) == (0, "")
    assert "detector: 60 frames, 30 of them bright, 0 missed" in done.stdout
    shown, missed = map(int, re.search(r"preview: (\d+) frames shown, (\d+) missed", done.stdout).groups())
    assert shown + missed == 60
    assert "camera: 60 frames of 307200 bytes; Exited(code=0), Exited(code=0)" in done.stdout
