"""A topic in shared memory and kill -9 between any two steps, and how its members wake each other, proved by search.

The models' comments have the options."""

from __future__ import annotations

import pytest

from .test_init_race import HERE, needs_spin, prove, refute

__all__ = ["needs_spin"]

TOPIC, BELL = HERE / "topic.pml", HERE / "topic_bell.pml"
WRONG = r"assertion violated \(\(\(at==seen\)"
NOT_TO_THE_END = r"assertion violated \(\(cursor==position\)"
NOT_WAITED_FOR = r"assertion violated \(tells"
STUCK = "assertion violated fits"
SETTLED_BY_OTHERS = r"assertion violated \(\(\(word"
ASLEEP = "invalid end state"


@pytest.mark.parametrize("options", ["EACH=3 LIVES=2", "EACH=3 RESERVE", "EACH=3 WAITED=0 TOLD=1 RESERVE"])
def test_every_subscriber_reads_everything_or_counts_what_it_missed(tmp_path, options):
    prove(tmp_path, TOPIC, options, at_least_states=10_000, optimise="-O0")


@pytest.mark.deep
@pytest.mark.parametrize(
    "options",
    [
        "EACH=4 LIVES=2",
        "EACH=4 RESERVE",
        "WAITED=2 EACH=3",
        "WAITED=1 TOLD=1 EACH=3",
        "WAITED=1 TOLD=1 EACH=3 RESERVE",
        "PUBLISHERS=2 EACH=2 RESERVE",
        "PUBLISHERS=2 WAITED=0 TOLD=1 EACH=2 RESERVE",
    ],
)
def test_of_several_every_subscriber_reads_everything_or_counts_what_it_missed(tmp_path, options):
    prove(tmp_path, TOPIC, options, at_least_states=90_000)


MUTANTS = {
    "NO_HEAD_BEHIND": WRONG,
    "NO_REPAIR": NOT_TO_THE_END,
    "OLDEST_LAST WAITED=0 TOLD=1 EACH=4": NOT_TO_THE_END,
    "NO_SECOND_LOOK WAITED=0 TOLD=1 EACH=4": WRONG,
    "FREE_FIRST EACH=4": NOT_WAITED_FOR,
    "WITHOUT_LOCK EACH=4": NOT_WAITED_FOR,
    "MISS_UNCOUNTED RESERVE WAITED=0 TOLD=1 EACH=4": NOT_TO_THE_END,
    "PASS_UNSAID RESERVE": NOT_WAITED_FOR,
    "OVER_RESERVED RESERVE PUBLISHERS=2 WAITED=0 TOLD=1": SETTLED_BY_OTHERS,
    "NO_CLEAR": STUCK,
    "NO_GIVE_UP RESERVE": NOT_TO_THE_END,
}


QUICK = ("NO_REPAIR", "NO_SECOND_LOOK", "PASS_UNSAID", "WAKE_ONE")


def some_deep(mutants):
    """Those that are tried each time, and those that take their turn in the deep run."""
    return [each if each.startswith(QUICK) else pytest.param(each, marks=pytest.mark.deep) for each in mutants]


@pytest.mark.parametrize("options", some_deep(MUTANTS))
def test_each_part_of_the_topic_is_needed(tmp_path, options):
    refute(tmp_path, TOPIC, options, MUTANTS[options])


@pytest.mark.parametrize("options", ["TURNS=1 EACH=1 KILLS"])
def test_nobody_sleeps_beside_a_message_or_room(tmp_path, options):
    prove(tmp_path, BELL, options, at_least_states=1000, optimise="-O0")


@pytest.mark.deep
@pytest.mark.parametrize(
    "options", ["TURNS=1 KILLS", "TURNS=2 KILLS", "PUBLISHERS=2 EACH=1 TURNS=1", "SUBSCRIBERS=1 EACH=4 ROOM=2 TURNS=1"]
)
def test_of_several_nobody_sleeps_beside_a_message_or_room(tmp_path, options):
    prove(tmp_path, BELL, options, at_least_states=5_000)


BELL_MUTANTS = ["WAKE_ONE", "NO_LAST_LOOK", "BELL_BEFORE_ROOM", "NO_BELL_FOR_ROOM", "NO_LOOK KILLS"]


@pytest.mark.parametrize("mutant", some_deep(BELL_MUTANTS))
def test_each_part_of_the_wake_up_is_needed(tmp_path, mutant):
    refute(tmp_path, BELL, f"TURNS=1 {mutant}", ASLEEP)
