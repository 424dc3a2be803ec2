"""A C program opens a file that we have a lease on, and the other way round."""

import os
import subprocess

import pytest

from unixipc import FileLock, features
from unixipc.locks import Lease

WAIT = 30


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"before!")
    if reason := features.why_not("leases"):
        pytest.skip(reason)
    lease = Lease(tmp_path / "file", "read")
    try:
        lease.acquire()
    except OSError as error:
        pytest.skip(f"the file system of {tmp_path} has no leases: {error}")
    finally:
        lease.close()
    return tmp_path / "file"


@pytest.fixture
def peer(stranger, path):
    started = []

    def start(verb, how):
        words = [stranger("lease_peer"), verb, path, how]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=WAIT)


def test_L19_who_does_not_wait_is_refused_and_its_wish_is_known(peer, path):
    with Lease(path, "write") as lease:
        assert peer("try", "read").wait(WAIT) == 1
        assert lease.breaking == "nothing"
        lease.give_way()
        assert peer("try", "read").wait(WAIT) == 0


def test_L19_c_reads_what_the_holder_has_flushed(peer, path):
    with Lease(path, "write") as lease:
        opening = peer("open", "read")
        assert lease.wait_for_break(WAIT) == "nothing"
        assert opening.poll() is None
        os.pwrite(lease.fileno(), b"flushed", 0)
        lease.give_way()
        assert opening.communicate(timeout=WAIT)[0] == "flushed\n"


def test_L19_c_reads_what_a_callback_has_flushed(peer, path):
    with Lease(path, "write", on_break=lambda lease: os.pwrite(lease.fileno(), b"flushed", 0)):
        assert peer("open", "read").communicate(timeout=WAIT)[0] == "flushed\n"


def test_L19_c_reads_beside_us_and_waits_to_write(peer, path):
    with Lease(path, "read") as lease:
        assert peer("open", "read").communicate(timeout=WAIT)[0] == "before!\n"
        assert lease.breaking is None
        opening = peer("open", "write")
        assert lease.wait_for_break(WAIT) == "nothing"
        assert os.pread(lease.fileno(), 7, 0) == b"before!"
        lease.give_way()
        assert opening.wait(WAIT) == 0
        assert os.pread(lease.fileno(), 7, 0) == b"Cefore!"


@pytest.mark.parametrize(("theirs", "mode", "kept"), [("write", "rb", 0), ("write", "ab", 2), ("read", "ab", 2)])
def test_L19_a_lease_of_c_is_broken_by_us(peer, path, theirs, mode, kept):
    holding = peer("hold", theirs)
    assert holding.stdout.readline() == "held\n"
    with open(path, mode):
        assert holding.communicate(timeout=WAIT)[0] == f"1 {kept}\n"
    assert holding.returncode == 0


@pytest.mark.parametrize("make", [lambda path: Lease(path, "write"), FileLock])
def test_L19_we_do_not_wait_for_a_lease_of_c(peer, path, make):
    holding = peer("hold", "read")
    assert holding.stdout.readline() == "held\n"
    with pytest.raises(BlockingIOError) as caught:
        make(path)
    assert "give way" in caught.value.__notes__[0]
    assert holding.wait(WAIT) == 0
    make(path).close()
