"""A queue in shared memory and kill -9 between any two steps, proved by search. The model's comment has the options."""

from __future__ import annotations

import pytest

from .test_init_race import HERE, needs_spin, prove, refute

__all__ = ["needs_spin"]

QUEUE = HERE / "queue.pml"
AT_THE_END = r"assertion violated .*gone==sent"
LOST = r"assertion violated +\( !\(visible\[n\]\)\|\|received\[n\]\)"

TOO_EARLY = r"assertion violated .*visible\[low\]"


@pytest.mark.parametrize(
    "options", ["EACH=2", "EACH=2 LEASE", "SENDERS=2 EACH=1 RESERVE", "PLACES=3 EACH=3 RECEIVERS=1"]
)
def test_nothing_is_lost_torn_or_received_twice(tmp_path, options):
    prove(tmp_path, QUEUE, options, at_least_states=20_000, optimise="-O0")


@pytest.mark.parametrize("options", ["END", "END LEASE", "END RESERVE SENDERS=2 EACH=1"])
def test_the_end_is_told_when_nothing_can_come_any_more(tmp_path, options):
    prove(tmp_path, QUEUE, options, at_least_states=20_000, optimise="-O0")


@pytest.mark.deep
@pytest.mark.parametrize(
    "options", ["EACH=3", "EACH=3 LEASE", "SENDERS=2 EACH=1 RESERVE LEASE", "EACH=2 END RESERVE LEASE"]
)
def test_nothing_of_more_is_lost_torn_or_received_twice(tmp_path, options):
    prove(tmp_path, QUEUE, options, at_least_states=1_000_000)


MUTANTS = {
    "NO_HEAD_BEHIND PLACES=3 EACH=3 RECEIVERS=1": "assertion violated - invalid array index",
    "NO_REPAIR_SEND": AT_THE_END,
    "NO_REPAIR_FAR": AT_THE_END,
    "NO_RECOUNT": AT_THE_END,
    "FREE_FIRST LEASE": LOST,
    "NO_CLEAR LEASE": AT_THE_END,
    "END_BY_LIFE END RESERVE SENDERS=2 EACH=1 RECEIVERS=1": TOO_EARLY,
    "END_BY_LIFE END LEASE": TOO_EARLY,
    "END_NO_LEASES END LEASE": TOO_EARLY,
}


@pytest.mark.parametrize("options", MUTANTS)
def test_each_part_of_the_queue_is_needed(tmp_path, options):
    refute(tmp_path, QUEUE, options, MUTANTS[options])
