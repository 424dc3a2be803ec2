"""Shared memory."""

from __future__ import annotations

import os
import time

import pytest

import unixipc.compat.sysv_ipc as ours

from ..beside import needs_root

PAGE = ours.PAGE_SIZE


def test_new_memory_is_a_page_of_spaces(memory):
    assert memory.size == PAGE
    assert memory.read() == b" " * PAGE
    assert memory.attached is True and memory.number_attached == 1


@pytest.mark.parametrize("filler", [b"\0", b"x", b"\xff", bytearray(b"y")])
@pytest.mark.parametrize("size", [1, 3333, 3 << 20])
def test_or_of_another_byte(ipc, make, key, filler, size):
    memory = make(ipc.SharedMemory, key, ipc.IPC_CREX, size=size, init_character=filler)
    assert memory.size == size and memory.read() == bytes(filler) * size


@pytest.mark.parametrize("wrong", [b"", b"xy", "x", 120, None])
def test_what_is_no_init_character(ipc, raises, key, wrong):
    raises(TypeError, ipc.SharedMemory, key, ipc.IPC_CREX, init_character=wrong)
    raises("ExistentialError", ipc.SharedMemory, key)


def test_only_crex_fills(ipc, make, key):
    memory = make(ipc.SharedMemory, key, ipc.IPC_CREAT, size=10, init_character=b"x")
    assert memory.read() == bytes(10)
    memory.write(b"mine")
    other = ipc.SharedMemory(key, ipc.IPC_CREAT, init_character=b"x")
    assert other.read(4) == b"mine"
    other.detach()


def test_sizes(ipc, make, raises, key):
    raises(ValueError, ipc.SharedMemory, key, ipc.IPC_CREAT)  # without IPC_EXCL the default is 0
    raises(ValueError, ipc.SharedMemory, key, ipc.IPC_CREX, size=-1)
    raises(ValueError, ipc.SharedMemory, key, ipc.IPC_CREX, size=2**64 - 1)
    for wrong in ("a", 1.0):
        raises(TypeError, ipc.SharedMemory, key, ipc.IPC_CREX, size=wrong)
    made = make(ipc.SharedMemory, key, ipc.IPC_CREX, size=100)
    smaller = ipc.SharedMemory(key, size=10)
    assert (smaller.id, smaller.size) == (made.id, 100)
    smaller.detach()
    raises(ValueError, ipc.SharedMemory, key, size=101)


def test_without_the_owners_write_permission_it_is_read_only(ipc, make, raises, key):
    memory = make(ipc.SharedMemory, key, ipc.IPC_CREX, 0o400, size=10, init_character=b"x")
    assert memory.read() == bytes(10)  # nobody could fill it
    raises(OSError, memory.write, b"x")
    memory.detach()
    raises(OSError, memory.write, b"x")
    memory.attach()
    memory.write(b"x")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), b"0123456789"),
        ((0,), b"0123456789"),
        ((3,), b"012"),
        ((3, 2), b"234"),
        ((0, 4), b"456789"),
        ((100,), b"0123456789"),
        ((100, 8), b"89"),
        ((1, 9), b"9"),
        ((2**63 - 1, 1), b"123456789"),
    ],
)
def test_read(ipc, make, key, args, expected):
    memory = make(ipc.SharedMemory, key, ipc.IPC_CREX, size=10)
    memory.write(b"0123456789")
    assert memory.read(*args) == expected


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((0, PAGE), ValueError),
        ((1, PAGE + 1), ValueError),
        ((1, -1), ValueError),
        ((1, 2**64 - 1), ValueError),
        ((-1,), ValueError),
        ((2**63,), OverflowError),
        ((-(2**63) - 1,), OverflowError),
        ((1.0,), TypeError),
        (("a",), TypeError),
        ((1, "a"), TypeError),
        ((1, 1, 1), TypeError),
    ],
)
def test_what_cannot_be_read(memory, raises, args, error):
    raises(error, memory.read, *args)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((b"ab",), b"ab   "),
        ((b"ab", 3), b"   ab"),
        ((b"a\0b", 1), b" a\0b "),
        ((b"", 5), b"     "),
        (("é",), b"\xc3\xa9   "),
        ((bytearray(b"xyz"), 2), b"  xyz"),
        ((memoryview(b"abcd").cast("H"),), b"abcd "),
    ],
)
def test_write(ipc, make, key, args, expected):
    memory = make(ipc.SharedMemory, key, ipc.IPC_CREX, size=5)
    assert memory.write(*args) is None
    assert memory.read() == expected


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((b"x" * (PAGE + 1),), ValueError),
        ((b"x", PAGE), ValueError),
        ((b"", PAGE + 1), ValueError),
        ((b"x", -1), ValueError),
        ((b"x", 2**64 - 1), ValueError),
    ],
)
def test_what_cannot_be_written(memory, raises, args, error):
    raises(error, memory.write, *args)
    assert memory.read() == b" " * PAGE


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((1,), TypeError),
        ((None,), TypeError),
        ((b"x", "a"), TypeError),
        ((b"x", 1.0), TypeError),
        ((memoryview(b"abcd")[::2],), BufferError),
        ((b"x", 1, 1), TypeError),
        ((), TypeError),
    ],
)
def test_what_is_no_bytes_cannot_be_written(make, args, error):
    """The original lets go of a buffer that it never got, and dies of it now and then."""
    memory = make(ours.SharedMemory, None, ours.IPC_CREX)
    with pytest.raises(error):
        memory.write(*args)
    assert memory.read() == b" " * PAGE


def test_detach_and_attach(memory, raises):
    memory.write(b"kept")
    address = memory.address
    assert address and address % PAGE == 0
    assert memory.detach() is None
    assert (memory.attached, memory.number_attached, memory.address) == (False, 0, 0)
    raises("NotAttachedError", memory.detach)
    raises("NotAttachedError", memory.read)
    raises("NotAttachedError", memory.write, b"x")
    assert memory.attach() is None
    assert (memory.attached, memory.number_attached, memory.read(4)) == (True, 1, b"kept")


def test_attach_read_only(memory, ipc, raises):
    memory.write(b"kept")
    memory.detach()
    memory.attach(None, ipc.SHM_RDONLY)
    assert memory.read(4) == b"kept"
    raises(OSError, memory.write, b"x")
    memory.detach()
    memory.attach(flags=0)
    memory.write(b"x")


def test_attach_at_an_address(memory, ipc, raises):
    address = memory.address
    memory.detach()
    memory.attach(address)
    assert memory.address == address
    memory.detach()
    raises(ValueError, memory.attach, address + 5)
    memory.attach(address + 5, ipc.SHM_RND)
    assert memory.address == address
    memory.detach()
    memory.attach(0)
    raises(TypeError, memory.attach, "a")
    raises(TypeError, memory.attach, 1.0)
    raises(OverflowError, memory.attach, None, 2**31)
    if ipc is ours:
        raises(OverflowError, memory.attach, 2**64)  # there it attaches, and then raises SystemError
    raises(TypeError, memory.attach, None, "a")


def test_remap_replaces_an_attachment(ipc, run):
    code = """
one, other = (ipc.SharedMemory(None, ipc.IPC_CREX, init_character=each) for each in (b"1", b"2"))
anchor = ipc.attach(other.id)
one.remove(), other.remove()
address, _ = one.address, other.detach()
try: other.attach(address)
except ValueError: print("taken")
for flags in (ipc.SHM_REMAP, ipc.SHM_REMAP | ipc.SHM_RND):
    other.attach(address + bool(flags & ipc.SHM_RND), flags)
    print(other.address == address, other.read(1), other.number_attached)
try: other.attach(None, ipc.SHM_REMAP)
except ValueError: print("where?")
"""
    assert run(ipc, code) == ["taken", *["True", "b'2'", "2"] * 2, "where?"]


def test_what_is_not_detached_stays_attached(ipc, run):
    """Programs may have kept the address: forgetting the object must not pull the memory away."""
    code = """
import ctypes, gc
memory = ipc.SharedMemory(None, ipc.IPC_CREX)
memory.write(b"still here")
address, number = memory.address, memory.id
memory.attach()
print(memory.number_attached)
memory.detach()
print(memory.number_attached, memory.attached)
memory.remove()
del memory
gc.collect()
print(ctypes.string_at(address, 10).decode())
again = ipc.attach(number)
print(again.number_attached)
again.detach()
"""
    assert run(ipc, code) == ["2", "1", "False", "still", "here", "2"]


def test_the_kernel_sees_the_end_of_the_process(ipc, memory, run):
    run(ipc, "memory = ipc.SharedMemory(int(sys.argv[1])); memory.attach(); print(memory.number_attached)", memory.key)
    assert memory.number_attached == 1


def test_it_is_a_buffer(memory):
    memory.write(b"hello")
    view = memoryview(memory)
    assert (view.nbytes, view.format, view.readonly, view.contiguous) == (PAGE, "B", False, True)
    assert bytes(view[:5]) == b"hello"
    view[0:1] = b"j"
    assert memory.read(5) == b"jello"
    assert bytearray(memory)[:5] == b"jello"
    assert bytes(memory) == memory.read()
    view.release()


def test_ctypes_and_numpy_take_it(memory):
    import ctypes

    import numpy

    number = ctypes.c_uint32.from_buffer(memory, 8)
    number.value = 0x64636261
    array = numpy.frombuffer(memory, dtype=numpy.uint8)
    assert bytes(array[8:12]) == memory.read(4, 8) == b"abcd"
    array[8] = ord("x")
    assert number.value == 0x64636278
    del number, array


def test_a_view_lives_without_the_object(ipc, run):
    code = """
memory = ipc.SharedMemory(None, ipc.IPC_CREX)
memory.remove()
view = memoryview(memory)
del memory
view[:4] = b"good"
print(bytes(view[:4]).decode())
"""
    assert run(ipc, code) == ["good"]


def test_attributes(memory):
    now = time.time()
    assert (memory.creator_pid, memory.last_pid) == (os.getpid(), os.getpid())
    assert memory.last_detach_time == 0
    for name in ("last_attach_time", "last_change_time"):
        assert now - 60 <= getattr(memory, name) <= now + 60
    memory.detach()
    assert now - 2 <= memory.last_detach_time <= now + 60


def test_remove_marks_it(memory, ipc, raises):
    memory.remove()
    raises("ExistentialError", ipc.SharedMemory, memory.key)
    assert memory.mode == 0o1600  # SHM_DEST
    memory.write(b"still there")
    assert memory.read(5) == b"still"
    memory.detach()
    raises("ExistentialError", getattr, memory, "size")
    raises(ValueError, memory.attach)


def test_several_objects_share_the_bytes(memory, ipc):
    other = ipc.SharedMemory(memory.key)
    assert other.address != memory.address and memory.number_attached == 2
    other.write(b"shared")
    assert memory.read(6) == b"shared"
    other.detach()


def test_flags_of_shmget_pass(ipc, make, raises, key):
    memory = make(ipc.SharedMemory, key, ipc.IPC_CREX | ipc.SHM_NORESERVE, size=PAGE)
    assert memory.read(1) == b" "
    with pytest.raises((MemoryError, OSError)):
        ipc.SharedMemory(None, ipc.IPC_CREX | ipc.SHM_HUGETLB, size=1 << 40)


@needs_root
def test_who_may_not_attach(ipc, run, make, key):
    memory = make(ipc.SharedMemory, key, ipc.IPC_CREX, 0o604)
    code = """
def name(call, *args):
    try: return type(call(*args)).__name__
    except Exception as error: return type(error).__name__
key, number = map(int, sys.argv[1:])
print(name(ipc.SharedMemory, key, 0, 0o600), name(ipc.attach, number))
memory = ipc.SharedMemory(key, 0, 0o004)
print(memory.read(1) == b" ", name(memory.write, b"x") in ("OSError", "PermissionError"), name(memory.attach))
print(name(setattr, memory, "mode", 0o666), name(memory.remove))
"""
    found = run(ipc, code, key, memory.id, user=65534)
    no = "PermissionsError"
    assert found == [no, no, "True", "True", no, no, no]
