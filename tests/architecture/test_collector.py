"""The collector empties the objects of a cycle in any order: what owns a native resource must not be emptied before it
has given that back."""

from __future__ import annotations

import gc
import os
import pathlib
import re
import signal
import threading
import warnings

import pytest

from unixipc import Exited, MemFd, channel, event, fork, locks, pipe, posix, robust, signals, sockets
from unixipc._native.seqlock import SeqLock
from unixipc._native.wait import Word
from unixipc.errors import OwnerDied
from unixipc.mapping import map_anonymous

WAIT = 60
SOURCE = pathlib.Path(__file__).parents[2] / "src" / "unixipc"
CLASS = re.compile(r"^((?:(?:@|#).*\n)*)cdef class (\w+)[^\n]*:\n((?:[ \t].*\n|\n)*)", re.M)
RESOURCE = re.compile(r"^    (?:cdef Py_buffer \w+|def __dealloc__|def __getbuffer__)", re.M)
DECISION = re.compile(r"^(?:@cython\.no_gc(?:_clear)?$|# collector: \w+)", re.M)


def undecided(text):
    """The extension classes of a source that own a resource and say nothing about the collector."""
    return [name for above, name, body in CLASS.findall(text) if RESOURCE.search(body) and not DECISION.search(above)]


@pytest.mark.skipif(not SOURCE.is_dir(), reason="this test looks at the checkout, which is not here")
@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.pyx")), ids=lambda path: path.name)
def test_what_owns_a_resource_says_what_the_collector_may_do(path):
    """`@cython.no_gc_clear`, `@cython.no_gc`, or a comment above the class that begins with "collector:"."""
    assert undecided(path.read_text()) == []


def test_a_class_without_a_decision_is_found():
    body = (
        "cdef class One:\n    cdef Py_buffer view\n\ncdef class Two:\n    cdef int fd\n\n    def __dealloc__(self):\n"
    )
    assert undecided(body) == ["One", "Two"]
    assert undecided(body.replace("cdef class", "@cython.no_gc_clear\ncdef class")) == []
    assert undecided(body.replace("cdef class", "# collector: it owns nothing\ncdef class")) == []


# in memory that can be asked afterwards whether everybody has given it back -------------------------------------------


def in_memory(make, use=lambda made: None):
    def begin(memory, _folder):
        made = make(memory)
        use(made)
        return made

    return begin


def mutex(memory):
    return robust.Mutex.create(memory)


def rwlock(memory):
    return robust.RWLock.create(memory, readers=3)


def semaphore(memory):
    return robust.Semaphore.create(memory, 3)


def read_twice(lock):
    lock.acquire_shared()
    lock.acquire_shared()


IN_MEMORY = {
    "mutex": in_memory(mutex),
    "mutex, held": in_memory(mutex, lambda lock: lock.acquire()),
    "condition": in_memory(lambda memory: robust.Condition.create(memory)),
    "condition, held": in_memory(lambda memory: robust.Condition.create(memory), lambda lock: lock.acquire()),
    "semaphore": in_memory(semaphore),
    "semaphore, two permits": in_memory(semaphore, lambda lock: (lock.acquire(), lock.acquire())),
    "semaphore's hold": in_memory(lambda memory: semaphore(memory).hold()),
    "rwlock": in_memory(rwlock),
    "rwlock, read": in_memory(rwlock, read_twice),
    "rwlock, written": in_memory(rwlock, lambda lock: lock.acquire()),
    "posix semaphore": in_memory(lambda memory: posix.Semaphore.place(memory, 1)),
    "posix semaphore's hold": in_memory(lambda memory: posix.Semaphore.place(memory, 1).hold()),
    "word": in_memory(lambda memory: Word(memory)),
    "sequence lock": in_memory(lambda memory: SeqLock(memory, True)),
    "view": in_memory(lambda memory: memory.buffer),
}


def in_own_process(run, *args):
    """Run it in a child: a crash there is an exit status here."""

    def child():
        signal.alarm(WAIT // 2)
        warnings.simplefilter("ignore")
        gc.collect()
        gc.disable()
        run(*args)
        os._exit(0)

    with fork(child) as started:
        assert started.wait(timeout=WAIT) == Exited(0)


def keep(thing):
    """The ordinary way into a cycle: an exception that is kept, its traceback, the frame, and what is in that."""
    try:
        raise RuntimeError("the job failed")
    except RuntimeError as error:
        kept = error
    return kept is not None and thing is not None


def addresses():
    return {line.split("-")[0] for line in pathlib.Path("/proc/self/maps").read_text().splitlines()}


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_memory_in_a_cycle_is_given_back(kind, tmp_path):
    def run():
        memory = map_anonymous(8192)
        where = f"{memory.address:x}"
        assert keep(IN_MEMORY[kind](memory, tmp_path))
        gc.collect()
        memory.close()  # BufferError if somebody still has it
        assert where not in addresses()

    in_own_process(run)


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_memory_in_the_same_cycle_is_given_back(kind, tmp_path):
    def run():
        where = work()
        gc.collect()
        assert where not in addresses()

    def work():
        memory = map_anonymous(8192)
        thing = IN_MEMORY[kind](memory, tmp_path)
        assert keep((memory, thing))
        around = [memory, thing]
        around.append(around)
        return f"{memory.address:x}"

    in_own_process(run)


@pytest.mark.parametrize("kind", ["mutex, held", "condition, held", "semaphore, two permits", "rwlock, written"])
def test_a_held_lock_that_is_collected_is_free_and_sound(kind, tmp_path):
    def run():
        memory = map_anonymous(8192)
        around = [IN_MEMORY[kind](memory, tmp_path)]
        cls = type(around[0])
        around.append(around)
        del around
        gc.collect()
        again = cls.attach(memory)
        assert all(again.try_acquire() for _ in range(getattr(again, "permits", 1)))

    in_own_process(run)


def test_a_lock_that_is_collected_while_another_thread_holds_it_stays_that_threads(tmp_path):
    """The kernel looks at it when the thread ends: then the next one is told."""

    def run():
        memory = map_anonymous(8192)
        around = [robust.Mutex.create(memory)]
        taken, gone = threading.Event(), threading.Event()

        box = around[:]

        def hold():
            box.pop().acquire()
            taken.set()
            gone.wait(WAIT)

        thread = threading.Thread(target=hold)
        thread.start()
        assert taken.wait(WAIT)
        around.append(around)
        del around
        gc.collect()
        again = robust.Mutex.attach(memory)
        assert not again.try_acquire()
        gone.set()
        thread.join()
        with pytest.raises(OwnerDied):
            again.acquire(timeout=WAIT)
        again.release()
        again.close()
        memory.close()

    in_own_process(run)


# with a file, a name, a number --------------------------------------------------------------------------------------

OTHERS = {
    "mapping": lambda folder: map_anonymous(4096),
    "memory file": lambda folder: MemFd.create(size_bytes=4096),
    "mapped memory file": lambda folder: MemFd.create(size_bytes=4096).map(),
    "temporary mutex, held": lambda folder: held(robust.Mutex.temporary()),
    "temporary posix semaphore": lambda folder: posix.Semaphore.temporary(1),
    "temporary posix queue": lambda folder: posix.MessageQueue.temporary(),
    "pipe": lambda folder: pipe(),
    "socket pair": lambda folder: sockets.pair(),
    "event": lambda folder: event.EventFd(),
    "file lock, held": lambda folder: held(locks.FileLock(folder / "lock")),
    "record lock, held": lambda folder: held(locks.RecordLock(made(folder / "other"))),
    "timer": lambda folder: signals.Timer(),
    "counter": lambda folder: signals.Counter(signal.SIGUSR1),
    "stream": lambda folder: signals.SignalStream(signal.SIGUSR2),
    "channel's members": lambda folder: members(channel.Queue.anonymous(1 << 16)),
    "topic's members": lambda folder: published(channel.Topic.anonymous(1 << 16)),
    "reservation": lambda folder: members(channel.Queue.anonymous(1 << 16))[1].reserve(10),
    "lease": lambda folder: sent(channel.Queue.anonymous(1 << 16)).lease(timeout=WAIT),
    "view of a lease": lambda folder: memoryview(sent(channel.Queue.anonymous(1 << 16)).lease(timeout=WAIT)),
    "peeked message": lambda folder: sent(channel.Queue.anonymous(1 << 16)).peek(timeout=WAIT),
    "child": lambda folder: ended(fork(lambda: None)),
}


def members(queue):
    return queue, queue.sender(), queue.receiver()


def published(topic):
    return topic, topic.publisher(), topic.subscriber()


def sent(queue):
    _queue, sender, receiver = members(queue)
    sender.send(b"x")
    return receiver


def ended(child):
    child.wait(timeout=WAIT)
    return child


def made(path):
    path.touch()
    return path


def held(lock):
    lock.acquire()
    return lock


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_in_a_cycle_goes_without_a_crash_and_leaves_no_descriptor(kind, tmp_path):
    def run():
        work()  # what is loaded or made once
        gc.collect()
        before = set(os.listdir("/proc/self/fd"))
        work()
        gc.collect()
        assert set(os.listdir("/proc/self/fd")) <= before

    def work():
        around = [OTHERS[kind](tmp_path)]
        assert keep(around)
        around.append(around)

    in_own_process(run)


@pytest.mark.usefixtures("own_ipc_namespace")
def test_a_segment_in_a_cycle_with_its_memory_is_detached(tmp_path):
    from unixipc import sysv

    class Memory(sysv.SharedMemory):
        """One with attributes."""

    def run():
        where = work()
        gc.collect()
        assert where not in addresses()

    def work():
        memory = Memory.temporary(8192)
        memory.attached = memory.attach()
        return f"{memory.attached.address:x}"

    in_own_process(run)
