"""N10: what is only so at one moment: two that take turns, waits in slices, polls."""

from __future__ import annotations

import fcntl
import os
import threading
import time

import pytest

from unixipc import inspector, pipe
from unixipc.inspector import calls, procfs

WAIT = 20

pytestmark = pytest.mark.skipif(
    not procfs.shows_calls() or os.uname().machine not in calls.NAMES,
    reason="this kernel does not show what a process waits in, or this machine's numbers are not known",
)


def test_N10_two_that_take_turns_are_never_a_deadlock(children):
    """Each waits for the other whenever it is looked at; at no moment do both."""
    (read_1, write_1), (read_2, write_2) = os.pipe(), os.pipe()

    def play(reads, writes, closes, serves):
        for fd in closes:
            os.close(fd)
        if serves:
            os.write(writes, b"!")
        try:
            while os.read(reads, 1):
                os.write(writes, b"!")
        except BrokenPipeError:
            pass

    one = children.start(play, read_1, write_2, (write_1, read_2), True)
    two = children.start(play, read_2, write_1, (write_2, read_1), False)
    for fd in (read_1, write_1, read_2, write_2):
        os.close(fd)
    for _ in range(10):
        for pid in (one.pid, None):
            assert not [cycle for cycle in inspector.why(pid).cycles if {one.pid, two.pid} & set(cycle.pids)]
    one.kill()
    one.wait(WAIT)
    assert two.wait(WAIT).code == 0


def test_N10_a_wait_in_slices_is_seen_at_every_look(children, until):
    """It turns over every millisecond. One look at one moment may find it running."""
    reader, writer = pipe()
    with reader, writer:

        def sleep_in_slices():
            import select

            while not select.select([reader.fileno()], [], [], 0.001)[0]:
                pass

        child = children.start(sleep_in_slices)
        until(lambda: inspector.why(child.pid).waits)
        looks = [[wait.kind for wait in inspector.why(child.pid).waits] for _ in range(20)]
        assert looks.count(["pipe"]) > 10 and {*map(tuple, looks)} <= {("pipe",), ()}
        writer.write_all(b"!")
        children.all_succeed()


def test_N10_who_polls_a_lock_is_said_to_sleep_until_a_moment(tmp_path, children, until):
    """The kernel knows no more: nothing is made up."""
    path = tmp_path / "locked"
    path.touch()

    def poll():
        with open(path, "r+b") as file:
            while True:
                try:
                    return fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(0.01)

    with open(path, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        child = children.start(poll)
        until(lambda: inspector.why(child.pid).waits)
        looks = [inspector.why(child.pid).waits for _ in range(20)]
        assert any(looks)  # now and then it runs, or waits for a processor
        for (wait,) in filter(None, looks):
            assert (wait.kind, wait.does, wait.enders, wait.others) == ("time", "sleeps", (), True)
            assert "if it polls, for what is not known" in wait.text
        assert not [each for each in inspector.why().waits if each.pid == child.pid]
    children.all_succeed()


def test_a_busy_process_is_looked_at_a_bounded_number_of_times(children):
    def spin():
        while True:
            pass

    several = [children.start(spin) for _ in range(3)]
    for child in several:
        assert inspector.why(child.pid).waits == ()
    stop = threading.Event()
    busy = threading.Thread(target=lambda: all(iter(lambda: not stop.is_set(), False)))
    busy.start()
    try:
        inspector.why()  # it ends
    finally:
        stop.set()
        busy.join(WAIT)
    for child in several:
        child.kill()
