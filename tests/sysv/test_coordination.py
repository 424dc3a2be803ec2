"""The reader-writer lock and the barrier: promises, time-outs, kills. Both are a semaphore set with undo, no more."""

from __future__ import annotations

import pickle
import random
import signal
import threading
import time

import pytest

from unixipc import ClosedError, Exited, Killed, ObjectRemoved, fork, pipe
from unixipc.sysv import Barrier, Key, ReadWriteLock, SemaphoreSet, SharedMemory
from unixipc.testing import crash

WAIT = 20
SHORT = 0.02


@pytest.fixture
def lock():
    with ReadWriteLock.temporary() as made:
        yield made


def held_by_a_child(lock, how):
    """A child that holds it until it is killed."""
    ready, tell = pipe()

    def hold():
        getattr(lock, how)(timeout=WAIT)
        tell.write_all(b"!")
        signal.pause()

    with ready, tell:
        child = fork(hold)
        ready.read_exactly(1, timeout=WAIT)
    return child


def end(child):
    child.kill()
    assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def in_a_child(function):
    with fork(lambda: int(bool(function()))) as child:
        return child.wait(timeout=WAIT).code == 1


def state(lock):
    """(readers, writers, waiting writers)"""
    return lock.semaphores.values


# M18: the reader-writer lock


def test_M18_readers_share(lock):
    with lock.reading(), held_by_a_child(lock, "acquire_shared") as child:
        assert state(lock) == (2, 0, 0)
        end(child)
    assert state(lock) == (0, 0, 0)


def test_M18_a_writer_is_alone(lock):
    with lock.writing():
        assert state(lock) == (0, 1, 0)
        assert not in_a_child(lock.try_acquire)
        assert not in_a_child(lock.try_acquire_shared)
    assert in_a_child(lock.try_acquire)


def test_M18_readers_keep_writers_out(lock):
    with lock.reading():
        assert not in_a_child(lock.try_acquire)
        assert in_a_child(lock.try_acquire_shared)


def test_M18_a_waiting_writer_keeps_new_readers_out(lock, until):
    lock.acquire_shared()
    with held_by_waiting(lock, until) as writer:
        assert not in_a_child(lock.try_acquire_shared)
        with pytest.raises(TimeoutError):
            lock.acquire_shared(timeout=SHORT)
        lock.release_shared()
        assert writer.wait(timeout=WAIT) == Exited(0)
    assert lock.try_acquire_shared()
    lock.release_shared()


def held_by_waiting(lock, until):
    """A child that waits to write."""
    child = fork(lock.acquire, WAIT)
    until(lambda: state(lock)[2] == 1)
    return child


def test_M18_a_writer_that_timed_out_no_longer_waits(lock):
    with held_by_a_child(lock, "acquire_shared") as reader:
        with pytest.raises(TimeoutError):
            lock.acquire(timeout=SHORT)
        assert state(lock) == (1, 0, 0)
        assert lock.try_acquire_shared()
        lock.release_shared()
        end(reader)


def test_M18_a_writer_that_was_killed_while_it_waited_no_longer_waits(lock, until):
    with lock.reading(), held_by_waiting(lock, until) as writer:
        end(writer)
        assert state(lock) == (1, 0, 0)


@pytest.mark.usefixtures("no_collector")
def test_M18_a_handler_that_raises_at_any_moment_leaves_nobody_waiting(lock):
    """A signal may come between any two lines: a count that stays would keep every reader out."""

    class Struck(Exception):
        pass

    def strike(*_):
        raise Struck

    with held_by_a_child(lock, "acquire_shared") as reader:
        before = signal.signal(signal.SIGALRM, strike)
        try:
            for turn in range(500):
                with pytest.raises(Struck):
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + turn % 100))
                    lock.acquire(timeout=WAIT)
                assert state(lock) == (1, 0, 0), f"turn {turn}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        end(reader)


def test_M18_closing_under_a_waiting_writer_leaves_nobody_waiting(until):
    key = Key.random()
    with ReadWriteLock.ensure(key) as lock:
        other, outcome = ReadWriteLock.ensure(key), []

        def wait():
            try:
                other.acquire(timeout=WAIT)
            except ClosedError:
                outcome.append("closed")

        with lock.reading():
            thread = threading.Thread(target=wait)
            thread.start()
            until(lambda: state(lock)[2] == 1)
            other.close()
            thread.join(WAIT)
            now = state(lock)
        lock.remove()
    assert outcome == ["closed"]
    assert now == (1, 0, 0), "others' readers would be kept out as long as this process lives"


@pytest.mark.parametrize("how", ["acquire", "acquire_shared"])
def test_M18_what_a_killed_process_held_is_free(lock, how):
    with held_by_a_child(lock, how) as child:
        assert not lock.try_acquire()
        end(child)
        lock.acquire(timeout=WAIT)
    lock.release()


@pytest.mark.parametrize("how", ["release", "release_shared"])
def test_releasing_what_is_not_held_is_an_error(lock, how):
    with pytest.raises(RuntimeError, match="not held"):
        getattr(lock, how)()
    assert state(lock) == (0, 0, 0)


def test_an_error_inside_lets_go(lock):
    for block in (lock.reading, lock.writing):
        with pytest.raises(ZeroDivisionError), block():
            1 // 0
        assert state(lock) == (0, 0, 0)


def test_M18_readers_never_see_a_writer_half_way(lock, children):
    """Two numbers that writers keep equal, with everything there is: reads, writes, time-outs and tries."""
    with SharedMemory.temporary(16) as memory:

        def live(seed):
            dice = random.Random(seed)
            with memory.attach() as segment, segment.buffer.cast("Q") as numbers:
                for _ in range(400):
                    try:
                        if dice.random() < 0.3:
                            with lock.writing(timeout=dice.choice((None, 1e-4))):
                                for index in (0, 1):
                                    numbers[index] += 1
                        else:
                            with lock.reading(timeout=dice.choice((None, 1e-4))):
                                assert numbers[0] == numbers[1]
                    except TimeoutError:
                        pass

        for seed in range(6):
            children.start(live, seed)
        children.all_succeed(timeout=60)
    assert state(lock) == (0, 0, 0)


def test_M18_killed_at_random_moments_nothing_stays_held(lock):
    def live():
        while True:
            with lock.writing(timeout=WAIT):
                pass
            with lock.reading(timeout=WAIT):
                pass

    with fork(live) as other:
        for moment in crash.random_moments(60, 0.01, seed=18):
            with crash.killed_after(live, moment) as child:
                assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        end(other)
    assert state(lock) == (0, 0, 0)
    assert lock.try_acquire()
    lock.release()


# M18: the barrier


@pytest.fixture
def barrier():
    with Barrier.temporary(3) as made:
        yield made


@pytest.mark.parametrize("parties", [1, 2, 5])
def test_M18_nobody_passes_before_all_have_come(parties, children):
    """Each turn everybody adds 1 and waits; behind the barrier the sum must be whole, turn after turn."""
    turns = 200
    with Barrier.temporary(parties) as barrier, SemaphoreSet.temporary([0, 0]) as counts:

        def live():
            last = 0
            for turn in range(1, turns + 1):
                counts[0].release()
                last += barrier.wait(timeout=WAIT)
                assert counts[0].value >= turn * parties
                barrier.wait(timeout=WAIT)
                assert counts[0].value <= (turn + 1) * parties
            counts[1].release(last + 1)

        children.start(live, times=parties)
        children.all_succeed(timeout=60)
        assert counts.values == (turns * parties, turns + parties), "exactly one was the last of each turn"
        assert barrier.waiting == 0


def test_M18_with_two_it_is_a_rendezvous():
    with Barrier.temporary(2) as barrier, fork(lambda: int(barrier.wait(timeout=WAIT))) as child:
        last = barrier.wait(timeout=WAIT)
        assert sorted([last, child.wait(timeout=WAIT).code]) == [0, 1]


def test_M18_a_time_out_withdraws(barrier):
    for _ in range(3):
        with pytest.raises(TimeoutError):
            barrier.wait(timeout=SHORT)
        assert barrier.waiting == 0


def test_M18_who_is_killed_while_waiting_has_not_come(barrier, until, children):
    """And a successor takes the place."""
    with fork(barrier.wait, WAIT) as child:
        until(lambda: barrier.waiting == 1)
        end(child)
    assert barrier.waiting == 0
    children.start(barrier.wait, WAIT, times=2)
    until(lambda: barrier.waiting == 2)
    barrier.wait(timeout=WAIT)
    children_passed(children)


def children_passed(children):
    """A wait gives True to one of them, which is the code 1 then."""
    assert {child.wait(timeout=WAIT).code for child in children} <= {0, 1}


def test_M18_turns_go_on_after_kills_at_random_moments(children):
    """One of three is killed and replaced all the time; the two others count how many turns they got through."""
    turns = 60
    with Barrier.temporary(3) as barrier:

        def steady():
            for _ in range(turns):
                barrier.wait(timeout=WAIT)

        def third():
            while True:
                barrier.wait(timeout=WAIT)

        steady_ones = [children.start(steady) for _ in range(2)]
        moments = crash.random_moments(10_000, 0.1, seed=19)  # a child of a large process starts slowly
        while not all(child.has_ended() for child in steady_ones):
            with crash.killed_after(third, next(moments)) as child:
                child.wait(timeout=WAIT)
        children.all_succeed()
        assert barrier.waiting == 0


def test_M18_a_time_out_and_the_completion_never_both_happen(children):
    """Two meet with deadlines that come at about the same moment: either both have met, or neither."""
    with Barrier.temporary(2) as barrier, Barrier.temporary(2) as between, SemaphoreSet.temporary([0, 0]) as met:

        def live(me):
            dice = random.Random(me)
            for _ in range(300):
                late = time.monotonic() + dice.uniform(0, 6e-4)
                while time.monotonic() < late:
                    pass
                try:
                    barrier.wait(timeout=dice.uniform(0, 6e-4))
                    met[me].release()
                except TimeoutError:
                    pass
                between.wait(timeout=WAIT)
                assert met[0].value == met[1].value, "one has passed alone"
                between.wait(timeout=WAIT)

        children.start(live, 0)
        children.start(live, 1)
        children.all_succeed(timeout=60)
        assert barrier.waiting == 0
        assert 0 < met[0].value < 300, "both must have happened"


def test_M18_closing_under_who_waits_withdraws(until):
    key = Key.random()
    with Barrier.ensure(key, 2) as barrier:
        other, outcome = Barrier.ensure(key, 2), []

        def wait():
            try:
                other.wait(timeout=WAIT)
            except ClosedError:
                outcome.append("closed")

        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: barrier.waiting == 1)
        other.close()
        thread.join(WAIT)
        waiting = barrier.waiting
        barrier.remove()
    assert outcome == ["closed"]
    assert waiting == 0, "somebody would meet nobody"


@pytest.mark.usefixtures("no_collector")
def test_M18_a_handler_that_raises_at_any_moment_withdraws(barrier):
    class Struck(Exception):
        pass

    def strike(*_):
        raise Struck

    before = signal.signal(signal.SIGALRM, strike)
    try:
        for turn in range(500):
            with pytest.raises(Struck):
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + turn % 100))
                barrier.wait(timeout=WAIT)
            assert barrier.waiting == 0, f"turn {turn}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("wrong", [0, -1, 32768])
def test_a_barrier_has_1_to_32767_parties(wrong):
    with pytest.raises(ValueError, match=r"1\.\.32767"):
        Barrier.temporary(wrong)


# both


MAKERS = {"ReadWriteLock": lambda key: ReadWriteLock.ensure(key), "Barrier": lambda key: Barrier.ensure(key, 2)}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def wait_in(made, timeout):
    return made.wait(timeout=timeout) if isinstance(made, Barrier) else made.acquire_shared(timeout=timeout)


def test_it_is_found_by_its_key_and_closes_without_removing(make):
    key = Key.random()
    with make(key) as made:
        pass
    assert made.closed
    with pytest.raises(ClosedError):
        made.__enter__()
    with make(key) as again:
        again.remove()
    with pytest.raises(FileNotFoundError):
        SemaphoreSet.open(key)


def test_a_removal_wakes_who_waits(make, until):
    made = make(Key.random())
    made.semaphores.set([0, 1, 0, 2][: len(made.semaphores)])  # a writer; or one who has come in the odd turns

    def wait():
        with pytest.raises(ObjectRemoved):
            wait_in(made, WAIT)

    with fork(wait) as child:
        until(lambda: any(each.waiters or each.zero_waiters for each in made.semaphores))
        made.remove()
        assert child.wait(timeout=WAIT) == Exited(0)


def test_it_can_be_pickled(make):
    with make(Key.random()) as made:
        same = pickle.loads(pickle.dumps(made))
        assert type(same) is type(made)
        assert same.semaphores.id == made.semaphores.id
        made.remove()


@pytest.mark.parametrize("kind, size", [(ReadWriteLock, 3), (Barrier, 4)])
def test_a_set_of_another_size_is_refused(kind, size):
    for wrong in (size - 1, size + 1):
        with SemaphoreSet.temporary([0] * wrong) as s, pytest.raises(ValueError, match=f"a set of {size}"):
            kind(s)


def test_the_same_key_for_another_size_is_refused():
    """A lock's key is no barrier's."""
    key = Key.random()
    with ReadWriteLock.ensure(key) as lock:
        with pytest.raises(OSError, match="Invalid"):
            Barrier.ensure(key, 2)
        lock.remove()
