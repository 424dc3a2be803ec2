"""The five fates of file locks: flock, OFD and POSIX record locks, by a path and on a file of the caller's."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from unixipc import ClosedError, Exited, FileLock, Killed, RecordLock, fork, pipe

from .conftest import ran_in_a_child

WAIT = 20
KINDS = {
    "flock": (FileLock, {}),
    "ofd": (RecordLock, {"start": 10, "length": 10}),
    "posix": (RecordLock, {"start": 10, "length": 10, "kind": "posix"}),
}
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "locked").write_bytes(bytes(100))
    return tmp_path / "locked"


def made(kind, file):
    cls, named = KINDS[kind]
    return cls(file, **named)


def is_free(kind, path):
    """As another process sees it; one that asks and leaves, as posix locks are the process's."""

    def ask():
        lock = made(kind, path)
        os._exit(0 if lock.try_acquire() else 1)

    with fork(ask) as child:
        status = child.wait(timeout=WAIT)
    assert status in (Exited(0), Exited(1))
    return status == Exited(0)


class Holder:
    """A child that holds such a lock by what `hold` gives, and goes on to `then` when it is told to."""

    def __init__(self, hold, then=signal.pause):
        self.hold, self.then = hold, then

    def live(self):
        kept = self.hold()
        self.tell.write_all(b"!")
        self.told.read_exactly(1)
        self.then()
        del kept

    def __enter__(self):
        (self.ready, self.tell), (self.told, self.go) = pipe(), pipe()
        self.child = fork(self.live)
        self.ready.read_exactly(1, timeout=WAIT)
        return self

    def __exit__(self, *error):
        if self.child.status is None:
            self.child.kill()
            self.child.wait(timeout=WAIT)
        for each in (self.ready, self.tell, self.told, self.go, self.child):
            each.close()

    def kill(self):
        self.child.kill()
        assert self.child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def held_by_path(kind, path):
    lock = made(kind, path)
    lock.acquire(timeout=WAIT)
    return lock


def held_on_a_file(kind, path, inheritable=False):
    file = open(path, "r+b")  # it lives as long as its lock
    os.set_inheritable(file.fileno(), inheritable)
    lock = made(kind, file)
    lock.acquire(timeout=WAIT)
    return lock


# close ----------------------------------------------------------------------------------------------------------------


@every
def test_close_releases_it_and_nothing_works_after(kind, path):
    lock = held_by_path(kind, path)
    assert not is_free(kind, path)
    lock.close()
    assert is_free(kind, path)
    for use in (lock.acquire, lock.try_acquire, lock.release, lock.upgrade, lock.downgrade, lock.fileno):
        with pytest.raises(ClosedError):
            use()


@every
def test_close_of_a_lock_on_a_file_of_ours_leaves_the_file_open(kind, path):
    with open(path, "r+b") as file:
        lock = made(kind, file)
        lock.acquire()
        lock.close()
        assert is_free(kind, path)
        assert file.read(1) == b"\0"


@every
def test_a_lock_that_nobody_refers_to_is_released(kind, path):
    held_by_path(kind, path)
    assert is_free(kind, path)


# remove ---------------------------------------------------------------------------------------------------------------


@every
def test_remove_of_the_file_a_lock_by_path_is_of_the_file_that_has_the_name_then(kind, path):
    lock = made(kind, path)
    os.rename(path, f"{path}.old")
    path.write_bytes(bytes(100))
    with lock:
        assert os.path.samestat(os.fstat(lock.fileno()), os.stat(path))
        assert not is_free(kind, path)
        assert is_free(kind, f"{path}.old")
    lock.close()


@every
def test_remove_of_the_name_under_a_lock_on_an_open_file_leaves_that_lock(kind, path):
    with open(path, "r+b") as file:
        lock = made(kind, file)
        lock.acquire()
        other = f"{path}.link"
        os.link(path, other)
        os.unlink(path)
        assert not is_free(kind, other), "it is the same file"
        lock.close()


# fork -----------------------------------------------------------------------------------------------------------------


@every
def test_a_forked_child_holds_nothing_and_its_end_releases_nothing(kind, path):
    lock = held_by_path(kind, path)

    def child():
        assert not lock.held
        with pytest.raises(RuntimeError):
            lock.release()
        assert not lock.try_acquire()
        lock.close()

    ran_in_a_child(child)
    assert lock.held and not is_free(kind, path)
    lock.close()


@every
@pytest.mark.parametrize("hold", [held_by_path, held_on_a_file])
def test_a_forked_child_keeps_only_the_lock_of_an_opening_that_was_its_parents_own(kind, path, hold):
    """What the documentation says: by a path never; on the caller's file, whose opening both have, it does."""
    gate, opened = pipe()
    told, tell = pipe()

    def grandchild():
        opened.close()
        tell.write_all(b"!")
        gate.read(1)

    def then():
        fork(grandchild)
        signal.pause()

    with gate, opened, told, tell, Holder(lambda: hold(kind, path), then) as holder:
        holder.go.write_all(b"!")
        told.read_exactly(1, timeout=WAIT)
        assert not is_free(kind, path)
        holder.kill()
        assert is_free(kind, path) is (hold is held_by_path or kind == "posix")
        opened.close()
        made(kind, path).acquire(timeout=WAIT)


# exec -----------------------------------------------------------------------------------------------------------------

READS = [sys.executable, "-S", "-c", "import os; os.write(1, b'!'); os.read(0, 1)"]


@every
@pytest.mark.parametrize("how", ["by its path", "on a file", "on a file that programs inherit"])
def test_exec_releases_it_unless_the_file_is_inheritable(kind, path, how):
    hold = held_by_path if how == "by its path" else held_on_a_file
    named = {"inheritable": True} if how.endswith("inherit") else {}
    (told, tell), (told_there, tell_there) = pipe(), pipe()

    def become():
        told_there.dup2(0)
        tell.dup2(1)
        os.execv(READS[0], READS)

    with told, tell, told_there, tell_there, Holder(lambda: hold(kind, path, **named), become) as holder:
        assert not is_free(kind, path)
        holder.go.write_all(b"!")
        told.read_exactly(1, timeout=WAIT)
        assert is_free(kind, path) is not bool(named), "the program runs on"
        tell_there.write_all(b"!")
        assert holder.child.wait(timeout=WAIT) == Exited(0)
    assert is_free(kind, path)


# kill -9 --------------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("hold", [held_by_path, held_on_a_file])
def test_kill_9_releases_it_and_nobody_is_told(kind, path, hold):
    with Holder(lambda: hold(kind, path)) as holder:
        assert not is_free(kind, path)
        holder.kill()
        with made(kind, path) as heir:
            assert heir.held
        heir.close()


@every
def test_kill_9_of_who_waits_takes_nothing(kind, path):
    with Holder(lambda: held_by_path(kind, path)) as holder, fork(held_by_path, kind, path) as waiting:
        waiting.kill()
        assert waiting.wait(timeout=WAIT) == Killed(signal.SIGKILL)
        holder.kill()
        assert is_free(kind, path)
