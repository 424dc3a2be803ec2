"""Awaited file locks: tasks exclude each other, cancels at any moment hold nothing."""

from __future__ import annotations

import errno
import random

import anyio
import pytest

from unixipc import ClosedError, FileLock, RecordLock, aio
from unixipc._fd import Descriptor
from unixipc.locks import Lease, probe, try_lock_range
from unixipc.testing.contracts import ASYNCIO, TRIO

FORMS = pytest.mark.parametrize("form", [ASYNCIO, TRIO], ids=str)
PATIENCE = 0.03
KINDS = {"flock": {}, "ofd": {}, "posix": {"kind": "posix"}}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "locked"
    file.write_bytes(bytes(100))
    return file


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def awaited(kind, path, **named):
    cls = aio.FileLock if kind == "flock" else aio.RecordLock
    return cls(path, **KINDS[kind], **named)


@FORMS
def test_tasks_that_share_an_object_exclude_each_other(form, path, kind):
    inside, most = [], []

    async def work(lock):
        for _ in range(8):
            async with lock:
                inside.append(1)
                most.append(len(inside))
                await anyio.sleep(0)
                inside.pop()

    async def main():
        lock = awaited(kind, path)
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work, lock)
        assert not lock.held
        lock.close()

    form.run(main)
    assert len(most) == 32
    assert max(most) == 1


@FORMS
def test_cancels_at_any_moment_leave_nothing_held(form, path, kind):
    got = []

    async def want(lock, dice):
        for _ in range(15):
            with anyio.CancelScope(deadline=anyio.current_time() + dice.uniform(0, 0.01)):
                async with lock.reading() if dice.random() < 0.3 else lock.writing():
                    got.append(1)
                    await anyio.sleep(dice.uniform(0, 0.002))

    async def main():
        lock = awaited(kind, path)
        async with anyio.create_task_group() as tasks:
            for seed in range(6):
                tasks.start_soon(want, lock, random.Random(seed))
        assert not lock.held
        lock.close()

    form.run(main)
    assert got, "some must have got it"
    fresh = FileLock(path) if kind == "flock" else RecordLock(path)
    assert fresh.try_acquire()
    fresh.close()


@FORMS
def test_a_task_is_told_that_it_would_wait_for_itself(form, path, kind):
    async def main():
        lock = awaited(kind, path)
        async with lock:
            with pytest.raises(OSError, match="deadlock") as caught:
                await lock.acquire()
            assert caught.value.errno == errno.EDEADLK
        async with lock.reading(), lock.reading():
            assert lock.held_shared
        lock.close()

    form.run(main)


@FORMS
def test_a_timeout_tells_who_holds_it(form, path):
    async def main():
        lock = aio.FileLock(path, 0.01)
        with FileLock(path):
            with pytest.raises(TimeoutError) as caught:
                await lock.acquire()
        assert "this one" in str(caught.value)
        lock.close()
        with pytest.raises(ClosedError):
            await lock.acquire()

    form.run(main)


@FORMS
def test_an_upgrade_is_awaited(form, path, kind):
    async def main():
        mine, theirs = awaited(kind, path), awaited("flock" if kind == "flock" else "ofd", path)
        await mine.acquire(shared=True)
        assert await mine.upgrade()
        mine.downgrade()
        await theirs.acquire(shared=True)
        async with anyio.create_task_group() as tasks:

            async def upgrade():
                assert await mine.upgrade() is False
                assert mine.held and not mine.held_shared
                mine.release()

            tasks.start_soon(upgrade)
            await anyio.sleep(PATIENCE)
            assert not mine.held
            theirs.release()
        theirs.close()
        mine.close()

    form.run(main)


@FORMS
def test_a_range_is_awaited_and_a_cancelled_one_is_not_held(form, path):
    async def main():
        with open(path, "r+b") as mine, open(path, "r+b") as theirs:
            await aio.locks.lock_range(mine, 0, 10)
            with anyio.move_on_after(PATIENCE) as scope:
                await aio.locks.lock_range(theirs, 5, 10)
            assert scope.cancelled_caught
            assert probe(mine) is None
            assert try_lock_range(theirs, 10, 5)

    form.run(main)


@pytest.mark.parametrize("name", ["FileLock", "RecordLock"])
def test_everything_is_there_too(name):
    plain, twin = {"FileLock": FileLock, "RecordLock": RecordLock}[name], getattr(aio, name)
    beneath = {"try_acquire_for", "acquire_for", "convert", "held_by", "forget", "give_up", "add_sleeper",
               "remove_sleeper", "check_open", "path", "shared", "timeout", "release_for", "leave",
               "sleep_in_kernel", "sleep_in_turn"}  # fmt: skip
    public = {each for each in dir(plain) if not each.startswith("_")} - beneath
    assert {each for each in public if not hasattr(twin, each)} == set()


def test_everything_of_a_lease_is_there_too():
    beneath = {"forget", "refuse_now", "sleep_until_break", "kind"}
    own = {each for each in set(dir(Lease)) - set(dir(Descriptor)) if not each.startswith("_")} - beneath
    assert {each for each in own if not hasattr(aio.locks.Lease, each)} == set()
