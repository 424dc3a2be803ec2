"""How everything here is measured: pinned, interleaved, repeated; medians, and ratios of neighbours in time.

A *case* is one way to do the thing (ours, the standard library's, a peer's, C's); measuring it once is a *slice*.
Slices go round robin (A B C A B C ...), so that what disturbs the machine disturbs all alike. A *repetition* is some
rounds of that; its value is the median of its slices. A row's number is the median of the repetitions, and a ratio is
the median of the repetitions' ratios: the two sides of each were measured in the same second or two.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median

CPUS = sorted(os.sched_getaffinity(0))
PRODUCER, CONSUMER = CPUS[0], CPUS[min(1, len(CPUS) - 1)]
C_SOURCES = Path(__file__).parent / "c"
LONGEST_SLICE_S = 120


@dataclass(frozen=True)
class Effort:
    """How much to measure: `scale` shortens the slices, `rounds` makes a repetition."""

    repetitions: int = 5
    scale: float = 1.0

    def n(self, full: int) -> int:
        return max(1, int(full * self.scale))


FULL, QUICK = Effort(), Effort(repetitions=3, scale=0.25)


@dataclass(frozen=True)
class Case:
    name: str
    kind: str  # ours, stdlib, peer, C
    slice: Callable[[], float]  # measures once, in the report's unit


@dataclass
class Row:
    name: str
    kind: str
    values: list[float]  # one for each repetition
    ratio: float | None = None  # to the report's baseline

    @property
    def median(self) -> float:
        return median(self.values)


@dataclass
class Target:
    text: str
    limit: float
    at_most: bool
    actual: float | None  # None: could not be measured, which is not the same as reached
    unit: str = "x"

    @property
    def ok(self) -> bool:
        if self.actual is None:
            return False
        return self.actual <= self.limit if self.at_most else self.actual >= self.limit


@dataclass
class Report:
    question: str
    title: str
    unit: str
    rows: list[Row]
    baseline: str | None = None
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        base = self.row(self.baseline)
        for row in self.rows:
            row.ratio = ratio(row, base)

    def row(self, name: str | None) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    def ratio(self, name: str, to: str) -> float | None:
        return ratio(self.row(name), self.row(to))

    def at_most(self, limit: float, name: str, to: str) -> None:
        self.targets.append(Target(f"{self.question}: {name} / {to}", limit, True, self.ratio(name, to)))

    def at_least(self, limit: float, name: str, to: str) -> None:
        self.targets.append(Target(f"{self.question}: {name} / {to}", limit, False, self.ratio(name, to)))

    def as_dict(self) -> dict[str, object]:
        whole = asdict(self)
        for plain, row in zip(whole["rows"], self.rows, strict=True):
            plain["median"] = row.median
        for plain, target in zip(whole["targets"], self.targets, strict=True):
            plain["ok"] = target.ok
        return whole

    @classmethod
    def from_dict(cls, plain: dict) -> Report:
        rows = [Row(r["name"], r["kind"], r["values"]) for r in plain["rows"]]
        targets = [Target(t["text"], t["limit"], t["at_most"], t["actual"], t["unit"]) for t in plain["targets"]]
        return cls(plain["question"], plain["title"], plain["unit"], rows, plain["baseline"], targets, plain["notes"])


def ratio(row: Row | None, base: Row | None) -> float | None:
    """The median of the repetitions' ratios."""
    if row is None or base is None:
        return None
    return median(a / b for a, b in zip(row.values, base.values, strict=True))


def pin(cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})


def interleave(cases: Sequence[Case | None], effort: Effort, rounds: int) -> list[Row]:
    """A row a case (None: absent here), each repetition the median of `rounds` slices, in turns."""
    present = [case for case in cases if case is not None]
    rows = [Row(case.name, case.kind, []) for case in present]
    for _ in range(effort.repetitions):
        taken: list[list[float]] = [[] for _ in present]
        for _ in range(rounds):
            for case, slices in zip(present, taken, strict=True):
                slices.append(case.slice())
        for row, slices in zip(rows, taken, strict=True):
            row.values.append(median(slices))
    return rows


def per_operation(loop: Callable[[int], object], n: int) -> float:
    """Nanoseconds for one of the `n` operations of `loop(n)`, after a short run to warm up, without the collector."""
    loop(n // 20 + 1)
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter_ns()
        loop(n)
        return (time.perf_counter_ns() - begin) / n
    finally:
        gc.enable()


Side = Callable[[Callable[[], None]], object]
"""One process's part of a measurement: prepare, call the argument (the start signal), then do the timed work."""


def two_processes(child: Side, parent: Side, cpus: tuple[int, int] = (PRODUCER, CONSUMER)) -> int:
    """Nanoseconds from the start signal until `parent` is done, with `child` in a process of its own."""
    return several_processes([(child, cpus[0])], parent, cpus[1])


def several_processes(children: Sequence[tuple[Side, int]], parent: Side, cpu: int) -> int:
    """The same with several children, each on its CPU; the parent has the last one.

    Plain fork for everybody: what is measured is what goes between them, not how they came to be.
    """
    ready, go = os.pipe(), os.pipe()
    gc.collect()
    pids = []
    for child, its_cpu in children:
        pid = os.fork()
        if pid == 0:
            _run_child(child, ready, go, its_cpu)
        pids.append(pid)
    begin = 0

    def start() -> None:
        nonlocal begin
        for _ in children:
            if os.read(ready[0], 1) != b"r":
                raise RuntimeError("the other process died before the start")
        begin = time.perf_counter_ns()
        os.write(go[1], b"g" * len(children))

    os.close(ready[1])
    os.close(go[0])
    pin(cpu)
    gc.disable()
    try:
        parent(start)
        return time.perf_counter_ns() - begin
    finally:
        gc.enable()
        os.close(ready[0])
        os.close(go[1])
        _end_children(pids)


def _run_child(child: Side, ready: tuple[int, int], go: tuple[int, int], cpu: int) -> None:
    def start() -> None:
        os.write(ready[1], b"r")
        os.read(go[0], 1)

    code = 1
    try:
        signal.alarm(LONGEST_SLICE_S)  # whatever goes wrong, nobody is left behind
        os.close(ready[0])
        os.close(go[1])
        pin(cpu)
        gc.disable()
        child(start)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _end_children(pids: Sequence[int]) -> None:
    if failed := sys.exc_info()[0] is not None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)  # do not wait for one who may wait for us
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    if any(statuses) and not failed:
        raise RuntimeError(f"the other process ended with wait status {max(statuses)}")


def has(module: str) -> bool:
    """Whether a peer is installed."""
    return find_spec(module) is not None


@functools.cache
def c_program(name: str) -> str | None:
    """Compile c/NAME.c, the way a person would; None without a compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    target = Path(_build_folder()) / name
    subprocess.run([compiler, "-O2", "-Wall", "-o", target, C_SOURCES / f"{name}.c"], check=True)
    return str(target)


@functools.cache
def _build_folder() -> str:
    folder = tempfile.TemporaryDirectory(prefix="unixipc-bench-")
    atexit.register(folder.cleanup)
    return folder.name


def printed_by(words: Sequence[object], convert: Callable[[float], float] = float) -> Callable[[], float]:
    """A slice that runs a program, which measures itself and prints one number."""
    line = [str(word) for word in words]

    def once() -> float:
        done = subprocess.run(line, check=True, stdout=subprocess.PIPE, timeout=LONGEST_SLICE_S)
        return convert(float(done.stdout))

    return once


def c_case(label: str, program: str, *arguments: object, convert: Callable[[float], float] = float) -> Case | None:
    """A case that runs one of our C programs; None without a compiler."""
    path = c_program(program)
    return None if path is None else Case(label, "C", printed_by([path, *arguments], convert))


Loop = Callable[[int], object]
"""Does the thing n times."""


def loop_case(label: str, kind: str, make: Callable[[], Loop], n: int, needs: str | None = None) -> Case | None:
    """A case that runs a Python loop in this process; None if the module it needs is not installed."""
    if needs is not None and not has(needs):
        return None
    loop = make()
    return Case(label, kind, lambda: per_operation(loop, n))


def answer(run: Callable[[Effort], list[Report]]) -> None:
    """The main program of a question: the reports as a table, or as JSON for `bench.run`."""
    reports = run(QUICK if "--quick" in sys.argv else FULL)
    if "--raw" in sys.argv:
        json.dump([report.as_dict() for report in reports], sys.stdout)
        return
    from .table import show

    for report in reports:
        show(report)
