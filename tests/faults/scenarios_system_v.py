"""System V queues, semaphores and shared memory, used once from creation to removal."""

from __future__ import annotations

from errno import ENOLCK

from world import WAIT, Soon, World, scenario

from unixipc import fork, sysv
from unixipc.sysv import Key, MessageQueue, SemaphoreSet, SharedMemory


def named(world: World, made):
    """It goes, whatever happens."""
    world.later(made.remove)
    return made


@scenario
def a_queue(world: World) -> None:
    queue = named(world, MessageQueue.create(world.key))
    queue.send(b"one", type=3, timeout=WAIT)
    queue.send(bytes(7000), timeout=WAIT)
    assert len(queue) == 2 and queue.peek().body == b"one"
    assert MessageQueue.open(world.key).receive(type=3, timeout=WAIT).body == b"one"
    assert MessageQueue.ensure(world.key).receive(timeout=WAIT).body == bytes(7000)
    queue.set_permissions(mode=0o640)
    queue.resize(1000)
    assert queue.stat().capacity_bytes == 1000
    queue.remove()


@scenario
def a_wait_for_a_queue(world: World) -> None:
    with MessageQueue.temporary(capacity_bytes=100) as queue:
        with Soon(world, lambda: queue.send(b"x" * 90, timeout=WAIT), lambda: queue.remove()):
            assert len(queue.receive(timeout=WAIT).body) == 90
        queue.send(b"x" * 90, timeout=WAIT)
        with Soon(world, lambda: queue.receive(timeout=WAIT), lambda: queue.remove()):
            queue.send(b"y" * 90, timeout=WAIT)


@scenario
def a_set(world: World) -> None:
    made = named(world, SemaphoreSet.create(world.key, [1, 0, 2], timeout=WAIT))
    made.op((0, -1), (1, +2), undo=True, timeout=WAIT)
    same = SemaphoreSet.open(world.key, timeout=WAIT)
    assert same.values == (0, 2, 2)
    with same[2].hold(timeout=WAIT):
        assert same[2].value == 1 and same[2].last_pid
    same.set([1, 1, 1])
    same[0].value = 5
    same.set_permissions(mode=0o640)
    assert same[0].waiters == 0 and len(same) == 3 and same.stat().permissions.mode == 0o640
    made.remove()


@scenario
def a_set_ensured(world: World) -> None:
    made = named(world, SemaphoreSet.ensure(world.key, [3], timeout=WAIT))
    assert SemaphoreSet.ensure(world.key, [9], timeout=WAIT).values == (3,)
    made.remove()


@scenario
def a_wait_for_a_semaphore(world: World) -> None:
    with sysv.Semaphore.temporary(0) as semaphore:
        with Soon(world, semaphore.release, semaphore.remove):
            semaphore.acquire(timeout=WAIT)
        semaphore.release()
        with Soon(world, lambda: semaphore.acquire(timeout=WAIT), semaphore.remove):
            semaphore.wait_zero(timeout=WAIT)


@scenario
def a_segment(world: World) -> None:
    memory = named(world, SharedMemory.create(world.key, 5000))
    with memory.attach() as segment:
        segment.buffer[:4] = b"here"
        with SharedMemory.open(world.key).attach(readonly=True) as same:
            assert bytes(same.buffer[:4]) == b"here"
        assert memory.stat().attached == 1 or memory.stat().attached > 1
    memory.lock()
    memory.unlock()
    memory.set_permissions(mode=0o640)
    assert SharedMemory.ensure(world.key, 100).id == memory.id
    memory.remove()


@scenario
def a_segment_for_a_while(world: World) -> None:
    with SharedMemory.temporary(100) as memory, memory.attach() as segment, fork(write, segment) as child:
        world.child(child)
        assert bytes(segment.buffer[:2]) == b"ok"


def write(segment) -> None:
    segment.buffer[:2] = b"ok"


@scenario
def guarded_by_a_semaphore(world: World) -> None:
    memory = named(world, SharedMemory.create(world.key, 100))
    world.later(lambda: sysv.Semaphore.open(world.key).remove())
    with memory.guarded(by="semaphore") as guard:
        guard.write(b"mine", timeout=WAIT)
        assert guard.read(4, timeout=WAIT) == b"mine"
        guard.remove()


@scenario
def guarded_by_a_record_lock(world: World) -> None:
    with SharedMemory.temporary(100) as memory:
        with memory.guarded(by="record_lock", path=world.file(b"x")) as guard:
            guard.write(b"mine", timeout=WAIT)
            assert guard.read(4, timeout=WAIT) == b"mine"


@scenario
def guarded_by_a_sequence(world: World) -> None:
    with SharedMemory.temporary(100) as memory, memory.guarded(by="seqlock") as guard:
        guard.write(b"mine", timeout=WAIT)
        assert guard.read(4, timeout=WAIT) == b"mine"


@scenario
def a_key(world: World) -> None:
    assert Key.ftok(world.file(), "B")


CLOSED = "the lock's file is closed all the same, and the set is there"
ANOTHER = "a removal first asks whether the id is another object's by now; if that cannot be told it goes on"
ASKED = {("shmctl(IPC_STAT)", None): ANOTHER}
TOLERATED = {
    **{each.__name__: {("flock(at once)", ENOLCK): CLOSED} for each in (a_set, a_set_ensured)},
    **dict.fromkeys(("a_segment", "a_segment_for_a_while", "guarded_by_a_record_lock", "guarded_by_a_sequence"), ASKED),
    "guarded_by_a_semaphore": {("flock(at once)", ENOLCK): CLOSED, **ASKED},
}
