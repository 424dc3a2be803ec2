"""Guarded memory: nobody reads what somebody else has half written; and without the guard they do."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
import time

import pytest

from unixipc import ClosedError, Exited, Killed, LayoutError, fork, pipe
from unixipc.sysv import Key, Semaphore, SharedMemory, segments, semaphore_sets
from unixipc.testing import crash

WAIT = 20
SIZE = 256 * 1024
HEADER = 64
WAYS = ["semaphore", "record_lock", "seqlock", "own semaphore"]
LOCKS = [way for way in WAYS if way != "seqlock"]
A_WHILE = 0.4


class Shared:
    """One segment, and how this test's processes guard it."""

    def __init__(self, way, path):
        path.touch()
        self.way, self.path = way, str(path)
        self.memory = SharedMemory.create(Key.ftok(path, 7), SIZE + HEADER)
        self.semaphore = Semaphore.temporary(1) if way == "own semaphore" else None

    def guarded(self, readonly=False):
        return self.memory.guarded(self.semaphore or self.way, readonly=readonly)

    def close(self):
        with self.guarded() as guarded:
            guarded.remove()
        self.memory.close()
        if self.semaphore:
            self.semaphore.close()


@pytest.fixture(params=WAYS)
def shared(request, tmp_path):
    made = Shared(request.param, tmp_path / "key")
    yield made
    made.close()


@pytest.fixture(params=LOCKS)
def locked(request, tmp_path):
    """Guarded by what one holds: all but the seqlock."""
    made = Shared(request.param, tmp_path / "key")
    yield made
    made.close()


@pytest.fixture
def seqlock(tmp_path):
    made = Shared("seqlock", tmp_path / "key")
    yield made
    made.close()


def patterns(size):
    return [bytes([byte]) * size for byte in range(4)]


def is_whole(data):
    return data.count(data[:1]) == len(data)


def write_patterns(shared, ready):
    with shared.guarded() as guarded:
        ready.write_all(b"!")
        while True:
            for pattern in patterns(guarded.size_bytes):
                guarded.write(pattern, timeout=WAIT)


def read_whole(shared, seconds):
    """Read for a while, all the time whole; it must have seen the writer at work."""
    seen = set()
    with shared.guarded(readonly=True) as guarded:
        began = time.monotonic()
        while time.monotonic() < began + seconds or (len(seen) < 2 and time.monotonic() < began + WAIT):
            data = guarded.read(timeout=WAIT)
            assert is_whole(data), "torn"
            seen.add(data[0])
    assert len(seen) > 1, "the writer never came to its turn"


# H14, S35: the torn read


def test_H14_with_the_guard_no_read_is_torn(shared, children):
    ready, tell = pipe()
    with ready, tell:
        writer = children.start(write_patterns, shared, tell)
        ready.read_exactly(1, timeout=WAIT)
        readers = [children.start(read_whole, shared, A_WHILE) for _ in range(2)]
        for reader in readers:
            assert reader.wait(timeout=3 * WAIT) == Exited(0)
        writer.kill()
        assert writer.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_S35_without_the_guard_reads_are_torn():
    """The control: the same bytes, the same writing, and nothing between. If this cannot fail, nor can the other."""
    with SharedMemory.temporary(SIZE) as memory, memory.attach() as segment:

        def write():
            while True:
                for pattern in patterns(SIZE):
                    segment.buffer[:] = pattern

        with fork(write) as writer:
            deadline = time.monotonic() + 3 * WAIT
            while is_whole(bytes(segment.buffer)):
                assert time.monotonic() < deadline, "no torn read was found: the test above shows nothing"
            writer.kill()
            writer.wait(timeout=WAIT)


def test_S35_a_seqlock_that_is_not_asked_reads_torn_too(seqlock):
    """The control with the lock's own writer: who looks past the lock sees half written bytes."""
    ready, tell = pipe()
    with ready, tell, fork(write_patterns, seqlock, tell) as writer, seqlock.memory.attach(readonly=True) as segment:
        deadline = time.monotonic() + 3 * WAIT
        while is_whole(bytes(segment.buffer[HEADER:])):
            assert time.monotonic() < deadline, "no torn read was found: the test above shows nothing"
        writer.kill()
        writer.wait(timeout=WAIT)


# reading and writing


def test_what_one_process_writes_another_reads(shared):
    with shared.guarded() as guarded:
        with fork(lambda: shared.guarded().write(b"hello", 10)) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert guarded.read(5, 10, timeout=WAIT) == b"hello"
        assert guarded.read(timeout=WAIT) == bytes(10) + b"hello" + bytes(guarded.size_bytes - 15)


def test_the_size_is_what_can_be_used(shared):
    with shared.guarded() as guarded:
        assert guarded.size_bytes == (SIZE if shared.way == "seqlock" else SIZE + HEADER)
        guarded.write(b"z" * guarded.size_bytes)
        assert guarded.read() == b"z" * guarded.size_bytes


@pytest.mark.parametrize("wrong", [(1, SIZE + HEADER), (-1, 0), (1, -1), (SIZE + HEADER + 1, 0), (1 << 62, 1 << 62)])
def test_reading_beyond_it_is_refused(shared, wrong):
    with shared.guarded() as guarded, pytest.raises(ValueError, match="not within"):
        guarded.read(*wrong)


@pytest.mark.parametrize(("data", "offset"), [(b"xy", SIZE + HEADER - 1), (b"x", -1), (bytes(SIZE + HEADER + 1), 0)])
def test_writing_beyond_it_is_refused_and_holds_nothing(shared, data, offset):
    with shared.guarded() as guarded:
        with pytest.raises(ValueError, match="not within"):
            guarded.write(data, offset)
        guarded.write(b"x", timeout=WAIT)
        assert guarded.read(2, timeout=WAIT) == b"x\0"


def test_writing_lends_the_bytes_and_takes_them_back(shared):
    with shared.guarded() as guarded:
        with guarded.writing() as body:
            body[:5] = b"hello"
        with pytest.raises(ValueError, match="released"):
            body[0]
        assert guarded.read(5) == b"hello"


def test_an_error_while_writing_lets_the_others_go_on(shared):
    with shared.guarded() as guarded:
        with pytest.raises(RuntimeError), guarded.writing() as body:
            body[:3] = b"abc"
            raise RuntimeError
        assert guarded.read(3, timeout=WAIT) == b"abc"


def test_reading_lends_bytes_that_cannot_be_written(locked):
    with locked.guarded() as guarded, guarded.reading() as body, pytest.raises(TypeError):
        body[0] = 1


def test_a_seqlock_cannot_lend_bytes_to_a_reader(seqlock):
    with seqlock.guarded() as guarded, pytest.raises(TypeError, match=r"read\(\)"), guarded.reading():
        pass


def test_a_readonly_one_cannot_write(shared):
    with shared.guarded() as guarded:
        guarded.write(b"hello")
        with shared.guarded(readonly=True) as reader:
            with pytest.raises(TypeError):
                reader.write(b"x")
            with pytest.raises(TypeError), reader.writing() as body:
                body[0] = 1
            assert reader.read(5, timeout=WAIT) == b"hello"
        guarded.write(b"again", timeout=WAIT)


# exclusion, time-outs


def held_in_a_child(guarded_of, how):
    """Until it is killed."""
    ready, tell = pipe()

    def hold():
        with getattr(guarded_of(), how)(timeout=WAIT):
            tell.write_all(b"!")
            signal.pause()

    with ready, tell:
        child = fork(hold)
        ready.read_exactly(1, timeout=WAIT)
    return child


def test_while_one_writes_nobody_else_gets_it_and_the_time_out_says_so(locked):
    with held_in_a_child(locked.guarded, "writing") as child, locked.guarded() as guarded:
        for use in (guarded.read, lambda timeout: guarded.write(b"x", timeout=timeout)):
            with pytest.raises(TimeoutError):
                use(timeout=0.02)
        child.kill()
        child.wait(timeout=WAIT)
        assert guarded.read(1, timeout=WAIT) == b"\0"


def test_readers_of_a_record_lock_share_and_keep_writers_out(tmp_path):
    shared = Shared("record_lock", tmp_path / "key")
    with held_in_a_child(shared.guarded, "reading") as child, shared.guarded() as guarded:
        assert guarded.read(1, timeout=WAIT) == b"\0"
        with pytest.raises(TimeoutError):
            guarded.write(b"x", timeout=0.02)
        child.kill()
        child.wait(timeout=WAIT)
        guarded.write(b"x", timeout=WAIT)
    shared.close()


def test_threads_exclude_each_other(locked):
    """Also on one and the same object."""
    with locked.guarded() as guarded:
        outcome = []

        def other():
            try:
                guarded.write(b"x", timeout=0.05)
            except TimeoutError:
                outcome.append("excluded")

        with guarded.writing():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(WAIT)
        assert outcome == ["excluded"]
        guarded.write(b"y", timeout=WAIT)


def test_two_threads_of_a_seqlock_s_writer_do_not_tear(seqlock):
    """While one of them is at work no reader may take its bytes for whole, whatever the other one does."""
    with seqlock.guarded() as guarded, seqlock.guarded(readonly=True) as reader:

        def write_too():
            with contextlib.suppress(OSError):  # it may wait for its turn, or be refused
                guarded.write(b"y", SIZE - 1, timeout=0.05)

        with guarded.writing() as body:
            body[: SIZE // 2] = b"x" * (SIZE // 2)
            thread = threading.Thread(target=write_too)
            thread.start()
            thread.join(WAIT)
            try:
                data = reader.read(SIZE // 2 + 1, timeout=0.02)
            except TimeoutError:
                data = None
            body[SIZE // 2 : SIZE - 1] = b"x" * (SIZE // 2 - 1)
    assert data is None, "a reader was given bytes in the middle of a write"


def test_H14_a_fork_and_its_parent_exclude_each_other(locked):
    """A record lock belongs to the opening of the file, which fork shares: each side needs its own."""
    with locked.guarded() as guarded:
        with held_in_a_child(lambda: guarded, "writing") as child:
            with pytest.raises(TimeoutError):
                guarded.write(b"x", timeout=0.02)
            child.kill()
            child.wait(timeout=WAIT)
        guarded.write(b"x", timeout=WAIT)

        def excluded():
            with pytest.raises(TimeoutError):
                guarded.write(b"x", timeout=0.02)

        with guarded.writing(), fork(excluded) as child:
            assert child.wait(timeout=WAIT) == Exited(0)


# kill -9


def test_writers_killed_while_they_hold_it_stop_nobody(shared):
    """At random moments of their work; what they leave may be half written, but the next write makes it whole."""
    for number, moment in enumerate(crash.random_moments(40, 0.01, seed=14)):

        def write_for_ever(number=number):
            with shared.guarded() as guarded:
                while True:
                    guarded.write(bytes([number]) * guarded.size_bytes, timeout=WAIT)

        with crash.killed_after(write_for_ever, moment) as child:
            assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        with shared.guarded() as guarded:
            guarded.write(b"w" * guarded.size_bytes, timeout=WAIT)
            assert is_whole(guarded.read(timeout=WAIT))


def test_readers_of_a_seqlock_time_out_after_a_killed_writer_until_the_next_one_writes(seqlock):
    with held_in_a_child(seqlock.guarded, "writing") as child, seqlock.guarded(readonly=True) as reader:
        child.kill()
        child.wait(timeout=WAIT)
        with pytest.raises(TimeoutError):
            reader.read(timeout=0.02)
        got = []
        thread = threading.Thread(target=lambda: got.append(reader.read(5, timeout=WAIT)))
        thread.start()
        with seqlock.guarded() as heir:
            heir.write(b"whole")
            thread.join(WAIT)
        assert got == [b"whole"]


# the seqlock's own rules


def test_a_seqlock_has_one_writer_at_a_time(seqlock):
    ready, tell = pipe()

    def write_and_stay():
        with seqlock.guarded() as guarded:
            guarded.write(b"first")
            tell.write_all(b"!")
            signal.pause()

    with ready, tell, fork(write_and_stay) as child, seqlock.guarded() as guarded:
        ready.read_exactly(1, timeout=WAIT)
        with pytest.raises(PermissionError) as caught:
            guarded.write(b"second")
        assert f"process {child.pid} is the one writer" in " ".join(caught.value.__notes__)
        assert guarded.read(5) == b"first"
        child.kill()
        child.wait(timeout=WAIT)
        guarded.write(b"second")


def test_a_seqlock_s_writer_leaves_by_closing(seqlock):
    def write():
        with seqlock.guarded() as guarded:
            guarded.write(b"theirs")
        os.kill(os.getpid(), signal.SIGSTOP)

    with fork(write) as child, seqlock.guarded() as guarded:
        child.wait(stopped=True, timeout=WAIT)
        guarded.write(b"mine")
        child.kill()
        child.wait(timeout=WAIT)


@pytest.mark.parametrize("foreign", [b"anything else", b"UISQ\x02\0\0\0", b"UISR\x01\0\0\0"])
def test_memory_that_holds_something_else_is_no_seqlock(foreign):
    with SharedMemory.temporary(1000) as memory:
        with memory.attach() as segment:
            segment.buffer[: len(foreign)] = foreign
        for readonly in (True, False):
            with pytest.raises(LayoutError, match="sequence lock"):
                memory.guarded("seqlock", readonly=readonly)
        with memory.attach() as segment:
            assert bytes(segment.buffer[: len(foreign)]) == foreign


def test_memory_too_small_for_a_seqlock_is_refused():
    with SharedMemory.temporary(63) as memory, pytest.raises(ValueError, match="64 bytes"):
        memory.guarded("seqlock")


# making, closing, removing


def test_remove_leaves_nothing(shared):
    with shared.guarded() as guarded:
        guarded.write(b"x")
        guarded.remove()
    assert shared.memory.id not in {each.id for each in segments()}
    assert shared.memory.key not in {each.permissions.key for each in semaphore_sets()}
    shared.memory = SharedMemory.create(Key.ftok(shared.path, 7), SIZE + HEADER)


def test_closing_detaches_and_twice_is_fine(shared):
    guarded = shared.guarded()
    before = shared.memory.stat().attached
    guarded.write(b"x")
    guarded.close()
    guarded.close()
    assert guarded.closed
    assert shared.memory.stat().attached == before - 1
    for use in (guarded.read, lambda: guarded.write(b"x"), lambda: guarded.writing().__enter__()):
        with pytest.raises(ClosedError):
            use()
    with shared.guarded() as again:
        assert again.read(1, timeout=WAIT) == b"x"


def test_unknown_guards_are_refused():
    with SharedMemory.temporary(100) as memory:
        with pytest.raises(ValueError, match="'semaphore', 'record_lock', 'seqlock'"):
            memory.guarded("hope")
        with pytest.raises(ValueError, match="path"):
            memory.guarded("record_lock")
        with pytest.raises(ValueError, match="Semaphore"):
            memory.guarded("semaphore")
        with pytest.raises(FileNotFoundError, match="/nowhere"):
            memory.guarded("record_lock", path="/nowhere")
        assert memory.stat().attached == 1


def test_any_semaphore_can_guard_private_memory():
    with SharedMemory.temporary(100) as memory, Semaphore.temporary(1) as one, memory.guarded(one) as guarded:
        with guarded.writing():
            assert one.value == 0
        assert one.value == 1


def test_a_record_lock_finds_its_file_by_the_key(tmp_path):
    path = tmp_path / "key"
    path.touch()
    with SharedMemory.create(Key.ftok(path, 1), 100) as memory:
        with memory.guarded("record_lock") as guarded, guarded.writing():
            assert f":{path.stat().st_ino} " in pathlib.Path("/proc/locks").read_text()
        memory.remove()
