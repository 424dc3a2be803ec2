"""N06, N07: what nobody seems to use any more, without a claim that cannot be known; the limits and what is used."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest

from unixipc import Exited, Killed, channel, fork, inspector, pipe, posix, sysv
from unixipc.inspector import calls, leftovers, procfs

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

WAIT = 20


def orphan(thing):
    """The row of this object; None if it is not listed."""
    kinds = {sysv.MessageQueue: "sysv-queue", sysv.SemaphoreSet: "sysv-set", sysv.SharedMemory: "sysv-segment"}
    rows = [row for row in inspector.orphans() if (row.kind, row.id) == (kinds[type(thing)], thing.id)]
    assert len(rows) <= 1
    return rows[0] if rows else None


@contextmanager
def removed_at_the_end(thing):
    with thing:
        try:
            yield thing
        finally:
            thing.remove()


def in_a_child(target, *args):
    """Let a process do it that has ended, and was reaped, when this returns: its pid."""
    with fork(lambda: int(target(*args) is False)) as child:
        assert child.wait(WAIT) == Exited(0)
        return child.pid


def wait_until(asleep):
    """Until the kernel says so: nothing else tells that a process sleeps in a call."""
    deadline = time.monotonic() + WAIT
    while not asleep():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_N06_a_queue_whose_users_have_ended_is_listed_with_the_reason():
    with removed_at_the_end(sysv.MessageQueue.create(sysv.Key.random())) as queue:
        sender = in_a_child(queue.send, b"for nobody")
        row = orphan(queue)
        assert (row.key, row.owner_uid) == (queue.key, os.geteuid())
        assert f"last sender {sender} has ended, nobody ever received; 1 messages in it" in row.why
        receiver = in_a_child(queue.receive)
        assert f"last receiver {receiver} has ended; 0 messages" in orphan(queue).why


def test_N06_a_queue_with_a_living_user_or_none_ever_is_not_listed():
    with removed_at_the_end(sysv.MessageQueue.create(sysv.Key.PRIVATE)) as queue:
        assert orphan(queue) is None  # never used: nothing is known
        queue.send(b"mine")
        in_a_child(queue.receive)
        assert orphan(queue) is None  # its last sender is this process


def test_N06_a_zombie_has_ended():
    with removed_at_the_end(sysv.MessageQueue.create(sysv.Key.PRIVATE)) as queue, fork(queue.send, b"last") as child:
        child.wait_end(WAIT)
        assert orphan(queue) is not None and child.status is None


@pytest.mark.parametrize("doing", ["receive", "send"])
def test_N06_a_queue_that_somebody_waits_in_is_not_listed(doing):
    capacity = {"receive": None, "send": 0}[doing]
    with removed_at_the_end(sysv.MessageQueue.create(sysv.Key.PRIVATE)) as queue:
        in_a_child(queue.send, b"once")
        in_a_child(queue.receive)
        if capacity is not None:
            queue.resize(capacity)  # full from now on
        assert orphan(queue) is not None
        waiting = (
            (queue.receive,) if doing == "receive" else (queue.send, b"")
        )  # of no bytes: it fits once there is room for a message
        with fork(*waiting) as child:
            if "syscall" not in os.listdir(f"/proc/{child.pid}"):
                pytest.skip("this kernel does not show what a process waits in")
            numbers = calls.QUEUE_CALLS.get(os.uname().machine)
            if numbers is None:
                assert orphan(queue).certainty == "possible"
            else:
                wait_until(lambda: any(call in numbers for call, _ in procfs.calls_of(child.pid)))
                wait_until(lambda: orphan(queue) is None)  # not at once: it may turn over in its sleep just then
            child.kill()
            child.wait(WAIT)
        assert orphan(queue) is not None


@pytest.mark.skipif(os.uname().machine not in calls.QUEUE_CALLS, reason="the calls' numbers are not known here")
def test_N06_who_is_between_two_calls_of_one_wait_still_waits():
    """Interrupted a thousand times a second, a waiter is outside of msgrcv(2) for a moment each time."""
    with removed_at_the_end(sysv.MessageQueue.create(sysv.Key.PRIVATE)) as queue:
        in_a_child(queue.send, b"once")
        in_a_child(queue.receive)

        def wait():
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            queue.receive()

        with fork(wait) as child:
            if "syscall" not in os.listdir(f"/proc/{child.pid}"):
                pytest.skip("this kernel does not show what a process waits in")
            wait_until(
                lambda: any(call in calls.QUEUE_CALLS[os.uname().machine] for call, _ in procfs.calls_of(child.pid))
            )
            rows = [orphan(queue) for _ in range(50)]
            assert None in rows and "likely" not in [row.certainty for row in rows if row]
            child.kill()
            child.wait(WAIT)


def as_nobody(target):
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    return target()


def send_to_a_new_queue(mode, tell):
    def target():
        queue = sysv.MessageQueue.create(sysv.Key.PRIVATE, mode=mode)
        queue.send(b"")
        tell.write_all(str(queue.id).encode())

    return target


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_N06_only_unseen_processes_that_the_permissions_let_in_are_a_doubt(mode):
    told, tell = pipe()
    with told, tell:
        in_a_child(as_nobody, send_to_a_new_queue(mode, tell))
        queue_id = int(told.read(20))
    with removed_at_the_end(sysv.MessageQueue(queue_id)) as queue:
        _, unseen, _ = leftovers._queues_waited_in(procfs.snapshot())
        doubtful = unseen is None or (unseen and mode == 0o666) or 65534 in unseen
        row = orphan(queue)
        assert row.owner_uid == 65534
        assert (row.certainty == "possible") == bool(doubtful or "runs at this moment" in row.why)
        assert row.certainty != "sure" or "as old as its last use" in row.why
        assert ("may not be looked at" in row.why) == bool(doubtful)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_N06_who_may_look_at_nobody_s_processes_says_that_somebody_could_wait():
    told, tell = pipe()
    with removed_at_the_end(sysv.MessageQueue.create(sysv.Key.PRIVATE)) as queue, told, tell:
        in_a_child(queue.send, b"x")

        def look():
            tell.write_all(orphan(queue).certainty.encode())

        in_a_child(as_nobody, look)  # cannot look into ours, and the queue is ours
        assert told.read(20) == b"possible"


def test_N06_a_set_whose_users_have_ended_is_listed_with_the_reason():
    told, tell = pipe()
    with told, tell:

        def make():
            tell.write_all(str(sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [1, 2]).id).encode())

        maker = in_a_child(make)
        made = sysv.SemaphoreSet(int(told.read(20)))
    with removed_at_the_end(made) as semaphores:
        row = orphan(semaphores)
        assert (row.why, row.certainty) == (f"last changed by {maker}: ended; nobody waits", "likely")
        semaphores[1].acquire()
        assert orphan(semaphores) is None  # we are the last who changed one of them


@pytest.mark.parametrize("step", [-1, 0])
def test_N06_a_set_that_somebody_waits_in_is_not_listed(step):
    with removed_at_the_end(sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [0])) as semaphores:
        in_a_child(semaphores.set, [1 - abs(step)])
        assert orphan(semaphores) is not None
        with fork(semaphores.op, (0, step)) as child:
            wait_until(lambda: semaphores[0].waiters + semaphores[0].zero_waiters)
            assert orphan(semaphores) is None
            child.kill()
            child.wait(WAIT)
        assert orphan(semaphores) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_N06_of_a_set_that_may_not_be_read_nothing_is_said():
    with removed_at_the_end(sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [1])) as semaphores:
        in_a_child(semaphores.set, [1])
        assert orphan(semaphores) is not None
        in_a_child(as_nobody, lambda: orphan(semaphores) is None)


def test_N06_a_segment_is_an_orphan_only_while_nobody_has_it_attached():
    with removed_at_the_end(sysv.SharedMemory.create(sysv.Key.random(), 4096)) as memory:
        row = orphan(memory)
        assert row.why == f"nobody has it attached, creator {os.getpid()} lives" and row.certainty == "possible"
        assert row.key == memory.key
        with memory.attach():
            assert orphan(memory) is None
        row = orphan(memory)
        assert f"last user {os.getpid()} lives" in row.why and row.certainty == "possible"


def test_N06_a_segment_without_a_key_that_a_killed_process_left_is_surely_an_orphan():
    told, tell = pipe()
    with told, tell:

        def make_and_die():
            memory = sysv.SharedMemory.create(sysv.Key.PRIVATE, 4096)
            with memory.attach():
                tell.write_all(str(memory.id).encode())
                os.kill(os.getpid(), signal.SIGKILL)

        with fork(make_and_die) as child:
            assert child.wait(WAIT) == Killed(signal.SIGKILL, False)
        made = sysv.SharedMemory(int(told.read(20)))
    with removed_at_the_end(made) as memory:
        row, pid = orphan(memory), child.pid
        known = f"nobody has it attached, creator {pid} has ended, last user {pid} has ended"
        assert row.why == f"{known}; it has no key that others could find it by"
        assert row.certainty == "sure"
        with fork(lambda: memory.attach() and os.read(0, 0) is None) as user:  # attached, and gone without detaching
            user.wait(WAIT)
        assert f"last user {user.pid} has ended" in orphan(memory).why


def test_N06_a_temporary_segment_is_never_an_orphan():
    with sysv.SharedMemory.temporary(4096) as memory:
        assert orphan(memory) is None
        number = memory.id
    assert number not in [row.id for row in inspector.orphans()]


def test_N06_rows_are_records():
    with removed_at_the_end(sysv.SharedMemory.create(sysv.Key.PRIVATE, 1)) as memory:
        row = orphan(memory)
        assert [*row._asdict()] == [
            "kind", "id", "key", "owner_uid", "why", "certainty", "used_at", "size_bytes"
        ]  # fmt: skip
        assert (row.used_at, row.size_bytes) == (memory.stat().changed_at, 1)
        with pytest.raises(AttributeError, match="frozen"):
            row.why = "I say so"


def test_N06_nothing_there_is_an_empty_list():
    assert inspector.orphans(folders=[]) == []


def test_N07_limits_are_the_kernel_s_with_what_is_used():
    with open("/proc/sys/kernel/sem") as numbers:
        per_set, semaphores, operations, sets = map(int, numbers.read().split())
    rows = {row.name: row for row in inspector.limits()}
    assert list(rows) == list(sysv.Limits.__match_args__)
    assert [rows[name].value for name in ("semaphores_per_set", "semaphores", "operations_per_call", "sets")] == [
        per_set, semaphores, operations, sets
    ]  # fmt: skip
    for name in ("queues", "message_bytes", "queue_bytes", "segments"):
        with open(f"/proc/sys/{rows[name].sysctl.replace('.', '/')}") as number:
            assert rows[name].value == int(number.read())


def test_N07_what_is_used_counts_what_there_is():
    def used():
        return {row.name: row.used for row in inspector.limits()}

    before = used()
    page = os.sysconf("SC_PAGESIZE")
    with (
        sysv.MessageQueue.temporary(),
        sysv.SemaphoreSet.temporary([0, 0, 0]),
        sysv.SharedMemory.temporary(page + 1),
    ):
        more = {name: used()[name] - count for name, count in before.items() if count is not None}
    assert more == {"queues": 1, "sets": 1, "semaphores": 3, "segments": 1, "memory_pages": 2}
    assert used() == before
    assert all(before[name] is None for name in before.keys() - more.keys())


# every other kind: dead ones are listed, with how sure it is; live ones are not ---------------------------------------


def left_over(kind, name):
    """(why, certainty) of this object; None if it is not listed."""
    rows = [row for row in inspector.orphans() if (row.kind, row.id) == (kind, name)]
    assert len(rows) <= 1
    return (rows[0].why, rows[0].certainty) if rows else None


def leave_a_channel(make):
    """Become a member, and be killed."""
    with fork(lambda: (make(), os.kill(os.getpid(), signal.SIGKILL))) as child:
        child.wait(WAIT)
        return child.pid


@contextmanager
def a_channel(made):
    try:
        with made:
            yield made
    finally:
        with suppress(FileNotFoundError):
            os.unlink(f"/dev/shm/unixipc.channel.{made.name}")


def test_N06_a_temporary_channel_that_its_last_user_was_killed_with_is_surely_an_orphan():
    leave_a_channel(lambda: channel.Queue.temporary("left").receiver())
    try:
        why, certainty = left_over("channel", "left")
        assert certainty == "sure" and "held by nobody" in why
    finally:
        os.unlink("/dev/shm/unixipc.channel.left")
    with channel.Queue.temporary("in-use"):
        assert left_over("channel", "in-use") is None


@pytest.mark.parametrize("kind", [channel.Queue, channel.Topic])
def test_N06_a_channel_with_dead_members_and_nothing_in_it_could_be_found_again_by_its_name(kind):
    with a_channel(kind.create("left")):
        role = "receiver" if kind is channel.Queue else "subscriber"
        pid = leave_a_channel(lambda: getattr(kind.open("left"), role)())
        assert left_over(kind.kind.replace("queue", "channel"), "left") is None  # this process has it open
        why, certainty = in_a_fresh_process("left")
        assert why.startswith(f"members {pid} ended without leaving; no member is alive; nobody has it open")
        assert why.endswith("nothing is in it; others may come back to its name")
        assert certainty == "likely"


def in_a_fresh_process(name):
    """What a program that has nothing open sees."""
    code = (
        "from unixipc import inspector; "
        f"print(*[(row.why, row.certainty) for row in inspector.orphans() if row.id == {name!r}])"
    )
    channel_files = f"/dev/shm/unixipc.channel.{name}"
    os.rename(channel_files, f"{channel_files}.hidden")
    try:
        shutil.copyfile(f"{channel_files}.hidden", channel_files)  # the same bytes, and nobody has them open
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    finally:
        os.rename(f"{channel_files}.hidden", channel_files)
    return ast.literal_eval(done.stdout)


def send_as_a_member():
    sender = channel.Queue.open("full").sender()
    sender.send(b"for whoever comes")
    os.kill(os.getpid(), signal.SIGKILL)


def test_N06_messages_in_a_channel_make_it_less_sure():
    with a_channel(channel.Queue.create("full")) as queue:
        pid = leave_a_channel(send_as_a_member)
        assert queue.stat().depth == 1
        why, certainty = in_a_fresh_process("full")
        assert certainty == "likely" and "1 messages in it" in why and str(pid) in why


def test_N06_a_living_member_keeps_a_channel():
    with a_channel(channel.Queue.create("alive")) as queue, queue.receiver():
        assert left_over("channel", "alive") is None


def test_N06_names_that_nobody_has_open_are_possible_orphans_only():
    with posix.SharedMemory.create("/left", 4096), posix.MessageQueue.create("/left"):
        with posix.Semaphore.create("/left", initial=1):
            for kind in ("posix-memory", "posix-queue", "posix-semaphore"):
                assert left_over(kind, "/left") is None
    try:
        seen = ("posix-memory", "posix-semaphore", "posix-queue")  # a queue that nobody has open root alone sees
        for kind in seen[: 2 if os.geteuid() else 3]:
            why, certainty = left_over(kind, "/left")
            assert why.startswith("nobody has it open") and certainty == "possible"
    finally:
        for kind in (posix.SharedMemory, posix.MessageQueue, posix.Semaphore):
            with kind.open("/left") as left:
                left.remove()
