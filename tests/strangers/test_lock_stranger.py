"""A C program at the same file: every kind excludes its like, both ways."""

import os
import subprocess

import pytest

from unixipc import FileLock, RecordLock
from unixipc.locks import Holder, probe

WAIT = 30
MADE = {
    "flock": FileLock,
    "ofd": lambda path: RecordLock(path, 10, 10),
    "posix": lambda path: RecordLock(path, 10, 10, kind="posix"),
}
SAME = {"flock": {"flock"}, "ofd": {"ofd", "posix", "lockf"}, "posix": {"ofd", "posix", "lockf"}}
pairs = pytest.mark.parametrize(("mine", "theirs"), [(a, b) for a in MADE for b in ("flock", "ofd", "posix", "lockf")])


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(bytes(100))
    return tmp_path / "file"


@pytest.fixture
def peer(stranger, path):
    """Start the program, or run it."""
    started = []

    def start(verb, kind, start=10, length=10):
        words = [stranger("lock_peer"), verb, kind, path, str(start), str(length)]
        if verb not in ("hold", "end"):
            return subprocess.run(words, capture_output=True, text=True, timeout=WAIT, check=False)
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=WAIT)


@pairs
def test_L14_L15_what_excludes_what(peer, path, mine, theirs):
    with MADE[mine](path) as lock:
        assert peer("try", theirs).returncode == (theirs in SAME[mine])
    lock.close()
    holding = peer("hold", theirs)
    assert holding.stdout.readline() == "held\n"
    lock = MADE[mine](path)
    assert lock.try_acquire() is (theirs not in SAME[mine])
    if theirs in SAME[mine]:
        with pytest.raises(TimeoutError) as caught:
            lock.acquire(timeout=0.01)
        assert f"process {holding.pid} (lock_peer)" in str(caught.value)
        holding.kill()
        lock.acquire(timeout=WAIT)
    lock.close()


def test_L03_S15_we_are_told_of_c_and_c_of_us(peer, path):
    with RecordLock(path, 20, 5, kind="posix"):
        assert peer("ask", "posix", 0, 0).stdout == f"alone 20 5 {os.getpid()}\n"
    with RecordLock(path, 20, 5, shared=True):
        assert peer("ask", "posix", 0, 0).stdout == "shared 20 5 -1\n"
    holding = peer("hold", "lockf", 30, 0)
    assert holding.stdout.readline() == "held\n"
    with open(path) as file:
        assert probe(file, shared=True) == Holder(holding.pid, "posix", False, 30, 0)


def test_L01_ranges_from_the_end_are_the_same_for_c_and_for_us(peer, path):
    with RecordLock(path, -30, 5, kind="posix", whence="end"):
        assert peer("ask", "posix", 0, 0).stdout == f"alone 70 5 {os.getpid()}\n"
    with RecordLock(path, -30, -5, whence="end"):
        assert peer("ask", "posix", 0, 0).stdout == "alone 65 5 -1\n"
    holding = peer("end", "posix", -20, 10)
    assert holding.stdout.readline() == "held\n"
    lock = RecordLock(path, -15, 1, whence="end")
    assert not lock.try_acquire()
    with pytest.raises(TimeoutError) as caught:
        lock.acquire(timeout=0.01)
    assert f"process {holding.pid} (lock_peer)" in str(caught.value)
    lock.close()
    with open(path) as file:
        assert probe(file, -20, 10, shared=True, whence="end") == Holder(holding.pid, "posix", False, 80, 10)
        assert probe(file, -10, 0, shared=True, whence="end") is None


def test_ranges_that_do_not_touch_are_free(peer, path):
    with RecordLock(path, 10, 10):
        assert [peer("try", "posix", *span).returncode for span in ((0, 10), (20, 0), (19, 1), (9, 2))] == [0, 0, 1, 1]
