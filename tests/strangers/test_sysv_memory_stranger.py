"""A C program at the other side of a semaphore set and of a segment: waits, undo, a shared structure, its own sets."""

import ctypes
import subprocess

import pytest

from unixipc.sysv import Key, SemaphoreSet, SharedMemory

WAIT = 20
pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


class Page(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_char), ("number", ctypes.c_int), ("weight", ctypes.c_double), ("text", ctypes.c_char * 32),
    ]  # fmt: skip


@pytest.fixture
def key():
    return Key.random()


@pytest.fixture
def run(stranger):
    """Start the program; it is killed if the test ends before it."""
    started = []

    def start(*words):
        line = [stranger("sysv_memory_peer"), *map(str, map(int_of, words))]
        started.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=WAIT)


def int_of(word):
    return int(word) if isinstance(word, Key) else word


def ends_well(process):
    out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0
    return out


@pytest.fixture
def semaphores(key):
    with SemaphoreSet.create(key, [0, 0, 3]) as made:
        yield made
        made.remove()


def until_one_waits(semaphore, patience):
    patience(lambda: semaphore.waiters + semaphore.zero_waiters == 1)


@pytest.fixture
def patience():
    import time

    def look(condition):
        deadline = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    return look


def test_it_waits_for_what_we_release(run, key, semaphores, patience):
    process = run("op", key, 0, -1)
    until_one_waits(semaphores[0], patience)
    semaphores[0].release()
    assert ends_well(process) == "done\n"
    assert semaphores[0].last_pid == process.pid


def test_we_wait_for_what_it_releases(run, key, semaphores):
    process = run("op", key, 1, 1)
    semaphores[1].acquire(timeout=WAIT)
    ends_well(process)


def test_it_waits_for_zero(run, key, semaphores, patience):
    process = run("op", key, 2, 0)
    until_one_waits(semaphores[2], patience)
    semaphores[2].acquire(3)
    assert ends_well(process) == "done\n"


def test_what_it_held_with_undo_comes_back_when_it_is_killed(run, key, semaphores):
    process = run("op", key, 2, -3, "undo")
    assert process.stdout.readline() == "done\n"
    assert not semaphores[2].try_acquire()
    process.kill()
    semaphores[2].acquire(3, timeout=WAIT)


def test_it_sees_our_sets_initialised_or_not_at_all(run, key):
    with SemaphoreSet.ensure(key, [4, 0, 9]) as made:
        assert ends_well(run("wait-made", key)) == "4 0 9 "
        made.remove()


def test_we_take_the_sets_it_made(run, key):
    ends_well(run("make", key, 3))
    with SemaphoreSet.ensure(key, [7, 7, 7]) as found:
        assert found.values == (1, 2, 3)
        found.remove()


@pytest.fixture
def memory(key):
    with SharedMemory.create(key, ctypes.sizeof(Page)) as made:
        yield made
        made.remove()


def test_it_reads_the_structure_that_we_wrote(run, key, memory, semaphores):
    process = run("read", key, key)
    with memory.attach() as segment:
        page = segment.view(Page)
        page.kind, page.number, page.weight, page.text = b"p", 42, 0.125, b"written in Python"
        del page
        semaphores[1].release()
        assert ends_well(process) == "p 42 0.125 written in Python"


def test_we_read_the_structure_that_it_wrote(run, key, memory, semaphores):
    process = run("write", key, key, "written in C")
    semaphores[0].release()
    semaphores[1].acquire(timeout=WAIT)
    ends_well(process)
    with memory.attach(readonly=True) as segment:
        page = Page.from_buffer_copy(segment)
    assert (page.kind, page.number, page.weight, page.text) == (b"c", -7, 2.5, b"written in C")


def test_a_segment_that_we_remove_lives_as_long_as_it_has_it(run, key, semaphores, patience):
    memory = SharedMemory.create(key, ctypes.sizeof(Page))
    process = run("read", key, key)
    patience(lambda: memory.stat().attached == 1)
    with memory.attach() as segment:
        memory.remove()
        page = segment.view(Page)
        page.kind, page.number, page.weight, page.text = b"r", 1, 1.5, b"removed, and here"
        del page
        semaphores[1].release()
        assert ends_well(process) == "r 1 1.5 removed, and here"
    memory.close()
