"""POSIX queues, semaphores and shared memory, used once from creation to removal."""

from __future__ import annotations

from errno import EINTR, EIO, EOVERFLOW, EPERM
from signal import SIGUSR1

from world import WAIT, Soon, World, scenario

from unixipc import fork, map_anonymous, posix
from unixipc.signals import blocked, handling, wait_for


@scenario
def a_posix_queue(world: World) -> None:
    world.later(lambda: posix.remove_queue(world.name))
    with posix.MessageQueue.create(world.name, 2, 8000, mode=0o622) as queue:
        with posix.MessageQueue.open(world.name) as same, posix.MessageQueue.ensure(world.name) as third:
            same.send(b"low", timeout=WAIT)
            third.send(bytes(7000), priority=3, timeout=WAIT)
            assert queue.receive(timeout=WAIT).body == bytes(7000)
            assert queue.receive(timeout=WAIT).body == b"low" and queue.stat().messages == 0
        queue.remove()


@scenario
def a_wait_for_a_posix_queue(world: World) -> None:
    with posix.MessageQueue.temporary(1, 10) as queue, queue.dup() as copy:
        same = posix.MessageQueue(copy.fileno())
        copy.detach()
        world.later(same.close)
        with same, Soon(world, lambda: same.send(b"late", timeout=WAIT), queue.close):
            assert queue.receive(timeout=WAIT).body == b"late"


@scenario
def a_notified_queue(world: World) -> None:
    with handling(SIGUSR1, lambda *_: None), posix.MessageQueue.temporary(1, 10) as queue, blocked(SIGUSR1):
        queue.notify(SIGUSR1, 4)
        queue.send(b"x", timeout=WAIT)
        assert wait_for({SIGUSR1}, timeout=WAIT).value == 4
        queue.notify(0)
        queue.notify(None)


@scenario
def a_posix_semaphore(world: World) -> None:
    world.later(lambda: posix.remove_semaphore(world.name))
    with posix.Semaphore.create(world.name, 1) as semaphore, posix.Semaphore.ensure(world.name, 9) as same:
        with semaphore.hold(timeout=WAIT):
            assert same.value == 0
        assert same.try_acquire()
        same.release()
        semaphore.remove()


@scenario
def a_wait_for_a_posix_semaphore(world: World) -> None:
    with posix.Semaphore.temporary(0) as semaphore:
        with Soon(world, semaphore.release, semaphore.close):
            semaphore.acquire(timeout=WAIT)
        semaphore.release()
        assert semaphore.wait_until_possible(timeout=WAIT) and semaphore.value == 1


@scenario
def a_semaphore_in_memory(world: World) -> None:
    with map_anonymous(posix.Semaphore.SIZE_BYTES) as memory, posix.Semaphore.place(memory, 1) as semaphore:
        with posix.Semaphore.attach(memory) as same:
            same.acquire(timeout=WAIT)
        semaphore.release()
        assert semaphore.value == 1


@scenario
def posix_memory(world: World) -> None:
    world.later(lambda: posix.remove_memory(world.name))
    with posix.SharedMemory.create(world.name, 5000, mode=0o622) as memory, memory.map() as mapped:
        mapped.buffer[:4] = b"here"
        with posix.SharedMemory.ensure(world.name, 100) as same, same.map("r") as again:
            assert bytes(again.buffer[:4]) == b"here"
        memory.resize(9000)
        assert memory.size_bytes == 9000
        memory.remove()


@scenario
def posix_memory_for_a_while(world: World) -> None:
    with posix.SharedMemory.temporary(100) as memory, memory.map() as mapped, fork(write, mapped) as child:
        world.child(child)
        assert bytes(mapped.buffer[:2]) == b"ok"


def write(mapped) -> None:
    mapped.buffer[:2] = b"ok"


TOLERATED = {
    "a_posix_semaphore": {("write", EINTR): "of sixteen bytes to a file in memory: it does not wait"},
    "a_wait_for_a_posix_semaphore": {("sem_post", EOVERFLOW): "the one that was just taken has room"},
}
IMPOSSIBLE = {
    ("fcntl(F_GETFL)", EIO): "of a queue that is open",
    ("fcntl(F_SETFL)", EPERM): "O_NONBLOCK is for everybody",
}
