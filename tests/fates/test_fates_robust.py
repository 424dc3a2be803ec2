"""The five fates of robust locks."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from unixipc import ClosedError, Exited, Killed, OwnerDied, fork, pipe, robust

from .conftest import ran_in_a_child

WAIT = 20
MAKE = {
    "Mutex": robust.Mutex.create,
    "Semaphore": lambda name: robust.Semaphore.create(name, 1),
    "RWLock": robust.RWLock.create,
    "Condition": robust.Condition.create,
}


@pytest.fixture(params=MAKE)
def kind(request):
    return request.param


@pytest.fixture
def name():
    return f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}"


@pytest.fixture
def lock(kind, name):
    made = MAKE[kind](name)
    yield made
    if not made.closed:
        made.remove()
        made.close()


def acquired_from_the_dead(kind, lock):
    """A semaphore's permit is simply back; the others tell."""
    if kind == "Semaphore":
        lock.acquire(timeout=WAIT)
    else:
        with pytest.raises(OwnerDied):
            lock.acquire(timeout=WAIT)
        lock.recover()
    lock.release()


def test_close_releases_and_leaves_the_lock(kind, lock, name):
    other = type(lock).open(name)
    other.acquire()
    other.close()
    with pytest.raises(ClosedError):
        other.try_acquire()
    assert lock.try_acquire()
    lock.release()


def test_remove_takes_the_name_and_leaves_the_lock_to_who_has_it(kind, lock, name):
    other = type(lock).open(name)
    lock.remove()
    with pytest.raises(FileNotFoundError):
        type(lock).open(name)
    lock.acquire()
    assert not other.try_acquire()
    lock.release()
    other.close()
    lock.close()


def test_a_fork_s_child_holds_nothing_and_shares_the_lock(kind, lock):
    def child():
        assert not lock.held and not lock.try_acquire()
        lock.close()

    lock.acquire()
    ran_in_a_child(child)
    assert lock.held
    lock.release()
    ran_in_a_child(lambda: (lock.acquire(), lock.release()))


def test_an_exec_is_the_death_of_a_holder(kind, lock):
    def child():
        lock.acquire()
        os.execv(sys.executable, [sys.executable, "-S", "-c", "import sys; sys.exit(7)"])

    ran_in_a_child(child, status=Exited(7))
    acquired_from_the_dead(kind, lock)


def test_an_exec_s_program_that_lives_does_not_keep_it(kind, lock):
    reader, writer = pipe()

    def child():
        lock.acquire()
        os.set_inheritable(writer.fileno(), True)
        code = f"import os, signal; os.write({writer.fileno()}, b'!'); signal.pause()"
        os.execv(sys.executable, [sys.executable, "-S", "-c", code])

    with reader, writer, fork(child) as born:
        reader.read_exactly(1, timeout=WAIT)
        acquired_from_the_dead(kind, lock)
        born.kill()
        born.wait(timeout=WAIT)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_kill_9_gives_it_to_the_next_one(kind, lock, end):
    def child():
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        lock.acquire()
        os.kill(os.getpid(), end)

    with fork(child) as born:
        assert born.wait(timeout=WAIT) == Killed(end)
    acquired_from_the_dead(kind, lock)


def test_an_exit_without_a_release_is_a_death_too(kind, lock):
    ran_in_a_child(lambda: (lock.acquire(), os._exit(0)))
    acquired_from_the_dead(kind, lock)
