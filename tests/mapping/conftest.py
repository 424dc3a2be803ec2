"""For the mapping tests: a file of some pages, children that must end well, and small disks."""

from __future__ import annotations

import os
import subprocess

import pytest

from unixipc import Exited, fork

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def file(tmp_path):
    """Four pages and 100 bytes; each byte tells its page."""
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes([65 + page]) * PAGE for page in range(4)) + b"E" * 100)
    return path


@pytest.fixture
def in_child():
    """Run a function in a child: an assertion that fails there, or a signal that kills it, fails here."""

    def run(function, *args, ends=None):
        with fork(function, *args) as child:
            assert child.wait(timeout=WAIT) == (ends or Exited(0))

    return run


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for 16 pages."""
    if os.geteuid():
        pytest.skip("only root can mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={16 * PAGE}", "small", str(folder)]
    if subprocess.run(mount, capture_output=True, timeout=WAIT).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=WAIT)
