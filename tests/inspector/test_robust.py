"""Robust locks as rows: what one is, who has it, who waits, who died with it; circles through them; damaged bytes."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import struct

import pytest

from unixipc import fork, inspector, map_file, pipe, robust, spawn
from unixipc.inspector import calls, procfs, robust_bytes
from unixipc.mapping import map_anonymous

WAIT = 20
ME = os.getpid()
shows_waits = pytest.mark.skipif(
    not procfs.shows_calls() or os.uname().machine not in calls.NAMES,
    reason="this kernel does not show what a process waits in, or this machine's numbers are not known",
)


def only(**fields):
    rows = [row for row in inspector.ls("robust") if all(getattr(row, name) == is_ for name, is_ in fields.items())]
    assert len(rows) == 1, rows
    return rows[0]


@pytest.fixture
def named():
    """Locks by name, that go with the test."""
    made = []

    def make(cls, *args, **words):
        made.append(cls.create("/unixipc-seen", *args, **words))
        return made[-1]

    yield make
    for lock in made:
        lock.remove()
        lock.close()


# one at a time --------------------------------------------------------------------------------------------------------


def test_a_mutex_by_name(named):
    mutex = named(robust.Mutex, mode=0o640)
    row = only(id="/unixipc-seen")
    assert (row.type, row.path, row.mode, row.owner_uid) == ("mutex", "/dev/shm/unixipc-seen", 0o640, os.geteuid())
    assert (row.state, row.suspect, row.holders, row.slots, row.used_by) == ("free", False, (), None, (ME,))
    with mutex:
        row = only(id="/unixipc-seen")
        assert (row.state, [(each.pid, each.tid, each.alive) for each in row.holders]) == ("held", [(ME, ME, True)])
        assert [(edge.pid, edge.detail) for edge in inspector.who("/unixipc-seen") if edge.how == "holds"] == [
            (ME, "has the mutex")
        ]


def test_a_holder_that_was_killed_is_told_until_somebody_recovers(named):
    mutex = named(robust.Mutex)

    def die():
        mutex.acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    with fork(die) as child:
        child.wait(WAIT)
    row = only(id="/unixipc-seen")
    assert (row.state, row.suspect, row.died_pid, row.holders) == ("free", True, child.pid, ())
    with mutex.hold(repair=lambda death: None):
        assert not only(id="/unixipc-seen").suspect
    with fork(die) as child:
        child.wait(WAIT)
    with pytest.raises(OSError, match="Owner died"):
        mutex.acquire()
    row = only(id="/unixipc-seen")
    assert (row.state, row.suspect, row.died_pid, row.holders[0].pid) == ("held", True, child.pid, ME)
    mutex.recover()
    mutex.release()


def test_permits_and_their_holders(named, children):
    semaphore = named(robust.Semaphore, 3)
    go, start = pipe()
    ready, tell = pipe()
    with go, start, ready, tell:

        def take():
            semaphore.acquire()
            tell.write_all(b"!")
            go.read(1)

        other = children.start(take)
        assert ready.read(1, WAIT) == b"!"
        semaphore.acquire()
        row = only(id="/unixipc-seen")
        assert (row.type, row.slots, row.free_slots, row.state) == ("semaphore", 3, 1, "held")
        assert {each.pid for each in row.holders} == {ME, other.pid} and not row.suspect
        start.write_all(b"!")
        children.all_succeed()
    semaphore.release()


def test_readers_and_a_writer(named):
    lock = named(robust.RWLock, readers=4)
    lock.acquire_shared()
    row = only(id="/unixipc-seen")
    assert (row.type, row.slots, row.free_slots, row.writer, row.writing) == ("rwlock", 4, 3, None, None)
    assert [each.pid for each in row.holders] == [ME]
    lock.release_shared()
    lock.acquire()
    row = only(id="/unixipc-seen")
    assert (row.state, row.holders, row.writer.pid, row.writing) == ("held", (), ME, True)
    lock.release()


def test_locks_in_other_memory_are_found_by_the_kernel_s_lists(tmp_path):
    path = tmp_path / "shared"
    path.write_bytes(bytes(8192))
    with map_file(path, "rw") as memory:
        mutex = robust.Mutex.create(memory, 4096 + 128)
        semaphore = robust.Semaphore.create(memory, 5, 512)
        with mutex, semaphore.hold():
            row = only(path=str(path), type="mutex")
            assert (row.id, row.offset_bytes, row.used_by) == (f"{path}+4224", 4224, (ME,))
            row = only(path=str(path), type="semaphore")
            assert (row.offset_bytes, row.slots, row.free_slots, row.holders[0].pid) == (512, 5, 4, ME)
        mutex.close()
        semaphore.close()


def test_one_that_is_alone_in_anonymous_memory_is_found_while_it_is_free():
    with map_anonymous(4096) as memory:
        condition = robust.Condition.create(memory)
        rows = [row for row in inspector.ls("robust") if row.type == "condition" and ME in row.used_by]
        assert [(row.state, row.path, row.offset_bytes, row.mode) for row in rows] == [("free", None, 0, None)]
        condition.close()


def test_a_name_that_was_removed_is_no_name(named):
    mutex = robust.Mutex.create("/unixipc-gone")
    mutex.remove()
    with mutex:
        (row,) = [row for row in inspector.ls("robust") if ME in row.used_by]
        assert row.path is None and row.id.count(":") == 2 and row.holders[0].pid == ME
    mutex.close()


def test_nobody_sees_no_more_than_it_may(named, as_nobody):
    mutex = named(robust.Mutex)

    def look():
        assert not [row for row in inspector.ls("robust") if row.id == "/unixipc-seen"]

    with mutex:
        as_nobody(look)


# waits ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wait_of(until):
    """The wait of this process at a robust lock, as soon as it is asleep."""

    def look(child):
        found = []
        until(lambda: found.extend(w for w in inspector.why(child.pid).waits if w.kind == "robust") or found)
        return found[0]

    return look


@shows_waits
def test_N10_who_waits_for_a_mutex_is_told_who_has_it(named, children, wait_of, until):
    mutex = named(robust.Mutex)
    with mutex:
        child = children.start(mutex.acquire)
        wait = wait_of(child)
        assert (wait.id, wait.does, wait.others) == ("/unixipc-seen", "acquires", False)
        assert wait.text == f"mutex /unixipc-seen is held by {ME}"
        assert [(each.pid, each.sure) for each in wait.enders] == [(ME, True)]
        until(lambda: only(id="/unixipc-seen").waiters == ((child.pid, child.pid),))
        until(lambda: (child.pid, "waits for") in {(e.pid, e.how) for e in inspector.who("/unixipc-seen")})
    children.all_succeed()


@shows_waits
def test_N10_who_waits_for_a_permit_is_told_who_has_them(named, children, wait_of):
    semaphore = named(robust.Semaphore, 1)
    with semaphore.hold():
        wait = wait_of(children.start(semaphore.acquire))
        assert wait.does == "acquires" and "has 0 of 1 permits free" in wait.text
        assert [(each.pid, each.sure) for each in wait.enders] == [(ME, True)] and not wait.others
    children.all_succeed()


@shows_waits
def test_N10_a_writer_waits_for_readers_and_a_reader_for_the_writer_before_it(named, children, wait_of):
    lock = named(robust.RWLock)
    lock.acquire_shared()
    writer = children.start(lambda: (lock.acquire(), lock.release()))
    wait = wait_of(writer)
    assert wait.text == f"rwlock /unixipc-seen is read by {ME}" and [each.pid for each in wait.enders] == [ME]
    wait = wait_of(children.start(lock.acquire_shared))
    assert wait.text == f"rwlock /unixipc-seen is claimed for writing by {writer.pid}"
    assert wait.does == "reads" and [each.pid for each in wait.enders] == [writer.pid]
    lock.release_shared()
    children.all_succeed()


@shows_waits
def test_N10_who_waits_for_a_notification_could_be_woken_by_anybody(named, children, wait_of):
    condition = named(robust.Condition)

    def sleep():
        with condition:
            condition.wait(WAIT)

    wait = wait_of(children.start(sleep))
    assert wait.text == "for a notification of condition /unixipc-seen" and wait.others
    assert [(each.pid, each.sure) for each in wait.enders] == [(ME, False)]
    with condition:
        condition.notify_all()
    children.all_succeed()


@shows_waits
def test_N10_a_deadlock_of_a_mutex_and_a_file_lock_is_sure(tmp_path, named, children, until):
    """A has the mutex and waits for the file; B has the file locked and waits for the mutex."""
    mutex, path = named(robust.Mutex), tmp_path / "locked"
    path.touch()
    (ready, tell), (go, start) = os.pipe(), os.pipe()

    def a():
        mutex.acquire()
        os.write(tell, b"a")
        os.read(go, 1)
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)

    def b():
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(tell, b"b")
            os.read(go, 1)
            mutex.acquire()

    circle = {children.start(a).pid, children.start(b).pid}
    assert {os.read(ready, 1), os.read(ready, 1)} == {b"a", b"b"}
    os.write(start, b"!!")
    for fd in (ready, tell, go, start):
        os.close(fd)
    found = []
    until(lambda: found.extend(each for each in inspector.why().cycles if set(each.pids) == circle) or found)
    assert found[0].sure and {wait.kind for wait in found[0].waits} == {"robust", "lock"}
    assert "mutex /unixipc-seen is held by" in str(found[0])


# damage ---------------------------------------------------------------------------------------------------------------

SEED = 20_261_122


@pytest.mark.parametrize("round_", range(4))
def test_any_bytes_are_looked_at_without_harm(round_):
    """Random headers, and headers that begin rightly: whatever comes out, no error and no crash."""
    chance = random.Random(SEED + round_)
    path = "/dev/shm/unixipc-damaged"
    try:
        for _ in range(60):
            raw = bytearray(chance.randbytes(chance.choice((0, 1, 63, 64, 65, 128, 200, 4096))))
            if len(raw) >= 64 and chance.random() < 0.8:
                kind, slots = chance.randrange(7), chance.choice((0, 1, 2, 1024, 1025, 65535))
                struct.pack_into(
                    "=Q", raw, 8, 0x42524955 | chance.choice((1, 1, 1, 2)) << 32 | kind << 40 | slots << 48
                )
            with open(path, "wb") as file:
                file.write(raw)
            for row in inspector.ls("robust"):
                if row.path == path:
                    assert row.type in ("mutex", "semaphore", "rwlock", "condition")
                    assert (row.state == "damaged") == (row.slots is not None and len(raw) < 64 * (1 + row.slots))
                    inspector.who(path)
    finally:
        os.unlink(path)


def test_bytes_that_are_cut_off_anywhere_are_decoded_or_refused():
    chance = random.Random(SEED)
    for _ in range(3000):
        raw = bytearray(chance.randbytes(chance.randrange(300)))
        if len(raw) >= 64:
            struct.pack_into("=Q", raw, 8, 0x42524955 | 1 << 32 | chance.randrange(6) << 40 | chance.randrange(5) << 48)
        block = robust_bytes.block_of(bytes(raw))
        assert (block is None) == (robust_bytes.size_of(bytes(raw)) == 0)
        if block is not None:
            assert len(block.taken) <= block.slots <= 1024
            assert block.whole == (len(raw) >= 64 * (1 + block.slots))
        at = robust_bytes.slot_among(bytes(raw))
        assert at is None or 0 <= at <= len(raw) - 64


def test_a_file_that_is_cut_off_while_we_look_kills_nobody(children, until):
    """Were it mapped, this would be a SIGBUS."""
    robust.Semaphore.create("/unixipc-cut", 1024).close()
    path = "/dev/shm/unixipc-cut"
    whole = os.stat(path).st_size
    go, start = pipe()
    try:
        with go, start:

            def cut():
                start.close()  # the end of our own end is an answer too
                while go.try_read(1) is None:
                    os.truncate(path, 64)
                    os.truncate(path, 0)
                    with open(path, "r+b") as file:
                        file.write(header)
                    os.truncate(path, whole)

            with open(path, "rb") as file:
                header = file.read(64)
            children.start(cut)
            states = set()
            for _ in range(100):
                states |= {row.state for row in inspector.ls("robust") if row.path == path}
            assert states <= {"free", "damaged"}
            start.write_all(b"!")
            children.all_succeed()
    finally:
        os.unlink(path)


def test_a_list_that_lies_leads_nowhere(children, until):
    """A thread's list of robust locks is in its own memory: here it is a circle, then an address of nothing."""
    import ctypes

    ready, tell = pipe()
    with ready, tell:

        def lie(first):
            libc = ctypes.CDLL(None)
            node = (ctypes.c_uint64 * 4)()
            at = ctypes.addressof(node)
            node[3] = at + 24  # a node that leads to itself
            head = (ctypes.c_uint64 * 3)(at + 24 if first is None else first, 2**64 - 32, first or 0)
            assert libc.syscall(273 if os.uname().machine == "x86_64" else 99, head, 24) == 0
            tell.write_all(b"!")
            signal.pause()

        for first in (None, 8, 2**63, 2**64 - 1):
            child = children.start(lie, first)
            assert ready.read(1, WAIT) == b"!"
            inspector.ls("robust")
            child.kill()
            child.wait(WAIT)


def test_a_lock_in_the_name_of_somebody_else_is_not_believed(named):
    """A word with the number of a process that does not use the lock: nobody is accused."""
    named(robust.Mutex)
    with open("/dev/shm/unixipc-seen", "r+b") as file, spawn(["sleep", "1000"]) as other:
        try:
            file.write(struct.pack("=II", other.pid, other.pid))
            file.flush()
            row = only(id="/unixipc-seen")
            assert row.state == "held" and [(each.pid, each.tid) for each in row.holders] == [(None, other.pid)]
            assert not any(edge.how == "holds" for edge in inspector.who("/unixipc-seen"))
        finally:
            file.seek(0)
            file.write(bytes(8))
            other.kill()
