"""Awaited guards of shared memory: whole reads, exclusion, cancels that hold nothing."""

from __future__ import annotations

import random

import anyio
import pytest

from unixipc import Exited, aio, fork, sysv
from unixipc.sysv import Key
from unixipc.testing.contracts import ASYNCIO, TRIO

FORMS = pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
WAIT = 20
SIZE = 64 * 1024
LOCKS = ["semaphore", "record_lock"]
WAYS = [*LOCKS, "seqlock"]

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


@pytest.fixture
def memory(tmp_path):
    path = tmp_path / "key"
    path.touch()
    with sysv.SharedMemory.create(Key.ftok(path, 1), SIZE + 64) as made:
        yield made
        made.remove()
    for each in sysv.semaphore_sets():
        if each.permissions.key == made.key:
            sysv.SemaphoreSet(each.id).remove()


@FORMS
@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_is_read(form, memory, way):
    async def main():
        async with await aio.sysv.SharedMemory(memory).guarded(way) as guarded:
            await guarded.write(b"hello", 3)
            assert await guarded.read(5, 3) == b"hello"
            async with guarded.writing() as body:
                body[:3] = b"abc"
            assert await guarded.read(8) == b"abchello"

    form.run(main)


@FORMS
@pytest.mark.parametrize("way", WAYS)
def test_no_read_is_torn(form, memory, way):
    """A process writes whole patterns all the time."""
    ready, go_on = sysv.Semaphore.temporary(0), sysv.Semaphore.temporary(1)

    def write():
        with memory.guarded(way) as guarded:
            turn = 0
            while go_on.value:
                turn += 1
                guarded.write(bytes([turn % 250]) * guarded.size_bytes, timeout=WAIT)
                ready.value = 1

    async def main():
        seen = set()
        async with await aio.sysv.SharedMemory(memory).guarded(way, readonly=True) as guarded:
            with anyio.fail_after(WAIT):
                while len(seen) < 20:
                    data = await guarded.read()
                    assert data.count(data[:1]) == len(data)
                    seen.add(data[0])

    with ready, go_on, fork(write) as writer:
        ready.acquire(timeout=WAIT)
        form.run(main)
        go_on.acquire()
        assert writer.wait(timeout=WAIT) == Exited(0)


@FORMS
@pytest.mark.parametrize("way", LOCKS)
def test_tasks_exclude_each_other(form, memory, way):
    """Five tasks add 1, in two steps with a pause between them."""

    async def add(guarded):
        for _ in range(5):
            async with guarded.writing() as body:
                value = body[0]
                await anyio.sleep(0.0005)
                body[0] = value + 1

    async def main():
        async with await aio.sysv.SharedMemory(memory).guarded(way) as guarded:
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(add, guarded)
            assert await guarded.read(1) == b"\x19"

    form.run(main)


@FORMS
@pytest.mark.parametrize("way", LOCKS)
def test_cancelled_waits_hold_nothing(form, memory, way):
    async def wait_and_be_cancelled(guarded, seconds):
        with anyio.move_on_after(seconds) as scope:
            async with guarded.writing():
                raise AssertionError("somebody else holds it")
        assert scope.cancelled_caught
        with anyio.move_on_after(seconds) as scope:
            await guarded.read(1)
        assert scope.cancelled_caught

    async def main():
        async with await aio.sysv.SharedMemory(memory).guarded(way) as guarded:
            with memory.guarded(way) as theirs, theirs.writing():
                for seconds in (0, 0.001, 0.03):
                    await wait_and_be_cancelled(guarded, seconds)
            await guarded.write(b"free", timeout=WAIT)

    form.run(main)
    with memory.guarded(way) as guarded:
        assert guarded.read(4, timeout=WAIT) == b"free"


@FORMS
@pytest.mark.parametrize("way", LOCKS)
def test_cancels_at_any_moment_hold_nothing(form, memory, way):
    async def use(guarded, dice):
        for _ in range(25):
            with anyio.CancelScope(deadline=anyio.current_time() + dice.uniform(0, 0.004)):
                async with guarded.writing() as body:
                    body[:2] = b"xx"
                    await anyio.sleep(dice.uniform(0, 0.001))

    async def main():
        async with await aio.sysv.SharedMemory(memory).guarded(way) as guarded:
            async with anyio.create_task_group() as tasks:
                for seed in range(6):
                    tasks.start_soon(use, guarded, random.Random(seed))
            await guarded.write(b"free", timeout=WAIT)

    form.run(main)


@FORMS
@pytest.mark.parametrize("way", WAYS)
def test_a_time_out_says_so_and_holds_nothing(form, memory, way):
    async def main():
        async with await aio.sysv.SharedMemory(memory).guarded(way) as guarded:
            with memory.guarded(way) as theirs, theirs.writing():
                with pytest.raises(TimeoutError):
                    await guarded.read(1, timeout=0.01)
            assert await guarded.read(1, timeout=WAIT) == b"\0"

    form.run(main)


@FORMS
def test_an_error_inside_the_block_lets_go(form, memory):
    async def main():
        async with await aio.sysv.SharedMemory(memory).guarded("semaphore") as guarded:
            with pytest.raises(ZeroDivisionError):
                async with guarded.writing():
                    1 // 0
            with pytest.raises(ZeroDivisionError):
                async with guarded.reading():
                    1 // 0
            await guarded.write(b"x", timeout=WAIT)

    form.run(main)


@FORMS
def test_the_ways_to_get_one(form):
    async def main():
        key = Key.random()
        async with await aio.sysv.SharedMemory.create(key, 100) as made:
            async with (
                await aio.sysv.SharedMemory.open(key) as found,
                await aio.sysv.SharedMemory.ensure(key, 50) as same,
            ):
                assert made.id == found.id == same.id
                with found.attach() as one, same.attach(readonly=True) as two:
                    one.buffer[0] = 7
                    assert two.buffer[0] == 7
            made.remove()
        async with await aio.sysv.SharedMemory.temporary(10) as made:
            assert made.stat().size_bytes == 10

    form.run(main)


@FORMS
def test_remove_leaves_nothing(form, memory):
    async def main():
        key = Key.random()
        async with await aio.sysv.SharedMemory.create(key, 100) as made:
            async with await made.guarded("semaphore") as guarded:
                await guarded.write(b"x")
                guarded.remove()
        assert key not in {each.permissions.key for each in (*sysv.segments(), *sysv.semaphore_sets())}

    form.run(main)
