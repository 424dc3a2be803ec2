"""One answer to who holds it: in the error's message and attributes, in `holders()`, `ipc lock` and `ipc who`."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
from contextlib import contextmanager

import anyio
import pytest

from unixipc import FileLock, RecordLock, aio, fork, inspector, robust, signals
from unixipc.locks import Lease, lock_range

WAIT = 30
BACKENDS = ["asyncio", "trio"]
MAKE = {"flock": "FileLock", "ofd": "RecordLock"}


def _sleep_for_ever():
    signals.suspend(frozenset())


@contextmanager
def an_heir(path, kind):
    """A process that has the opening of a lock that another one took, which has ended: their pids."""
    ours, theirs = os.pipe()

    def took_it():
        file = os.open(path, os.O_RDWR)
        (FileLock if kind == "flock" else RecordLock)(file).acquire()
        heir = os.fork()
        if heir:
            os.write(theirs, b"%d" % heir)
            os._exit(0)
        _sleep_for_ever()

    with fork(took_it) as child:
        pid = int(os.read(ours, 20))
        child.wait(timeout=WAIT)
        os.close(ours)
        os.close(theirs)
        try:
            yield child.pid, pid
        finally:
            os.kill(pid, signal.SIGKILL)


@contextmanager
def held_in_a_child(acquire):
    """A child that has acquired it."""
    ours, theirs = os.pipe()

    def child():
        acquire()
        os.write(theirs, b"!")
        _sleep_for_ever()

    with fork(child) as process:
        os.close(theirs)
        assert os.read(ours, 1) == b"!"
        os.close(ours)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait(timeout=WAIT)


def is_told(error, pid, caplog):
    assert error.pid == pid and error.holders == (pid,)
    logging.error("%s", error)
    assert f"process {pid}" in caplog.text or f"processes {pid} " in caplog.text
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.pid, copied.holders) == (str(error), pid, (pid,))
    return True


@pytest.mark.parametrize("kind", MAKE)
def test_who_has_the_opening_is_the_holder_not_who_took_it(path, kind, caplog):
    path.write_bytes(b"")
    lock = (FileLock if kind == "flock" else RecordLock)(path)
    with an_heir(path, kind) as (dead, heir):
        with pytest.raises(TimeoutError) as caught:
            lock.acquire(0.01)
        assert is_told(caught.value, heir, caplog) and str(dead) not in str(caught.value)
        assert [each.pid for each in lock.holders()] == [heir]
        assert [each.pid for each in inspector.who(path) if each.kind == "lock"] == [heir]
        command = [
            sys.executable,
            "-m",
            "unixipc.cli",
            "lock",
            "--json",
            *(["-r", "0:0"] if kind == "ofd" else []),
            path,
        ]
        told = subprocess.run(command, capture_output=True, timeout=WAIT)
        assert [each["pid"] for each in json.loads(told.stdout)] == [heir]
    lock.close()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", MAKE)
def test_a_task_is_told_the_same(path, kind, backend, caplog):
    path.write_bytes(b"")

    async def main(heir):
        lock = getattr(aio.locks, MAKE[kind])(path)
        with pytest.raises(TimeoutError) as caught:
            await lock.acquire(0.01)
        assert is_told(caught.value, heir, caplog)
        lock.close()

    with an_heir(path, kind) as (_dead, heir):
        anyio.run(main, heir, backend=backend)


def test_all_who_share_the_opening_are_holders(path):
    with open(path, "w") as file, FileLock(file) as lock:
        with held_in_a_child(lambda: None) as child:
            both = {os.getpid(), child}
            assert {each.pid for each in lock.holders()} == both
            with pytest.raises(TimeoutError) as caught:
                FileLock(path).acquire(0)
            assert set(caught.value.holders) == both


def test_ranges_tell_it_too(path, caplog):
    path.write_bytes(b"")
    with an_heir(path, "ofd") as (_dead, heir), open(path, "r+b") as file:
        with pytest.raises(TimeoutError) as caught:
            lock_range(file, 0, 10, timeout=0.01)
        assert is_told(caught.value, heir, caplog)


def test_a_lease_tells_who_has_the_file_open(path, caplog):
    path.write_bytes(b"")
    files = []
    with held_in_a_child(lambda: files.append(open(path, "r+b"))) as child:
        lease = Lease(path, "write")
        with pytest.raises(BlockingIOError) as caught:
            lease.acquire()
        lease.close()
    assert is_told(caught.value, child, caplog)


ROBUST = {
    "mutex": (robust.Mutex, (), "acquire"),
    "semaphore": (robust.Semaphore, (1,), "acquire"),
    "rwlock": (robust.RWLock, (), "acquire"),
    "rwlock, to read": (robust.RWLock, (), "acquire_shared"),
}


@pytest.fixture(params=ROBUST)
def robust_lock(request):
    kind, words, method = ROBUST[request.param]
    lock = kind.create(f"/told-{os.getpid()}", *words)
    yield lock, method
    lock.remove()
    lock.close()


def test_robust_locks_tell_it(robust_lock, caplog):
    lock, method = robust_lock
    with held_in_a_child(lock.acquire) as child, pytest.raises(TimeoutError) as caught:
        getattr(lock, method)(timeout=0.01)
    assert is_told(caught.value, child, caplog)


@pytest.mark.parametrize("backend", BACKENDS)
def test_robust_locks_tell_a_task(robust_lock, backend, caplog):
    lock, method = robust_lock

    async def main(child):
        mine = await getattr(aio.robust, type(lock).__name__).open(lock.name)
        with pytest.raises(TimeoutError) as caught:
            await getattr(mine, method)(timeout=0.01)
        assert is_told(caught.value, child, caplog)
        mine.close()

    with held_in_a_child(lock.acquire) as child:
        anyio.run(main, child, backend=backend)
