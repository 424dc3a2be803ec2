"""Who goes on with an address after giving the view back (``numpy.ndarray(buffer=...)``) keeps the memory."""

from __future__ import annotations

import ctypes
import os
import signal

import numpy
import pytest

from unixipc import Exited, MemFd, channel, fork, posix, sysv
from unixipc.mapping import map_anonymous

WAIT = 60
BYTES = 1 << 16


def mapped():
    with open("/proc/self/maps") as lines:
        return {line.split("-")[0] for line in lines}


def anonymous():
    return map_anonymous(BYTES)


def memory_file():
    with MemFd.create("uncounted", BYTES) as file:
        return file.map()


def posix_memory():
    with posix.SharedMemory.temporary(BYTES) as memory:
        return memory.map()


def segment():
    with sysv.SharedMemory.temporary(BYTES) as memory:
        return memory.attach()


KINDS = [anonymous, memory_file, posix_memory, segment]


def in_own_process(run, *args):
    """Run it in a child: a crash there is an exit status here."""

    def child():
        signal.alarm(WAIT // 2)
        run(*args)
        os._exit(0)

    with fork(child) as started:
        assert started.wait(timeout=WAIT) == Exited(0)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_an_array_that_holds_no_view_is_no_crash_after_close(make, own_ipc_namespace):
    def run():
        memory = make()
        where = f"{memory.address:x}"
        array = numpy.ndarray((BYTES,), "u1", buffer=memory.buffer)
        array[:] = 7
        memory.close()
        assert memory.closed
        assert array.sum() == 7 * BYTES  # it is the memory still
        array[:] = 8
        assert where in mapped()
        del array
        assert where not in mapped()

    in_own_process(run)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_counted_views_are_refused_as_ever(make, own_ipc_namespace):
    def run():
        memory = make()
        number = (ctypes.c_char * 8).from_buffer(memory)
        with pytest.raises(BufferError):
            memory.close()
        del number
        words = memory.buffer.cast("I")
        with pytest.raises(BufferError):
            memory.close()
        words.release()
        where = f"{memory.address:x}"
        memory.close()
        assert where not in mapped()

    in_own_process(run)


def test_memory_does_not_move_under_an_array():
    def run():
        memory = map_anonymous(BYTES, shared=False)
        array = numpy.ndarray((BYTES,), "u1", buffer=memory.buffer)
        with pytest.raises(BufferError):
            memory.resize(BYTES * 64)
        with pytest.raises(BufferError):
            memory.protect()
        array[:] = 1
        del array
        memory.resize(BYTES * 64)
        array = numpy.ndarray((BYTES * 64,), "u1", buffer=memory.buffer)
        memory.close()
        array[:] = 1

    in_own_process(run)


def test_a_forked_child_goes_on_with_its_copy():
    memory = map_anonymous(BYTES)
    array = numpy.ndarray((BYTES,), "u1", buffer=memory.buffer)
    memory.close()

    def run():
        array[0] = 5

    in_own_process(run)
    assert array[0] == 5


def test_a_detached_segment_is_attached_until_the_array_goes(own_ipc_namespace):
    with sysv.SharedMemory.temporary(BYTES) as memory:
        before = memory.stat().attached
        part = memory.attach()
        array = numpy.ndarray((BYTES,), "u1", buffer=part.buffer)
        part.detach()
        assert memory.stat().attached == before + 1
        del array
        assert memory.stat().attached == before


def test_a_segment_under_an_array_is_not_replaced(own_ipc_namespace):
    with sysv.SharedMemory.temporary(BYTES) as memory, memory.attach() as part:
        array = numpy.ndarray((BYTES,), "u1", buffer=part.buffer)
        with pytest.raises(BufferError):
            memory.attach(replace=part)
        del array


def test_an_array_in_a_message_is_no_crash_after_the_channel():
    def run():
        lane = channel.Queue.anonymous(capacity_bytes=BYTES)
        sender, receiver = lane.sender(), lane.receiver()
        with sender.reserve(1000) as view:
            array = numpy.ndarray((1000,), "u1", buffer=view)
        for end in (sender, receiver, lane):
            end.close()
        del view, lane, sender, receiver
        array.sum()
        where = array.ctypes.data
        assert is_mapped(where)
        del array
        assert not is_mapped(where)

    in_own_process(run)


def is_mapped(where):
    with open("/proc/self/maps") as lines:
        ranges = [line.split()[0].split("-") for line in lines]
    return any(int(first, 16) <= where < int(last, 16) for first, last in ranges)
