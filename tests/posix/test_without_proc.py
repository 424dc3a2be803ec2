"""Without /proc a new object cannot get its name: the error says that, and not that the name is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIMIT_S = 60
PROBE = ["unshare", "--mount", "mount", "-t", "tmpfs", "x", "/proc"]
MAKE = {
    "memory": "posix.SharedMemory.create('/unixipc-none', 100)",
    "mutex": "robust.Mutex.create('/unixipc-none')",
    "semaphore": "robust.Semaphore.ensure('/unixipc-none', 1)",
    "channel": "channel.Queue.create('unixipc-none')",
}


@pytest.mark.parametrize("what", MAKE)
def test_the_error_is_about_proc(what):
    if subprocess.run(PROBE, capture_output=True, timeout=LIMIT_S).returncode:
        pytest.skip("no mount namespace of our own")
    program = (
        "from unixipc import channel, posix, robust\n"
        f"try: {MAKE[what]}\n"
        "except FileNotFoundError as error: print(error.filename, *error.__notes__)\n"
    )
    script = 'mount -t tmpfs x /proc && exec "$0" -c "$1"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, sys.executable, program],
                          capture_output=True, text=True, timeout=LIMIT_S)  # fmt: skip
    assert done.stdout.startswith("/proc/self/fd "), done.stderr
    assert "/proc is missing" in done.stdout
