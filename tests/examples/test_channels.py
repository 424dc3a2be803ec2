"""The programs about channels do what they are there to show."""

import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "channels"
LIMIT_S = 60


def run(name, *words):
    command = [sys.executable, FOLDER / name, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_job_is_lost_with_its_worker():
    told = re.search(r"60 jobs, (\d+) workers killed .* all 60 results", run("worker_pool.py", "60", "3"))
    assert int(told[1]) > 0


def test_frames_are_whole_for_both_viewers():
    told = run("frames.py", "150")
    assert "careful: 150 frames" in told
    seen, missed = map(int, re.search(r"casual: (\d+) frames and (\d+) missed", told).groups())
    assert seen + missed == 150
