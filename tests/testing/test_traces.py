"""The furniture itself: traces must see what is left."""

from __future__ import annotations

import os
import threading

import pytest

from unixipc import Exited, fork, pipe, sockets
from unixipc.testing import traces


def kinds_left(before):
    return set(traces.left_since(before, settle_seconds=0.02))


def test_a_descriptor_is_seen():
    before = traces.look()
    reader, writer = pipe()
    assert kinds_left(before) == {"descriptors"}
    reader.close()
    writer.close()
    assert not traces.left_since(before)


def test_a_zombie_is_seen():
    before = traces.look()
    child = fork(int)
    child.wait_end(timeout=30)
    assert "children" in kinds_left(before)
    assert child.wait(timeout=30) == Exited(0)
    child.close()
    assert not traces.left_since(before)


def test_a_thread_is_seen():
    before, go = traces.look(), threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    assert kinds_left(before) == {"threads"}
    go.set()
    thread.join()


def test_a_name_in_dev_shm_is_seen():
    before, path = traces.look(), f"/dev/shm/unixipc-test-{os.getpid()}"
    open(path, "w").close()
    assert kinds_left(before) == {"shared_memory"}
    os.unlink(path)


def test_an_abstract_name_is_seen():
    before = traces.look()
    with sockets.listen("@unixipc-traces-test"):
        assert "sockets" in kinds_left(before)
    assert not traces.left_since(before)


def test_leaves_no_trace_says_what_is_left():
    reader, writer = pipe()
    copies = []
    with pytest.raises(AssertionError, match="pipe:"), traces.leaves_no_trace():
        copies.append(reader.dup())
    for end in (reader, writer, *copies):
        end.close()
