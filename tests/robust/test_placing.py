"""Where robust locks live: in any writable memory, or by name; and what is refused there."""

from __future__ import annotations

import errno
import mmap
import os
import pickle
import struct

import pytest

from unixipc import Exited, LayoutError, MemFd, ObjectRemoved, fork, map_file, robust
from unixipc.posix import SharedMemory

WAIT = 20
CREATE = {
    "Mutex": robust.Mutex.create,
    "Semaphore": lambda where, offset_bytes=0, **named: robust.Semaphore.create(where, 2, offset_bytes, **named),
    "RWLock": lambda where, offset_bytes=0, **named: robust.RWLock.create(where, offset_bytes, readers=2, **named),
    "Condition": robust.Condition.create,
}
ENSURE = {
    "Mutex": robust.Mutex.ensure,
    "Semaphore": lambda where, offset_bytes=0, **named: robust.Semaphore.ensure(where, 2, offset_bytes, **named),
    "RWLock": lambda where, offset_bytes=0, **named: robust.RWLock.ensure(where, offset_bytes, readers=2, **named),
    "Condition": robust.Condition.ensure,
}
SIZE = {"Mutex": 64, "Semaphore": 192, "RWLock": 192, "Condition": 64}


@pytest.fixture(params=CREATE)
def kind(request):
    return request.param


@pytest.fixture
def cls(kind):
    return getattr(robust, kind)


def test_the_sizes_are_told():
    assert robust.Mutex.size_bytes == robust.Condition.size_bytes == 64
    assert robust.Semaphore.size_bytes(2) == robust.RWLock.size_bytes(2) == 192
    assert robust.RWLock.size_bytes() == 4096


def test_in_memory_create_then_attach(kind, cls, memory):
    with pytest.raises(LayoutError):
        cls.attach(memory, 64)
    mine, theirs = CREATE[kind](memory, 64), cls.attach(memory, 64)
    assert mine.try_acquire()
    assert kind == "Semaphore" or not theirs.try_acquire()
    with pytest.raises(FileExistsError):
        CREATE[kind](memory, 64)
    again = ENSURE[kind](memory, 64)
    for each in (mine, theirs, again):
        each.close()


def test_it_needs_exactly_its_memory(kind, cls, memory):
    view = memory.buffer
    with pytest.raises(ValueError, match="do not fit"):
        CREATE[kind](view[: SIZE[kind] - 1])
    CREATE[kind](view[: SIZE[kind]]).close()
    assert bytes(view[SIZE[kind] :]) == bytes(len(view) - SIZE[kind])
    with pytest.raises((ValueError, LayoutError)):
        cls.attach(view[: SIZE[kind] - 64])
    cls.attach(view[: SIZE[kind]]).close()


@pytest.mark.parametrize("offset", [-64, -1, 8192, 8129, 2**62, -(2**62)])
def test_offsets_outside_are_refused(kind, cls, memory, offset):
    for place in (CREATE[kind], cls.attach, ENSURE[kind]):
        with pytest.raises(ValueError):
            place(memory, offset)


@pytest.mark.parametrize("offset", [1, 4, 8, 32, 63])
def test_what_is_not_aligned_is_refused(kind, cls, memory, offset):
    for place in (CREATE[kind], cls.attach, ENSURE[kind]):
        with pytest.raises(ValueError, match="aligned"):
            place(memory, offset)


def test_memory_that_cannot_be_written_is_refused(kind, cls):
    for place in (CREATE[kind], cls.attach, ENSURE[kind]):
        with pytest.raises((BufferError, TypeError)):
            place(bytes(512))
        with pytest.raises(TypeError):
            place(12)
    with MemFd.create("m", 4096) as file, file.map("r") as readonly, pytest.raises((BufferError, TypeError)):
        cls.attach(readonly)


def test_memory_with_other_things_in_it_is_refused(kind, memory):
    memory.buffer[40] = 1
    for place in (CREATE[kind], ENSURE[kind]):
        with pytest.raises(LayoutError):
            place(memory)
    assert memory.buffer[40] == 1 and bytes(memory.buffer[:40]) == bytes(40)


@pytest.mark.parametrize("at", range(8, 16))
def test_a_foreign_identity_is_refused(kind, cls, memory, at):
    CREATE[kind](memory).close()
    memory.buffer[at] ^= 0xFF
    for place in (cls.attach, ENSURE[kind]):
        with pytest.raises((LayoutError, ValueError)) as caught:
            place(memory)
        if isinstance(caught.value, LayoutError):
            assert str(caught.value.found) in str(caught.value)


def test_another_kind_is_refused(kind, memory):
    CREATE[kind](memory).close()
    for other in CREATE:
        if other != kind:
            with pytest.raises(LayoutError, match="kind"):
                getattr(robust, other).attach(memory)


def test_every_kind_of_buffer(memory, tmp_path):
    import ctypes

    numpy = pytest.importorskip("numpy")
    file = tmp_path / "file"
    file.write_bytes(bytes(4096))
    with map_file(file, "rw") as mapped, MemFd.create("m", 4096) as memory_file, memory_file.map() as also:
        plain = mmap.mmap(-1, 4096)
        array = numpy.frombuffer(mapped, dtype="u8")
        structure = (ctypes.c_char * 4096).from_buffer(also)
        locks = [robust.Mutex.create(each) for each in (plain, array, structure, memory.buffer)]
        for lock in locks:
            with lock:
                pass
        with pytest.raises(BufferError):
            plain.close()
        for lock in locks:
            lock.close()
        plain.close()
        del array, structure


def test_the_layout_is_a_file_format(memory):
    robust.Mutex.create(memory).close()
    assert bytes(memory.buffer[:64]) == struct.pack("=II4sBBHQQQII16x", 0, 0, b"UIRB", 1, 1, 0, 0, 0, 0, 0, 0)
    robust.Semaphore.create(memory, 3, 64).close()
    assert struct.unpack_from("=4sBBH", memory.buffer, 72) == (b"UIRB", 1, 2, 3)
    robust.RWLock.create(memory, 1024, readers=5).close()
    assert struct.unpack_from("=4sBBH", memory.buffer, 1032) == (b"UIRB", 1, 3, 5)
    condition = robust.Condition.create(memory, 4096)
    with condition:
        condition.notify_all()
    condition.close()
    assert struct.unpack_from("=4sBBH", memory.buffer, 4104) == (b"UIRB", 1, 4, 0)
    assert struct.unpack_from("=I", memory.buffer, 4136) == (1,)


# by name


def test_by_name(kind, cls, name):
    with pytest.raises(FileNotFoundError):
        cls.open(name)
    mine, theirs = CREATE[kind](name), cls.open(name)
    assert name in repr(mine) and mine.name == name
    assert os.stat(f"/dev/shm{name}").st_size == SIZE[kind]
    with pytest.raises(FileExistsError):
        CREATE[kind](name)
    assert mine.try_acquire()
    assert kind == "Semaphore" or not theirs.try_acquire()
    mine.close()
    assert theirs.try_acquire()
    theirs.remove()
    assert not os.path.exists(f"/dev/shm{name}")
    with pytest.raises(FileNotFoundError):
        theirs.remove()
    theirs.close()


def test_ensure_is_either(kind, name):
    mine, theirs = ENSURE[kind](name), ENSURE[kind](name)
    assert mine.try_acquire()
    assert kind == "Semaphore" or not theirs.try_acquire()
    mine.close()
    theirs.close()


def test_any_number_of_processes_ensure_it_at_once(name, children, memory):
    def work():
        lock = robust.Mutex.ensure(name)
        for _ in range(100):
            with lock:
                memory.buffer.cast("Q")[0] += 1

    children.start(work, times=6)
    children.all_succeed()
    assert memory.buffer.cast("Q")[0] == 600


def test_any_number_of_processes_ensure_it_in_memory(memory, children):
    def work():
        lock = robust.Mutex.ensure(memory, 4096)
        for _ in range(100):
            with lock:
                memory.buffer.cast("Q")[0] += 1

    children.start(work, times=6)
    children.all_succeed()
    assert memory.buffer.cast("Q")[0] == 600


def test_a_name_that_was_given_to_another_is_not_removed(name):
    old = robust.Mutex.create(name)
    old.remove()
    new = robust.Mutex.create(name)
    with pytest.raises(ObjectRemoved):
        old.remove()
    new.remove()
    old.close()
    new.close()


def test_permissions_are_exactly_those_that_were_asked_for(name, as_nobody):
    before = os.umask(0o077)
    try:
        robust.Mutex.create(name, mode=0o666).close()
    finally:
        os.umask(before)
    assert os.stat(f"/dev/shm{name}").st_mode & 0o777 == 0o666
    as_nobody(lambda: robust.Mutex.open(name).close())
    os.chmod(f"/dev/shm{name}", 0o644)

    def refused():
        with pytest.raises(PermissionError):
            robust.Mutex.open(name)

    as_nobody(refused)


def test_a_file_that_is_something_else_is_refused(kind, cls, name):
    for size, fill in ((1, b"x"), (63, b"\0"), (64, b"\0"), (4096, b"\xff")):
        with SharedMemory.create(name, size) as file:
            with file.map() as mapped:
                mapped.buffer[:] = fill * size
            with pytest.raises(LayoutError):
                cls.open(name)
            with pytest.raises((LayoutError, FileExistsError)):
                ENSURE[kind](name)
            file.remove()


@pytest.mark.parametrize("bad", ["", "/", "two/words", "/two/words", "/.", "/..", "/nul\0"])
def test_bad_names_are_refused(kind, cls, bad):
    for place in (CREATE[kind], cls.open, ENSURE[kind]):
        with pytest.raises(OSError) as caught:
            place(bad)
        assert caught.value.errno == errno.EINVAL


def test_a_mode_that_cannot_be(kind, name):
    with pytest.raises(ValueError):
        CREATE[kind](name, mode=0o1777)
    assert not os.path.exists(f"/dev/shm{name}")


def test_named_ones_are_picklable_and_others_are_not(kind, cls, name, memory):
    named = CREATE[kind](name)
    with_it = pickle.loads(pickle.dumps(named))
    assert with_it.name == name and type(with_it) is cls
    with_it.close()
    named.close()
    unnamed = CREATE[kind](memory)
    with pytest.raises(TypeError, match="attach"):
        pickle.dumps(unnamed)
    with pytest.raises(FileNotFoundError):
        unnamed.remove()
    unnamed.close()


def test_a_temporary_one_is_shared_with_children_and_leaves_nothing(cls, kind):
    before = set(os.listdir("/dev/shm"))
    made = cls.temporary(1) if kind == "Semaphore" else cls.temporary()
    assert set(os.listdir("/dev/shm")) == before
    assert made.try_acquire()

    def child():
        assert not made.try_acquire()

    with fork(child) as born:
        assert born.wait(timeout=WAIT) == Exited(0)
    made.close()


def test_they_are_not_made_without_a_place(cls):
    """The native constructor makes a handle of nothing, which is closed."""
    nothing = cls()
    assert nothing.closed
    with pytest.raises(ValueError):
        nothing.try_acquire()
    nothing.close()
