"""Attaching: addresses, read-only ones that are honest, views that keep it attached, fork and exec; never a crash."""

from __future__ import annotations

import ctypes
import errno
import gc
import mmap
import os
import pathlib
import signal
import sys

import numpy
import pytest

from unixipc import ClosedError, Exited, Killed, fork, pipe
from unixipc.sysv import Segment, SharedMemory

WAIT = 20
PAGE = mmap.PAGESIZE


@pytest.fixture
def memory():
    with SharedMemory.temporary(3 * PAGE) as made:
        yield made


def failing(code, call, *args, **named):
    with pytest.raises(OSError) as caught:
        call(*args, **named)
    assert caught.value.errno == code, caught.value
    return " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def survives(function, *args):
    """In a child: whatever it does, it must not be killed."""
    with fork(function, *args) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]


# H02, H05: the same bytes


def test_H02_two_attachments_have_two_addresses_and_the_same_bytes(memory):
    with memory.attach() as one, memory.attach() as two:
        assert one.address != two.address
        one.buffer[5:10] = b"hello"
        assert bytes(two.buffer[5:10]) == b"hello"


def test_H05_bytes_written_by_one_process_are_read_by_another(memory):
    def other():
        with memory.attach() as segment:
            segment.buffer[:5] = bytes(segment.buffer[:5]).upper()

    with memory.attach() as segment:
        segment.buffer[:5] = b"hello"
        survives(other)
        assert bytes(segment.buffer[:5]) == b"HELLO"


def test_the_buffer_is_the_same_object_every_time(memory):
    with memory.attach() as segment:
        assert segment.buffer is segment.buffer
        assert not segment.buffer.readonly


def test_writing_beyond_the_end_is_an_error(memory):
    def hostile():
        with memory.attach() as segment:
            size = segment.size_bytes
            for beyond in (size, size + 1, -size - 1, 1 << 62):
                with pytest.raises(IndexError):
                    segment.buffer[beyond] = 1
            with pytest.raises(ValueError, match="different"):
                segment.buffer[size - 2 : size + 10] = bytes(12)

    survives(hostile)


# H03: where it goes


@pytest.fixture
def free_address():
    """Where this process has nothing: a page that was mapped a moment ago, in the middle of others."""
    hole = mmap.mmap(-1, 64 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(hole))
    gc.collect()
    hole.close()
    return start + 16 * PAGE


def test_H03_it_can_be_attached_at_an_address(memory, free_address):
    with memory.attach(at=free_address) as segment:
        assert segment.address == free_address
        failing(errno.EINVAL, memory.attach, at=free_address)


def test_H03_an_unaligned_address_is_refused_or_rounded_down(memory, free_address):
    assert "round_down=True" in failing(errno.EINVAL, memory.attach, at=free_address + 100)
    with memory.attach(at=free_address + 100, round_down=True) as segment:
        assert segment.address == free_address


@pytest.mark.parametrize("wrong", [0, -1, -PAGE])
def test_H03_addresses_that_are_none_are_refused(memory, wrong):
    with pytest.raises(ValueError, match="address"):
        memory.attach(at=wrong)


def test_H03_an_address_of_the_kernel_is_refused(memory):
    with pytest.raises(OSError) as caught:
        memory.attach(at=(1 << 63) + PAGE)
    assert caught.value.errno in (errno.EINVAL, errno.ENOMEM)


def test_H03_replacing_puts_it_in_the_place_of_the_other(memory):
    with SharedMemory.temporary(3 * PAGE) as other, other.attach() as old:
        address = old.address
        old.buffer[:3] = b"old"
        with memory.attach(replace=old) as new:
            assert new.address == address
            assert bytes(new.buffer[:3]) == bytes(3)
            assert old.closed
            with pytest.raises(ClosedError):
                old.buffer
        with other.attach() as again:
            assert bytes(again.buffer[:3]) == b"old"


def test_H03_replacing_is_refused_while_somebody_looks(memory):
    with SharedMemory.temporary(3 * PAGE) as other, other.attach() as old:
        view = old.buffer[10:20]
        with pytest.raises(BufferError):
            memory.attach(replace=old)
        view[0] = 1
        view.release()
        memory.attach(replace=old).detach()


def test_H03_replacing_one_of_other_pages_is_refused(memory):
    """More would overwrite what comes behind, less would leave a rest that nobody owns."""
    for size in (PAGE, 4 * PAGE):
        with SharedMemory.temporary(size) as other, other.attach() as old:
            with pytest.raises(ValueError, match="pages"):
                memory.attach(replace=old)
            old.buffer[0] = 1


def test_H03_replacing_a_detached_one_is_refused(memory):
    old = memory.attach()
    old.detach()
    with pytest.raises(ClosedError):
        memory.attach(replace=old)


def test_H03_replacing_and_an_address_exclude_each_other(memory, free_address):
    with memory.attach() as old, pytest.raises(ValueError, match="replace"):
        memory.attach(at=free_address, replace=old)


def protection(address):
    """As the kernel shows it: "rwxs" and the like."""
    with open("/proc/self/maps") as lines:
        return next(line.split()[1] for line in lines if line.startswith(f"{address:x}-"))


def test_H03_execute_allows_running_code_in_it(memory):
    with memory.attach() as plain, memory.attach(execute=True) as code, memory.attach(True, execute=True) as both:
        assert protection(plain.address) == "rw-s"
        assert protection(code.address) == "rwxs"
        assert protection(both.address) == "r-xs"


# H04, S32: read-only is honest


def test_H04_a_readonly_attachment_says_so_and_refuses_to_be_written(memory):
    def hostile():
        with memory.attach(readonly=True) as segment:
            assert segment.readonly
            assert segment.buffer.readonly
            assert memoryview(segment).readonly
            for write in (
                lambda: segment.buffer.__setitem__(0, 1),
                lambda: segment.buffer.__setitem__(slice(0, 3), b"abc"),
                lambda: segment.buffer.cast("I").__setitem__(0, 1),
                lambda: memoryview(segment)[3:].__setitem__(0, 1),
                lambda: ctypes.c_char.from_buffer(segment),
                lambda: segment.view(Point),
                lambda: os.readv(0, [segment]),
            ):
                with pytest.raises((TypeError, BufferError)):
                    write()
            array = segment.array("i4")
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True
            del array
            gc.collect()

    survives(hostile)


def test_S32_reading_into_a_readonly_attachment_is_an_error_and_no_signal(memory):
    """The notes attach read-only and then let gets(3) write into it."""

    def hostile():
        with memory.attach(readonly=True) as segment, open(__file__, "rb") as file, pytest.raises(TypeError):
            file.readinto(segment)

    survives(hostile)


def test_a_readonly_attachment_sees_what_others_write(memory):
    with memory.attach() as writable, memory.attach(readonly=True) as segment:
        writable.buffer[7] = 77
        assert segment.buffer[7] == 77


# H06: nothing is used after it is detached


VIEWS = {
    "memoryview": lambda segment: memoryview(segment),
    "slice of the buffer": lambda segment: segment.buffer[5:10],
    "cast": lambda segment: segment.buffer.cast("I"),
    "numpy array": lambda segment: segment.array("u1"),
    "part of a numpy array": lambda segment: segment.array("i4")[::2],
    "ctypes view": lambda segment: segment.view(Point, 8),
    "ctypes array": lambda segment: (ctypes.c_char * 10).from_buffer(segment),
}


@pytest.mark.parametrize("kind", VIEWS)
def test_H06_a_view_in_use_keeps_it_attached(memory, kind):
    segment = memory.attach()
    view = VIEWS[kind](segment)
    with pytest.raises(BufferError, match="views of this segment are in use"):
        segment.detach()
    assert not segment.closed
    assert segment.address
    del view
    gc.collect()
    segment.detach()
    assert segment.closed


def test_H06_a_with_block_that_leaves_a_view_says_so(memory):
    with pytest.raises(BufferError), memory.attach() as segment:
        view = segment.buffer[1:]
    view.release()
    segment.detach()


def test_H06_a_view_outlives_the_variable_of_its_segment(memory):
    """The memory goes with the last that uses it."""

    def hostile():
        view = memory.attach().buffer[:10]
        gc.collect()
        view[0] = 1
        assert view[0] == 1
        array = memory.attach().array("u1")
        point = memory.attach().view(Point, 64)
        gc.collect()
        array[3], point.x = 4, 5
        assert memory.stat().attached == 5  # the handle of a temporary one counts, here and in the parent
        view.release()
        del view, array, point
        gc.collect()
        assert memory.stat().attached == 2

    survives(hostile)


def test_H06_use_after_detach_is_an_error_and_no_crash(memory):
    def hostile():
        segment = memory.attach()
        buffer = segment.buffer
        segment.detach()
        segment.detach()
        with pytest.raises(ValueError, match="released"):
            buffer[0]
        for use in (
            lambda: segment.buffer,
            lambda: segment.address,
            lambda: memoryview(segment),
            lambda: segment.view(Point),
            lambda: segment.array("u1"),
            lambda: segment.__enter__(),
            lambda: bytes(segment),
        ):
            with pytest.raises(ClosedError):
                use()
        assert repr(segment) == "<Segment detached>"

    survives(hostile)


def test_a_segment_made_by_hand_is_detached():
    def hostile():
        for made in (Segment(), Segment.__new__(Segment)):
            with pytest.raises(ClosedError):
                made.buffer
            made.detach()

    survives(hostile)


def test_a_forgotten_segment_is_detached(memory):
    memory.attach()
    gc.collect()
    assert memory.stat().attached == 1


# H13, S34: addresses in other processes


def test_S34_after_fork_the_child_has_it_at_the_same_address(memory):
    with memory.attach() as segment:

        def child():
            segment.buffer[0] = 9
            assert memory.stat().attached == 4  # both, and the handle's own in both
            return int(ctypes.c_ubyte.from_address(address).value != 9)

        address = segment.address
        survives(child)
        assert segment.buffer[0] == 9


def test_a_child_s_detach_is_not_its_parent_s(memory):
    with memory.attach() as segment:
        survives(segment.detach)
        segment.buffer[0] = 1


def test_S34_processes_that_attach_themselves_have_their_own_addresses(memory):
    """Store offsets, never pointers. Each is a program of its own, with its own random layout."""
    if pathlib.Path("/proc/sys/kernel/randomize_va_space").read_text().strip() == "0":
        pytest.skip("this machine does not randomise addresses")
    code = f"from unixipc.sysv import SharedMemory; print(SharedMemory({memory.id}).attach().address, flush=True)"
    reader, writer = pipe()

    def program():
        os.dup2(writer.fileno(), 1)
        os.execv(sys.executable, [sys.executable, "-c", code])

    with reader, writer:
        for _ in range(5):
            survives(program)
        writer.close()
        assert len(set(reader.read(10_000, timeout=WAIT).split())) > 1


def test_S34_after_exec_nothing_is_attached(memory):
    code = (
        "from unixipc.sysv import SharedMemory\n"
        f"number = SharedMemory({memory.id}).stat().attached\n"
        "maps = open('/proc/self/maps').read()\n"
        "raise SystemExit(0 if number == 2 and 'SYSV' not in maps else 1)\n"
    )
    with memory.attach():
        survives(os.execv, sys.executable, [sys.executable, "-c", code])


def test_kill_9_detaches(memory, until):
    with fork(lambda: (memory.attach(), memory.attach(), signal.pause())) as child:
        until(lambda: memory.stat().attached == 4)
        child.kill()
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    until(lambda: memory.stat().attached == 1)


# H15: typed views


def test_H15_a_structure_s_fields_are_the_memory(memory):
    with memory.attach() as one, memory.attach() as two:
        point, same = one.view(Point, 64), two.view(Point, 64)
        point.x, point.y = 3, 2.5
        assert (same.x, same.y) == (3, 2.5)
        del point, same
        gc.collect()


def test_H15_an_array_of_structures(memory):
    with memory.attach() as segment:
        points = segment.view(Point * 10)
        points[9].x = 42
        assert segment.view(Point, 9 * ctypes.sizeof(Point)).x == 42
        del points
        gc.collect()


@pytest.mark.parametrize("offset", [3 * PAGE - 8, 3 * PAGE, -1, 1 << 40])
def test_H15_a_structure_that_does_not_fit_is_refused(memory, offset):
    with memory.attach() as segment, pytest.raises(ValueError, match=r"too small|negative"):
        segment.view(Point, offset)


def test_H15_a_numpy_array_is_the_memory(memory):
    with memory.attach() as one, memory.attach() as two:
        array = one.array("f8")
        assert array.shape == (3 * PAGE // 8,)
        array[:] = numpy.arange(len(array))
        same = two.array("f8", (3, PAGE // 8))
        assert same[2, 0] == 2 * PAGE // 8
        assert two.array(numpy.int32, 5, offset_bytes=16).shape == (5,)
        del array, same
        gc.collect()


@pytest.mark.parametrize("wrong", [{"shape": 3 * PAGE + 1}, {"offset_bytes": 3 * PAGE + 1}, {"offset_bytes": -8}])
def test_H15_an_array_that_does_not_fit_is_refused(memory, wrong):
    def hostile():
        with memory.attach() as segment, pytest.raises((TypeError, ValueError)):
            segment.array("u1", **wrong)

    survives(hostile)
