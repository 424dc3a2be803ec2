"""A server that does not answer makes nobody wait who only looks: a real FUSE file system whose server is stopped."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from unixipc.inspector import procfs

LIMIT_S = 100
SCRIPT = pathlib.Path(__file__).with_name("dead_mount.py")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts FUSE without a helper program"),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse: this kernel has no FUSE"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare(1) here"),
]


@pytest.fixture(params=["mounted", "taken out of the tree"])
def told(request, tmp_path):
    """What each verb says, and the processes by what they do."""
    options = [request.param] if request.param != "mounted" else []
    script = 'mount --make-rprivate / && exec "$0" "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, sys.executable, SCRIPT, tmp_path, *options]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd="/")
    if "not mounted" in done.stderr or "unshare failed" in done.stderr:
        pytest.skip(f"no mount of our own: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["told"], found["pids"], str(tmp_path) if not options else ""


def test_every_verb_comes_back(told):
    said, _pids, _folder = told
    assert not [name for name, text in said.items() if text == "hung"]
    failed = {name: text for name, text in said.items() if "Traceback" in text}
    assert all(name.startswith("who ") and "FileNotFoundError" in text for name, text in failed.items()), failed
    assert len(said) > 30


@pytest.mark.skipif(not procfs.shows_calls(), reason="this kernel does not show what a process waits in")
def test_what_the_kernel_knows_is_told(told):
    said, pids, folder = told
    path = f"{folder}/held"
    assert f"path='{path}'" in said["ls lock"] and f"holders=({pids['holds']},)" in said["ls lock"]
    assert f"path='{path}'" in said["ls mapping"]
    assert f"text='{path} is locked (flock)'" in said["why wants_the_lock"]
    assert f"Ender(pid={pids['holds']}" in said["why wants_the_lock"]
    assert f"text='{folder}/other'" in said["why reads"]
    assert f"End(pid={pids['holds']}" in said["ls fifo"]


@pytest.mark.skipif(not procfs.shows_calls(), reason="this kernel does not show what a process waits in")
def test_what_is_not_known_is_said(told):
    said, _pids, folder = told
    assert "may be dead and is not asked" in said["why opens"]
    assert "it sleeps in poll" in said["why polls_what_is_not_there"]
    if folder:
        assert "may be dead and is not asked" in said["why opens_from_the_root"]
        assert "its file system (fuse) may be dead and is not asked" in said["who nothing"]


def test_who_has_its_files_in_use_is_told_by_name_too(told):
    said, pids, folder = told
    if not folder:  # it has no path any more
        assert all("FileNotFoundError" in said[name] for name in ("who held", "who other", "who fifo"))
        assert f"pid={pids['holds']}" in next(
            text for name, text in said.items() if "who fd" in name and "flock" in text
        )
        return
    for name in ("who held", "who a link"):
        assert all(f"pid={pids[who]}" in said[name] for who in ("holds", "wants_the_lock")), said[name]
        assert "how='waits for'" in said[name] and "how='maps'" in said[name]
    assert f"pid={pids['reads']}" in said["who other"]
    assert f"pid={pids['holds']}, command='python', how='reads', kind='fifo'" in said["who fifo"].replace(
        "python3", "python"
    )
