"""Views of a mapping, its end, and what is refused after it."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pathlib
import pickle
import threading

import numpy
import pytest

from unixipc import ClosedError, MemFd, map_anonymous, map_file
from unixipc._native.mapping import Mapped, map_twice
from unixipc.mapping import Mapping

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")
SIZE = 4 * PAGE + 100


def test_close_with_views_in_use(file):
    memory = map_file(file, "rw")
    for take in (
        lambda: memoryview(memory),
        lambda: memory.buffer[3:5],
        lambda: memory.array("u1"),
        lambda: memory.array("u2", (2, 3), 1),
        lambda: memory.view(ctypes.c_int),
        lambda: numpy.frombuffer(memory, "u1"),
        lambda: memory.array("u1")[::2].reshape(-1, 1),
    ):
        view = take()
        with pytest.raises(BufferError, match="in use"):
            memory.close()
        assert not memory.closed
        del view
    assert memory.exports == 0 or memory.buffer
    memory.close()
    memory.close()


def test_closed_use(file):
    memory = map_file(file, "rw")
    buffer = memory.buffer
    memory.close()
    assert memory.closed and repr(memory) == "<Mapping closed>"
    with pytest.raises(ValueError):
        buffer[0]
    for use in (
        lambda: memory.buffer,
        lambda: memory.address,
        lambda: memoryview(memory),
        lambda: memory.array("u1"),
        lambda: memory.view(ctypes.c_int),
        memory.flush,
        lambda: memory.advise("normal"),
        memory.lock,
        memory.unlock,
        memory.protect,
        lambda: memory.resize(1),
        memory.check,
        memory.__enter__,
    ):
        with pytest.raises(ClosedError):
            use()


def test_an_array_in_it(file):
    with map_file(file, "rw") as memory:
        array = memory.array("<u4", (2, 5), 3)
        array[1, 4] = 0x64636261
        assert bytes(memory.buffer[3 + 36 : 3 + 40]) == b"abcd"
        del array
        assert memory.array("u8").shape == (SIZE // 8,)
        assert memory.array("u1", 0).size == memory.array("u1", None, SIZE).size == 0
        huge = 2**40
        for shape, offset in ((SIZE + 1, 0), (1, SIZE), (-1, 0), (None, SIZE + 1), (None, -1), ((huge, huge), 0),
                              ((2**32, 2**32), 0), ((-1, -1), 0), ((2, -1), 0)):  # fmt: skip
            with pytest.raises(ValueError):
                memory.array("u1", shape, offset)
        for dtype in ("S0", "O", "V0"):
            with pytest.raises(ValueError):
                memory.array(dtype)
        assert memory.array("u1", ()).shape == ()
    with map_file(file) as memory:
        array = memory.array("u1")
        with pytest.raises(ValueError):
            array[0] = 1
        with pytest.raises(ValueError):
            array.setflags(write=True)
        del array


def test_a_structure_in_it(file):
    with map_file(file, "rw") as memory:
        number = memory.view(ctypes.c_uint16, 7)
        number.value = 0x4241
        assert bytes(memory.buffer[7:9]) == b"AB"
        del number
        for offset in (SIZE - 1, SIZE, -1):
            with pytest.raises(ValueError):
                memory.view(ctypes.c_uint16, offset)
    with map_file(file) as memory, pytest.raises(TypeError, match="from_buffer_copy"):
        memory.view(ctypes.c_int)


def test_it_stays_in_its_process(file):
    with map_file(file) as memory:
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="means nothing in another process"):
                way(memory)


def test_an_array_keeps_it_alive_and_the_last_reference_unmaps(file):
    array = map_file(file).array("u1")
    gc.collect()
    assert array[PAGE] == ord("B")
    del array
    gc.collect()
    assert str(file) not in pathlib.Path("/proc/self/maps").read_text()


def test_made_of_nothing_it_is_closed():
    assert Mapping().closed
    with pytest.raises(ClosedError):
        Mapping().buffer


def test_close_in_one_thread_while_another_flushes(file):
    """Either it is closed first, or close is refused; the call never gets somebody else's addresses."""
    for _ in range(100):
        memory = map_file(file, "rw")
        memory.buffer[0] = 1
        seen = []

        def flush(memory=memory, seen=seen):
            try:
                memory.flush()
            except ClosedError as error:
                seen.append(error)

        thread = threading.Thread(target=flush)
        thread.start()
        try:
            memory.close()
        except BufferError:
            pass
        thread.join(WAIT)
        memory.close()


def test_populate(file):
    with map_file(file, populate=True) as memory:
        assert memory.buffer[PAGE] == ord("B")


@pytest.mark.parametrize("offset", [-1, -(2**63), 4097, 2**62, 2**63 - 1])
@pytest.mark.parametrize("length", [None, 0, 1, 2**63 - 1, -1])
def test_a_range_that_no_memory_has_is_refused(offset, length):
    with map_anonymous(4096) as memory:
        for use in (memory.flush, memory.lock, memory.unlock):
            with pytest.raises(ValueError):
                use(offset, length)


@pytest.mark.parametrize(
    "sizes", [(4096, 2**62), (2**62, 2**62), (4096, 2**63 - 4096), (-4096, 4096), (4096, 0), (1, 1)]
)
def test_a_body_that_cannot_be_mapped_twice_is_refused(sizes):
    with MemFd.create(size_bytes=4096) as file, pytest.raises((ValueError, OverflowError)):
        map_twice(Mapped, file.fileno(), *sizes, "file")
