"""Processes that make things and are killed; and what `collect` then does, confined to what these tests made."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress

import pytest

from unixipc import Killed, fork, inspector, pipe, sysv

WAIT = 20
NAME = f"gc-{os.getpid()}"
OURS = {"matching": f"{NAME}-*"}
STRANGER = 54_321
"""A user that has no process."""
CHANNELS = "/dev/shm/unixipc.channel."


def killed(make, *args):
    """A process makes it, tells the number (if any) and is killed with SIGKILL: (its pid, the number)."""
    told, tell = pipe()
    with told, tell:

        def live_and_die():
            made = make(*args)
            tell.write_all(str(made).encode())
            os.kill(os.getpid(), signal.SIGKILL)

        with fork(live_and_die) as child:
            assert child.wait(WAIT) == Killed(signal.SIGKILL, False)
        text = told.try_read(20) or b""
        return child.pid, int(text) if text.isdigit() else None


def as_user(uid, make, *args):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    return make(*args)


def as_somebody(make, *args):
    """As a user without processes, if we may: then nobody who may not be looked at can be waiting in it."""
    return make(*args) if os.geteuid() else as_user(STRANGER, make, *args)


def segment(key=sysv.Key.PRIVATE, mode=0o600):
    memory = sysv.SharedMemory.create(key, 4096, mode=mode)
    memory.attach()
    return memory.id


def queue(key=sysv.Key.PRIVATE):
    made = sysv.MessageQueue.create(key)
    made.send(b"for nobody")
    return made.id


def a_set(key=sysv.Key.PRIVATE):
    return sysv.SemaphoreSet.create(key, [1, 2]).id


def collect(kinds, folders=(), **options):
    """What became of each of these kinds, by (kind, id)."""
    rows = inspector.collect(kinds, folders=folders, **{"older_than_s": 0, **options})
    return {(row.orphan.kind, row.orphan.id): row for row in rows}


@contextmanager
def removed_later(*things):
    try:
        yield
    finally:
        for thing in things:
            with suppress(FileNotFoundError, OSError):
                thing.remove()


def skip_if_blind(kind, *numbers):
    """Whether somebody waits in a queue cannot be seen where processes of its owner may not be looked at."""
    rows = collect([kind], dry_run=True)
    if any("may not be looked at" in rows[kind, number].orphan.why for number in numbers):
        for number in numbers:
            sysv.MessageQueue(number).remove()
        pytest.skip("whether somebody waits in a queue cannot be seen here")
