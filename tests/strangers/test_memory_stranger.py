"""A C program at the other side: shm_open and memory files (A10, A11), and one that takes pages away (A05)."""

import errno
import os
import subprocess

import pytest

from unixipc import Exited, MemFd, map_file, sockets, spawn
from unixipc.posix import SharedMemory

WAIT = 20
PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def name():
    return f"/unixipc-stranger-{os.getpid()}-{os.urandom(4).hex()}"


@pytest.fixture
def peer(stranger):
    def run(*words, ends=0):
        command = [stranger("memory_peer"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
        assert done.returncode == ends, done.stderr
        return done.stdout

    return run


def test_A10_c_opens_what_we_made(peer, name):
    with SharedMemory.create(name, PAGE) as memory, memory.map() as mapped:
        mapped.buffer[:5] = b"hello"
        assert peer("read", name, 5) == "hello"
        peer("write", name, "HELLO")
        assert bytes(mapped.buffer[:5]) == b"HELLO"
        peer("unlink", name)
        with pytest.raises(FileNotFoundError):
            SharedMemory.open(name)
        assert bytes(mapped.buffer[:5]) == b"HELLO"


def test_A10_we_open_what_c_made(peer, name):
    peer("make", name, 3 * PAGE, "from C")
    with SharedMemory.open(name) as memory, memory.map() as mapped:
        assert bytes(mapped.buffer[:6]) == b"from C" and len(mapped) == 3 * PAGE
        with SharedMemory.ensure(name, 1) as same:
            assert same.size_bytes == 3 * PAGE
        memory.remove()
    peer("read", name, 1, ends=2)


def test_A05_c_makes_it_shorter_under_our_mapping(peer, name):
    with SharedMemory.create(name, 4 * PAGE) as memory, memory.map() as mapped:
        mapped.buffer[3 * PAGE] = 1
        peer("shrink", name, PAGE)
        assert mapped.buffer[3 * PAGE] == 0
        with pytest.raises(OSError) as caught:
            mapped.check()
        assert caught.value.errno == errno.EIO
        memory.remove()


def test_A11_c_checks_our_seals(stranger):
    with MemFd.create("page", 2 * PAGE) as file:

        def told():
            with spawn([stranger("memory_peer"), "trust", "5"], descriptors={5: file}) as child:
                return child.wait(timeout=WAIT)

        assert told() == Exited(3)
        file.seal("shrink", "grow", "write")
        assert told() == Exited(0)


def test_A11_we_see_the_seals_of_c(stranger):
    with MemFd.create("page", PAGE) as file, file.map() as mapped:
        with spawn([stranger("memory_peer"), "seal", "5"], descriptors={5: file}) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert file.seals == {"shrink", "grow"} and mapped.buffer[0] == ord("C")
        with pytest.raises(PermissionError):
            file.resize(1)


def test_A11_c_is_sent_a_memory_file_over_a_socket_and_checks_its_seals(stranger):
    for seals, ends in ((("shrink", "grow"), 3), (("shrink", "grow", "write"), 0)):
        ours, theirs = sockets.pair()
        with ours, theirs, MemFd.create("page", 2 * PAGE) as file:
            file.seal(*seals)
            with spawn([stranger("memory_peer"), "get", "5"], descriptors={5: theirs}) as child:
                ours.send(b"x", descriptors=[file], timeout=WAIT)
                assert child.wait(timeout=WAIT) == Exited(ends)


def test_A11_we_are_sent_a_memory_file_by_c_and_trust_its_seals(stranger):
    ours, theirs = sockets.pair()
    with ours, theirs:
        with spawn([stranger("memory_peer"), "give", "5", "from C"], descriptors={5: theirs}) as child:
            got = ours.receive(10, max_descriptors=1, timeout=WAIT)
            assert child.wait(timeout=WAIT) == Exited(0)
        with MemFd(got.descriptors[0].detach()) as file:
            assert file.name == "from C" and file.seals == {"shrink", "grow", "write", "seal"}
            with file.map("r") as mapped:
                assert bytes(mapped.buffer) == b"from C"
            with pytest.raises(PermissionError):
                file.map("rw")


@pytest.mark.parametrize("offset", [0, 100])
def test_A01_c_and_we_map_the_same_file(peer, tmp_path, offset):
    path = tmp_path / "file"
    path.write_bytes(b"on disk" + bytes(2 * PAGE))
    with map_file(path, "rw", offset) as mapped, map_file(path, "copy") as ours_alone:
        ours_alone.buffer[:7] = b"private"
        assert peer("file", path, "from C!") == "on disk"
        with map_file(path) as whole:
            assert bytes(whole.buffer[:7]) == b"from C!"
            mapped.buffer[:7] = b"from us"
            assert bytes(whole.buffer[offset : offset + 7]) == b"from us"
        if not offset:
            assert peer("file", path, "again C") == "from us"
            assert bytes(mapped.buffer[:7]) == b"again C"
        assert bytes(ours_alone.buffer[:7]) == b"private"
