"""A C program at the other side of a POSIX queue or semaphore: R01-R07, B14, B15."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time

import pytest

from unixipc import Exited, fork
from unixipc.posix import Message, MessageQueue, QueueStat, Semaphore, SharedMemory, remove_queue, remove_semaphore

WAIT = 20
PATIENCE = 0.05
NUMBER = signal.SIGRTMIN + 6
pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


@pytest.fixture
def name():
    fresh = f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}"
    yield fresh
    for remove in (remove_queue, remove_semaphore):
        with contextlib.suppress(FileNotFoundError):
            remove(fresh)


@pytest.fixture
def peer(stranger, name):
    """Start the program with a verb and arguments on our name; whatever happens it ends with the test."""
    started = []

    def start(verb, *args):
        words = [stranger("posix_peer"), verb, name, *map(str, args)]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for program in started:
        program.kill()
        program.communicate(timeout=WAIT)


def told(program):
    """What it prints, once it has ended well."""
    out, _ = program.communicate(timeout=WAIT)
    assert program.returncode == 0
    return out


def test_R01_c_makes_the_queue_and_we_open_it(peer, name):
    told(peer("make", 3, 100))
    with MessageQueue.ensure(name) as queue:
        assert queue.stat() == QueueStat(3, 100, 1)
        assert queue.receive(timeout=WAIT) == Message(7, bytes(100))
    again = peer("make", 3, 100)
    again.communicate(timeout=WAIT)
    assert again.returncode == errno.EEXIST


def test_R02_priorities_mean_the_same_to_both(peer, name):
    with MessageQueue.create(name) as queue:
        for priority, text in ((0, "low"), (32767, "high"), (5, "middle"), (5, "second")):
            told(peer("send", priority, text))
        assert [queue.receive(timeout=WAIT) for _ in range(4)] == [
            Message(32767, b"high"), Message(5, b"middle"), Message(5, b"second"), Message(0, b"low"),
        ]  # fmt: skip
        queue.send(b"ours", 3)
        queue.send(b"", 4)
        assert told(peer("take")) == "4 0 \n"
        assert told(peer("take")) == "3 4 ours\n"


def test_c_that_waits_is_woken_by_us_and_we_by_c(peer, name):
    with MessageQueue.create(name) as queue:
        waiting = peer("take")
        time.sleep(PATIENCE)
        queue.send(b"x", 2)
        assert told(waiting) == "2 1 x\n"
        sending = peer("send", 1, "back")
        assert queue.receive(timeout=WAIT) == Message(1, b"back")
        told(sending)


def test_B14_a_relative_time_given_to_c_is_long_past(peer, name):
    with MessageQueue.create(name):
        late = peer("late")
        late.communicate(timeout=WAIT)
        assert late.returncode == errno.ETIMEDOUT


def test_B15_a_buffer_shorter_than_the_queues_messages_is_refused_in_c(peer, name):
    with MessageQueue.create(name, 2, 256) as queue:
        queue.send(b"x")
        short = peer("short")
        short.communicate(timeout=WAIT)
        assert short.returncode == errno.EMSGSIZE
        assert queue.receive(timeout=WAIT).body == b"x"


def test_R07_c_that_sleeps_in_mq_receive_takes_precedence_over_the_signal(peer, name):
    """In a process of one thread: the run's own other threads would be struck by the signal."""

    def body():
        signal.pthread_sigmask(signal.SIG_BLOCK, [NUMBER])
        with MessageQueue.open(name) as queue:
            queue.notify(NUMBER)
            queue.send(b"for c")
            assert signal.sigtimedwait([NUMBER], PATIENCE) is None
            queue.send(b"for nobody")
            assert signal.sigtimedwait([NUMBER], WAIT) is not None

    with MessageQueue.create(name):
        waiting = peer("take")
        time.sleep(PATIENCE)
        with fork(body) as child:
            assert child.wait(timeout=WAIT) == Exited(0)
        assert told(waiting) == "0 5 for c\n"


def test_c_posts_and_waits_in_our_semaphore(peer, name):
    with Semaphore.create(name, 2) as semaphore:
        assert told(peer("post", 3)) == "5\n"
        assert semaphore.value == 5
        assert told(peer("wait", 4)) == "1\n"
        semaphore.acquire(timeout=WAIT)
        waiting = peer("wait", 2)
        time.sleep(PATIENCE)
        semaphore.release()
        semaphore.release()
        assert told(waiting) == "0\n"


def test_we_wait_in_cs_semaphore(peer, name):
    assert told(peer("sem", 0)) == "0\n"
    with Semaphore.ensure(name, 9) as semaphore:
        assert semaphore.value == 0
        posting = peer("post", 1)
        semaphore.acquire(timeout=WAIT)
        told(posting)
        assert semaphore.value == 0


def test_one_semaphore_in_shared_memory_for_c_and_us(peer, name):
    with SharedMemory.create(name, 4096) as memory, memory.map() as mapped:
        with Semaphore.place(mapped, 2, offset_bytes=64) as ours:
            assert told(peer("inside", 3)) == "5\n"
            assert told(peer("inside", -4)) == "1\n"
            ours.acquire(timeout=WAIT)
            waiting = peer("inside", -2)
            time.sleep(PATIENCE)
            ours.release()
            ours.release()
            assert told(waiting) == "0\n"
        assert told(peer("place", 7)) == "7\n"
        with Semaphore.attach(mapped, 64) as theirs:
            assert theirs.value == 7
            for _ in range(7):
                theirs.acquire(timeout=WAIT)
            posting = peer("inside", 1)
            theirs.acquire(timeout=WAIT)
            told(posting)
        memory.remove()
