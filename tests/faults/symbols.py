"""What our compiled modules ask of libc, and what faults.c stands before."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import unixipc

__all__ = ["AS_FUNCTIONS", "INTERPOSED", "RAW", "SOURCE", "asked_of_libc"]

PACKAGE = Path(unixipc.__file__).parent
SOURCE = Path(__file__).parents[2] / "src" / "unixipc"
FAULTS_C = Path(__file__).with_name("faults.c").read_text()
INTERPOSED = set(re.findall(r"\bF\((\w+), (?:MINUS|CODE|NOTHING)", FAULTS_C))
RAW = set(re.findall(r"NAMED\((?!name\b)(\w+)\)", FAULTS_C))
AS_FUNCTIONS = set(re.findall(r"AS_FUNCTION\((?!name\b)(\w+)\)", FAULTS_C))
INTERPOSED |= {name for pair in re.findall(r"TWICE\(F, (\w+), (\w+),", FAULTS_C) for name in pair}


def modules() -> list[Path]:
    found = sorted([*PACKAGE.rglob("*.so"), *PACKAGE.parent.glob("unixipc/**/*.so")])
    return found or pytest.skip("an editable install keeps its modules elsewhere")


def asked_of_libc() -> set[str]:
    if shutil.which("nm") is None:
        pytest.skip("no nm here")
    names = set()
    for path in modules():
        shown = subprocess.run(
            ["nm", "-D", "--undefined-only", path], capture_output=True, text=True, check=True, timeout=60
        )
        names |= {line.split()[-1].partition("@")[0] for line in shown.stdout.splitlines()}
    return {name for name in names if not re.match("_?Py", name)}
