"""Row A10: shared memory objects by name: made whole or not at all, never taken from anybody."""

from __future__ import annotations

import errno
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time

import pytest

from unixipc import ClosedError, Exited, Killed, ObjectRemoved, fork, pipe, sockets
from unixipc.posix import SharedMemory

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")
HERE = pathlib.Path("/dev/shm")


def note(caught):
    return " ".join(caught.value.__notes__)


def ends_well(function, *args):
    with fork(function, *args) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


@pytest.fixture
def name():
    """A name that is free, before and after."""
    name = f"/unixipc-test-{os.getpid()}-{os.urandom(4).hex()}"
    yield name
    (HERE / name[1:]).unlink(missing_ok=True)


def test_A10_create_open_map_remove(name):
    with SharedMemory.create(name, PAGE + 1) as memory, SharedMemory.open(name) as same:
        with memory.map() as mine, same.map("r") as yours:
            mine.buffer[PAGE] = 7
            assert yours.buffer[PAGE] == 7 and len(yours) == PAGE + 1
        assert memory.name == same.name == name and memory.size_bytes == same.size_bytes == PAGE + 1
        assert os.fstat(memory.fileno()).st_blocks * 512 == 2 * PAGE  # set aside
        assert not os.get_inheritable(memory.fileno())
        memory.remove()
        assert not (HERE / name[1:]).exists()
        with pytest.raises(FileNotFoundError) as caught:
            same.remove()
        assert "no object has this name" in note(caught)


def test_A10_what_exists_and_what_does_not(name):
    with pytest.raises(FileNotFoundError) as caught:
        SharedMemory.open(name)
    assert caught.value.filename == name and "create()" in note(caught)
    with SharedMemory.create(name, 1):
        with pytest.raises(FileExistsError) as caught:
            SharedMemory.create(name, 1)
        assert caught.value.filename == name and "open()" in note(caught)


@pytest.mark.parametrize("wrong", ["", "/", "name", "a/b", "/a/b", "//a", "/a/", "/.", "/..", "/a\0b", "\0"])
def test_A10_names_that_are_refused(wrong):
    for way in (lambda: SharedMemory.create(wrong, 1), lambda: SharedMemory.open(wrong),
                lambda: SharedMemory.ensure(wrong, 1)):  # fmt: skip
        with pytest.raises(OSError) as caught:
            way()
        assert caught.value.errno == errno.EINVAL and "one word" in note(caught)


@pytest.mark.parametrize("wrong", [None, 5, b"/bytes", ["/"]])
def test_A10_names_are_text(wrong):
    for way in (lambda: SharedMemory.create(wrong, 1), lambda: SharedMemory.open(wrong),
                lambda: SharedMemory.ensure(wrong, 1)):  # fmt: skip
        with pytest.raises(TypeError, match="a name is a str"):
            way()


def test_A10_any_kind_of_text(name):
    class Text(str):
        __slots__ = ()

    with SharedMemory.create(Text(name), 1) as memory, SharedMemory.open(Text(name)) as same:
        assert os.path.sameopenfile(memory.fileno(), same.fileno())
        memory.remove()
    accents = name + "-\xe9\u20ac\udcff"
    with SharedMemory.create(accents, 1) as memory:
        assert os.path.lexists(os.fsencode(f"/dev/shm{accents}"))
        SharedMemory.open(accents).close()
        memory.remove()


def test_A10_long_names():
    longest = "/" + "x" * 255
    with SharedMemory.create(longest, 1) as memory:
        memory.remove()
    for way in (lambda: SharedMemory.create(longest + "x", 1), lambda: SharedMemory.open(longest + "x")):
        with pytest.raises(OSError) as caught:
            way()
        assert caught.value.errno == errno.ENAMETOOLONG and "255" in note(caught)


@pytest.mark.parametrize("size", [0, -1, -(2**62)])
def test_A10_sizes_that_are_refused(name, size):
    for way in (SharedMemory.create, SharedMemory.ensure):
        with pytest.raises(OSError) as caught:
            way(name, size)
        assert caught.value.errno == errno.EINVAL and "at least 1 byte" in note(caught)
    with pytest.raises(OSError):
        SharedMemory.temporary(size)
    assert not (HERE / name[1:]).exists()


def test_A10_too_much(name):
    for size in (1 << 44, 1 << 62):
        with pytest.raises(OSError) as caught:
            SharedMemory.create(name, size)
        assert caught.value.errno in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG)
    assert not (HERE / name[1:]).exists()


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o640, 0o444, 0o000])
def test_A10_permissions_are_exact_whatever_the_umask(name, mode):
    def child():
        os.umask(0o077)
        with SharedMemory.create(name, 1, mode) as memory:
            assert os.fstat(memory.fileno()).st_mode & 0o7777 == mode

    ends_well(child)
    with pytest.raises(ValueError, match="777"):
        SharedMemory.create(name, 1, 0o4600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_A10_permissions_hold(name):
    def as_nobody(function):
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        function()

    def refused():
        for way in (lambda: SharedMemory.open(name), lambda: SharedMemory.ensure(name, 1)):
            with pytest.raises(PermissionError) as caught:
                way()
            assert "permissions" in note(caught)
        with SharedMemory.open(name, readonly=True) as memory:
            with memory.map("r") as mapped:
                assert mapped.buffer[0] == 0
            with pytest.raises(PermissionError):
                memory.map("rw")
            with pytest.raises(OSError):
                memory.resize(100)
            with pytest.raises(PermissionError):
                memory.remove()

    with SharedMemory.create(name, 1, 0o644):
        ends_well(as_nobody, refused)
        assert (HERE / name[1:]).exists()


def look_at_it(name, size):
    """A hundred times, when it is there: its size and its memory are there with it."""
    seen, until = 0, time.monotonic() + WAIT
    while seen < 100 and time.monotonic() < until:
        try:
            fd = os.open(HERE / name[1:], os.O_RDWR)
        except FileNotFoundError:
            continue
        found = os.fstat(fd)
        assert (found.st_size, found.st_blocks * 512) == (size, size)
        os.close(fd)
        seen += 1
    assert seen


def make_it_for_ever(name, size):
    while True:
        try:
            with SharedMemory.create(name, size) as memory:
                memory.remove()
        except (FileExistsError, FileNotFoundError):
            pass


def test_A10_nobody_ever_sees_it_half_made(name):
    """Creators and openers race; whoever can open it finds its size, and its memory."""
    makers = [fork(make_it_for_ever, name, 10 * PAGE) for _ in range(2)]
    lookers = [fork(look_at_it, name, 10 * PAGE) for _ in range(2)]
    for child in lookers:
        with child:
            assert child.wait(timeout=2 * WAIT) == Exited(0)
    for child in makers:
        with child:
            child.kill()
            assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_A10_ensure_is_one_object_for_all(name):
    """Each writes its byte; the bytes of all are in the one."""

    def take_part(number):
        with SharedMemory.ensure(name, PAGE) as memory, memory.map() as mapped:
            mapped.buffer[number] = 1

    for _ in range(20):
        children = [fork(take_part, number) for number in range(6)]
        for child in children:
            with child:
                assert child.wait(timeout=WAIT) == Exited(0)
        with SharedMemory.open(name) as memory, memory.map() as mapped:
            assert bytes(mapped.buffer[:7]) == b"\1" * 6 + b"\0"
            memory.remove()


def test_A10_ensure_and_the_size_that_is_there(name):
    with SharedMemory.create(name, 100):
        SharedMemory.ensure(name, 100).close()
        SharedMemory.ensure(name, 1).close()
        with pytest.raises(OSError) as caught:
            SharedMemory.ensure(name, 101)
        assert caught.value.errno == errno.EINVAL and "100 bytes" in note(caught) and "101" in note(caught)


def test_A10_temporary_has_no_name_and_goes_with_its_last_user():
    before = set(HERE.iterdir())
    with SharedMemory.temporary(PAGE) as memory, memory.map() as mapped:
        assert set(HERE.iterdir()) == before
        ends_well(lambda: mapped.buffer.__setitem__(0, 5))
        assert mapped.buffer[0] == 5
        with pytest.raises(FileNotFoundError) as caught:
            memory.remove()
        assert "no name" in note(caught)
        with pytest.raises(TypeError):
            pickle.dumps(memory)


def test_A10_temporary_is_sent_to_others():
    ours, theirs = sockets.pair()

    def receiver():
        got = theirs.receive(10, max_descriptors=1, timeout=WAIT)
        with SharedMemory(got.descriptors[0].detach()) as memory, memory.map() as mapped:
            mapped.buffer[0] += 1

    with ours, theirs, SharedMemory.temporary(PAGE) as memory, memory.map() as mapped:
        mapped.buffer[0] = 41
        ours.send(b"x", descriptors=[memory])
        ends_well(receiver)
        assert mapped.buffer[0] == 42


def test_A10_what_is_no_memory_is_not_taken_over():
    reader, writer = os.pipe()
    with pytest.raises(OSError) as caught:
        SharedMemory(reader)
    assert caught.value.errno == errno.EINVAL and "a pipe" in note(caught)
    os.close(reader)
    os.close(writer)


def test_A10_removed_while_it_is_mapped(name):
    with SharedMemory.create(name, PAGE) as memory, memory.map() as mapped:
        memory.remove()
        mapped.buffer[0] = 1
        with memory.map() as again:
            assert again.buffer[0] == 1
        with SharedMemory.create(name, 10) as heir:
            assert heir.size_bytes == 10


def test_A10_remove_spares_the_heir_of_the_name(name):
    with SharedMemory.create(name, PAGE) as memory:
        memory.remove()
        with SharedMemory.create(name, 10) as heir:
            with pytest.raises(ObjectRemoved):
                memory.remove()
            assert (HERE / name[1:]).exists()
            heir.remove()


def test_A10_resize_under_the_mapping_of_another_process(name):
    ready, tell = pipe()
    go_on, go = pipe()

    def other():
        with SharedMemory.open(name) as memory, memory.map() as mapped:
            tell.write_all(b"1")
            go_on.read_exactly(1, timeout=WAIT)
            assert mapped.buffer[0] == 7 and mapped.buffer[9 * PAGE] == 0
            with pytest.raises(OSError) as caught:
                mapped.check()
            assert caught.value.errno == errno.EIO
            mapped.buffer[9 * PAGE] = 1
        with SharedMemory.open(name) as memory, memory.map() as mapped:
            assert len(mapped) == PAGE

    with ready, tell, go_on, go, SharedMemory.create(name, 10 * PAGE) as memory, memory.map() as mapped:
        mapped.buffer[0] = 7
        with fork(other) as child:
            ready.read_exactly(1, timeout=WAIT)
            memory.resize(PAGE)
            go.write_all(b"!")
            assert child.wait(timeout=WAIT) == Exited(0)
        memory.resize(20 * PAGE)
        assert memory.size_bytes == 20 * PAGE
        with memory.map() as longer:
            assert longer.buffer[0] == 7 and longer.buffer[9 * PAGE] == 0
        with pytest.raises(OSError) as caught:
            memory.resize(0)
        assert caught.value.errno == errno.EINVAL


def test_A10_pickled_it_is_opened_again(name):
    with SharedMemory.create(name, 10) as memory, pickle.loads(pickle.dumps(memory)) as same:
        assert os.path.sameopenfile(memory.fileno(), same.fileno())
        with SharedMemory.open(name, readonly=True) as readonly, pickle.loads(pickle.dumps(readonly)) as other:
            with pytest.raises(PermissionError):
                other.map("rw")


def test_closed_use(name):
    memory = SharedMemory.create(name, 10)
    memory.close()
    for use in (memory.map, memory.remove, lambda: memory.size_bytes, lambda: memory.resize(5), memory.fileno):
        with pytest.raises(ClosedError):
            use()
    assert (HERE / name[1:]).exists()


SMALL = """
import errno, os, subprocess, sys
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", "/dev/shm"], check=True)
from unixipc.posix import SharedMemory
try:
    SharedMemory.create("/big", 1 << 20)
    sys.exit("it was made")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    assert "df /dev/shm" in " ".join(error.__notes__), error.__notes__
assert os.listdir("/dev/shm") == []
with SharedMemory.create("/fits", 32768) as memory, memory.map() as mapped:
    mapped.buffer[:] = bytes([1]) * 32768
    try:
        memory.resize(1 << 20)
        sys.exit("it grew")
    except OSError as error:
        assert error.errno == errno.ENOSPC and "df /dev/shm" in " ".join(error.__notes__)
    assert memory.size_bytes == 32768 and bytes(mapped) == bytes([1]) * 32768
    memory.resize(65536)
with SharedMemory.open("/fits") as memory, memory.map() as mapped:
    assert mapped.size_bytes == 65536
    mapped.buffer[:] = bytes([2]) * 65536
    mapped.check()
"""


def test_A10_a_small_dev_shm_is_no_space_with_advice():
    command = ["unshare", "--mount", sys.executable, "-W", "error", "-c", SMALL]
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "x", "/mnt"]
    if subprocess.run(probe, capture_output=True, timeout=WAIT).returncode:
        pytest.skip("no mount namespace of our own here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


# nothing is removed behind anyone's back


def run(code, *args):
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr


def test_A10_it_outlives_the_interpreter_that_opened_it(name):
    with SharedMemory.create(name, PAGE):
        for end in ("", "import os; os._exit(0)", "import gc; del m; gc.collect()", "m.close()"):
            run(
                f"import sys; from unixipc.posix import *; m = SharedMemory.open(sys.argv[1]); k = m.map()\n{end}", name
            )
            assert (HERE / name[1:]).exists()


def test_A10_it_outlives_the_interpreter_that_made_it(name):
    run("import sys; from unixipc.posix import SharedMemory; m = SharedMemory.create(sys.argv[1], 100)", name)
    with SharedMemory.open(name) as memory:
        memory.remove()


def test_A10_kill_9_leaves_the_name_and_the_bytes_and_ends_a_temporary_one(name):
    ready, tell = pipe()

    def live():
        kept = [SharedMemory.create(name, PAGE), SharedMemory.temporary(PAGE)]
        kept += [memory.map() for memory in kept]
        kept[2].buffer[:3] = b"hal"
        tell.write_all(b"!")
        signal.pause()

    before = set(HERE.iterdir())
    with ready, tell, fork(live) as child:
        ready.read_exactly(1, timeout=WAIT)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    assert HERE / name[1:] in set(HERE.iterdir()) and not {p for p in set(HERE.iterdir()) - before if p.name[0] == "#"}
    with SharedMemory.open(name) as memory, memory.map() as mapped:
        assert bytes(mapped.buffer[:5]) == b"hal\0\0"


def test_A10_kill_9_while_it_is_made_leaves_the_whole_or_nothing(name):
    def make():
        while True:
            with SharedMemory.create(name, 100 * PAGE) as memory:
                memory.remove()

    for delay in range(25):
        with fork(make) as child:
            time.sleep(0.001 + delay / 5000)
            child.kill()
            child.wait(timeout=WAIT)
        try:
            with SharedMemory.open(name) as memory:
                assert memory.size_bytes == 100 * PAGE
                memory.remove()
        except FileNotFoundError:
            pass
