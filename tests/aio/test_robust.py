"""Robust locks in tasks: they exclude each other, though all are one thread, and a cancel holds nothing."""

from __future__ import annotations

import errno
import inspect
import random
import threading

import anyio
import pytest

from unixipc import OwnerDied, aio, fork, map_anonymous, robust

WAIT = 20
PATIENCE = 0.05


def in_both(test):
    """A test in a loop of asyncio's, and in one of trio's, with memory for locks."""

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def run(backend):
        with map_anonymous(4096) as memory:
            anyio.run(test, memory, backend=backend)

    run.__doc__ = test.__doc__
    return run


@in_both
async def test_tasks_exclude_each_other_by_one_handle_and_by_two(memory):
    async with await aio.robust.Mutex.create(memory) as one:
        pass
    two = await aio.robust.Mutex.attach(memory)
    inside = 0

    async def work(mutex):
        nonlocal inside
        for _ in range(10):
            async with mutex:
                inside += 1
                assert inside == 1
                await anyio.lowlevel.checkpoint()
                inside -= 1

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            for mutex in (one, one, two):
                tasks.start_soon(work, mutex)
    one.close()
    two.close()


@in_both
async def test_a_task_that_waits_for_itself_is_told(memory):
    mutex = await aio.robust.Mutex.create(memory)
    async with mutex:
        assert mutex.held and mutex.holder is not None
        with pytest.raises(OSError) as caught:
            await mutex.acquire()
        assert caught.value.errno == errno.EDEADLK
        assert not mutex.try_acquire()
    mutex.close()


@in_both
async def test_a_time_out_names_the_holder(memory):
    mutex = await aio.robust.Mutex.create(memory)
    theirs = robust.Mutex.attach(memory)
    theirs.acquire()
    with pytest.raises(TimeoutError) as caught:
        await mutex.acquire(timeout=0.01)
    assert "holds it" in str(caught.value)
    theirs.close()
    mutex.close()


@in_both
async def test_a_cancelled_one_holds_nothing_and_passes_the_wake_up_on(memory):
    mutex = await aio.robust.Mutex.create(memory)
    got = []

    def thread():
        with theirs.hold(WAIT):
            got.append(1)

    for _ in range(5):
        theirs = robust.Mutex.attach(memory)
        await mutex.acquire()
        waiting = threading.Thread(target=thread)
        waiting.start()
        async with anyio.create_task_group() as tasks:
            other = aio.robust.Mutex(robust.Mutex.attach(memory))
            tasks.start_soon(other.acquire)
            await anyio.sleep(PATIENCE)
            mutex.release()
            tasks.cancel_scope.cancel()
        if other.held or other.sync.held:
            other.release()
        while waiting.is_alive():
            await anyio.sleep(0.002)
        other.close()
        theirs.close()
    assert len(got) == 5
    mutex.close()


@in_both
async def test_the_next_task_is_told_who_was_killed(memory):
    mutex = await aio.robust.Mutex.create(memory)
    with fork(mutex.sync.acquire) as child:
        child.wait(timeout=WAIT)
    with pytest.raises(OwnerDied) as caught:
        await mutex.acquire()
    assert caught.value.pid == child.pid and mutex.held and mutex.suspect
    mutex.release()
    with pytest.raises(OwnerDied):
        mutex.try_acquire()
    mutex.release()
    told = []
    async with mutex.hold(repair=told.append):
        assert [death.pid for death in told] == [child.pid]
    async with mutex:
        assert not mutex.suspect
    mutex.close()


@in_both
async def test_permits(memory):
    semaphore = await aio.robust.Semaphore.create(memory, 2)
    inside = most = 0

    async def work():
        nonlocal inside, most
        for _ in range(5):
            async with semaphore.hold(timeout=WAIT):
                inside += 1
                most = max(most, inside)
                await anyio.lowlevel.checkpoint()
                inside -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(work)
    assert most == 2 and semaphore.value == 2
    async with semaphore.hold(), semaphore.hold():
        with pytest.raises(TimeoutError):
            await semaphore.acquire(timeout=0.01)
    semaphore.close()


@in_both
async def test_readers_and_writers(memory):
    lock = await aio.robust.RWLock.create(memory, readers=4)
    reading = writing = 0

    async def read():
        nonlocal reading
        for _ in range(6):
            async with lock.reading(timeout=WAIT):
                reading += 1
                assert writing == 0
                await anyio.lowlevel.checkpoint()
                reading -= 1

    async def write():
        nonlocal writing
        for _ in range(6):
            async with lock.writing(timeout=WAIT):
                writing += 1
                assert (reading, writing) == (0, 1)
                await anyio.lowlevel.checkpoint()
                writing -= 1

    async with anyio.create_task_group() as tasks:
        for work in (read, write, read, write):
            tasks.start_soon(work)
    lock.close()


@in_both
async def test_a_writer_that_is_cancelled_lets_readers_in(memory):
    lock = await aio.robust.RWLock.create(memory)
    other = await aio.robust.RWLock.attach(memory)
    async with lock.reading():
        with pytest.raises(TimeoutError) as caught:
            await other.acquire(timeout=PATIENCE)
        assert "read" in str(caught.value)
        with anyio.move_on_after(PATIENCE):
            await other.acquire()
        assert other.sync.writer is None and other.try_acquire_shared()
        other.release_shared()
        with pytest.raises(OSError) as refused:
            await lock.acquire()
        assert refused.value.errno == errno.EDEADLK
        await lock.acquire_shared()
        lock.release_shared()
    async with lock.writing():
        with pytest.raises(OSError):
            await lock.acquire_shared()
        with pytest.raises(TimeoutError):
            await other.acquire_shared(timeout=0.01)
        assert not other.try_acquire_shared() and not other.try_acquire()
    lock.close()
    other.close()


@in_both
async def test_a_dead_writer(memory):
    lock = await aio.robust.RWLock.create(memory)
    with fork(lock.sync.acquire) as child:
        child.wait(timeout=WAIT)
    with pytest.raises(OwnerDied):
        await lock.acquire_shared()
    lock.release_shared()
    with pytest.raises(OwnerDied) as caught:
        await lock.acquire()
    assert caught.value.pid == child.pid
    lock.recover()
    lock.release()
    async with lock.reading():
        pass
    lock.close()


@in_both
async def test_a_condition(memory):
    condition = await aio.robust.Condition.create(memory)
    ball = [0]

    async def play(me):
        for _ in range(5):
            async with condition:
                await condition.wait_for(lambda: ball[0] == me, timeout=WAIT)
                ball[0] = 1 - me
                condition.notify_all()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play, 0)
        tasks.start_soon(play, 1)
    async with condition:
        with pytest.raises(TimeoutError):
            await condition.wait(timeout=0.01)
        assert condition.held
        with anyio.move_on_after(PATIENCE) as scope:
            await condition.wait()
        assert scope.cancelled_caught and condition.held
        condition.notify()
    condition.close()


@in_both
async def test_cancels_at_any_moment_lose_nothing(memory):
    """Tasks and a thread; whoever was cancelled holds nothing, and nobody waits for a wake-up that it had."""
    chance = random.Random(3)
    mutex = await aio.robust.Mutex.create(memory)
    semaphore = await aio.robust.Semaphore.create(memory, 2, 64)
    lock = await aio.robust.RWLock.create(memory, 512, readers=4)
    stop = threading.Event()
    theirs = robust.Mutex.attach(memory), robust.Semaphore.attach(memory, 64), robust.RWLock.attach(memory, 512)

    def disturb():
        while not stop.is_set():
            with theirs[0].hold(WAIT), theirs[1].hold(WAIT), theirs[2].writing(WAIT):
                pass

    async def work():
        for _ in range(25):
            hold = chance.choice([mutex.hold, semaphore.hold, lock.reading, lock.writing])
            with anyio.move_on_after(chance.choice([0, 1e-4, 3e-4, 1e-3, 1])):
                async with hold():
                    await anyio.sleep(chance.choice([0, 1e-4]))

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with anyio.fail_after(WAIT):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(work)
    finally:
        stop.set()
        thread.join()
    assert mutex.try_acquire() and semaphore.value == 2 and lock.try_acquire()
    for each in (mutex, semaphore, lock, *theirs):
        each.close()


@in_both
async def test_by_name(memory):
    import os

    name = f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}"
    mutex = await aio.robust.Mutex.ensure(name)
    async with await aio.robust.Mutex.open(name) as same:
        assert not mutex.try_acquire()
    same.close()
    mutex.remove()
    mutex.close()


WAITING = {
    "Mutex": {"acquire"},
    "Semaphore": {"acquire"},
    "RWLock": {"acquire", "acquire_shared"},
    "Condition": {"acquire", "wait", "wait_for"},
}


@pytest.mark.parametrize(
    ("kind", "method"), [(kind, each) for kind, names in WAITING.items() for each in sorted(names)]
)
def test_a_waiting_method_is_awaitable_with_the_same_parameters(kind, method):
    ours, theirs = getattr(getattr(aio.robust, kind), method), getattr(getattr(robust, kind), method)
    assert inspect.iscoroutinefunction(ours)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    for place in ("create", "attach", "open", "ensure", "temporary"):
        ours, theirs = getattr(getattr(aio.robust, kind), place), getattr(getattr(robust, kind), place)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


@in_both
async def test_a_with_that_tells_of_a_death_leaves_nothing_held(memory):
    mutex, condition = await aio.robust.Mutex.create(memory), await aio.robust.Condition.create(memory, 1024)
    lock = await aio.robust.RWLock.create(memory, 2048, readers=4)
    blocks = [(each, block) for each in (mutex, condition) for block in (lambda each=each: each, each.hold)]
    blocks += [(lock, lock.writing), (lock, lock.reading)]
    for handle, block in blocks:
        with fork(handle.sync.acquire) as child:
            child.wait(timeout=WAIT)
        for _ in range(2):
            with pytest.raises(OwnerDied) as caught:
                async with block():
                    raise AssertionError("never here")
            assert caught.value.pid == child.pid and "released again" in "".join(caught.value.__notes__)
            assert not handle.sync.held and handle.sync.suspect
        mending = handle.writing if handle is lock else handle.hold
        async with mending(repair=lambda death: None):
            assert handle.sync.held
        async with block():
            pass
    for handle in (mutex, condition, lock):
        handle.close()
