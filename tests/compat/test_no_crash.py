"""Where sysv_ipc crashes the interpreter, ours does not; and what it does instead."""

from __future__ import annotations

import signal

import pytest

import unixipc.compat.sysv_ipc as ours

from ..beside import PATIENCE_S, needs_root

BEGIN = """
def say(call, *args):
    try: print(type(call(*args)).__name__)
    except Exception as error: print(type(error).__name__)
memory = ipc.SharedMemory(None, ipc.IPC_CREX, size=5000)
anchor = ipc.attach(memory.id)  # the segment goes with the last attachment
memory.remove()
"""
CRASHES = {
    "writing through a view of a read-only attachment": (
        """
memory.detach()
memory.attach(flags=ipc.SHM_RDONLY)
view = memoryview(memory)
say(view.__setitem__, 0, 1)
print(view.readonly, bytes(view[:2]))
""",
        ["TypeError", "True", "b'", "'"],
    ),
    "ctypes writing to a read-only attachment": (
        """
import ctypes
memory.detach()
memory.attach(flags=ipc.SHM_RDONLY)
def write():
    ctypes.c_int.from_buffer(memory).value = 5
say(write)
""",
        ["TypeError"],
    ),
    "reading a view after detach": (
        """
view = memoryview(memory)
view[:4] = b"here"
memory.detach()
print(bytes(view[:4]).decode(), memory.attached)
""",
        ["here", "False"],
    ),
    "writing a view after detach": (
        """
view = memoryview(memory)[10:20]
memory.detach()
view[:4] = b"here"
print(bytes(view[:4]).decode())
""",
        ["here"],
    ),
    "an array after detach": (
        """
import numpy
array = numpy.frombuffer(memory, dtype=numpy.uint8)
memory.detach()
array[0] = 42
print(array[0], array.sum() > 0)
""",
        ["42", "True"],
    ),
    "another kind of array after detach": (
        """
import numpy
array = numpy.ndarray(10, numpy.uint8, memoryview(memory))
memory.detach()
array[0] = 42
print(array[0])
""",
        ["42"],
    ),
    "a view made after detach": (
        """
memory.detach()
say(memoryview, memory)
say(lambda: bytes(memoryview(memory)))
say(bytearray, memory)
""",
        ["NotAttachedError"] * 3,
    ),
    "a view of what was replaced and then detached": (
        """
other = ipc.attach(memory.id)
view = memoryview(memory)
def replace():
    other.attach(memory.address, ipc.SHM_REMAP)
    other.detach()
say(replace)
print(bytes(view[:2]))
""",
        ["BufferError", "b'", "'"],
    ),
    "a view of what another one was put upon": (
        """
other = ipc.attach(memory.id)
def replace():
    other.attach(memory.address + ipc.PAGE_SIZE, ipc.SHM_REMAP)
    other.detach()
say(replace)
print(memory.read(2, 4990))
""",
        ["ValueError", "b'", "'"],
    ),
    "memory of somebody else replaced": (
        """
import mmap, ctypes
page = mmap.mmap(-1, 8192)
where = ctypes.addressof(ctypes.c_char.from_buffer(page))
def replace():
    memory.detach()
    memory.attach(where, ipc.SHM_REMAP)
    memory.detach()
say(replace)
page[0] = 1
print(page[0])
""",
        ["ValueError", "1"],
    ),
    "deleting uid": ("say(delattr, memory, 'uid')", ["AttributeError"]),
    "deleting a semaphore's value": (
        """
semaphore = ipc.Semaphore(None, ipc.IPC_CREX)
semaphore.remove()
say(delattr, semaphore, 'value')
""",
        ["AttributeError"],
    ),
    "deleting a semaphore's block": (
        """
semaphore = ipc.Semaphore(None, ipc.IPC_CREX)
semaphore.remove()
say(delattr, semaphore, 'block')
say(delattr, semaphore, 'undo')
""",
        ["AttributeError", "AttributeError"],
    ),
    "deleting a queue's max_size": (
        """
queue = ipc.MessageQueue(None, ipc.IPC_CREX)
queue.remove()
say(delattr, queue, 'max_size')
""",
        ["AttributeError"],
    ),
}


@pytest.mark.parametrize("name", CRASHES)
def test_nothing_crashes(ipc, start, name):
    code, expected = CRASHES[name]
    process = start(ipc, BEGIN + code)
    output, errors = process.communicate(timeout=PATIENCE_S)
    if ipc is ours:
        assert (process.returncode, output.split()) == (0, expected), errors
    else:
        assert process.returncode in (-signal.SIGSEGV, -signal.SIGBUS), output + errors


def test_what_is_looked_at_stays_attached_until_nobody_looks(own_ipc_namespace, make):
    memory = make(ours.SharedMemory, None, ours.IPC_CREX)
    view = memoryview(memory)
    part = view[:5]
    memory.detach()
    assert (memory.attached, memory.number_attached) == (False, 1)
    memory.attach()
    assert memory.number_attached == 2
    memory.write(b"hello")
    memory.detach()
    assert memory.number_attached == 1 and bytes(part) == b"hello"
    view.release()
    del view
    assert memory.number_attached == 1
    del part
    assert memory.number_attached == 0


def test_a_view_is_of_the_attachment_it_was_made_from(own_ipc_namespace, make):
    memory = make(ours.SharedMemory, None, ours.IPC_CREX)
    memory.detach()
    memory.attach(flags=ours.SHM_RDONLY)
    only_to_read = memoryview(memory)
    memory.detach()
    memory.attach()
    with memoryview(memory) as view:
        view[:2] = b"ok"
    assert only_to_read.readonly and bytes(only_to_read[:2]) == b"ok"
    del only_to_read
    assert memory.number_attached == 1


@pytest.mark.parametrize("cls", [ours.Semaphore, ours.SharedMemory, ours.MessageQueue])
def test_an_object_that_was_never_made_does_nothing(cls):
    empty = cls.__new__(cls)
    for name in dir(empty):
        if name[0] != "_" and name not in ("attached", "address"):
            with pytest.raises((AttributeError, TypeError, ours.Error)):
                getattr(empty, name)()


@pytest.mark.parametrize("cls", [ours.Semaphore, ours.SharedMemory, ours.MessageQueue])
def test_a_number_that_does_not_fit_is_refused(own_ipc_namespace, make, cls):
    """There it is cut to the kernel's type, or a SystemError."""
    made = make(cls, None, ours.IPC_CREX)
    for name in ("uid", "gid", "mode"):
        with pytest.raises(OverflowError):
            setattr(made, name, 2**64)
    with pytest.raises(OverflowError):
        made.uid = 2**32
    assert made.uid == made.cuid


def test_numbers_are_not_cut(own_ipc_namespace, make):
    semaphore = make(ours.Semaphore, None, ours.IPC_CREX)
    with pytest.raises(ValueError):
        semaphore.value = 2**32 + 5
    memory = make(ours.SharedMemory, None, ours.IPC_CREX, size=10)
    with pytest.raises(ValueError):
        memory.read(1, 2**64)
    with pytest.raises(ValueError):
        ours.SharedMemory(None, ours.IPC_CREX, size=2**64 + 10)


@needs_root
@pytest.mark.parametrize("mode", [0o200, 0])
def test_a_segment_that_cannot_be_attached_is_not_left_over(own_ipc_namespace, run, key, mode):
    code = """
try: ipc.SharedMemory(int(sys.argv[1]), ipc.IPC_CREX, int(sys.argv[2]))
except ipc.PermissionsError: print(os.path.exists("/proc/sysvipc/shm"), sys.argv[1] in open("/proc/sysvipc/shm").read())
"""
    assert run(ours, code, key, mode, user=65534) == ["True", "False"]
