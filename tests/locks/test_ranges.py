"""Ranges of bytes: what splits, merges and converts; what they are asked about; against a model of the manual."""

from __future__ import annotations

import errno
import os
import random
import secrets
import threading
import time

import pytest

from unixipc import Exited, RecordLock, fork
from unixipc.locks import Holder, lock_range, probe, try_lock_range, unlock_range

WAIT = 30
PATIENCE = 0.05
kinds = pytest.mark.parametrize("kind", ["ofd", "posix"])


@pytest.fixture
def two(path):
    """Two openings of the file."""
    with open(path, "r+b", buffering=0) as mine, open(path, "r+b", buffering=0) as theirs:
        yield mine, theirs


def seen(file, end=130, shared=False):
    """What the others hold, as this opening sees it: (start, length) one after the other."""
    found, at = [], 0
    while at < end and (holder := probe(file, at, end - at, shared)) is not None:
        found.append((holder.start, holder.length))
        if holder.length == 0:
            break
        at = holder.start + holder.length
    return found


def test_L06_an_unlocked_part_splits_and_neighbours_merge(two):
    mine, theirs = two
    lock_range(mine, 0, 100)
    unlock_range(mine, 40, 20)
    assert seen(theirs) == [(0, 40), (60, 40)]
    lock_range(mine, 40, 20)
    assert seen(theirs) == [(0, 100)]
    lock_range(mine, 100, 10)
    assert seen(theirs) == [(0, 110)]
    unlock_range(mine, 0, 0)
    assert seen(theirs) == []


def test_L06_a_part_is_converted(two):
    mine, theirs = two
    lock_range(mine, 0, 100)
    lock_range(mine, 40, 20, shared=True)
    assert seen(theirs) == [(0, 40), (40, 20), (60, 40)]
    assert seen(theirs, shared=True) == [(0, 40), (60, 40)]
    assert try_lock_range(theirs, 45, 5, shared=True)
    assert not try_lock_range(mine, 45, 5), "they share it now"
    assert not try_lock_range(theirs, 39, 2, shared=True)


def test_L01_length_0_is_to_the_end_however_far_that_moves(two):
    mine, theirs = two
    lock_range(mine, 500)
    theirs.truncate(100_000)
    assert not try_lock_range(theirs, 99_999, 1)
    assert not try_lock_range(theirs, 2**62, 1)
    assert try_lock_range(theirs, 0, 500)
    assert probe(theirs) == Holder(None, "ofd", False, 500, 0)


def test_L01_a_negative_length_is_what_is_before(two):
    mine, theirs = two
    with RecordLock(mine, start=100, length=-10):
        assert probe(theirs) == Holder(None, "ofd", False, 90, 10)


def test_L01_a_range_from_the_end_stays_where_it_was_found(two, path):
    """1000 bytes, of which the last ten are held; then the file grows."""
    mine, theirs = two
    lock = RecordLock(path, -10, 10, whence="end")
    with lock:
        assert lock.first_byte() == 990
        assert probe(theirs) == Holder(None, "ofd", False, 990, 10)
        theirs.truncate(2000)
        assert lock.first_byte() == 990
        assert not RecordLock(path, 995, 1).try_acquire()
        assert probe(mine, -10, 10, whence="end") is None
        assert probe(mine, -1010, 10, whence="end") == probe(mine)
    assert probe(theirs) is None, "what was locked is what is released"
    with lock.reading():
        assert lock.first_byte() == 1990, "looked up anew by each acquire"
        assert lock.upgrade()
        assert probe(theirs).start == 1990
    lock.close()


def test_L01_what_will_be_appended_is_the_range_from_the_end(two, path):
    with RecordLock(path, whence="end"):
        two[0].truncate(3000)
        assert not RecordLock(path, 2999, 1).try_acquire()
        assert RecordLock(path, 999, 1).try_acquire()


def test_L01_a_range_from_the_position_of_an_open_file(two):
    mine, theirs = two
    mine.seek(100)
    with RecordLock(mine, -5, 10, whence="current") as lock:
        assert probe(theirs) == Holder(None, "ofd", False, 95, 10)
        mine.seek(500)
        theirs.seek(99)
        assert probe(theirs, length=1, whence="current").start == 95
        assert RecordLock(theirs, 0, 100, whence="end").try_acquire()
    assert probe(theirs) is None
    lock.close()


def test_L01_who_waits_for_the_end_waits_for_where_it_was(path, other):
    """The kernel looks the range up when the wait begins; so do we, and release that."""
    other.do(f"from unixipc import *; whole = RecordLock({os.fspath(path)!r}, 1000); whole.acquire()")
    lock, got = RecordLock(path, 0, 10, whence="end"), []

    def wait():
        with lock.writing(timeout=WAIT):
            got.append((lock.first_byte(), path.stat().st_size))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(PATIENCE)
    os.truncate(path, 5000)
    other.do("whole.release()")
    thread.join(WAIT)
    assert got == [(1000, 5000)]
    with open(path) as file:
        assert probe(file, shared=True) is None
    lock.close()


def test_L01_what_begins_before_the_file_is_refused(path, two):
    for lock in (RecordLock(path, -1001, 5, whence="end"), RecordLock(two[0], 2, -5, whence="current")):
        for call in (lock.try_acquire, lock.acquire, lock.first_byte):
            with pytest.raises(OSError, match="Invalid argument") as caught:
                call()
            assert caught.value.errno == errno.EINVAL
            assert "before the file" in caught.value.__notes__[0]
        assert not lock.held
        lock.close()
    with pytest.raises(ValueError, match="no current position"):
        RecordLock(path, whence="current")
    for call in (RecordLock, probe):
        with pytest.raises(ValueError, match="whence must be"):
            call(two[0], whence="middle")


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (5, -6), (2**63 - 1, 2)])
def test_what_is_no_range_of_a_file_is_refused(path, start, length):
    with pytest.raises(ValueError, match="not in a file"):
        RecordLock(path, start, length)


def test_unknown_kinds_are_refused(path, two):
    for call in (RecordLock, try_lock_range, lock_range, unlock_range, probe):
        with pytest.raises(ValueError, match="kind must be"):
            call(two[0], kind="mandatory")


@kinds
def test_S16_L05_the_file_must_be_open_for_what_is_asked(path, kind):
    with open(path, "rb") as reading, open(path, "ab") as writing:
        assert try_lock_range(reading, shared=True, kind=kind)
        unlock_range(reading, kind=kind)
        for file, shared in ((reading, False), (writing, True)):
            for call in (try_lock_range, lock_range):
                with pytest.raises(OSError, match="Bad file") as caught:
                    call(file, shared=shared, kind=kind)
                assert caught.value.errno == errno.EBADF
                assert "open for" in caught.value.__notes__[0]
        with pytest.raises(OSError, match="Bad file"):
            RecordLock(reading, kind=kind).acquire()


@kinds
def test_objects_on_one_open_file_are_one_owner(path, kind):
    with open(path, "r+b") as file:
        whole, part = RecordLock(file, kind=kind), RecordLock(file, 10, 10, kind=kind)
        with whole:
            with part:
                assert whole.held and part.held
            with open(path, "r+b") as other:
                if kind == "ofd":
                    assert try_lock_range(other, 10, 10), "the part has been unlocked"
        whole.close()
        part.close()


# L03, L04, S15: who holds it


def test_probe_names_a_real_holder(path, other, two):
    other.do(f"from unixipc.locks import *; file = open({os.fspath(path)!r}, 'r+b')")
    other.do("lock_range(file, 10, 20, kind='posix'); lock_range(file, 50, 10, shared=True)")
    mine = two[0]
    assert probe(mine) == Holder(other.child.pid, "posix", False, 10, 20)
    assert probe(mine, 30) == Holder(None, "ofd", True, 50, 10)
    assert probe(mine, 30, shared=True) is None
    assert probe(mine, 0, 10) is None
    assert probe(mine, kind="posix") == Holder(other.child.pid, "posix", False, 10, 20)


def test_probe_from_the_side_of_the_process(two):
    mine, theirs = two
    lock_range(mine, 0, 10, kind="posix")
    assert probe(theirs, kind="posix") is None, "it is this process's own"
    assert probe(theirs) == Holder(os.getpid(), "posix", False, 0, 10)


def test_a_range_is_waited_for_with_a_limit(path, other, two):
    other.do(f"from unixipc.locks import *; file = open({os.fspath(path)!r}, 'r+b'); lock_range(file, 0, 10)")
    with pytest.raises(TimeoutError):
        lock_range(two[0], 5, 10, timeout=0.02)
    assert try_lock_range(two[0], 10, 5)
    other.do("unlock_range(file)")
    lock_range(two[0], 5, 10, timeout=WAIT)
    assert other.do("_ = try_lock_range(file, 14, 1)") == "False"


# L06: against a model


class Model:
    """Byte by byte: which of the owners has it, and how."""

    SIZE = 64

    def __init__(self, owners):
        self.bytes = [[None] * self.SIZE for _ in range(owners)]

    def lock(self, owner, start, length, access):
        """Whether it was possible."""
        wanted = range(start, start + length)
        if access != "unlock":
            for number, theirs in enumerate(self.bytes):
                if number != owner and any(theirs[i] and "write" in (theirs[i], access) for i in wanted):
                    return False
        for i in wanted:
            self.bytes[owner][i] = None if access == "unlock" else access
        return True

    def first_conflict(self, owner, start, length, access):
        """(bytes that may be what probe tells)."""
        return [
            (number, i)
            for number, theirs in enumerate(self.bytes)
            for i in range(start, start + length)
            if number != owner and theirs[i] and "write" in (theirs[i], access)
        ]


def is_real(model, holder, owner, pids, span, access):
    """Whether the holder that the kernel named has a lock like that in the model."""
    for number, theirs in enumerate(model.bytes):
        if number == owner or (holder.pid is not None and pids[number] != holder.pid):
            continue
        part = set(theirs[holder.start : holder.start + holder.length])
        overlaps = holder.start < span[0] + span[1] and span[0] < holder.start + holder.length
        if part == {"read" if holder.shared else "write"} and overlaps and "write" in (access, *part):
            return True
    return False


STEP = """
access, start, length = {step!r}
if access == "unlock":
    unlock_range(file, start, length, kind=kind); _ = True
elif access == "probe":
    _ = (probe(file, start, length, False, kind), probe(file, start, length, True, kind))
else:
    _ = try_lock_range(file, start, length, shared=access == "read", kind=kind)
"""


def owners_of(path, kinds, others):
    for other, kind in zip(others, kinds, strict=True):
        other.do(f"from unixipc.locks import *; file = open({os.fspath(path)!r}, 'r+b'); kind = {kind!r}")
    return [other.child.pid if kind == "posix" else None for other, kind in zip(others, kinds, strict=True)]


@pytest.mark.parametrize("steps", [20_000, pytest.param(100_000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])
def test_L06_random_steps_of_three_processes_do_what_the_model_does(path, steps, three):
    """Two of them own by opening, one by process; each step is an order to one of them."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    dice, model = random.Random(seed), Model(3)
    pids = owners_of(path, ("ofd", "posix", "ofd"), three)
    for number in range(steps):
        owner, start = dice.randrange(3), dice.randrange(Model.SIZE)
        length = 1 + dice.randrange(min(20, Model.SIZE - start))
        step = (dice.choice(("read", "read", "write", "write", "unlock", "unlock", "probe")), start, length)
        answer = three[owner].do(STEP.format(step=step))
        where = f"step {number} of seed {seed}: {step} by {owner}"
        if step[0] != "probe":
            assert answer == str(model.lock(owner, start, length, step[0])), where
            continue
        for holder, access in zip(eval(answer, {"Holder": Holder}), ("write", "read"), strict=True):
            assert (holder is None) == (not model.first_conflict(owner, start, length, access)), where
            assert holder is None or is_real(model, holder, owner, pids, (start, length), access), where


def test_L08_a_conflict_is_no_error(path, two):
    with two[0], RecordLock(path) as lock:
        assert try_lock_range(two[0]) is False
    lock.close()


def test_ranges_of_a_child_are_gone_with_it(path, two):
    def live():
        file = open(path, "r+b")
        lock_range(file, 0, 10, kind="posix")
        lock_range(file, 20, 10)
        os._exit(0)

    with fork(live) as child:
        assert child.wait(timeout=WAIT) == Exited(0)
    assert probe(two[0]) is None
