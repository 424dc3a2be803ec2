"""The program about robust locks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "robust" / "survivors.py"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the examples are in the checkout, which is not here")


@pytest.mark.parametrize(("workers", "counted"), [(1, 0), (2, 1), (6, 3), (7, 3)])
def test_the_others_count_on(workers, counted):
    done = subprocess.run(
        [sys.executable, PROGRAM, str(workers)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].endswith(f"killed: {counted} have counted")
    assert done.stdout.count("was killed half-way") == workers // 2
