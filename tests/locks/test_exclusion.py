"""Who excludes whom: objects, threads, processes, kinds; and who is told what."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from unixipc import ClosedError, FileLock, RecordLock
from unixipc.locks import probe

WAIT = 30
PATIENCE = 0.05
KINDS = {
    "flock": FileLock,
    "ofd": RecordLock,
    "posix": lambda path, **named: RecordLock(path, kind="posix", **named),
}
THERE = {"flock": "FileLock(p)", "ofd": "RecordLock(p)", "posix": "RecordLock(p, kind='posix')"}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_form = pytest.mark.parametrize("form", ["path", "file"])


@pytest.fixture
def make(path, kind):
    """One lock of this kind on the file: by its path, or on a file that we have opened."""
    opened = []

    def made(form="path", **named):
        if form == "path":
            return KINDS[kind](path, **named)
        opened.append(open(path, "r+b"))
        return KINDS[kind](opened[-1], **named)

    yield made
    for file in opened:
        file.close()


@every_kind
@every_form
def test_threads_that_share_an_object_exclude_each_other(make, form):
    inside, most = [], []

    def work():
        for _ in range(60):
            with lock:
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    lock = make(form, timeout=WAIT)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(most) == 240
    assert max(most) == 1
    lock.close()


@every_kind
@every_form
def test_threads_that_share_an_object_read_together_and_write_alone(make, form):
    lock, readers, together, wrong = make(form), [], [], []
    meet = threading.Barrier(3)

    def read():
        with lock.reading(timeout=WAIT):
            readers.append(1)
            meet.wait(WAIT)
            together.append(len(readers))
            meet.wait(WAIT)
            readers.pop()

    def write():
        with lock.writing(timeout=WAIT):
            wrong.extend(readers)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(PATIENCE)
    threads += [threading.Thread(target=write) for _ in range(3)]
    for thread in threads[3:]:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert together == [3, 3, 3]
    assert not wrong
    assert not lock.held
    lock.close()


@every_kind
@every_form
def test_a_thread_that_holds_it_is_told_that_it_would_wait_for_itself(make, form):
    lock = make(form)
    with lock:
        with pytest.raises(OSError, match="Resource deadlock") as caught:
            lock.acquire()
        assert caught.value.errno == errno.EDEADLK
        assert lock.held
    with lock.reading():
        with lock.reading():
            with pytest.raises(OSError, match="Resource deadlock"):
                lock.acquire(shared=False)
        assert lock.held
    assert not lock.held
    lock.close()


@every_kind
def test_processes_exclude_each_other(make, kind, other, path):
    other.do(f"from unixipc import *; p={os.fspath(path)!r}; lock = {THERE[kind]}")
    lock = make()
    assert other.do("_ = lock.try_acquire()") == "True"
    assert lock.try_acquire() is False
    with pytest.raises(TimeoutError) as caught:
        lock.acquire(timeout=0.02)
    said = str(caught.value)
    assert f"process {other.child.pid} " in said
    assert caught.value.filename == os.fspath(path)
    other.do("lock.release()")
    with lock:
        assert other.do("_ = lock.try_acquire()") == "False"
        assert other.do("_ = lock.try_acquire(shared=True)") == "False"
    with lock.reading():
        assert other.do("_ = lock.try_acquire()") == "False"
        assert other.do("_ = lock.try_acquire(shared=True)") == "True"
    lock.close()


@every_kind
def test_it_is_handed_over_without_a_look_in_between(make, other, path, kind):
    """The one that waits is asleep in the kernel: woken by the release, not by a clock."""
    other.do(f"from unixipc import *; p={os.fspath(path)!r}; lock = {THERE[kind]}")
    mine = make()
    mine.acquire()
    other.start(
        "import resource; before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw; lock.acquire(timeout=20);"
        "_ = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before"
    )
    time.sleep(0.5)
    mine.release()
    assert int(other.answer()) < 20, "a poll each 10 ms would have slept 50 times"
    mine.close()


@every_kind
def test_a_killed_holder_holds_nothing(make, other, path, kind):
    other.do(f"from unixipc import *; p={os.fspath(path)!r}; lock = {THERE[kind]}; lock.acquire()")
    lock = make()
    assert not lock.try_acquire()
    waiter = threading.Thread(target=lock.acquire, args=(WAIT,))
    waiter.start()
    time.sleep(PATIENCE)
    other.kill()
    waiter.join(WAIT)
    assert lock.held
    lock.close()


@every_kind
@every_form
def test_close_while_a_thread_waits_is_a_closed_error_there(make, form, other, path, kind):
    other.do(f"from unixipc import *; p={os.fspath(path)!r}; lock = {THERE[kind]}; lock.acquire()")
    lock, errors = make(form), []

    def wait():
        try:
            lock.acquire(timeout=WAIT)
        except BaseException as error:
            errors.append(type(error))

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(PATIENCE)
    lock.close()
    for thread in threads:
        thread.join(WAIT)
    assert errors == [ClosedError] * 3
    other.do("lock.release()")
    assert other.do("_ = lock.try_acquire()") == "True"


@every_kind
def test_closing_releases_and_nothing_works_after(make):
    lock = make("file")
    lock.acquire()
    lock.close()
    again = make("file")
    assert again.try_acquire()
    again.close()
    for call in (lock.acquire, lock.try_acquire, lock.release, lock.fileno, lock.upgrade):
        with pytest.raises(ClosedError):
            call()


@every_kind
def test_release_of_what_is_not_held_is_an_error(make):
    lock = make()
    with pytest.raises(RuntimeError, match="not held"):
        lock.release()
    with pytest.raises(RuntimeError, match="not held"):
        lock.upgrade()
    lock.close()


def test_L14_flock_and_record_locks_do_not_see_each_other(path):
    with FileLock(path), RecordLock(path), open(path, "r+b") as file:
        assert probe(file).kind == "ofd"


def test_L15_ofd_and_posix_locks_exclude_each_other(path, other):
    other.do(f"from unixipc import *; lock = RecordLock({os.fspath(path)!r}, kind='posix'); lock.acquire()")
    lock = RecordLock(path)
    assert not lock.try_acquire()
    other.do("lock.release()")
    with lock:
        assert other.do("_ = lock.try_acquire()") == "False"
    lock.close()


def test_L09_S17_a_posix_lock_is_dropped_when_any_descriptor_of_the_file_is_closed(path, other):
    """Not a promise of ours: why `kind="posix"` is not the default."""
    other.do(f"from unixipc import *; p = {os.fspath(path)!r}; lock = RecordLock(p)")
    for kind, survives in (("posix", False), ("ofd", True)):
        lock = RecordLock(path, kind=kind)
        lock.acquire()
        path.read_bytes()  # opens and closes the file
        assert other.do("_ = lock.try_acquire()") == str(not survives)
        if not survives:
            other.do("lock.release()")
        lock.close()


def test_L11_posix_locks_in_a_circle_are_refused(path, other):
    other.do(f"from unixipc import *; p = {os.fspath(path)!r}")
    other.do("a, b = (RecordLock(p, start, 10, kind='posix') for start in (0, 10))")
    a, b = (RecordLock(path, start, 10, kind="posix") for start in (0, 10))
    a.acquire()
    other.do("b.acquire()")
    other.start("a.acquire(timeout=20)")
    time.sleep(PATIENCE)
    with pytest.raises(OSError, match="deadlock") as caught:
        b.acquire(timeout=WAIT)
    assert caught.value.errno == errno.EDEADLK
    a.release()
    assert other.answer() == "None"
    a.close()
    b.close()


def test_nothing_is_held_after_a_timeout(path, other):
    other.do(f"from unixipc import *; lock = FileLock({os.fspath(path)!r}); lock.acquire()")
    lock = FileLock(path, timeout=0.01)
    with pytest.raises(TimeoutError), lock:
        raise AssertionError("it is not ours")
    other.do("lock.release()")
    assert other.do("_ = lock.try_acquire()") == "True"
    lock.close()


def test_the_constructors_timeout_is_for_every_acquire(path):
    with FileLock(path):
        lock = FileLock(path, 0.01)
        for wait in (lock.acquire, lock.__enter__):
            with pytest.raises(TimeoutError):
                wait()
        lock.close()
