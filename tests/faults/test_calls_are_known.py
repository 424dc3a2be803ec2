"""What our compiled modules ask of libc: each function has its fault in faults.c, or is harmless for a reason."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from plan import FAULTS, HARMLESS, NEVER, base_name
from symbols import AS_FUNCTIONS, INTERPOSED, RAW, SOURCE, asked_of_libc


def test_each_function_has_a_fault_or_a_reason():
    harmless = {name for names in HARMLESS for name in names.split()}
    assert asked_of_libc() - INTERPOSED - harmless == set(), "a row in faults.c, or a reason in plan.HARMLESS"


def test_no_function_is_both():
    assert {name for names in HARMLESS for name in names.split()} & INTERPOSED == set()
    assert all(HARMLESS.values())


def test_each_raw_system_call_has_a_name():
    """`syscall(SYS_...)` hides what is called from the loader."""
    used = set()
    for path in [*SOURCE.rglob("*.pyx"), *SOURCE.rglob("*.c"), *SOURCE.rglob("*.h")]:
        used |= {name.removesuffix("_time64") for name in re.findall(r"\bSYS_(\w+)", path.read_text())}
    assert used <= RAW | AS_FUNCTIONS, "a name in faults.c, and a row in plan.py"


def test_each_call_that_has_a_fault_is_one():
    """No row for a function that faults.c does not know."""
    known = {base_name(name) for name in INTERPOSED}
    assert {call.partition("(")[0] for call in (*FAULTS, *NEVER)} <= known
