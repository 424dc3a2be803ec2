"""File locks of every kind, by a path and on an open file, as locks and as closable handles."""

from __future__ import annotations

import pytest

from unixipc import FileLock, RecordLock, aio
from unixipc.testing.contracts import FORMS, ClosableContract, LockContract

KINDS = {
    "flock": (FileLock, {}),
    "ofd": (RecordLock, {"mode": 0o600}),
    "range": (RecordLock, {"start": 10, "length": 10, "mode": 0o600}),
}


@pytest.fixture(params=KINDS)
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


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingAFileLock(ClosableContract):
    def make(self, form):
        theirs = made(FORMS[0], self.path, self.kind)
        theirs.acquire()
        return made(form, self.path, self.kind), [theirs]

    def wait_forever(self, handle):
        return (handle.acquire,)
