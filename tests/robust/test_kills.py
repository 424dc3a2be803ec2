"""SIGKILL at any moment: the next one has the lock, is told who died, and every permit is back."""

from __future__ import annotations

import random
import struct
import time

import pytest

from unixipc import Killed, OwnerDied, fork, map_anonymous, robust

WAIT = 20
KILLS, DEEP = 150, 2500


class World:
    """The locks, what they guard (two numbers that are equal), and those who work with them."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.memory = map_anonymous(4096)
        self.mutex = robust.Mutex.create(self.memory, 0)
        self.condition = robust.Condition.create(self.memory, 64)
        self.semaphore = robust.Semaphore.create(self.memory, 2, 128)
        self.lock = robust.RWLock.create(self.memory, 512, readers=3)
        self.killed = set()

    @property
    def told(self):
        """How often anybody was told of a death."""
        return struct.unpack_from("=Q", self.memory.buffer, 2240)[0]

    def tell(self, death):
        struct.pack_into("=Q", self.memory.buffer, 2240, self.told + 1)

    def repair(self, death):
        assert death.pid is None or death.pid in self.killed, "it names who died"
        self.tell(death)

    def change(self, at):
        value = struct.unpack_from("=Q", self.memory.buffer, at)[0] + 1
        struct.pack_into("=Q", self.memory.buffer, at, value)
        time.sleep(0.0002)  # half-way
        struct.pack_into("=Q", self.memory.buffer, at + 8, value)

    def equal(self, at):
        a, b = struct.unpack_from("=QQ", self.memory.buffer, at)
        return a == b

    def make_equal(self, at):
        self.memory.buffer[at + 8 : at + 16] = bytes(self.memory.buffer[at : at + 8])

    def under_mutex(self, repair):
        with self.mutex.hold(WAIT, lambda death: (repair(death), self.make_equal(2048))):
            assert self.equal(2048), "nobody sees what a killed one left half-way without being told"
            self.change(2048)

    def under_lock(self, repair):
        with self.lock.writing(WAIT, lambda death: (repair(death), self.make_equal(2112))):
            assert self.equal(2112)
            self.change(2112)

    def reading(self, repair):
        try:
            self.lock.acquire_shared(WAIT)
        except OwnerDied as death:
            repair(death)
        else:
            assert self.equal(2112)
        self.lock.release_shared()

    def with_permit(self, repair):
        with self.semaphore.hold(WAIT):
            self.change(2176)

    def at_condition(self, repair):
        with self.condition.hold(WAIT, repair):
            self.condition.notify(1)
            try:
                self.condition.wait(0.001)
            except TimeoutError:
                pass
            except OwnerDied as death:
                repair(death)
                self.condition.recover()

    @property
    def works(self):
        return self.under_mutex, self.under_lock, self.reading, self.with_permit, self.at_condition

    def work_for_ever(self, seed, number):
        chance = random.Random(seed)
        self.memory.buffer[3000 + number] = 1  # at work
        while True:
            chance.choice(self.works)(self.tell)

    def all_is_well(self):
        """Each in turn, with the time that it may take."""
        for work in self.works:
            work(self.repair)
        assert self.semaphore.value == 2, "every permit is back"
        assert self.lock.readers == [] and self.lock.writer is None
        assert self.mutex.holder is None and self.condition.holder is None

    def close(self):
        for each in (self.mutex, self.condition, self.semaphore, self.lock, self.memory):
            each.close()


def kill_at_random(kills, seed, until):
    world = World(seed)
    while len(world.killed) < kills:
        world.memory.buffer[3000:3003] = bytes(3)
        workers = [fork(world.work_for_ever, 1000 * seed + len(world.killed) + i, i) for i in range(3)]
        until(lambda: bytes(world.memory.buffer[3000:3003]) == b"\1\1\1")
        for worker in workers:
            try:  # while the others work on: they must not hang either
                status = worker.wait(timeout=world.chance.random() * 0.01)
            except TimeoutError:
                worker.kill()
                status = worker.wait(timeout=WAIT)
            assert status == Killed(9), "whoever ends by itself has failed"
            world.killed.add(worker.pid)
            worker.close()
            if worker is workers[0]:
                world.under_mutex(world.repair)
        world.all_is_well()
    told = world.told
    assert told > kills // 10, "many of them held something"
    world.all_is_well()
    assert world.told == told, "what was recovered stays sound"
    world.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_at_any_moment_hangs_nobody(seed, until):
    kill_at_random(KILLS, seed, until)


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_thousands_who_are_killed_at_any_moment_hang_nobody(until):
    kill_at_random(DEEP, 3, until)


def test_holders_that_are_killed_one_after_the_other(victim):
    """Each by the right name."""
    mutex = robust.Mutex.temporary()
    for _ in range(20):
        dead = victim(lambda: mutex.hold(repair=lambda death: None).__enter__()).kill()
        with pytest.raises(OwnerDied) as caught:
            mutex.acquire(timeout=WAIT)
        assert caught.value.pid == dead
        mutex.recover()
        mutex.release()
    mutex.close()


def test_sleepers_that_are_killed_take_no_wake_up_with_them(until):
    mutex = robust.Mutex.temporary()
    for _ in range(20):
        with mutex:
            sleepers = [fork(mutex.acquire) for _ in range(3)]
            survivor = fork(lambda: mutex.hold(WAIT, lambda death: None).__enter__())
            for each in sleepers:
                until(lambda each=each: asleep(each.pid))
        for each in sleepers:
            each.kill()
            each.wait(timeout=WAIT)
            each.close()
        assert survivor.wait(timeout=WAIT).code == 0
        survivor.close()
        with mutex.hold(WAIT, lambda death: None):
            pass
    mutex.close()


def asleep(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"
