"""SIGKILL at every named point of the C code: the others go on, nothing is torn, nothing beyond what was in flight is
lost (with a lease: nothing), and all counters and places are right again."""

from __future__ import annotations

import errno
import re
import signal
import subprocess
from collections import Counter

import pytest

from unixipc import channel

from .conftest import NATIVE, path_of

WAIT = 20
OLD = [b"0" * 1000, b"1" * 1000, b"2" * 1000]
NEW = [b"new"]
SEVERAL = [b"new0", b"new1", b"new2"]
PLACES = 124

# operation: (the most of the old messages that may be gone, which new ones may be there)
OPERATIONS = {
    "send": (0, NEW),
    "send-several": (0, SEVERAL),
    "commit": (0, NEW),
    "abort": (0, []),
    "receive": (1, []),
    "receive-several": (3, []),
    "receive-behind": (2, []),
    "receive-returned": (1, []),
    "lease-accept": (1, []),
    "lease-return": (0, []),
    "step-over": (3, []),
    "close": (0, []),
    "hold": (0, []),
    "drop": (1, NEW),
}
IN_ORDER = {"send", "send-several", "commit", "abort", "receive", "receive-several", "step-over", "drop"}
FULL = [b"0" * 1000, b"1" * 1000, b"2" * 992, b"3" * 960]  # four places of 1024, 1024, 1008 and 976, and a head of 16

# (who was killed before, and where): (who repairs it, the most old ones that are gone, the new ones)
REPAIRS = {
    ("send", "send-published"): ("send", 0, [b"new", b"new"]),
    ("send", "send-counted"): ("send-several", 0, [b"new", *SEVERAL]),
    ("send", "send-written"): ("send", 0, NEW),
    ("receive", "receive-moved"): ("receive", 1, []),
    ("receive", "receive-freed"): ("receive", 2, []),
    ("receive-behind", "receive-done"): ("lease-return", 1, []),
    ("lease-return", "lease-marked"): ("receive", 1, []),
    ("lease-return", "lease-returned"): ("lease-accept", 1, []),
    ("hold", "-"): ("look", 0, []),
    ("close", "place-given-up"): ("look", 0, []),
}


@pytest.fixture
def run(with_ring):
    def start(name, operation, point="-", nth=1):
        line = [with_ring("crash_at", "-DUIPC_POINTS"), path_of(name), operation, point, str(nth)]
        return subprocess.run(line, capture_output=True, text=True, timeout=WAIT)

    return start


@pytest.fixture
def killed(run):
    def at(name, operation, point, nth=1):
        done = run(name, operation, point, nth)
        assert done.returncode == -signal.SIGKILL, (done.returncode, done.stderr)

    return at


def points_of(sources):
    """The names of the points in these files of the ring."""
    text = "".join(each.read_text() for each in (NATIVE / "ring").glob(sources))
    return set(re.findall(r'UIPC_POINT\("([^"]+)"\)', text))


def passed(done):
    """The points that it has passed, each as often as it was."""
    assert done.returncode == 0, done.stderr
    return [(point, n + 1) for point, often in Counter(done.stdout.split()).items() for n in range(min(often, 6))]


def filled(name, operation):
    queue = channel.Queue.create(name, 4096, "drop_oldest" if operation == "drop" else "wait")
    sender = queue.sender()
    messages = FULL if operation == "drop" else OLD
    for each in messages:
        assert sender.try_send(each)
    return queue, sender, messages


def check_all_is_well(queue, sender, old, most_gone, new, in_order):
    sender.send(b"end", timeout=WAIT)
    sender.close()
    with queue.receiver() as receiver:
        got = list(receiver)
    there = [each for each in old if each in got]
    assert len(there) >= len(old) - most_gone
    assert not Counter(got) - Counter([*old, *new, b"end"])  # nothing twice, nothing torn
    if in_order:
        assert there == old[len(old) - len(there) :]  # the first ones are gone
        assert [each for each in got if each in (*old, b"end")] == [*there, b"end"]
    if new:
        arrived = [each for each in got if each in new]
        assert arrived == new[: len(arrived)]
    seen = queue.stat()
    assert (seen.depth, seen.used_bytes, seen.senders, seen.receivers) == (0, 0, (), ())
    assert seen.sent == seen.received + seen.dropped
    check_places(queue)


def check_places(queue):
    """All of both roles are free, and a message goes through."""
    for join in (queue.sender, queue.receiver):
        members = [join() for _ in range(PLACES)]
        with pytest.raises(OSError) as refused:
            join()
        assert refused.value.errno == errno.EUSERS
        for member in members:
            member.close()
    with queue.sender() as sender, queue.receiver() as receiver:
        sender.send(b"as new", timeout=WAIT)
        assert receiver.receive(timeout=WAIT) == b"as new"
    assert queue.stat().depth == 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_every_point(run, killed, name, operation):
    most_gone, new = OPERATIONS[operation]
    queue, sender, _ = filled(name, operation)
    with queue, sender:
        points = passed(run(name, operation, "?"))
        queue.remove()
    for point, nth in points:
        queue, sender, old = filled(name, operation)
        with queue, sender:
            killed(name, operation, point, nth)
            check_all_is_well(queue, sender, old, most_gone, new, operation in IN_ORDER)
            queue.remove()


@pytest.mark.parametrize("before", REPAIRS, ids="-".join)
def test_who_repairs_is_killed_too(run, killed, name, before):
    first, where = before
    operation, most_gone, new = REPAIRS[before]

    def prepared():
        queue, sender, old = filled(name, first)
        if where == "-":
            assert run(name, first).returncode == 0
        else:
            killed(name, first, where)
        return queue, sender, old

    queue, sender, _ = prepared()
    with queue, sender:
        points = passed(run(name, operation, "?"))
        queue.remove()
    for point, nth in points:
        queue, sender, old = prepared()
        with queue, sender:
            killed(name, operation, point, nth)
            check_all_is_well(queue, sender, old, most_gone, new, False)
            queue.remove()


def test_every_point_of_the_sources_is_passed_by_some_operation(run, killed, name):
    passes = set()

    def note(operation):
        passes.update(point for point, _ in passed(run(name, operation, "?")))

    for operation in OPERATIONS:
        queue, sender, _ = filled(name, operation)
        with queue, sender:
            note(operation)
            queue.remove()
    for first, where in REPAIRS:
        queue, sender, _ = filled(name, first)
        with queue, sender:
            run(name, first) if where == "-" else killed(name, first, where)
            note(REPAIRS[first, where][0])
            queue.remove()
    assert points_of("*.[ch]") - points_of("topic.c") <= passes


@pytest.mark.parametrize("point", ["send-published", "send-unlocked", "bell-rung"])
def test_a_sleeper_gets_what_was_sent_by_one_who_died_before_the_bell(killed, queue, children, until, point):
    """It looks again by itself."""

    def receive():
        with queue.receiver() as receiver:
            assert receiver.receive(timeout=WAIT) == b"new"

    with queue.sender():  # or the first one's death is the end
        children.start(receive)
        until(lambda: queue.stat().receiver_sleeps)
        killed(queue.name, "send", point)
        children.all_succeed()
    queue.remove()
