"""L13: what becomes of the lock that we had."""

from __future__ import annotations

import os
import threading
import time

import pytest

from unixipc import FileLock, RecordLock

WAIT = 30
PATIENCE = 0.05
KINDS = {
    "flock": FileLock,
    "ofd": RecordLock,
    "posix": lambda path, **named: RecordLock(path, kind="posix", **named),
}
THERE = {"flock": "FileLock(p)", "ofd": "RecordLock(p)", "posix": "RecordLock(p, kind='posix')"}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def mine(path, kind):
    lock = KINDS[kind](path)
    yield lock
    lock.close()


@pytest.fixture
def theirs(path, kind, other):
    other.do(f"from unixipc import *; p = {os.fspath(path)!r}; lock = {THERE[kind]}")
    return other


def test_what_nobody_shares_is_converted_in_one_step(mine, theirs):
    with mine.reading():
        assert mine.upgrade() is True
        assert not mine.held_shared
        assert theirs.do("_ = lock.try_acquire(shared=True)") == "False"
        assert mine.upgrade() is True
        mine.downgrade()
        assert mine.held_shared
        assert theirs.do("_ = lock.try_acquire(shared=True)") == "True"
        assert theirs.do("_ = lock.try_upgrade()") == "False"


def test_a_try_that_fails_keeps_a_record_lock_and_loses_a_flock(mine, theirs, kind):
    theirs.do("lock.acquire(shared=True)")
    mine.acquire(shared=True)
    assert mine.try_upgrade() is False
    assert mine.held is (kind != "flock")
    assert theirs.do("_ = lock.try_upgrade()") == str(kind == "flock"), "nobody else has it, if we have lost it"
    if kind != "flock":
        mine.release()


def test_an_upgrade_that_has_to_wait_says_that_others_may_have_written(mine, theirs):
    theirs.do("lock.acquire(shared=True)")
    mine.acquire(shared=True)
    theirs.start("import time; time.sleep(0.1); lock.release()")
    assert mine.upgrade(timeout=WAIT) is False
    assert mine.held
    assert not mine.held_shared
    theirs.answer()
    mine.release()
    with mine.reading():
        assert mine.held_shared, "a conversion is of what is held, not of the object"


def test_an_upgrade_that_fails_tells_that_nothing_is_held(mine, theirs):
    theirs.do("lock.acquire(shared=True)")
    with pytest.raises(TimeoutError) as caught, mine.reading():
        mine.upgrade(timeout=0.02)
    assert "not held any more" in " ".join(caught.value.__notes__)
    assert f"shared by process {theirs.child.pid}" in str(caught.value)
    assert not mine.held
    theirs.do("lock.release()")
    assert theirs.do("_ = lock.try_acquire()") == "True"


def test_two_that_upgrade_at_once_do_not_wait_for_each_other(mine, theirs):
    theirs.do("lock.acquire(shared=True)")
    mine.acquire(shared=True)
    theirs.start("_ = lock.upgrade(timeout=20); lock.release()")
    time.sleep(PATIENCE)
    first = mine.upgrade(timeout=WAIT)
    mine.release()
    assert False in (first, theirs.answer() == "True"), "both cannot have kept it"


def test_an_upgrade_waits_for_the_other_threads_of_the_object(mine):
    inside, wrong = threading.Event(), []
    gate = threading.Event()

    def read():
        with mine.reading():
            inside.set()
            gate.wait(WAIT)
            wrong.append(not mine.held_shared)

    thread = threading.Thread(target=read)
    thread.start()
    inside.wait(WAIT)
    mine.acquire(shared=True)
    threading.Timer(PATIENCE, gate.set).start()
    assert mine.upgrade(timeout=WAIT) is False
    thread.join(WAIT)
    assert wrong == [False]
    mine.release()


def test_a_downgrade_lets_readers_in_and_no_writer(mine, theirs):
    mine.acquire()
    theirs.start("lock.acquire(20, shared=True); _ = lock.held_shared")
    time.sleep(PATIENCE)
    mine.downgrade()
    assert theirs.answer() == "True"
    assert mine.held_shared
    mine.release()
