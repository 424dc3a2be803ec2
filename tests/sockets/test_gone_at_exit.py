"""Temporary names are gone at exit at the latest, and only their maker's exit takes them away."""

from __future__ import annotations

import subprocess
import sys

import pytest

MAKERS = {"listen": "sockets.listen(path, temporary=True)", "bind": "sockets.bind(path, temporary=True)"}


def run(path, body):
    program = f"import os, sys, gc\nfrom unixipc import sockets\npath = sys.argv[1]\n{body}"
    return subprocess.run([sys.executable, "-c", program, path], timeout=60, check=True, capture_output=True)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_temporary_name_is_gone_after_an_exit_without_close(maker, tmp_path):
    path = tmp_path / "socket"
    run(path, f"made = {MAKERS[maker]}\nkept = [made]\nkept.append(kept)\nassert os.path.exists(path)")
    assert not path.exists()


@pytest.mark.parametrize("maker", MAKERS)
def test_a_forked_childs_exit_takes_nothing_away(maker, tmp_path):
    body = f"""
made = {MAKERS[maker]}
if os.fork() == 0:
    sys.exit()
os.wait()
assert os.path.exists(path)
"""
    run(tmp_path / "socket", body)
    assert not (tmp_path / "socket").exists()
