"""The robust locks' protocols, proved by search: every order of steps, every moment of a kill.

The steps are in one order for all, as the atomics' orderings make them; what the models say is in their first comments.
"""

from __future__ import annotations

import pytest

from .test_init_race import HERE, needs_spin, prove, refute

__all__ = ["needs_spin"]  # a fixture: without Spin these are skipped

OWNER, SLOTS = HERE / "robust_owner.pml", HERE / "robust_slots.pml"
ASLEEP = r"invalid end state"
ASLEEP_FOR_NOTHING = r"assertion violated .*asleep"


def deep(options):
    return pytest.param(options, marks=pytest.mark.deep)


@pytest.mark.parametrize(
    ("options", "states"),
    [("P=3 R=2", 500), ("P=3 R=2 LOOK", 500), pytest.param("P=3 R=3", 1000, marks=pytest.mark.deep)],
)
def test_nobody_sleeps_for_ever_while_nobody_is_killed(tmp_path, options, states):
    prove(tmp_path, OWNER, options, states)


@pytest.mark.parametrize("options", ["P=3 R=2 KILLS=1 LOOK", deep("P=3 R=2 KILLS=2 LOOK"), "P=2 R=3 KILLS=1 LOOK"])
def test_whoever_is_killed_the_others_have_it_and_are_told(tmp_path, options):
    prove(tmp_path, OWNER, options, 1000)


@pytest.mark.parametrize("options", ["P=3 R=2 KILLS=1", "P=3 R=2 FORGET_WAITERS", "P=2 R=2 WAKE_FIRST"])
def test_what_the_word_s_protocol_would_be_without_a_part_of_it(tmp_path, options):
    refute(tmp_path, OWNER, options, ASLEEP)


@pytest.mark.parametrize("options", [deep("P=4 S=2 R=1"), "P=4 S=2 R=1 KEEP", "P=4 S=1 R=1 KEEP", "P=3 S=2 R=2"])
def test_no_permit_is_free_while_somebody_sleeps(tmp_path, options):
    prove(tmp_path, SLOTS, options, 1000)


@pytest.mark.parametrize(
    "options", ["P=3 S=2 R=1 KILLS=1 LOOK", "P=3 S=1 R=1 KILLS=1 LOOK", deep("P=3 S=2 R=1 KILLS=2 LOOK")]
)
def test_whoever_is_killed_every_permit_is_back(tmp_path, options):
    prove(tmp_path, SLOTS, options, 1000)


@pytest.mark.parametrize(
    "options",
    ["P=3 S=1 R=1 KILLS=1", "P=4 S=2 R=1 KEEP WITHOUT_PASS_ON", "P=3 S=1 R=1 LOOK_FIRST", "P=4 S=2 R=1 KEEP_NO_BIT"],
)
def test_what_the_permits_protocol_would_be_without_a_part_of_it(tmp_path, options):
    refute(tmp_path, SLOTS, options, ASLEEP_FOR_NOTHING)
