"""Row A10: the standard library's shared memory and ours; names without objects."""

from __future__ import annotations

import os
import pathlib
from multiprocessing import resource_tracker, shared_memory

import pytest

from unixipc.posix import SharedMemory, remove_memory

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")
HERE = pathlib.Path("/dev/shm")


@pytest.fixture
def tracked():
    """The process that the standard library starts for its shared memory ends with the test."""
    yield
    resource_tracker._resource_tracker._stop()


@pytest.fixture
def name():
    """A name that is free, before and after."""
    name = f"/unixipc-test-{os.getpid()}-{os.urandom(4).hex()}"
    yield name
    (HERE / name[1:]).unlink(missing_ok=True)


def test_A10_multiprocessing_finds_ours(name, tracked):
    with SharedMemory.create(name, PAGE) as memory, memory.map() as mapped:
        mapped.buffer[:5] = b"hello"
        theirs = shared_memory.SharedMemory(name[1:])
        resource_tracker.unregister(theirs._name, "shared_memory")  # or it would remove ours: this library never does
        assert bytes(theirs.buf[:5]) == b"hello" and theirs.size == PAGE
        theirs.buf[0] = ord("H")
        theirs.close()
        assert bytes(mapped.buffer[:5]) == b"Hello"


def test_A10_we_find_multiprocessing_s(name, tracked):
    theirs = shared_memory.SharedMemory(name[1:], create=True, size=PAGE)
    with SharedMemory.open(name) as memory, memory.map() as mapped:
        theirs.buf[:5] = b"hello"
        assert bytes(mapped.buffer[:5]) == b"hello"
        theirs.close()
        theirs.unlink()
        mapped.buffer[0] = 1
        with pytest.raises(FileNotFoundError):
            memory.remove()


def test_A10_remove_by_name(name):
    SharedMemory.create(name, 10).close()
    remove_memory(name)
    with pytest.raises(FileNotFoundError) as caught:
        remove_memory(name)
    assert caught.value.filename == name
    with pytest.raises(OSError, match="Invalid"):
        remove_memory(name[1:])
