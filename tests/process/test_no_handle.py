"""A child that cannot be held is not started: `fork` and `spawn` raise, and nothing has run."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import signal
import struct

import pytest

from unixipc import Exited, aio, fork, spawn
from unixipc.process import wait_any

WAIT = 20
PIDFD_OPEN, ALLOW, REFUSE = 434, 0x7FFF0000, 0x00050000
NEW_PRIVILEGES, MODE_FILTER, SECCOMP = 38, 2, 22
AT_MOST_OF_A_CALL = [
    (0x20, 0, 0, 0),  # load the number of the call
    (0x15, 0, 1, PIDFD_OPEN),
    (0x06, 0, 0, REFUSE | errno.EPERM),
    (0x06, 0, 0, ALLOW),
]


def refuse_pidfds():
    """As many sandboxes do. -- seccomp(2)"""
    lines = b"".join(struct.pack("HBBI", *line) for line in AT_MOST_OF_A_CALL)
    held = ctypes.create_string_buffer(lines, len(lines))
    program = struct.pack("HxxxxxxP", len(AT_MOST_OF_A_CALL), ctypes.addressof(held))
    prctl = ctypes.CDLL(None).prctl
    assert prctl(NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    return prctl(SECCOMP, MODE_FILTER, program, 0, 0) == 0


def leave_free(numbers):
    """The descriptor table has so many numbers left."""
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + numbers, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def forked(target, **options):
    fork(target, **options).close()


def forked_awaitably(target, **options):
    aio.fork(target, **options).close()


def in_a_child(body):
    with fork(body) as child:
        return child.wait(timeout=WAIT)


def attempts(start, ran, **options):
    """How many of thirty tries raised nothing; the marks of the targets are in `ran`."""
    started = 0

    def leave_a_mark(place):
        ran[place] = 1

    for place in range(30):
        with contextlib.suppress(OSError):
            start(lambda place=place: leave_a_mark(place), **options)
            started += 1
    with contextlib.suppress(ChildProcessError):
        while True:
            wait_any(timeout=WAIT)
    return started


@pytest.mark.parametrize("options", [{}, {"death_signal": signal.SIGKILL}], ids=["plain", "death signal"])
@pytest.mark.parametrize("free", range(7))
@pytest.mark.parametrize("start", [forked, forked_awaitably])
def test_with_a_full_table_what_raised_has_not_run(start, free, options):
    ran = mmap.mmap(-1, 4096)

    def body():
        leave_free(free)
        return attempts(start, ran, **options)

    with ran:
        started = in_a_child(body)
        assert started == Exited(sum(ran[:30]))
        assert free >= 3 or started == Exited(0)


@pytest.mark.parametrize("options", [{}, {"death_signal": signal.SIGKILL}], ids=["plain", "death signal"])
@pytest.mark.parametrize("start", [forked, forked_awaitably])
def test_where_a_sandbox_refuses_handles_nothing_runs(start, options):
    ran = mmap.mmap(-1, 4096)

    def body():
        if not refuse_pidfds():
            return 77
        return attempts(start, ran, **options)

    with ran:
        status = in_a_child(body)
        if status == Exited(77):
            pytest.skip("this kernel lets nobody filter calls")
        assert (status, sum(ran[:30])) == (Exited(0), 0)


def test_where_a_sandbox_refuses_handles_the_error_says_so():
    def body():
        if not refuse_pidfds():
            return 77
        with pytest.raises(PermissionError) as refused:
            fork(lambda: 0)
        assert any("sandbox" in note for note in refused.value.__notes__)
        return 0

    status = in_a_child(body)
    assert status in (Exited(0), Exited(77))


@pytest.mark.parametrize("options", [{}, {"death_signal": signal.SIGKILL}], ids=["plain", "death signal"])
def test_a_spawned_program_needs_one_number_or_is_not_started(options, tmp_path):
    """Its handle comes with it in one call of the kernel, whatever a sandbox says about pidfd_open."""

    def body(free):
        refuse_pidfds()
        leave_free(free)
        with contextlib.suppress(OSError):
            spawn(["/bin/sh", "-c", f"echo x > {tmp_path}/ran"], **options).wait(timeout=WAIT)
            return 1
        return 0

    assert (in_a_child(lambda: body(0)), os.listdir(tmp_path)) == (Exited(0), [])
    assert (in_a_child(lambda: body(1)), os.listdir(tmp_path)) == (Exited(1), ["ran"])
