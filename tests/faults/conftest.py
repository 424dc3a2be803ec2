"""Children with faults.c before their libc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the child's modules are ours too

WAIT = 300
PRIVATE = 'mount -t tmpfs -o size=1m private /dev/shm && exec "$@"'


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory):
    """The compiled faults.c."""
    from injector import build

    return build(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="session")
def own_shm():
    """Before a command: what gives it a small /dev/shm of its own, where that is allowed."""
    command = ["unshare", "--mount", "sh", "-c", PRIVATE, "sh"]
    tried = subprocess.run([*command, "true"], capture_output=True, timeout=WAIT)
    return command if tried.returncode == 0 else []


@pytest.fixture(scope="session")
def called():
    """File of scenarios -> the calls that it made in this run."""
    return {}


@pytest.fixture
def run_child(preloaded, own_shm, own_ipc_namespace, called, tmp_path):
    """Run child.py over one file of scenarios; what it found."""

    def run(mode: str, module: str, most: int = 4) -> dict:
        result = tmp_path / f"{mode}-{module}.json"
        program = [sys.executable, str(HERE / "child.py"), mode, module, str(result), str(most)]
        done = subprocess.run(
            [*own_shm, "env", f"LD_PRELOAD={preloaded}", *program], capture_output=True, text=True, timeout=WAIT
        )
        now = result.with_suffix(".now")
        assert done.returncode == 0, (now.read_text() if now.exists() else "", done.stderr[-3000:])
        told = json.loads(result.read_text())
        if told["called"]:
            called[module] = set(told["called"])
        return told

    return run


def pytest_collection_modifyitems(items):
    """The loader, libc and the calling convention that faults.c knows."""
    if sys.platform == "linux" and os.uname().machine in ("x86_64", "aarch64") and "glibc" in os.confstr(GLIBC):
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip("faults.c is for glibc on 64-bit Linux"))


GLIBC = "CS_GNU_LIBC_VERSION"
