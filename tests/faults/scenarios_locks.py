"""File locks and mapped memory, used once from creation to close."""

from __future__ import annotations

import threading
import time
from errno import EACCES, EIO, ENOENT, ENOLCK

from world import WAIT, Soon, World, scenario

from unixipc import FileLock, MemFd, RecordLock, fork, map_anonymous, map_file, pipe
from unixipc.locks import lock_range, probe, unlock_range


def hold(world: World, lock) -> object:
    world.later(lock.close)
    return lock


@scenario
def a_flock(world: World) -> None:
    with hold(world, FileLock(world.later_unlinked())) as lock:
        assert lock.held and not FileLock(world.later_unlinked()).try_acquire()
    assert lock.try_acquire(shared=True)
    assert lock.upgrade(timeout=WAIT)
    lock.downgrade()
    assert lock.held_shared
    lock.release()
    lock.close()


@scenario
def an_upgrade(world: World) -> None:
    path = world.later_unlinked()
    lock, other = (hold(world, FileLock(path)) for _ in range(2))
    lock.acquire(shared=True)
    try:
        assert lock.try_upgrade()
    except OSError:
        assert other.try_acquire() is not lock.held, "what the kernel has and what the lock says is one"
        raise
    lock.close(), other.close()


@scenario
def a_wait_for_a_flock(world: World) -> None:
    first, second = (hold(world, FileLock(world.later_unlinked())) for _ in range(2))
    first.acquire()
    with Soon(world, first.release, first.close):
        second.acquire(timeout=WAIT)
    assert second.held and not first.held
    second.close(), first.close()


def of_bytes(world: World, kind: str) -> None:
    path = world.file(b"12345678")
    with hold(world, RecordLock(path, 2, 4, kind=kind)) as lock:
        assert lock.holders()
        with fork(excluded, world, path) as child:
            world.child(child)
    with lock.reading(timeout=WAIT):
        assert lock.held_shared
    lock.close()


def excluded(world: World, path: str) -> None:
    with world.opened(path) as file:
        assert probe(file, 2, 1) is not None


@scenario
def a_lock_of_an_opening(world: World) -> None:
    of_bytes(world, "ofd")


@scenario
def a_lock_of_a_process(world: World) -> None:
    of_bytes(world, "posix")


@scenario
def a_wait_for_bytes(world: World) -> None:
    path = world.file(b"12345678")
    first, second = (hold(world, RecordLock(path, 0, 4)) for _ in range(2))
    first.acquire()
    with Soon(world, first.release, first.close):
        second.acquire(timeout=WAIT)
    second.close(), first.close()


@scenario
def a_thread_waits_for_another(world: World) -> None:
    path = world.file(b"1234")
    lock = hold(world, RecordLock(path, kind="posix"))
    lock.acquire()
    me = threading.get_ident()
    with Soon(world, lambda: (lock.acquire(timeout=WAIT), lock.release()), lock.close, 0):
        time.sleep(0.02)
        assert me == threading.get_ident()
        lock.release()
    lock.close()


@scenario
def a_wait_for_a_process(world: World) -> None:
    path = world.file(b"1234")
    reader, writer = pipe()
    with reader, writer, fork(keep, world, path, writer) as child, world.opened(path) as file:
        world.later(child.close)
        writer.close()
        if reader.read(1, timeout=WAIT) == b"":
            world.child(child)
        found = probe(file, kind="posix")
        assert found is None or found.pid == child.pid  # it keeps it for a moment only
        lock_range(file, kind="posix", timeout=WAIT)
        world.child(child)


def keep(world: World, path: str, writer) -> None:
    with world.opened(path) as file:
        lock_range(file, kind="posix")
        writer.write(b"!")
        time.sleep(0.02)


@scenario
def a_range_for_a_while(world: World) -> None:
    path = world.file(b"1234")
    with world.opened(path) as file:
        lock_range(file, 1, 2, timeout=WAIT)
        unlock_range(file, 1, 2)


@scenario
def a_mapped_file(world: World) -> None:
    path = world.file(bytes(10000))
    with map_file(path, "rw", 100, 9000) as memory:
        memory.buffer[:5] = b"hello"
        memory.advise("willneed")
        memory.lock(0, 100)
        memory.unlock(0, 100)
        memory.flush()
        memory.resize(4000)
        memory.resize(9000)
        memory.check()
        memory.protect()
    with world.opened(path) as file, map_file(file, "copy", populate=True) as memory:
        memory.check()
        assert bytes(memory.buffer[100:105]) == b"hello"


@scenario
def anonymous_memory(world: World) -> None:
    with map_anonymous(5000) as memory, fork(write, memory) as child:
        world.child(child)
        assert bytes(memory.buffer[:2]) == b"ok"


def write(memory) -> None:
    memory.buffer[:2] = b"ok"


@scenario
def a_lock_from_where_the_file_is_read(world: World) -> None:
    with world.opened(world.file(b"12345678")) as file:
        file.seek(3)
        with hold(world, RecordLock(file, -2, 4, whence="current")) as lock:
            assert lock.first_byte() == 1
        lock.close()


@scenario
def a_memory_file(world: World) -> None:
    with MemFd.create("page", 4096) as file:
        file.resize(8192)
        file.resize(100)
        with file.map() as memory:
            memory.buffer[:4] = b"seal"
        file.seal("grow", "shrink", "write")
        assert "write" in file.seals
        with file.dup() as copy, MemFd(copy.fileno()) as same, same.map("r") as memory:
            copy.detach()
            assert bytes(memory.buffer[:4]) == b"seal"


CLOSED = "the file is closed then, and that releases the lock"
A_LIST = "open() of a list in /proc asks for its block size, and does without"
LEFT_OUT = "who holds it: a process that may not be looked into, or has closed it meanwhile, is left out"
NOT_MADE = "a file of another user's that may not be opened with O_CREAT is opened without"
READABLE = "flock needs no right to write: the file is opened for reading then"
TOLERATED = {
    "a_flock": {("open", EACCES): READABLE},
    "an_upgrade": {("open", EACCES): READABLE, ("flock(at once)", ENOLCK): CLOSED},
    "a_wait_for_a_flock": {("open", EACCES): READABLE, ("flock(at once)", ENOLCK): CLOSED},
    "a_wait_for_bytes": {("fcntl(F_OFD_SETLK)", ENOLCK): CLOSED, ("open", EACCES): NOT_MADE},
    "a_lock_of_an_opening": {
        ("fstat", None): A_LIST,
        ("open", EACCES): NOT_MADE,
        ("opendir", EACCES): LEFT_OUT,
        ("readlinkat", ENOENT): LEFT_OUT,
        ("fstatat", EIO): LEFT_OUT,
    },
    "a_lock_of_a_process": {("fstat", None): A_LIST, ("open", EACCES): NOT_MADE},
    "a_thread_waits_for_another": {("open", EACCES): NOT_MADE},
}
