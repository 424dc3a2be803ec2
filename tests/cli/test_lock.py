"""`ipc lock`: what flock(1) does, who holds it, and the status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from unixipc import FileLock, RecordLock

IPC = (sys.executable, "-m", "unixipc.cli", "lock")
LIMIT_S = 60


def lock(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*IPC, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.lock"


def test_the_commands_status_and_output_are_ours(path):
    done = lock(path, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert path.exists()
    assert lock(path, "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL
    assert lock(path, "--", "cat", input="in").stdout == "in"


def test_it_is_locked_meanwhile(path):
    probe = [
        sys.executable,
        "-c",
        "import sys; from unixipc import FileLock; print(FileLock(sys.argv[1]).try_acquire())",
    ]
    assert lock(path, "--", *probe, path).stdout == "False\n"
    assert lock("--shared", path, "--", *probe, path).stdout == "False\n"
    assert FileLock(path).try_acquire()


@pytest.mark.parametrize("how", [("--nonblock",), ("-n",), ("--timeout", "0.05"), ("-w", "0.05")])
def test_a_conflict_is_status_1_and_tells_who(path, how):
    with FileLock(path):
        done = lock(*how, path, "--", "echo", "never")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"process {os.getpid()} (" in done.stderr
        assert lock(*how, "-E", "99", path, "true").returncode == 99
    assert lock(*how, path, "true").returncode == 0


def test_shared_is_shared(path):
    with FileLock(path, shared=True):
        assert lock("-n", "-s", path, "true").returncode == 0
        assert lock("-n", path, "true").returncode == 1


def test_ranges(path):
    path.write_bytes(bytes(100))
    with RecordLock(path, 10, 10):
        assert lock("-n", "--range", "20:5", path, "true").returncode == 0
        assert lock("-n", "--range", "19:5", path, "true").returncode == 1
        assert lock("-n", "--range", "0", path, "true").returncode == 1
        assert lock("-n", path, "true").returncode == 0, "flock does not see it"
    assert lock("--range", "x:5", path, "true").returncode == 2


def test_a_killed_ipc_leaves_the_lock_to_its_command(path):
    """As with flock(1): what the lock protects is still running."""
    with subprocess.Popen([*IPC, path, "--", "sh", "-c", "echo $$; read line"], stdin=-1, stdout=-1) as ipc:
        assert int(ipc.stdout.readline()) > 0
        ipc.kill()
        ipc.wait(LIMIT_S)
        mine = FileLock(path)
        assert not mine.try_acquire()
        ipc.stdin.close()
        mine.acquire(timeout=LIMIT_S)
        mine.close()


def test_without_a_command_it_tells_who_holds_it(path):
    path.touch()
    done = lock(path)
    assert (done.returncode, done.stdout) == (0, "")
    with FileLock(path):
        done = lock(path)
        assert done.returncode == 1
        assert str(os.getpid()) in done.stdout and "flock" in done.stdout and "alone" in done.stdout
        (holder,) = json.loads(lock("--json", path).stdout)
        assert holder == {"pid": os.getpid(), "kind": "flock", "shared": False, "start": 0, "length": 0}
    path.unlink()
    assert lock(path).returncode == 1
    assert not path.exists(), "a question makes no file"


def test_errors_are_one_line(path, tmp_path):
    for words, status in (
        ((path, "no-such-program"), 127),
        ((path, path), 126),
        ((tmp_path / "no" / "x", "true"), 1),
    ):
        done = lock(*words)
        assert done.returncode == status
        assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("how", [(), ("--range", "10:10")], ids=["file", "range"])
def test_what_the_command_leaves_running_does_not_keep_the_lock(path, how):
    path.write_bytes(bytes(100))
    done = lock(*how, path, "--", "sh", "-c", f"sleep {LIMIT_S} <&- >&- 2>&- & echo $!")
    pid = int(done.stdout)
    try:
        assert done.returncode == 0
        os.kill(pid, 0)
        assert lock("-n", *how, path, "true").returncode == 0
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["-o", "--close"])
def test_with_close_the_command_does_not_get_the_lock(path, how):
    with subprocess.Popen([*IPC, how, path, "--", "sh", "-c", "echo $$; read line"], stdin=-1, stdout=-1) as ipc:
        assert int(ipc.stdout.readline()) > 0
        mine = FileLock(path)
        assert not mine.try_acquire()
        ipc.kill()
        ipc.wait(LIMIT_S)
        mine.acquire(LIMIT_S)
        mine.close()
