"""Ask all questions, or those that are named: tables, JSON, and whether the targets are reached."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .harness import Report
from .machine import machine
from .table import line, show

QUESTIONS = (
    "pipe_pair",
    "socket_pair",
    "throughput",
    "roundtrip",
    "process",
    "signals",
    "file_locks",
    "sysv",
    "posix",
    "channel",
    "robust",
    "inspector",
    "imports",
    "cli",
)
RESULTS = Path(__file__).parent / "results"
LONGEST_QUESTION_S = 600


def ask(question: str, quick: bool) -> list[Report] | None:
    """The answers, measured by a fresh interpreter; None if it failed (it has told why)."""
    words = [sys.executable, "-m", f"bench.{question}", "--raw", *(["--quick"] if quick else [])]
    try:
        done = subprocess.run(
            words, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, check=True, timeout=LONGEST_QUESTION_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"{question} failed: {error}", file=sys.stderr)
        return None
    return [Report.from_dict(plain) for plain in json.loads(done.stdout)]


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"of {', '.join(QUESTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="less than a minute; believe it less")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed or was not measured")
    parser.add_argument("--json", metavar="FILE", type=Path, help="default: results/DATE.json for a full run")
    chosen = parser.parse_args(arguments)
    for name in chosen.questions:
        if name not in QUESTIONS:
            parser.error(f"no question {name!r}: {', '.join(QUESTIONS)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    questions = chosen.questions or QUESTIONS
    about = {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "quick": chosen.quick, "machine": machine()}
    print(*(f"{key}: {value}" for key, value in about["machine"].items() if value is not None), sep="\n", end="\n\n")
    reports, failed = [], []
    for question in questions:
        answers = ask(question, chosen.quick)
        if answers is None:
            failed.append(question)
        for report in answers or ():
            show(report)
            reports.append(report)
    file = chosen.json or (None if chosen.questions or chosen.quick else RESULTS / f"{about['date'][:10]}.json")
    if file is not None:
        save(file, about, reports)
    return verdict(reports, failed, chosen.check)


def save(file: Path, about: dict[str, object], reports: list[Report]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = {**about, "reports": [report.as_dict() for report in reports]}
    file.write_text(json.dumps(whole, indent=1) + "\n")


def verdict(reports: list[Report], failed: list[str], check: bool) -> int:
    """The targets once more, all together. Timings wobble, so only `--check` makes a missed one an error."""
    targets = [target for report in reports for target in report.targets]
    print(*map(line, targets), sep="\n")
    for question in failed:
        print(f"FAILED  {question}: no answer")
    return int(bool(failed) or (check and not all(target.ok for target in targets)))
