"""File locks of every kind, by a path and on an open file, as locks and as closable handles."""

from __future__ import annotations

import pytest

from unixipc import Exited, FileLock, RecordLock, aio, fork, pipe
from unixipc.testing.contracts import FORMS, SYNC, ClosableContract, LockContract

KINDS = {
    "flock": (FileLock, {}),
    "ofd": (RecordLock, {"mode": 0o600}),
    "range": (RecordLock, {"start": 10, "length": 10, "mode": 0o600}),
    "posix": (RecordLock, {"start": 10, "length": 10, "mode": 0o600, "kind": "posix"}),
}
WAIT = 30


@pytest.fixture(params=["flock", "ofd", "range"])
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def here(request, tmp_path, kind):
    """Where the contract's `make` finds the file."""
    request.instance.path, request.instance.kind = tmp_path / "x.lock", kind


def made(form, path, kind):
    cls, named = KINDS[kind]
    return (cls if form.blocking else getattr(aio, cls.__name__))(path, **named)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestFileLocks(LockContract):
    def make(self, form):
        return made(form, self.path, self.kind), made(form, self.path, self.kind)


class Elsewhere:
    """A posix record lock in another process: two objects in one process would not exclude each other."""

    def __init__(self, path):
        (asked, self.ask), (self.answers, answer) = pipe(), pipe()
        self.child = fork(self.live, path, asked, answer)
        asked.close()
        answer.close()

    def live(self, path, asked, answer):
        self.ask.close()
        lock = made(SYNC, path, "posix")
        calls = {b"t": lock.try_acquire, b"r": lock.release}
        while word := asked.read(1):
            answer.write(b"%d" % (calls[word]() is not False))

    def told(self, word):
        self.ask.write(word, timeout=WAIT)
        return self.answers.read_exactly(1, timeout=WAIT) == b"1"

    def try_acquire(self):
        return self.told(b"t")

    def acquire(self):
        assert self.try_acquire(), "in this contract, this side never has to wait"

    def release(self):
        self.told(b"r")

    def close(self):
        self.ask.close()
        assert self.child.wait(timeout=WAIT) == Exited(0)
        for each in (self.answers, self.child):
            each.close()


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestPosixRecordLocks(LockContract):
    def make(self, form):
        return Elsewhere(self.path), made(form, self.path, "posix")

    @pytest.fixture(params=["posix"])
    def kind(self, request):
        return request.param


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingAPosixRecordLock(ClosableContract):
    def make(self, form):
        theirs = Elsewhere(self.path)
        theirs.acquire()
        return made(form, self.path, "posix"), [theirs]

    def wait_forever(self, handle):
        return (handle.acquire,)

    @pytest.fixture(params=["posix"])
    def kind(self, request):
        return request.param


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingAFileLock(ClosableContract):
    def make(self, form):
        theirs = made(FORMS[0], self.path, self.kind)
        theirs.acquire()
        return made(form, self.path, self.kind), [theirs]

    def wait_forever(self, handle):
        return (handle.acquire,)
