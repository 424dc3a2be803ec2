"""A C program that includes our headers shares robust locks with Python."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from unixipc import Killed, OwnerDied, fork, robust, spawn
from unixipc.posix import SharedMemory

WAIT = 30
HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "unixipc" / "_native"

pytestmark = pytest.mark.skipif(not NATIVE.is_dir(), reason="the C headers are in the checkout, which is not here")


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    program = tmp_path_factory.mktemp("robust") / "peer"
    code = [HERE / "robust_peer.c", NATIVE / "robust" / "owner.c", NATIVE / "robust" / "slots.c"]
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE}", "-pthread"]
    subprocess.run([*compiler, *flags, "-o", program, *code, "-lrt"], check=True, timeout=100)
    return program


@pytest.fixture
def shared():
    name = f"/unixipc-stranger-{os.getpid()}-{os.urandom(4).hex()}"
    with SharedMemory.create(name, 8192) as memory, memory.map() as mapped:
        yield name, mapped
        memory.remove()


def test_python_and_c_exclude_each_other(peer, shared):
    name, memory = shared
    mutex = robust.Mutex.create(memory)
    with spawn([peer, "count", name, "20000"]) as child:
        for _ in range(20000):
            with mutex:
                memory.buffer.cast("Q")[512] += 1
        assert child.wait(timeout=WAIT).code == 0
    assert memory.buffer.cast("Q")[512] == 40000
    mutex.close()


def test_each_tells_the_other_who_died(peer, shared):
    name, memory = shared
    mutex = robust.Mutex.create(memory)
    with spawn([peer, "die", name]) as child:
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    with pytest.raises(OwnerDied) as caught:
        mutex.acquire(timeout=WAIT)
    assert caught.value.pid == child.pid
    mutex.recover()
    mutex.release()
    with fork(mutex.acquire) as ours:
        ours.wait(timeout=WAIT)
    done = subprocess.run([peer, "next", name], capture_output=True, text=True, timeout=WAIT, check=True)
    assert done.stdout == f"{ours.pid}\n"
    with mutex:
        pass
    mutex.close()


def test_a_permit_comes_back_from_c(peer, shared):
    name, memory = shared
    semaphore = robust.Semaphore.create(memory, 1)
    with spawn([peer, "permit", name]) as child:
        assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
    assert semaphore.try_acquire()
    semaphore.close()


def test_the_sizes_are_the_same(peer):
    done = subprocess.run([peer, "layout"], capture_output=True, text=True, timeout=WAIT, check=True)
    assert done.stdout.split()[:2] == [str(robust.Mutex.size_bytes), str(robust.Semaphore.size_bytes(2))]
