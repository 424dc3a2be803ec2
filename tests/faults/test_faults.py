"""Every system call that the library makes fails once, in turn; and every one that a signal may end is interrupted.

Each time: the error is told with its errno and in words, or rightly overcome; nothing is left; it works again.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from symbols import INTERPOSED, RAW, asked_of_libc  # noqa: E402
from tables import TABLES  # noqa: E402

MODULES = sorted(path.stem for path in HERE.glob("scenarios_*.py"))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("module", MODULES)
def test_each_call_fails_once(run_child, module):
    told = run_child("faults", module)
    assert told["found"] == []
    assert told["runs"] > 10 * told["scenarios"], "the calls must really have failed"


@pytest.mark.deep
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("module", MODULES)
def test_each_call_fails_in_each_way(run_child, module):
    assert run_child("faults", module, most=16)["found"] == []


@pytest.mark.timeout(400)
@pytest.mark.parametrize("module", MODULES)
def test_a_storm_of_signals_changes_nothing(run_child, module):
    told = run_child("storm", module)
    assert told["found"] == []
    assert told["struck"] > 0, "it must really have struck"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("module", sorted(TABLES))
def test_full_tables_are_refused_in_words(run_child, module, root):
    told = run_child("full", module)
    assert told["found"] == []
    assert told["struck"] > 0, "something must really have been refused"


@pytest.fixture
def root():
    """Limits of a namespace are root's to change."""
    if os.geteuid():
        pytest.skip("only root can lower the limits of an IPC namespace, and have a /dev/shm of its own")


@pytest.fixture(scope="module")
def tables():
    """plan.py and what is tolerated where."""
    import plan

    return plan


def test_every_call_of_ours_has_its_fault(tables, run_child, called):
    """What a scenario calls is in a table, and what our modules call is called by a scenario."""
    for module in set(MODULES) - set(called):
        run_child("calls", module)
    calls = set().union(*called.values())
    unknown = [call for call in sorted(calls) if tables.faults_of(call) is None]
    assert unknown == [], "rows in plan.py (FAULTS or NEVER) are missing"
    functions = {call.partition("(")[0] for call in calls}
    asked = {tables.base_name(name) for name in asked_of_libc() & INTERPOSED}
    assert asked - functions - set(tables.NOT_TRIED) == set(), "no scenario makes these calls"
    raw = {call.partition("(")[2].rstrip(")").partition(",")[0] for call in calls if call.startswith("syscall")}
    assert RAW - raw - set(tables.NOT_TRIED) == set(), "no scenario makes these system calls"


def test_every_exception_has_its_reason():
    """Nothing is tolerated without a word."""
    for module in MODULES:
        for node in ast.parse((HERE / f"{module}.py").read_text()).body:
            names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
            if names == ["TOLERATED"]:
                assert "''" not in ast.unparse(node), f"{module}: a reason is missing"
