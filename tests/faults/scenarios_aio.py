"""The awaitable forms of a mechanism of each kind, under asyncio and trio."""

from __future__ import annotations

from errno import EACCES, EINTR, EIO, ENOLCK, ENOSPC, EOVERFLOW
from functools import wraps

import anyio
from world import WAIT, World, scenario

from unixipc import aio, posix, sysv


def awaited(backend: str, function):
    """As a scenario that runs in an event loop of its own."""

    @wraps(function)
    def run(world: World) -> None:
        try:
            anyio.run(function, world, backend=backend)
        except BaseExceptionGroup as several:
            raise the_one(several) from None

    run.__name__ = f"{function.__name__}_in_{backend}"
    scenario(run)


def the_one(group: BaseExceptionGroup) -> BaseException:
    """What a task group has wrapped."""
    first = group.exceptions[0]
    return the_one(first) if isinstance(first, BaseExceptionGroup) else first


def both(function):
    awaited("asyncio", function)
    awaited("trio", function)
    return function


async def soon(tasks, call, *args) -> None:
    async def later() -> None:
        await anyio.sleep(0.01)
        await call(*args)

    tasks.start_soon(later)


@both
async def a_pipe_awaited(world: World) -> None:
    reader, writer = aio.pipe()
    async with reader, writer, anyio.create_task_group() as tasks:
        await soon(tasks, writer.write_all, b"late")
        assert await reader.read(10, timeout=WAIT) == b"late"


@both
async def a_connection_awaited(world: World) -> None:
    async with await aio.sockets.listen(world.path(), temporary=True) as listener:
        world.later(listener.close)
        async with await aio.sockets.connect(world.path()) as client, await listener.accept(timeout=WAIT) as server:
            await client.write_all(b"hello")
            assert await server.read(10, timeout=WAIT) == b"hello"


@both
async def a_child_awaited(world: World) -> None:
    async with aio.process.spawn(["true"]) as child:
        assert str(await child.wait(timeout=WAIT)) == "Exited(code=0)"


@both
async def a_semaphore_awaited(world: World) -> None:
    with sysv.Semaphore.temporary(0) as made:
        semaphore = aio.sysv.Semaphore(made)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(semaphore.acquire)
            await anyio.sleep(0.01)
            made.release()


@both
async def a_posix_semaphore_awaited(world: World) -> None:
    with posix.Semaphore.temporary(0) as made:
        semaphore = aio.posix.Semaphore(made)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(semaphore.acquire)
            await anyio.sleep(0.01)
            made.release()


@both
async def a_lock_awaited(world: World) -> None:
    path = world.later_unlinked()
    one, other = aio.locks.FileLock(path), aio.locks.FileLock(path)
    world.later(one.close), world.later(other.close)
    await one.acquire(timeout=WAIT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other.acquire)
        await anyio.sleep(0.01)
        one.release()
    assert other.held
    one.close(), other.close()


EVENT = "an event counter that is not full takes it, at once"
CLOSED = "the file is closed then, and that releases the lock"
READABLE = "flock needs no right to write: the file is opened for reading then"
LOCK = {("flock(at once)", ENOLCK): CLOSED, ("open", EACCES): READABLE}
TOLERATED = {f"a_lock_awaited_in_{backend}": LOCK for backend in ("asyncio", "trio")}
ONLY_OURS = True
"""The interpreter's calls are the event loop's here."""
IMPOSSIBLE = {
    ("write", EIO): EVENT,
    ("write", ENOSPC): EVENT,
    ("write", EINTR): EVENT,
    ("sem_post", EOVERFLOW): "the one that was just taken has room",
    ("connect", EINTR): "this one does not wait, so nothing interrupts it",
}
UNLINKING = {"open", "fstatat", "unlinkat"}
LEFT_BUT_TOLD = {f"a_connection_awaited_in_{backend}": UNLINKING for backend in ("asyncio", "trio")}
