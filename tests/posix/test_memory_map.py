"""Row A10: which bytes of a shared memory object are mapped, and what is refused."""

from __future__ import annotations

import os
import threading

import pytest

from unixipc import ClosedError
from unixipc.posix import SharedMemory

WAIT = 30
PAGE = os.sysconf("SC_PAGESIZE")


def test_A10_a_range_of_it():
    with SharedMemory.temporary(3 * PAGE) as memory, memory.map() as whole:
        whole.buffer[PAGE + 5] = 9
        with memory.map("r", PAGE + 5, 1) as one, memory.map(offset_bytes=2 * PAGE) as rest:
            assert bytes(one) == b"\t" and len(rest) == PAGE
        for offset, length in ((0, 3 * PAGE + 1), (3 * PAGE, None), (-1, 1), (1, 2**70), (2**70, 1), (0, -(2**70))):
            with pytest.raises(ValueError, match="are not in"):
                memory.map("rw", offset, length)
        for wrong in ("w", None, 1):
            with pytest.raises(ValueError, match="mode must be"):
                memory.map(wrong)
        for wrong in ("1", 1.5):
            with pytest.raises(TypeError):
                memory.map("rw", wrong)


def test_A10_map_in_one_thread_while_another_closes_it():
    """Either it is mapped or it was closed first: never another file that got the number."""
    for _ in range(200):
        memory = SharedMemory.temporary(PAGE)
        closer = threading.Thread(target=memory.close)
        closer.start()
        try:
            with memory.map() as mapped:
                assert not any(mapped.buffer)
        except ClosedError:
            pass
        closer.join(WAIT)
