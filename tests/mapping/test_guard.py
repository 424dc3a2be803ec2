"""Truth B16, row A05: nobody is killed by what others do to a mapped file; `check` tells."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import mmap
import os
import signal
import sys
import threading

import pytest

from unixipc import Exited, Killed, MemFd, fork, map_anonymous, map_file, pipe
from unixipc.mapping import ADVICE

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")
PLAIN = (
    "import mmap, os, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0);"
    "os.truncate(sys.argv[1], 0); m[4096]"
)


def damaged(memory):
    with pytest.raises(OSError) as caught:
        memory.check()
    assert caught.value.errno == errno.EIO and "shorter" in caught.value.__notes__[0]
    return memory.damaged_pages


def test_A05_the_danger_is_real(file, in_child):
    """What kills the standard library's mapping in the same situation: else these tests would prove nothing."""
    command = [sys.executable, "-c", PLAIN, str(file)]
    in_child(os.execv, sys.executable, command, ends=Killed(signal.SIGBUS))


@pytest.mark.parametrize("mode", ["r", "rw", "copy"])
def test_A05_reading_what_was_cut_off_gives_zeros_and_check_tells(file, in_child, mode):
    def child():
        with map_file(file, mode) as memory:
            memory.check()
            os.truncate(file, PAGE + 1)
            assert bytes(memory.buffer[:PAGE]) == b"A" * PAGE  # what is left is left
            assert memory.buffer[PAGE] == ord("B")
            assert not any(memory.buffer[2 * PAGE :])
            assert damaged(memory) == 3

    in_child(child)


@pytest.mark.parametrize("mode", ["rw", "copy"])
def test_A05_writing_to_what_was_cut_off_stays_here(file, in_child, mode):
    def child():
        with map_file(file, mode) as memory:
            os.truncate(file, 0)
            memory.buffer[3 * PAGE] = 7
            assert memory.buffer[3 * PAGE] == 7
            memory.buffer[PAGE : PAGE + 5] = b"there"
            assert bytes(memory.buffer[PAGE : PAGE + 5]) == b"there"
            assert damaged(memory) >= 2
        assert os.path.getsize(file) == 0

    in_child(child)


def test_A05_check_tells_before_anybody_has_touched_it(file):
    with map_file(file) as memory:
        os.truncate(file, 2 * PAGE)
        assert memory.damaged_pages == 0
        assert damaged(memory) == 1


def test_A05_a_file_that_loses_less_than_a_page_has_zeros_and_no_damage(file):
    with map_file(file) as memory:
        os.truncate(file, 4 * PAGE + 50)
        assert bytes(memory.buffer[4 * PAGE :]) == b"E" * 50 + bytes(50)
        memory.check()


def test_A05_a_file_that_is_as_long_as_before_when_it_is_touched_is_whole(file):
    with map_file(file) as memory:
        os.truncate(file, 0)
        os.truncate(file, 4 * PAGE + 100)
        assert not any(memory.buffer)
        memory.check()


def through_a_memoryview(memory):
    view = memoryview(memory)[PAGE:]
    return lambda: (bytes(view), view.tobytes(), view == view, view.cast("B")[0])


def through_a_ctypes_structure(memory):
    class Far(ctypes.Structure):
        _fields_ = [("near", ctypes.c_int), ("hole", ctypes.c_char * (3 * PAGE)), ("far", ctypes.c_int)]

    far = memory.view(Far)

    def use():
        far.near = far.far
        far.far = 5
        assert far.far == 5

    return use


def through_a_numpy_array(memory):
    array = memory.array("u8")

    def use():
        assert array.sum() == 0
        array[...] = 3
        assert (array == 3).all()

    return use


def through_a_hash(memory):
    """It drops the interpreter's lock."""
    view = memoryview(memory)
    return lambda: hashlib.sha256(view).digest()


def through_a_bare_address(memory):
    address, n = memory.address, len(memory)
    return lambda: (ctypes.string_at(address, n), ctypes.memset(address, 1, n))


WAYS = [
    through_a_memoryview, through_a_ctypes_structure, through_a_numpy_array, through_a_hash, through_a_bare_address
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("kind", ["disk", "memfd", "tmpfs"])
def test_A05_whatever_looks_at_it(file, in_child, way, kind):
    def child():
        fd = {
            "disk": lambda: os.open(file, os.O_RDWR),
            "memfd": lambda: os.memfd_create("x"),
            "tmpfs": lambda: os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR),
        }[kind]()
        os.truncate(fd, 4 * PAGE + 100)
        memory = map_file(fd, "rw")
        use = way(memory)
        use_before_it_is_too_late = memory.buffer[0]
        assert use_before_it_is_too_late in (0, 65)
        os.truncate(fd, 0)
        use()
        assert damaged(memory) >= 1

    in_child(child)


def test_A05_in_threads(file, in_child):
    def child():
        with map_file(file, "rw") as memory:
            array = memory.array("u1")
            os.truncate(file, 0)
            threads = [threading.Thread(target=array.sum) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WAIT)
            assert array.sum() == 0
            assert damaged(memory) >= 5
            del array, threads, thread

    in_child(child)


def test_A05_while_somebody_makes_it_short_and_long_again(file, in_child):
    def flap(tell):
        fd = os.open(file, os.O_RDWR)
        tell.write_all(b"!")
        while True:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, 5 * PAGE)

    ready, tell = pipe()
    with ready, tell, fork(flap, tell) as other:
        ready.read_exactly(1, timeout=WAIT)

        def look():
            for _ in range(300):
                try:
                    memory = map_file(file, "rw")
                except ValueError:  # it is short just now
                    continue
                with memory:
                    assert not any(bytes(memory.buffer))
                    memory.buffer[PAGE] = 0

        in_child(look)
        other.kill()
        other.wait(timeout=WAIT)


def test_A05_a_child_is_guarded_too(file, in_child):
    with map_file(file, "rw") as memory:
        os.truncate(file, 0)

        def child():
            assert memory.buffer[2 * PAGE] == 0
            assert memory.damaged_pages == 1

        in_child(child)
        assert memory.damaged_pages == 0  # its damage is its own


def test_A05_more_mappings_than_a_chunk_has_room_for(file, in_child):
    def child():
        every = [map_file(file, "r", page * PAGE, PAGE) for _ in range(50) for page in range(4)]
        for memory in every[::2]:
            memory.close()
        every = every[1::2] + [map_file(file, "r", 0, PAGE) for _ in range(150)]
        os.truncate(file, 0)
        for number, memory in enumerate(every):
            assert memory.buffer[0] == 0
            assert [each.damaged_pages for each in every] == [1] * (number + 1) + [0] * (len(every) - number - 1)

    in_child(child)


def test_A05_threads_fault_while_others_map_and_unmap(file, in_child):
    """Each finds its own guard, whatever is put into and taken out of the table meanwhile."""

    def churn(stop):
        while not stop.is_set():
            for _ in range(50):
                map_anonymous(PAGE).close()
                map_file("/proc/self/exe", "r", 0, PAGE).close()

    def child():
        stop = threading.Event()
        others = [threading.Thread(target=churn, args=(stop,)) for _ in range(2)]
        for other in others:
            other.start()
        for _ in range(100):
            file.write_bytes(bytes(20 * PAGE))
            with map_file(file) as memory:
                os.truncate(file, 0)
                hashlib.sha256(memory).digest()
                assert memory.damaged_pages == 20
        stop.set()
        for other in others:
            other.join(WAIT)

    in_child(child)


def test_A05_a_hole_on_a_full_disk(small_disk, in_child):
    """Row A05's other half: a file that is long enough, but has no blocks for the page that is written to."""

    def child():
        path = small_disk / "sparse"
        path.touch()
        os.truncate(path, 64 * PAGE)
        with map_file(path, "rw") as memory:
            for page in range(64):
                memory.buffer[page * PAGE] = 1
            assert sum(memory.buffer[::PAGE]) == 64
            assert 48 <= damaged(memory) <= 49
        with open(path, "rb") as file:
            assert file.read(10 * PAGE)[::PAGE] == b"\1" * 10  # what there was room for is in the file

    in_child(child)


def test_A05_a_page_that_is_missing_no_longer_is_taken_from_the_file(small_disk, in_child):
    def child():
        path = small_disk / "sparse"
        path.touch()
        os.truncate(path, 2 * PAGE)
        with map_file(path, "rw") as memory:
            (small_disk / "filler").write_bytes(bytes(16 * PAGE))
            memory.buffer[0] = 1
            (small_disk / "filler").unlink()
            memory.buffer[PAGE] = 2
            assert damaged(memory) == 1
        assert path.read_bytes()[PAGE] == 2

    in_child(child)


def test_A05_when_the_kernel_allows_no_more_pieces(file, in_child):
    """Each page of zeros may be a mapping of its own, and their number is limited (vm.max_map_count)."""
    with open("/proc/sys/vm/max_map_count") as limit:
        most = int(limit.read())
    if most > 200_000:
        pytest.skip("the limit is far away")

    def child():
        with map_file(file, "rw") as memory:
            memory.buffer[0] = 1
            os.truncate(file, 0)
            fillers = fill_with_pieces(most)
            assert memory.buffer[2 * PAGE] == 0
            memory.buffer[PAGE] = 5
            assert memory.buffer[PAGE] == 5
            del fillers
            os._exit(0 if memory.damaged_pages >= 5 else 1)  # nothing else works any more

    in_child(child)


def fill_with_pieces(most):
    """So many mappings that there can be none more."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000
    base = libc.mmap(None, (most + 10) * PAGE, 0, flags, -1, 0)
    for page in range(1, most + 10, 2):
        if libc.mprotect(base + page * PAGE, PAGE, mmap.PROT_READ):
            return base
    raise AssertionError("there is no limit")


def test_the_kernel_s_own_access_is_an_error_and_no_signal(file):
    with map_file(file, "rw") as memory:
        os.truncate(file, 0)
        reader, writer = os.pipe()
        with pytest.raises(OSError) as caught:
            os.write(writer, memory.buffer[PAGE : PAGE + 10])
        assert caught.value.errno == errno.EFAULT
        damaged(memory)
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("advice", ["populate_read", "populate_write", "willneed"])
def test_asking_for_missing_pages_is_an_error_at_most(file, advice):
    with map_file(file, "rw") as memory:
        os.truncate(file, 0)
        try:
            memory.advise(advice)
        except OSError as error:
            assert error.errno in (errno.EFAULT, errno.EINVAL, errno.ENOMEM)
        assert advice == "willneed" or ADVICE[advice] >= 22


def test_locking_missing_pages_is_an_error_at_most(file):
    with map_file(file, "rw") as memory:
        os.truncate(file, 0)
        with pytest.raises(OSError):
            memory.lock()


def test_a_memory_file_that_its_owner_makes_shorter(in_child):
    def child():
        with MemFd.create("x", 8 * PAGE) as shared, shared.map() as memory:
            with fork(lambda: shared.resize(PAGE)) as other:
                assert other.wait(timeout=WAIT) == Exited(0)
            memory.buffer[PAGE - 1] = 1
            assert memory.buffer[7 * PAGE] == 0
            assert damaged(memory) == 1

    in_child(child)


def test_one_that_is_sealed_against_it_stays_whole(in_child):
    with MemFd.create("x", 8 * PAGE) as shared, shared.map() as memory:
        shared.seal("shrink")
        with pytest.raises(PermissionError):
            shared.resize(PAGE)
        assert memory.buffer[7 * PAGE] == 0
        memory.check()
