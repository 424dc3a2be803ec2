"""How long does ``ipc --help`` take, from the start of the process to its end?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from . import harness
from .harness import Case, Effort, Report, Target

OURS = "ipc --help"
ROUNDS = 5


def command() -> list[str] | None:
    """The `ipc` that was installed with this Python; None if there is none or it does not start."""
    beside = os.path.dirname(sys.executable)
    path = shutil.which("ipc", path=f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if path is None:
        return None
    words = [path, "--help"]
    return words if subprocess.run(words, capture_output=True, timeout=60).returncode == 0 else None


def started(words: Sequence[str]) -> float:
    """Milliseconds. No timeout: with one, subprocess looks every so often whether the program has ended."""
    begin = time.perf_counter_ns()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter_ns() - begin) / 1e6


def python(statement: str, kind: str) -> Case:
    words = [sys.executable, "-c", statement]
    return Case(f"python -c {statement!r}", kind, lambda: started(words))


def run(effort: Effort) -> list[Report]:
    harness.pin(harness.PRODUCER)
    words = command()
    cases = [
        None if words is None else Case(OURS, "ours", lambda: started(words)),
        python("pass", "stdlib"),
        python("import argparse", "stdlib"),
        python("import click", "peer") if harness.has("click") else None,
        python("import rich.console", "peer") if harness.has("rich") else None,
    ]
    report = Report("cli", "the command's start", "ms", harness.interleave(cases, effort, ROUNDS), "python -c 'pass'")
    ours = report.row(OURS)
    report.targets.append(Target(f"cli: {OURS}", 150, True, None if ours is None else ours.median, "ms"))
    if ours is None:
        report.notes.append("there is no `ipc` command here, or it does not start")
    return [report]


if __name__ == "__main__":
    harness.answer(run)
