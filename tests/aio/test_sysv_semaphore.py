"""Awaited semaphores, locks and barriers: cancels at any moment conserve every permit."""

from __future__ import annotations

import errno
import fcntl
import random

import anyio
import pytest

from unixipc import ClosedError, Exited, ObjectRemoved, aio, fork, sysv
from unixipc.sysv import Key, Op
from unixipc.testing.contracts import ASYNCIO, TRIO

FORMS = pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
WAIT = 20
PATIENCE = 0.03

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


@pytest.fixture
def s():
    """Three semaphores: 0, 1, 5."""
    with sysv.SemaphoreSet.temporary([0, 1, 5]) as made:
        yield made


async def cancelled(seconds, wait, *args):
    """Cancel it after so long; it must not have succeeded."""
    with anyio.move_on_after(seconds) as scope:
        await wait(*args)
    assert scope.cancelled_caught


async def fails(error, wait, *args, **named):
    with pytest.raises(error) as caught:
        await wait(*args, **named)
    return caught.value


# each call


@FORMS
def test_what_is_possible_is_done_at_once(form, s):
    async def main():
        mine = aio.sysv.SemaphoreSet(s)
        await mine.op((0, +2), (2, -1))
        await mine[1].acquire()
        await mine[1].wait_zero()
        mine[1].release()
        assert mine.values == s.values == (2, 1, 4)
        assert mine.try_op((0, -2))
        assert not mine.try_op((0, -2))
        assert mine[2].try_acquire(4)
        assert mine[2].try_wait_zero()
        async with mine[1].hold() as held:
            assert held.value == 0
        assert s.values == (0, 1, 0)

    form.run(main)


@FORMS
@pytest.mark.parametrize("how", ["acquire", "wait_zero", "op", "hold"])
def test_it_waits_for_another_process(form, s, how):
    async def main():
        mine = aio.sysv.SemaphoreSet(s)
        async with anyio.create_task_group() as tasks:
            match how:
                case "acquire":
                    tasks.start_soon(mine[0].acquire)
                case "wait_zero":
                    tasks.start_soon(mine[1].wait_zero)
                case "op":
                    tasks.start_soon(mine.op, (2, -1), (0, -1))
                case "hold":
                    tasks.start_soon(hold, mine[0])
            await anyio.sleep(PATIENCE)
            with fork(s.op, *([(1, -1)] if how == "wait_zero" else [(0, +1)])) as child:
                assert child.wait(timeout=WAIT) == Exited(0)
        return mine.values

    async def hold(one):
        async with one.hold(undo=False):
            assert one.value == 0

    expected = {"acquire": (0, 1, 5), "wait_zero": (0, 0, 5), "op": (0, 1, 4), "hold": (1, 1, 5)}
    assert form.run(main) == expected[how]


@FORMS
def test_a_time_out_takes_nothing_and_names_the_set(form, s):
    async def main():
        mine = aio.sysv.SemaphoreSet(s)
        for wait in (
            lambda timeout: mine[0].acquire(timeout=timeout),
            lambda timeout: mine[2].wait_zero(timeout=timeout),
            lambda timeout: mine.op((1, -1), (0, -1), timeout=timeout),
            lambda timeout: mine.op(*[(1, -1), (1, +1)] * 150, (0, -1), timeout=timeout),
        ):
            for timeout in (0, 0.01):
                assert f"id {s.id}" in str(await fails(TimeoutError, wait, timeout))
            with pytest.raises(ValueError, match="timeout"):
                await wait(-1)

    form.run(main)
    assert s.values == (0, 1, 5)


@FORMS
def test_removal_and_close_wake_the_tasks_that_wait(form):
    async def main():
        for error, end in ((ObjectRemoved, "remove"), (ClosedError, "close")):
            kept = sysv.SemaphoreSet.create(0, [0, 1])
            mine = aio.sysv.SemaphoreSet(sysv.SemaphoreSet(kept.id))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fails, error, mine[0].acquire)
                tasks.start_soon(fails, error, mine[1].wait_zero)
                tasks.start_soon(fails, error, mine.op, (0, -1))
                await anyio.sleep(PATIENCE)
                getattr(mine, end)()
            if end == "close":
                kept.remove()

    form.run(main)


@FORMS
def test_refusals_are_those_of_the_plain_set(form, s):
    async def main():
        mine = aio.sysv.SemaphoreSet(s)
        assert (await fails(OSError, mine.op, *[(0, +1)] * 501)).errno == errno.E2BIG
        assert (await fails(OSError, mine.op, (7, +1))).errno == errno.EFBIG
        assert (await fails(OSError, mine.op)).errno == errno.EINVAL
        assert (await fails(OSError, mine.op, (0, 32767), (0, 1))).errno == errno.ERANGE
        await fails(ValueError, mine[0].acquire, 0)
        await fails(BlockingIOError, mine.op, (2, -1), Op(0, -1, nowait=True))

    form.run(main)
    assert s.values == (0, 1, 5)


@FORMS
def test_the_ways_to_get_one(form):
    async def main():
        key = Key.random()
        async with await aio.sysv.SemaphoreSet.create(key, [1, 2]) as made:
            assert made.key == key
            async with (
                await aio.sysv.SemaphoreSet.open(key) as found,
                await aio.sysv.SemaphoreSet.ensure(key, [1]) as same,
            ):
                assert found.values == same.values == (1, 2)
                assert len(made) == 2
            async with await aio.sysv.Semaphore.open(key) as one, await aio.sysv.Semaphore.ensure(key, 9) as same:
                assert one.value == same.value == 1
            made.remove()
        async with await aio.sysv.Semaphore.create(key, 3) as one:
            one.value = 4
            assert one.value == 4
            one.remove()
        async with await aio.sysv.Semaphore.temporary(3) as one, await aio.sysv.SemaphoreSet.temporary([5]) as made:
            assert (one.value, made.values) == (3, (5,))

    form.run(main)


@FORMS
def test_a_cancelled_creation_leaves_no_set(form):
    """Somebody else is making one: ours waits for the lock, and is cancelled there."""

    async def main():
        before = sysv.usage().sets
        with open("/proc/thread-self/ns/ipc") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            await cancelled(PATIENCE, aio.sysv.SemaphoreSet.create, Key.random(), [1])
            await cancelled(PATIENCE, aio.sysv.SemaphoreSet.ensure, Key.random(), [1])
        assert sysv.usage().sets == before

    form.run(main)


@FORMS
def test_undo_is_this_process_s_and_not_a_thread_s(form, s):
    def child():
        async def main():
            mine = aio.sysv.SemaphoreSet(s)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(mine[0].acquire, 2, True)
                await anyio.sleep(PATIENCE)
                s[0].release(3)
            assert s.values == (1, 1, 5)
            await mine.op((2, -4), undo=True)

        form.run(main)

    with fork(child) as process:
        assert process.wait(timeout=WAIT) == Exited(0)
    assert s.values == (3, 1, 5)


# M19: cancels


@FORMS
def test_M19_a_cancelled_wait_has_taken_nothing(form, s):
    async def main():
        mine = aio.sysv.SemaphoreSet(s)
        for seconds in (0, 0.001, PATIENCE):
            await cancelled(seconds, mine[0].acquire)
            await cancelled(seconds, mine[2].wait_zero)
            await cancelled(seconds, mine[2].acquire, 6)
            await cancelled(seconds, mine.op, (1, -1), (0, -1))

    form.run(main)
    assert s.values == (0, 1, 5)
    assert [(each.waiters, each.zero_waiters) for each in s] == [(0, 0)] * 3


@FORMS
def test_M19_a_cancelled_block_gives_back(form, s):
    async def main():
        async def hold():
            async with aio.sysv.SemaphoreSet(s)[2].hold(3):
                await anyio.sleep(WAIT)

        await cancelled(PATIENCE, hold)

    form.run(main)
    assert s.values == (0, 1, 5)


def give_and_take(s):
    """Another process that is always at it: what it gives may come at the very moment of a cancel."""
    while s[1].value:
        s[2].acquire(1, timeout=WAIT)
        s[2].release(1)


RACES = pytest.mark.parametrize("rounds", [40, pytest.param(2000, marks=[pytest.mark.deep, pytest.mark.timeout(900)])])


@FORMS
@RACES
def test_M19_cancels_at_any_moment_conserve_the_permits(form, s, rounds):
    """Ten tasks and a process want two permits; nobody waits longer than a moment."""
    s.set([0, 1, 2])
    taken = []

    async def want(one, dice):
        for _ in range(rounds):
            n = dice.randint(1, 2)
            with anyio.CancelScope(deadline=anyio.current_time() + dice.uniform(0, 0.003)):
                await one.acquire(n)
                try:
                    taken.append(n)
                    await anyio.sleep(dice.uniform(0, 0.001))
                finally:
                    one.release(n)

    async def main():
        one = aio.sysv.SemaphoreSet(s)[2]
        async with anyio.create_task_group() as tasks:
            for seed in range(10):
                tasks.start_soon(want, one, random.Random(seed))

    with fork(give_and_take, s) as other:
        form.run(main)
        s[1].value = 0
        assert other.wait(timeout=WAIT) == Exited(0)
    assert s[2].value == 2
    assert taken, "some must have got what they wanted"


@FORMS
@RACES
@pytest.mark.parametrize("length", [2, 40, 300])
def test_M19_cancelled_arrays_are_done_whole_or_not_at_all(form, s, rounds, length):
    """Also those that cannot be done and undone within one call: the cancel takes them back."""
    filler = [(1, +1), (1, -1)] * (length // 2 - 1)
    done = []

    async def move(mine, dice, there, back):
        for _ in range(rounds // 4):
            with anyio.CancelScope(deadline=anyio.current_time() + dice.uniform(0, 0.003)):
                await mine.op(*filler, (there, -1), (back, +1))
                done.append(1)

    async def main():
        mine = aio.sysv.SemaphoreSet(s)
        async with anyio.create_task_group() as tasks:
            for seed in range(8):
                tasks.start_soon(move, mine, random.Random(seed), *((0, 2), (2, 0))[seed % 2])

    s.set([1, 1, 1])
    form.run(main)
    assert s[0].value + s[2].value == 2, s.values
    assert s[1].value == 1
    assert done


# M18, awaited


@FORMS
def test_M18_a_lock_is_shared_by_readers_and_not_by_writers(form):
    async def main():
        async with await aio.sysv.ReadWriteLock.temporary() as lock:
            async with lock.reading(), lock.reading():
                await fails(TimeoutError, lock.acquire, timeout=0.01)
                assert lock.sync.semaphores.values == (2, 0, 0)
            async with lock.writing():
                await fails(TimeoutError, lock.acquire_shared, timeout=0.01)
            assert lock.sync.semaphores.values == (0, 0, 0)

    form.run(main)


@FORMS
def test_M18_cancelled_waits_for_a_lock_leave_nobody_waiting(form):
    async def main():
        async with await aio.sysv.ReadWriteLock.temporary() as lock:
            async with lock.reading():
                for seconds in (0, 0.001, 0.002, PATIENCE):
                    await cancelled(seconds, lock.acquire)
                    assert lock.sync.semaphores.values == (1, 0, 0)
            async with lock.writing():
                await cancelled(PATIENCE, lock.acquire_shared)
            assert lock.sync.semaphores.values == (0, 0, 0)

    form.run(main)


@FORMS
def test_M18_cancels_of_readers_and_writers_at_any_moment_leave_nothing_held(form):
    async def use(lock, dice):
        for _ in range(30):
            block = lock.writing if dice.random() < 0.4 else lock.reading
            with anyio.CancelScope(deadline=anyio.current_time() + dice.uniform(0, 0.004)):
                async with block():
                    await anyio.sleep(dice.uniform(0, 0.002))

    async def main():
        async with await aio.sysv.ReadWriteLock.temporary() as lock:
            async with anyio.create_task_group() as tasks:
                for seed in range(8):
                    tasks.start_soon(use, lock, random.Random(seed))
            assert lock.sync.semaphores.values == (0, 0, 0)

    form.run(main)


@FORMS
def test_M18_a_barrier_is_awaited_and_a_cancelled_one_has_not_come(form):
    async def main():
        key = Key.random()
        async with await aio.sysv.Barrier.ensure(key, 2) as barrier:
            for seconds in (0, 0.001, PATIENCE):
                await cancelled(seconds, barrier.wait)
            await fails(TimeoutError, barrier.wait, timeout=0.01)
            assert barrier.sync.waiting == 0
            came = []

            async def wait():
                came.append(await barrier.wait())

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                tasks.start_soon(wait)
            assert sorted(came) == [False, True]
            barrier.remove()

    form.run(main)


@pytest.mark.parametrize("name", ["ReadWriteLock", "Barrier"])
def test_M18_the_tries_and_the_counts_are_there_too(name):
    plain, awaited = getattr(sysv, name), getattr(aio.sysv, name)
    public = {each for each in vars(plain) if not each.startswith("_") and not each.isupper()}
    assert {each for each in public if not hasattr(awaited, each)} == set()
