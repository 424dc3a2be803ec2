"""Whatever bytes others write into the locks: errors and time-outs, never a crash, a hang or a wrong kind of error."""

from __future__ import annotations

import contextlib
import random
import struct
import threading

import pytest

from unixipc import Exited, LayoutError, OwnerDied, fork, map_anonymous, robust

WAIT = 60
MUTATIONS, DEEP = 6_000, 150_000
EXPECTED = (OSError, RuntimeError, LayoutError)  # OwnerDied and TimeoutError are OSErrors
NASTY = (0, 1, 0x3FFFFFFF, 0x40000000, 0x80000000, 0xC0000000, 0xFFFFFFFF)


def mutate(random, memory):
    at = random.randrange(0, len(memory), 4)
    how = random.randrange(4)
    if how == 0:
        struct.pack_into("=I", memory.buffer, at, random.choice(NASTY))
    elif how == 1:
        struct.pack_into("=I", memory.buffer, at, random.getrandbits(32))
    elif how == 2:
        struct.pack_into("=Q", memory.buffer, at & ~7, random.getrandbits(64))
    else:  # an address of ours, as the lists have them
        struct.pack_into("=Q", memory.buffer, at & ~7, memory.address + random.randrange(len(memory)))


def uses(memory):
    """Every call on every kind, by two handles."""
    mutexes = [robust.Mutex.create(memory, 0), robust.Mutex.attach(memory, 0)]
    semaphores = [robust.Semaphore.create(memory, 3, 64), robust.Semaphore.attach(memory, 64)]
    locks = [robust.RWLock.create(memory, 384, readers=3), robust.RWLock.attach(memory, 384)]
    conditions = [robust.Condition.create(memory, 896), robust.Condition.attach(memory, 896)]
    calls = []
    for each in (*mutexes, *conditions):
        calls += [each.try_acquire, each.release, each.recover, lambda each=each: each.acquire(timeout=0)]
        calls += [lambda each=each: (each.holder, each.suspect, each.held, repr(each))]
    for each in semaphores:
        calls += [each.try_acquire, each.release, lambda each=each: each.acquire(timeout=0)]
        calls += [lambda each=each: (each.value, each.held, each.holders, repr(each))]
    for each in locks:
        calls += [each.try_acquire, each.release, each.try_acquire_shared, each.release_shared, each.recover]
        calls += [lambda each=each: each.acquire(timeout=0), lambda each=each: each.acquire_shared(timeout=0)]
        calls += [lambda each=each: (each.writer, each.readers, each.suspect, repr(each))]
    for each in conditions:
        calls += [each.notify, lambda each=each: each.wait(timeout=0)]
    return [*mutexes, *semaphores, *locks, *conditions], calls


def use_while_it_is_damaged(seed, mutations):
    """In a child: a crash is its own, and seen by its parent. The collector and the end of threads come in between."""
    chance = random.Random(seed)
    memory = map_anonymous(1024)
    handles, calls = uses(memory)

    def call_some(n):
        for _ in range(n):
            mutate(chance, memory)
            with contextlib.suppress(*EXPECTED):
                chance.choice(calls)()

    for turn in range(mutations // 20):
        if turn % 10:
            call_some(20)
        else:  # a thread that ends with whatever it holds
            thread = threading.Thread(target=call_some, args=(20,))
            thread.start()
            thread.join()
        if turn % 50 == 49:
            for handle in handles:
                with contextlib.suppress(PermissionError):
                    handle.close()
            memory = map_anonymous(1024)
            handles, calls = uses(memory)


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_never_crash(seed):
    with fork(use_while_it_is_damaged, seed, MUTATIONS) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(100, 104))
def test_very_many_random_bytes_never_crash(seed):
    with fork(use_while_it_is_damaged, seed, DEEP) as child:
        assert child.wait(timeout=1000) == Exited(0)


def test_attaching_to_random_bytes(memory):
    chance = random.Random(5)
    blank = bytes(len(memory))
    for turn in range(3000):
        memory.buffer[:] = blank
        for _ in range(chance.randrange(1, 6)):
            mutate(chance, memory)
        if turn % 2:  # an identity that is nearly right
            struct.pack_into(
                "=4sBBH", memory.buffer, 8, b"UIRB", 1, chance.randrange(6), chance.choice([0, 1, 9, 65535])
            )
        for cls in (robust.Mutex, robust.Semaphore, robust.RWLock, robust.Condition):
            with contextlib.suppress(LayoutError):
                cls.attach(memory).close()


def test_a_lock_that_says_it_is_free_is_not_taken_twice_by_one_thread(memory):
    """Two entries of one lock in the thread's list would be a ring."""
    a, b, c = robust.Mutex.create(memory), robust.Mutex.create(memory, 64), robust.Mutex.attach(memory)
    with a, b:
        struct.pack_into("=I", memory.buffer, 0, 0)
        assert not a.try_acquire() and not c.try_acquire()
    for each in (a, b, c):
        each.close()


def test_a_mark_from_elsewhere_is_an_owner_that_died(memory):
    mutex = robust.Mutex.create(memory)
    struct.pack_into("=Q", memory.buffer, 16, 1 << 32 | 4711)
    with pytest.raises(OwnerDied) as caught:
        mutex.acquire()
    assert caught.value.pid == 4711
    mutex.recover()
    mutex.close()
    assert bytes(memory.buffer[16:24]) == bytes(8)
