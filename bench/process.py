"""What does a child cost? Start one that does nothing, wait for it; on one CPU.

Each slice is a fresh interpreter that imports what it needs and nothing more (see children.py): a fork costs what its
parent weighs. One CPU, because a wake-up across two may cost more than all the code that is compared.
"""

from __future__ import annotations

import sys
from pathlib import Path

import unixipc

from . import harness
from .harness import Case, Effort, Report

CHILDREN, ROUNDS = 100, 7
LIGHT = "os.fork, unixipc not imported"
FORK, BARE, MULTIPROCESSING = "unixipc fork, wait", "os.fork + os.waitpid", "multiprocessing.Process"
SPAWN, POSIX_SPAWN = "unixipc spawn, wait", "os.posix_spawnp + os.waitpid"


def case(name: str, kind: str, way: str, n: int) -> Case:
    script, where = Path(__file__).with_name("children.py"), Path(unixipc.__file__).parents[1]
    return Case(name, kind, harness.printed_by([sys.executable, "-I", script, way, n, where], microseconds))


def microseconds(ns: float) -> float:
    return ns / 1e3


def forks(effort: Effort) -> Report:
    n = effort.n(CHILDREN)
    cases = [
        case(FORK, "ours", "unixipc_fork", n),
        case(BARE, "stdlib", "os_fork", n),
        case(LIGHT, "stdlib", "os_fork_light", n),
        case(MULTIPROCESSING, "stdlib", "multiprocessing_fork", n),
        harness.c_case("C fork + waitpid", "fork_wait", n, convert=microseconds),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    report = Report("process", "fork, run an empty function, wait", "us", rows, BARE)
    report.at_most(1.3, FORK, BARE)
    report.at_least(3, MULTIPROCESSING, FORK)
    return report


def spawns(effort: Effort) -> Report:
    n = effort.n(CHILDREN) // 2 + 1
    cases = [
        case(SPAWN, "ours", "unixipc_spawn", n),
        case(POSIX_SPAWN, "stdlib", "os_posix_spawn", n),
        case("subprocess.Popen", "stdlib", "subprocess_popen", n),
    ]
    rows = harness.interleave(cases, effort, ROUNDS)
    return Report("process", "start the program `true`, wait", "us", rows, POSIX_SPAWN)


def run(effort: Effort) -> list[Report]:
    harness.pin(harness.PRODUCER)
    return [forks(effort), spawns(effort)]


if __name__ == "__main__":
    harness.answer(run)
