"""Row A11: files in memory without a name, and seals: each is proven by what it refuses."""

from __future__ import annotations

import errno
import os
import pathlib
import pickle
import resource
import signal
import sys

import pytest

from unixipc import ClosedError, Exited, MemFd, map_file, sockets, spawn
from unixipc.mapping import SEALS

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")


def note(caught):
    return " ".join(caught.value.__notes__)


def test_A11_create(tmp_path):
    with MemFd.create("name", 3 * PAGE + 5) as file:
        assert file.size_bytes == 3 * PAGE + 5
        assert os.fstat(file.fileno()).st_blocks * 512 == 4 * PAGE  # set aside
        assert not os.get_inheritable(file.fileno())
        assert os.readlink(f"/proc/self/fd/{file.fileno()}") == "/memfd:name (deleted)"
        assert file.seals == set() and file.name == "name"
        with file.map() as memory, map_file(file) as same:
            memory.buffer[0] = 1
            assert same.buffer[0] == 1
    with pytest.raises(ClosedError):
        file.seals
    with MemFd.create() as empty:
        assert empty.size_bytes == 0
        with pytest.raises(ValueError, match="empty"):
            empty.map()


def test_A11_what_create_refuses():
    with pytest.raises(ValueError, match="NUL"):
        MemFd.create("a\0b")
    with pytest.raises(OSError) as caught:
        MemFd.create("x" * 250)
    assert caught.value.errno == errno.EINVAL and "249" in note(caught)
    with pytest.raises(ValueError, match="at least 0"):
        MemFd.create("x", -1)


def test_A11_too_much_memory_is_an_error_and_kills_nobody():
    for size in (1 << 44, 1 << 62):
        with pytest.raises(OSError) as caught:
            MemFd.create("x", size)
        assert caught.value.errno == errno.ENOMEM and "left" in note(caught)


def test_A11_beyond_the_limit_of_the_process(in_child):
    def child():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 * PAGE, 10 * PAGE))
        with MemFd.create("x", 5 * PAGE) as file:
            with pytest.raises(OSError) as caught:
                file.resize(11 * PAGE)
            assert caught.value.errno == errno.EFBIG and "RLIMIT_FSIZE" in note(caught)
            assert file.size_bytes == 5 * PAGE

    in_child(child)


def test_A11_resize():
    with MemFd.create("x", 10) as file, file.map() as memory:
        memory.buffer[:] = b"0123456789"
        file.resize(5)
        file.resize(3 * PAGE)
        assert os.fstat(file.fileno()).st_blocks * 512 == 3 * PAGE
        assert bytes(memory) == b"01234" + bytes(5)
        with pytest.raises(ValueError):
            file.resize(-1)


def test_A11_resize_under_a_storm_of_signals(in_child):
    """The kernel begins again from the start after each one: small pieces get through."""

    def child():
        heard = []
        signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        with MemFd.create("x", 300 << 20) as file:
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert os.fstat(file.fileno()).st_blocks * 512 == 300 << 20
        assert heard

    in_child(child)


def test_A11_a_handler_that_raises_leaves_the_length_as_it_was(in_child):
    def child():
        def stop(*_):
            raise KeyError("stop")

        signal.signal(signal.SIGALRM, stop)
        with MemFd.create("x", PAGE) as file:
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(KeyError):
                for _ in range(1000):
                    file.resize(512 << 20)
                    file.resize(PAGE)
            assert file.size_bytes in (PAGE, 512 << 20)

    in_child(child)


# seals


def test_A11_shrink():
    with MemFd.create("x", 2 * PAGE) as file:
        file.seal("shrink")
        with pytest.raises(PermissionError) as caught:
            file.resize(PAGE)
        assert "sealed" in note(caught) and file.size_bytes == 2 * PAGE
        file.resize(3 * PAGE)
        assert file.seals == {"shrink"}


def test_A11_grow():
    with MemFd.create("x", 2 * PAGE) as file:
        file.seal("grow")
        with pytest.raises(PermissionError) as caught:
            file.resize(3 * PAGE)
        assert "sealed" in note(caught) and file.size_bytes == 2 * PAGE
        with pytest.raises(PermissionError):
            os.pwrite(file.fileno(), b"x", 2 * PAGE)
        file.resize(PAGE)


def test_A11_write():
    with MemFd.create("x", 2 * PAGE) as file:
        file.seal("write")
        with pytest.raises(PermissionError):
            os.pwrite(file.fileno(), b"x", 0)
        with pytest.raises(PermissionError) as caught:
            file.map("rw")
        assert caught.value.errno == errno.EPERM and "sealed" in note(caught)
        with file.map("r") as memory, map_file(file) as same, file.map("copy") as ours:
            assert memory.buffer[0] == same.buffer[0] == 0
            ours.buffer[0] = 1
            assert memory.buffer[0] == 0


def test_A11_write_is_busy_while_somebody_may_write_through_a_mapping(in_child):
    with MemFd.create("x", PAGE) as file:
        with file.map() as memory:
            for _ in range(2):
                with pytest.raises(OSError) as caught:
                    file.seal("write")
                assert caught.value.errno == errno.EBUSY and "mapped" in note(caught)
                memory.protect()
            assert file.seals == set()
        file.seal("write")


def test_A11_future_write_spares_the_mappings_that_exist():
    with MemFd.create("x", PAGE) as file, file.map() as memory:
        file.seal("future_write")
        memory.buffer[0] = 7
        with file.map("r") as theirs:
            assert theirs.buffer[0] == 7
            memory.buffer[0] = 8
            assert theirs.buffer[0] == 8
        with pytest.raises(PermissionError):
            file.map("rw")
        with pytest.raises(PermissionError):
            os.pwrite(file.fileno(), b"x", 0)


def test_A11_seal():
    with MemFd.create("x", PAGE) as file:
        file.seal("seal")
        with pytest.raises(PermissionError) as caught:
            file.seal("write")
        assert caught.value.errno == errno.EPERM and "no more seals" in note(caught)
        os.pwrite(file.fileno(), b"x", 0)


def test_A11_one_that_cannot_be_sealed():
    with MemFd.create("x", PAGE, sealable=False) as file:
        assert file.seals == {"seal"}
        with pytest.raises(PermissionError):
            file.seal("shrink")


def test_A11_seals_add_up_and_have_names():
    with MemFd.create("x", PAGE) as file:
        file.seal()
        file.seal("shrink", "grow")
        file.seal("grow")
        file.seal("future_write", "write", "seal")
        assert file.seals == SEALS.keys()
        for wrong in ("exec", "", None):
            with pytest.raises(ValueError, match="a seal is one of"):
                file.seal(wrong)


def test_A11_a_descriptor_that_may_only_read_cannot_seal():
    with MemFd.create("x", PAGE) as file:
        fd = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)
        with MemFd(fd) as theirs:
            with pytest.raises(PermissionError):
                theirs.seal("shrink")
            with pytest.raises(PermissionError):
                theirs.map("rw")
            theirs.map("r").close()


# other processes


def test_A11_sent_over_a_socket_checked_and_mapped(in_child):
    ours, theirs = sockets.pair()

    def receiver():
        got = theirs.receive(100, max_descriptors=1, timeout=WAIT)
        with MemFd(got.descriptors[0].detach()) as file:
            assert file.seals >= {"shrink", "grow", "write"} and file.name == "page"
            with file.map("r") as memory:
                assert bytes(memory.buffer[:5]) == b"hello"
            with pytest.raises(PermissionError):
                file.resize(1)

    with ours, theirs, MemFd.create("page", PAGE) as file:
        with file.map() as memory:
            memory.buffer[:5] = b"hello"
        file.seal("shrink", "grow", "write", "seal")
        ours.send(b"x", descriptors=[file])
        in_child(receiver)


def test_A11_inherited_by_a_program():
    code = (
        "import sys; from unixipc import MemFd; f = MemFd(int(sys.argv[1])); m = f.map(); m.buffer[0] += 1; "
        "f.seal('grow'); m.close(); f.close()"
    )
    with MemFd.create("page", PAGE) as file, file.map() as memory:
        memory.buffer[0] = 41
        with spawn([sys.executable, "-W", "error", "-c", code, "7"], descriptors={7: file}) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert memory.buffer[0] == 42 and file.seals == {"grow"}


def test_A11_what_is_no_memory_file_is_not_taken_over(tmp_path):
    path = tmp_path / "file"
    path.touch()
    reader, writer = os.pipe()
    shm = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR)
    disk = os.open(path, os.O_RDWR)
    for fd in (reader, writer, shm, disk):
        with pytest.raises(OSError) as caught:
            MemFd(fd)
        assert caught.value.errno == errno.EINVAL and "memory" in note(caught)
        os.close(fd)  # it was left to us
    with pytest.raises(OSError) as caught:
        MemFd(99_999)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(OSError):
        MemFd(-1)


def test_it_is_sent_not_pickled():
    with MemFd.create("x") as file, pytest.raises(TypeError, match="socket"):
        pickle.dumps(file)


def test_nothing_of_it_is_left(in_child):
    def look():
        return [line for line in pathlib.Path("/proc/self/maps").read_text().splitlines() if "memfd:gone" in line]

    with MemFd.create("gone", PAGE) as file, file.map():
        assert look()
        code = "import sys; sys.exit('memfd:gone' in open('/proc/self/maps').read())"
        in_child(os.execv, sys.executable, [sys.executable, "-c", code])
    assert not look()
