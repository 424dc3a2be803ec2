"""The five fates of mapped memory, memory files and POSIX shared memory."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from unixipc import ClosedError, MemFd, map_anonymous, map_file
from unixipc.posix import SharedMemory, remove_memory

from .conftest import killed_while, ran_in_a_child

PAGE = os.sysconf("SC_PAGESIZE")


def made_of_a_file(path):
    path.write_bytes(bytes(PAGE))
    return map_file(path, "rw")


def made_of_nothing(path):
    return map_anonymous(PAGE)


def made_of_a_memory_file(path):
    with MemFd.create(path.name, PAGE) as file:
        return file.map()


def made_of_shared_memory(path):
    with SharedMemory.temporary(PAGE) as memory:
        return memory.map()


MAKERS = [made_of_a_file, made_of_nothing, made_of_a_memory_file, made_of_shared_memory]


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def memory(request, tmp_path):
    with request.param(tmp_path / "fate-of-it") as mapping:
        yield mapping


@pytest.fixture
def name():
    name = f"/unixipc-fates-{os.getpid()}-{os.urandom(4).hex()}"
    yield name
    pathlib.Path("/dev/shm" + name).unlink(missing_ok=True)


def is_mapped(address):
    return any(
        int(line.split("-")[0], 16) <= address < int(line.split()[0].split("-")[1], 16)
        for line in pathlib.Path("/proc/self/maps").read_text().splitlines()
    )


def test_close_unmaps(memory):
    address = memory.address
    assert is_mapped(address)
    memory.close()
    with pytest.raises(ClosedError):
        memory.buffer


def test_remove_of_the_file_leaves_what_is_mapped(tmp_path):
    with made_of_a_file(tmp_path / "file") as memory:
        (tmp_path / "file").unlink()
        memory.buffer[0] = 1
        memory.check()


def test_fork_has_the_same_bytes_at_the_same_address(memory):
    address = memory.address

    def child():
        assert memory.address == address and memory.buffer[0] == 1
        memory.buffer[1] = 2
        memory.close()

    memory.buffer[0] = 1
    ran_in_a_child(child)
    assert memory.buffer[1] == 2


def test_exec_unmaps(memory):
    code = "import sys; sys.exit(sys.argv[1] in open('/proc/self/maps').read())"
    name = os.path.basename(str(memory.name))
    ran_in_a_child(os.execv, sys.executable, [sys.executable, "-c", code, name])


def test_kill_9_leaves_what_was_written_half_of_it_too(memory):
    def write_half():
        memory.buffer[:3] = b"hal"

    killed_while(write_half)
    assert bytes(memory.buffer[:5]) == b"hal\0\0"
    memory.check()


def test_kill_9_after_writing_to_a_file_loses_nothing(tmp_path):
    def write():
        memory = made_of_a_file(tmp_path / "file")
        memory.buffer[:5] = b"whole"
        return memory

    killed_while(write)
    assert (tmp_path / "file").read_bytes()[:5] == b"whole"


def test_exec_closes_a_memory_file_and_an_object(name):
    with MemFd.create("x", 1) as file, SharedMemory.create(name, 1) as memory:
        numbers = [str(file.fileno()), str(memory.fileno())]
        code = "import os, sys; sys.exit(any(os.path.exists(f'/proc/self/fd/{n}') for n in sys.argv[1:]))"
        ran_in_a_child(os.execv, sys.executable, [sys.executable, "-S", "-c", code, *numbers])


def test_fork_shares_a_memory_file_and_an_object(name):
    with MemFd.create("x", PAGE) as file, SharedMemory.create(name, PAGE) as memory:

        def child():
            for each in (file, memory):
                with each.map() as mapped:
                    mapped.buffer[0] = 9
                each.close()

        ran_in_a_child(child)
        for each in (file, memory):
            with each.map() as mapped:
                assert mapped.buffer[0] == 9


def test_remove_and_close_of_an_object(name):
    with SharedMemory.create(name, PAGE) as memory:
        mapped = memory.map()
        memory.remove()
    with mapped:
        mapped.buffer[0] = 1
    SharedMemory.create(name, PAGE).close()
    remove_memory(name)


def test_kill_9_leaves_an_object_s_name(name):
    killed_while(lambda: SharedMemory.create(name, PAGE))
    with SharedMemory.open(name) as memory:
        memory.remove()


def test_close_of_a_memory_file_leaves_what_is_mapped_and_sent():
    with MemFd.create("x", PAGE) as file:
        mapped = file.map()
        other = MemFd(os.dup(file.fileno()))
    for use in (file.fileno, file.map, lambda: file.seals, lambda: file.size_bytes, lambda: file.resize(1)):
        with pytest.raises(ClosedError):
            use()
    with mapped, other, other.map() as again:
        mapped.buffer[0] = 5
        assert again.buffer[0] == 5


def test_kill_9_of_one_user_of_a_memory_file_leaves_it_to_the_others():
    with MemFd.create("x", PAGE) as file:

        def write_half():
            file.map().buffer[:3] = b"hal"

        killed_while(write_half)
        file.seal("write")
        with file.map("r") as mapped:
            assert bytes(mapped.buffer[:5]) == b"hal\0\0"


def test_a_temporary_object_goes_with_its_last_user_even_after_kill_9():
    before = set(os.listdir("/dev/shm"))
    killed_while(lambda: SharedMemory.temporary(PAGE))
    assert set(os.listdir("/dev/shm")) == before
    with SharedMemory.temporary(PAGE) as memory:
        with pytest.raises(FileNotFoundError, match="No such"):
            memory.remove()

        def write():
            memory.map().buffer[0] = 3

        killed_while(write)
        with memory.map("r") as mapped:
            assert mapped.buffer[0] == 3


def test_close_keeps_an_object_s_handle_from_any_use(name):
    with SharedMemory.create(name, PAGE) as memory:
        memory.remove()
    for use in (memory.fileno, memory.map, memory.remove, lambda: memory.size_bytes, lambda: memory.resize(1)):
        with pytest.raises(ClosedError):
            use()
