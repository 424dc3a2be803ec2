"""Runs in a process of its own, with faults.c preloaded: every call of these scenarios fails once, in turn.

    python child.py MODE MODULE RESULT [LIMIT]      MODE: faults, storm, full, calls

What it finds goes into RESULT as JSON; the line that is under way stands in RESULT.now, for who finds us dead.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import faulthandler
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, os.path.dirname(__file__))

from injector import Injector
from judgement import Before, Unraisable, told_in_words, verdict
from plan import GIVEN_AWAY, INTERRUPTIBLE, faults_of
from tables import NOT_WITH, TABLES
from world import SCENARIOS, World, empty_folder

from unixipc.testing.namespaces import enter_own_ipc_namespace

PATIENCE = 40  # seconds for one run: only a hang takes as long
STORM = 3


class Runner:
    """One process, one module of scenarios."""

    def __init__(self, folder: str, result: Path) -> None:
        self.folder, self.result = folder, result
        self.injector = Injector()
        self.found: list[str] = []
        self.called: set[str] = set()
        self.lift = contextlib.ExitStack()
        self.runs = self.struck = 0
        self.tolerated: dict[str, dict[tuple[str, int | None], str]] = {}
        self.impossible: dict[tuple[str, int], str] = {}
        self.told: dict[str, set[str]] = {}

    def once(self, name: str, start) -> BaseException | None:
        """Run a scenario with `start` called just before; what it raised."""
        world = World(self.folder, self.injector.paused)
        outcome = None
        watch()
        try:
            start()
            try:
                SCENARIOS[name](world)
            finally:
                self.injector.disarm()
                self.lift.close()
        except BaseException as error:
            outcome = error if start == self.injector.disarm else error.with_traceback(None)
            outcome.__context__ = None
        faulthandler.cancel_dump_traceback_later()
        world.clean()
        self.runs += 1
        return outcome

    def calls(self, name: str) -> collections.Counter:
        """How often a scenario makes which call, once everything is loaded."""
        for begin in (self.injector.disarm, self.injector.disarm, self.injector.record):
            self.injector.look()
            if outcome := self.once(name, begin):
                raise outcome
        return collections.Counter(self.injector.recorded())

    def faults(self, name: str, most: int) -> None:
        """Each of its calls fails once, in each way; of many of a kind only the first, the last and some between."""
        calls = self.calls(name)
        self.called.update(map(self.injector.name, calls))
        for call, times in calls.items():
            called = self.injector.name(call)
            errors = faults_of(called)
            if errors is None:
                self.found.append(f"{name}: nobody has said how {called} fails: a row in plan.py is missing")
            interrupted = (errno.EINTR,) if called in INTERRUPTIBLE else ()
            for nth in chosen(times, most):
                for error in (*(errors or ())[: max(1, most // 4)], *interrupted):
                    if (called, error) not in self.impossible:
                        self.one(name, call, nth, error)

    def one(self, name: str, call, nth: int, error: int) -> None:
        """One fault: the right answer, nothing left, and it works again afterwards."""
        called = f"{self.injector.name(call)}{' of the child' * call[2]} #{nth} {errno.errorcode[error]}"
        self.result.with_suffix(".now").write_text(f"{name}: {called}")
        before = Before(self.injector)
        with Unraisable() as unraisable:
            outcome = self.once(name, lambda: self.injector.arm(call, nth, error))
            hit = self.injector.hits() or call[2]
            wrong = self.judged(name, call, error, outcome) if hit else f"not reached, {outcome!r}" if outcome else None
            del outcome
            gc.collect(0)
            left = before.left(self.folder)
        if (self.injector.name(call), error) in GIVEN_AWAY:
            left.pop("system_v", None)
        if wrong is None and self.injector.name(call) in self.told.get(name, ()):
            left.pop("files", None)
        self.tidy()
        again = self.once(name, self.injector.disarm)
        for what, told in (("answer", wrong), ("left", left), ("unraisable", unraisable), ("again", again)):
            if what == "again" and told:
                traceback.print_exception(told)
            if told:
                self.found.append(f"{name}: {called}: {what}: {told}")

    def judged(self, name: str, call, error: int, outcome) -> str | None:
        called = self.injector.name(call)
        if error == errno.EINTR and outcome is None and called in INTERRUPTIBLE:
            return None
        return verdict(name, called, error, outcome, self.tolerated.get(name, {}))

    def tidy(self) -> None:
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def storm(self, name: str) -> None:
        """Everything that a signal may interrupt is interrupted several times before it works."""
        counts = self.calls(name)
        told = [*self.tolerated.get(name, {}), *self.impossible]
        spared = {each for each, error in told if error == errno.EINTR}
        struck = {call[:2] for call in counts if self.injector.name(call) in INTERRUPTIBLE - spared}
        self.injector.calm()
        for call in struck:
            self.injector.interrupt(call)
        before = Before(self.injector)
        outcome = self.once(name, lambda: self.injector.storm(STORM))
        if outcome is not None:
            self.found.append(f"{name}: storm: {outcome!r} {getattr(outcome, '__notes__', '')}")
        self.struck += self.injector.struck()
        if left := before.left(self.folder):
            self.found.append(f"{name}: storm: left: {left}")
        self.tidy()


def run_full(runner: Runner, name: str, module: str) -> None:
    """The scenario with each table full: refused in words, or not in need of it; nothing left; it works again."""
    runner.calls(name)
    for table, (filled, errors) in TABLES.get(module, {}).items():
        if any(name == which and each in table for which, each in NOT_WITH):
            continue
        runner.result.with_suffix(".now").write_text(f"{name}: {table}")
        before = Before(runner.injector)
        outcome = runner.once(name, lambda filled=filled: runner.lift.enter_context(filled()))
        runner.struck += outcome is not None
        if outcome is not None and (getattr(outcome, "errno", None) not in errors or not told_in_words(outcome)):
            runner.found.append(f"{name}: {table}: {outcome!r}")
        del outcome
        if left := before.left(runner.folder):
            runner.found.append(f"{name}: {table}: left: {left}")
        runner.tidy()
        if again := runner.once(name, runner.injector.disarm):
            runner.found.append(f"{name}: {table}: again: {again!r}")


def watch() -> None:
    """End the process if this run hangs. The watching thread is born with all signals blocked: none is for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def chosen(times: int, most: int) -> list[int]:
    """All of them, or so many spread over them."""
    if times <= most:
        return list(range(1, times + 1))
    return sorted({1 + (times - 1) * each // (most - 1) for each in range(most)})


def main(mode: str, module: str, result: Path, most: int) -> None:
    """Everything asked for, and what came of it."""
    enter_own_ipc_namespace()
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="This process .* is multi-threaded", category=DeprecationWarning)
    loaded = importlib.import_module(module)
    with empty_folder() as folder:
        runner = Runner(folder, result)
        runner.tolerated = getattr(loaded, "TOLERATED", {})
        runner.injector.only_ours(getattr(loaded, "ONLY_OURS", False))
        runner.impossible = getattr(loaded, "IMPOSSIBLE", {})
        runner.told = getattr(loaded, "LEFT_BUT_TOLD", {})
        gc.collect()
        gc.freeze()
        for name in list(SCENARIOS):
            try:
                if mode == "faults":
                    runner.faults(name, most)
                elif mode == "storm":
                    runner.storm(name)
                elif mode == "full":
                    run_full(runner, name, module)
                else:
                    runner.called.update(map(runner.injector.name, runner.calls(name)))
            except Exception as error:  # the others are tried all the same
                traceback.print_exception(error)
                runner.found.append(f"{name}: without a fault: {error!r}")
    told = {
        "found": runner.found,
        "runs": runner.runs,
        "struck": runner.struck,
        "called": sorted(runner.called),
        "scenarios": len(SCENARIOS),
    }
    result.write_text(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 4)
