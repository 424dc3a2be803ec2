"""The five fates of POSIX queues and semaphores."""

from __future__ import annotations

import contextlib
import os
import sys

import pytest

from unixipc import ClosedError, fork, sockets
from unixipc.posix import Message, MessageQueue, Semaphore, remove_queue, remove_semaphore

from .conftest import killed_while, ran_in_a_child

WAIT = 20

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

REMOVE = {"queue": remove_queue, "semaphore": remove_semaphore}
CREATE = {"queue": MessageQueue.create, "semaphore": lambda name: Semaphore.create(name, 1)}
OPEN = {"queue": MessageQueue.open, "semaphore": Semaphore.open}
TEMPORARY = {"queue": MessageQueue.temporary, "semaphore": lambda: Semaphore.temporary(1)}
USE = {"queue": len, "semaphore": lambda semaphore: semaphore.value}
both = pytest.mark.parametrize("kind", ["queue", "semaphore"])


@pytest.fixture
def name(kind):
    fresh = f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}"
    yield fresh
    with contextlib.suppress(FileNotFoundError):
        REMOVE[kind](fresh)


@both
def test_close_forgets_the_handle_and_leaves_the_object(kind, name):
    with CREATE[kind](name) as handle:
        pass
    handle.close()
    with pytest.raises(ClosedError):
        USE[kind](handle)
    with OPEN[kind](name) as again:
        USE[kind](again)


@both
def test_remove_takes_the_name_and_leaves_the_object_to_who_has_it(kind, name):
    with CREATE[kind](name) as mine, OPEN[kind](name) as theirs:
        mine.remove()
        with pytest.raises(FileNotFoundError):
            OPEN[kind](name)
        before = USE[kind](theirs)
        (mine.send if kind == "queue" else lambda _: mine.release())(b"")
        assert USE[kind](theirs) == before + 1
        with CREATE[kind](name) as heir:
            assert USE[kind](heir) == before


@both
def test_a_fork_shares_it_and_closes_only_its_own(kind):
    with TEMPORARY[kind]() as handle:
        before = USE[kind](handle)
        ran_in_a_child(lambda: handle.send(b"") if kind == "queue" else handle.release())
        ran_in_a_child(handle.close)
        assert USE[kind](handle) == before + 1


LOOK = """
import os, sys
names = [open("/proc/self/maps").read()]
for number in os.listdir("/proc/self/fd"):
    try:
        names.append(os.readlink(f"/proc/self/fd/{number}"))
    except FileNotFoundError:  # the one that listed the folder
        pass
sys.exit(sys.argv[1] in "".join(names))
"""


@both
def test_an_exec_closes_it(kind, name):
    """The new program has neither the descriptor nor the mapping."""
    with CREATE[kind](name):
        ran_in_a_child(lambda: os.execv(sys.executable, [sys.executable, "-S", "-c", LOOK, name[1:]]))


@both
def test_kill_9_leaves_it_with_its_name(kind, name):
    killed_while(lambda: CREATE[kind](name))
    with OPEN[kind](name) as heir:
        USE[kind](heir)


def test_kill_9_leaves_the_messages():
    with MessageQueue.temporary() as queue:
        killed_while(lambda: queue.send(b"the last words", 3))
        assert queue.receive(timeout=WAIT) == Message(3, b"the last words")


def test_kill_9_of_a_receiver_that_waits_takes_no_message():
    with MessageQueue.temporary() as queue:
        with fork(queue.receive) as child:
            child.kill()
            child.wait(timeout=WAIT)
        queue.send(b"kept")
        assert queue.receive(timeout=WAIT).body == b"kept"


@pytest.mark.parametrize("kind", ["semaphore"])
def test_kill_9_gives_no_permit_back(kind, name):
    """The documented truth."""
    with CREATE[kind](name) as semaphore:
        killed_while(semaphore.acquire)
        assert semaphore.value == 0


def test_kill_9_of_the_last_user_ends_temporary_ones(tmp_path):
    """Their names were never there, or for a moment; what they took of the user's share is free again."""
    import resource

    def child():
        resource.setrlimit(resource.RLIMIT_MSGQUEUE, (20_000, 20_000))
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        for _ in range(20):
            killed_while(lambda: MessageQueue.temporary(10, 1000))

    if os.geteuid():
        pytest.skip("needs another user: only one of the queues at a time fits into its limit")
    before = set(os.listdir("/dev/shm"))
    ran_in_a_child(child)
    killed_while(lambda: Semaphore.temporary(1))
    assert set(os.listdir("/dev/shm")) == before


def test_a_temporary_queue_can_be_given_away():
    """By its descriptor, over a socket; it lives on with who has it."""
    a, b = sockets.pair("seqpacket")
    with a, b:
        with MessageQueue.temporary() as queue:
            queue.send(b"inside", 9)
            a.send(b"queue", descriptors=[queue])
        received = b.receive(10, max_descriptors=1, timeout=WAIT)
        with received.descriptors[0] as descriptor, MessageQueue(descriptor.detach()) as mine:
            assert mine.receive(timeout=WAIT) == Message(9, b"inside")
