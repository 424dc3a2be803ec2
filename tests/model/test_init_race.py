"""How a System V semaphore set gets its values, proved by search: every order of steps, every moment of a kill.

What the models say, and the options, is in their first comments; docs/design/semaphore-initialisation.md is the page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
OURS, PUBLISHED = HERE / "init_race.pml", HERE / "init_race_published.pml"
LIMIT = 100
SECOND_TIME = r"assertion violated +!\((initialised|relied)\)"
NOT_READY = r"assertion violated +\(initialised&&otime\)"
UNFINISHED = ("Search not completed", "max search depth too small", "out of memory", "hash table full")


@pytest.fixture(autouse=True)
def needs_spin():
    if shutil.which("spin") is None:
        pytest.skip("spin is not installed: apt install spin")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: apt install gcc")


def search(folder: Path, model: Path, options: str, cycles: bool, optimise: str) -> str:
    """What the search says about assertions and invalid end states, or about cycles. It ends at the first error."""

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("spin", *(f"-D{each}" for each in options.split()), "-a", str(model))
    run("gcc", optimise, "-w", "-DCOLLAPSE", "-DMEMLIM=3000", "-DNP" if cycles else "-DSAFETY", "-o", "pan", "pan.c")
    return run("./pan", "-m100000", *(["-l"] if cycles else []))


def prove(
    folder: Path, model: Path, options: str, at_least_states: int, cycles: bool = False, optimise: str = "-O1"
) -> str:
    """There is no error, and nothing was left out: by the search, or by an option that switches too much off.

    Where the states are few the compiler takes longer than the search: `optimise="-O0"`.
    """
    says = search(folder, model, options, cycles, optimise)
    assert re.search(r"errors: (\d+)", says)[1] == "0", says
    assert not [each for each in UNFINISHED if each in says], says
    assert float(re.search(r"([\d.e+]+) states, stored", says)[1]) >= at_least_states, says
    return says


def refute(folder: Path, model: Path, options: str, error: str, cycles: bool = False) -> None:
    says = search(folder, model, options, cycles, "-O0")
    assert re.search(r"errors: (\d+)", says)[1] == "1", says
    assert re.search(f"pan:1: +{error}", says), says


# The published program


@pytest.mark.parametrize("semaphores", [2, 3])
def test_published_a_loser_uses_a_semaphore_without_its_value(tmp_path, semaphores):
    refute(tmp_path, PUBLISHED, f"N={semaphores}", r"assertion violated raised\[i\]")


@pytest.mark.parametrize("options", ["N=1", "N=2 ALL_AT_ONCE"])
def test_published_is_right_if_one_semop_does_it_all_and_nobody_is_killed(tmp_path, options):
    prove(tmp_path, PUBLISHED, options, at_least_states=400)


@pytest.mark.parametrize("options", ["N=1", "N=2 ALL_AT_ONCE"])
def test_published_the_losers_of_a_killed_creator_wait_for_ever(tmp_path, options):
    refute(tmp_path, PUBLISHED, options + " KILL", "invalid end state")


# Ours


@pytest.mark.parametrize("options", ["HIDDEN_PIDS", "OTHER_SIZE", "ZEROS HIDDEN_PIDS"])
def test_three_processes_initialise_a_set_once_and_none_is_left_waiting(tmp_path, options):
    prove(tmp_path, OURS, "P=3 " + options, at_least_states=1_000_000)


@pytest.mark.parametrize("options", ["HIDDEN_PIDS", "HIDDEN_PIDS GRACE_WITHOUT_LOCK", "ZEROS"])
def test_two_processes_and_a_stranger_that_keeps_to_the_grace(tmp_path, options):
    prove(tmp_path, OURS, "P=2 STRANGER " + options, at_least_states=500_000)


def test_every_line_of_the_model_is_reached(tmp_path):
    says = prove(tmp_path, OURS, "P=2 STRANGER", at_least_states=1_000_000)
    assert set(re.findall(r"\((\d+) of \d+ states\)", says)) == {"0"}, says


@pytest.mark.parametrize("options", ["REMOVALS=2", "OTHER_SIZE", "N=1 STRANGER GRACE_WITHOUT_LOCK"])
def test_every_run_ends(tmp_path, options):
    prove(tmp_path, OURS, "P=2 " + options, at_least_states=50_000, cycles=True)


# The model can fail


MUTANTS = {
    "P=2 WITHOUT_LOCK": SECOND_TIME,
    "P=2 WITHOUT_RECHECK": SECOND_TIME,
    "P=2 WITHOUT_GRACE STRANGER": SECOND_TIME,
    "P=2 LOCK_STAYS": "invalid end state",
    "P=2 ONE_BY_ONE": NOT_READY,
    "P=2 FLAG_FIRST": SECOND_TIME,
    "P=3 FLAG_LEFT_DOWN HIDDEN_PIDS": SECOND_TIME,
    "P=2 FLAG_SEEN_EARLY STRANGER HIDDEN_PIDS": SECOND_TIME,
    "P=2 OPEN_ACCEPTS": NOT_READY,
}
LIMITS = {"P=2 STRANGER ZEROS HIDDEN_PIDS": SECOND_TIME, "P=2 STRANGER_ONE_BY_ONE": NOT_READY}


@pytest.mark.parametrize("options", MUTANTS)
def test_each_part_of_the_protocol_is_needed(tmp_path, options):
    refute(tmp_path, OURS, options, MUTANTS[options])


def test_a_set_of_another_size_must_not_be_taken_for_a_removed_one(tmp_path):
    refute(tmp_path, OURS, "P=2 OTHER_SIZE EINVAL_IS_REMOVED", "non-progress cycle", cycles=True)


@pytest.mark.parametrize("options", LIMITS)
def test_the_limits_are_where_the_page_says(tmp_path, options):
    refute(tmp_path, OURS, options, LIMITS[options])


@pytest.mark.deep
@pytest.mark.parametrize("options", ["REMOVALS=2 HIDDEN_PIDS", "N=3"])
def test_more_removals_and_more_semaphores(tmp_path, options):
    prove(tmp_path, OURS, "P=3 " + options, at_least_states=10_000_000)


@pytest.mark.deep
@pytest.mark.parametrize("options", ["P=2 STRANGER", "P=3"])
def test_every_run_of_a_larger_one_ends(tmp_path, options):
    prove(tmp_path, OURS, options, at_least_states=5_000_000, cycles=True)
