"""No wake-up at a channel is lost, proved by search: every order of steps. The options are in the model's comment."""

from __future__ import annotations

import pytest

from .test_init_race import HERE, needs_spin, prove, refute

__all__ = ["needs_spin"]

BELL = HERE / "bell.pml"
LOST = "assertion violated"


@pytest.mark.parametrize(
    "options", ["SLEEPERS=1", "SLEEPERS=2", "SLEEPERS=2 THIEF", "SLEEPERS=2 KILLS", "SLEEPERS=1 EACH=4"]
)
def test_nobody_sleeps_beside_a_message(tmp_path, options):
    prove(tmp_path, BELL, options, at_least_states=1000)


@pytest.mark.deep
@pytest.mark.parametrize("options", ["TURNS=2 THIEF", "TURNS=3 THIEF", "TURNS=3 KILLS", "SLEEPERS=1 EACH=4 TURNS=6"])
def test_nobody_who_looks_more_often_sleeps_beside_a_message(tmp_path, options):
    prove(tmp_path, BELL, options, at_least_states=1_000_000)


@pytest.mark.parametrize(
    "mutant",
    [
        "NO_LAST_LOOK",
        "BIT_WITHOUT_NUMBER",
        "RING_WITHOUT_NUMBER",
        "CLEAR_ALWAYS",
        "CLEAR_FIRST",
        "BELL_BEFORE_ITEM",
        "LOST_WITH_THE_KILLED",
    ],
)
def test_each_part_of_the_bell_is_needed(tmp_path, mutant):
    refute(tmp_path, BELL, mutant, LOST)
