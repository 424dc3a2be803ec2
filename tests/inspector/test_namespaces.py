"""What a process of other namespaces means by its numbers: nobody here is accused of what happens there."""

from __future__ import annotations

import ctypes
import os
import signal

import pytest

from unixipc import Exited, channel, fork, inspector, pipe, posix, robust, sysv
from unixipc.inspector import calls, procfs

WAIT = 20
NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000

pytestmark = pytest.mark.skipif(
    not procfs.shows_calls() or os.uname().machine not in calls.NAMES,
    reason="this kernel does not show what a process waits in, or this machine's numbers are not known",
)
libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def why_not(flags):
    """The reason that a process may have no namespaces of its own here; None if it may."""
    with fork(unshare, flags) as child:
        return None if child.wait(WAIT) == Exited(0) else "no namespaces of one's own here"


def needs(flags):
    reason = why_not(flags)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


@pytest.fixture
def elsewhere(children):
    """A process in namespaces of its own, that is the only one there: `function(tell)`; its pid here."""
    ends = pipe()

    def start(flags, function):
        reader, writer = ends

        def live():
            unshare(flags)
            run(lambda: function(writer)) if flags & NEWPID else function(writer)

        child = children.start(live)
        inner = int(reader.read(20, WAIT).split()[0]) if not flags & NEWPID else None
        if inner is None:
            reader.read(20, WAIT)
            (inner,) = procfs.children_of(child.pid)
        return inner

    yield start
    for end in ends:
        end.close()


def run(function):
    """In a child, the first of a new pid namespace: it ends with us."""
    if os.fork() == 0:
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        try:
            function()
        finally:
            os._exit(1)
    os.wait()


def tell(writer):
    writer.write_all(f"{os.getpid():<20}".encode())


def waits_of(pid, until):
    found = []
    until(lambda: found.extend(wait for wait in inspector.why(pid).waits if wait.kind) or found)
    return found


# System V -------------------------------------------------------------------------------------------------------------


@needs(NEWIPC)
@pytest.mark.usefixtures("own_ipc_namespace")
@pytest.mark.parametrize("kind", ["sysv-set", "sysv-queue"])
def test_N10_a_wait_in_another_ipc_namespace_is_not_at_our_object_of_the_same_id(kind, elsewhere, until):
    """Both namespaces count alike: its first has the id that our first has."""
    number = {}

    def wait(writer):
        if kind == "sysv-set":
            theirs = sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [0])
        else:
            theirs = sysv.MessageQueue.create(sysv.Key.PRIVATE)
        writer.write_all(f"{os.getpid()} {theirs.id}".ljust(20).encode())
        theirs[0].acquire() if kind == "sysv-set" else theirs.receive()

    pid = elsewhere(NEWIPC, wait)
    rooms = {"sysv-set": lambda: sysv.SemaphoreSet.temporary([0]), "sysv-queue": sysv.MessageQueue.temporary}
    with rooms[kind]() as ours:
        number = ours.id
        (wait,) = waits_of(pid, until)
        assert wait.kind == kind and str(wait.id).startswith("0 of ipc:[") and wait.enders == () and wait.others
        assert not [edge for edge in inspector.who(f"{kind}:{number}") if edge.pid == pid]
        assert pid not in {edge.pid for edge in inspector.graph().edges if (edge.kind, edge.id) == (kind, number)}


@needs(NEWIPC)
@pytest.mark.usefixtures("own_ipc_namespace")
def test_a_segment_of_another_ipc_namespace_is_not_ours(elsewhere):
    def attach(writer):
        with sysv.SharedMemory.create(sysv.Key.PRIVATE, 4096).attach():
            tell(writer)
            signal.pause()

    pid = elsewhere(NEWIPC, attach)
    with sysv.SharedMemory.temporary(4096) as ours:
        (row,) = [row for row in inspector.ls("sysv-segment") if row.id == ours.id]
        assert pid not in row.attached_by


# POSIX ----------------------------------------------------------------------------------------------------------------


@needs(NEWIPC)
def test_N10_a_wait_in_another_namespace_s_posix_queue_is_not_in_ours_of_that_name(elsewhere, until):
    def wait(writer):
        with posix.MessageQueue.create("/unixipc-twice", max_messages=2) as theirs:
            tell(writer)
            theirs.receive()

    pid = elsewhere(NEWIPC, wait)
    with posix.MessageQueue.create("/unixipc-twice", max_messages=2) as ours:
        try:
            (wait,) = waits_of(pid, until)
            assert wait.kind == "posix-queue" and wait.id.startswith("/unixipc-twice of ipc:[")
            (row,) = [row for row in inspector.ls("posix-queue") if row.id == "/unixipc-twice"]
            assert row.used_by == (os.getpid(),)
            assert {edge.pid for edge in inspector.who("/unixipc-twice")} == {os.getpid()}
        finally:
            ours.remove()


@needs(NEWNS)
def test_N10_a_semaphore_in_another_dev_shm_is_not_ours_of_that_name(elsewhere, until):
    def wait(writer):
        private_dev_shm()
        theirs = posix.Semaphore.create("/unixipc-twice", initial=0)
        tell(writer)
        theirs.acquire()

    pid = elsewhere(NEWNS, wait)
    with posix.Semaphore.create("/unixipc-twice", initial=0) as ours:
        try:
            (wait,) = waits_of(pid, until)
            assert (wait.kind, wait.id) != ("posix-semaphore", "/unixipc-twice")
            assert {edge.pid for edge in inspector.who("/unixipc-twice")} == {os.getpid()}
        finally:
            ours.remove()


def private_dev_shm():
    slave = 1 << 19
    for source, target, kind, flags in ((b"none", b"/", None, 0x4000 | slave), (b"t", b"/dev/shm", b"tmpfs", 0)):
        if libc.mount(source, target, kind, flags, None):
            raise OSError(ctypes.get_errno(), "mount")


@needs(NEWNS)
def test_a_channel_and_a_robust_lock_of_another_dev_shm_have_no_name_here(elsewhere):
    def use(writer):
        private_dev_shm()
        with channel.Queue.create("twice").sender(), robust.Mutex.create("/unixipc-twice"):
            tell(writer)
            signal.pause()

    pid = elsewhere(NEWNS, use)
    with channel.Queue.create("twice") as queue, robust.Mutex.create("/unixipc-twice") as mutex:
        try:
            rows = {row.id: row for kind in ("channel", "robust") for row in inspector.ls(kind)}
            assert pid not in rows["twice"].used_by and pid not in rows["/unixipc-twice"].used_by
            theirs = [row for row in rows.values() if pid in row.used_by]
            assert {row.kind for row in theirs} == {"channel", "robust"} and not any(row.path for row in theirs)
            assert [each.pid for row in theirs if row.kind == "robust" for each in row.holders] == [pid]
            for thing in ("twice", "/unixipc-twice", "/dev/shm/unixipc.channel.twice"):
                assert pid not in {edge.pid for edge in inspector.who(thing)}, thing
        finally:
            queue.remove()
            mutex.remove()
    mutex.close()


# pids -----------------------------------------------------------------------------------------------------------------


@needs(NEWPID)
def test_the_holder_of_a_robust_lock_is_named_by_its_pid_here(elsewhere, children, until):
    """It calls itself 1."""
    with robust_mutex() as mutex:

        def hold(writer):
            mutex.acquire()
            assert os.getpid() == 1
            tell(writer)
            signal.pause()

        pid = elsewhere(NEWPID, hold)
        (row,) = [row for row in inspector.ls("robust") if os.getpid() in row.used_by]
        assert [(each.pid, each.tid, each.alive) for each in row.holders] == [(pid, 1, True)]
        waiter = children.start(mutex.acquire)
        (wait,) = waits_of(waiter.pid, until)
        assert [each.pid for each in wait.enders] == [pid]


def robust_mutex():
    from contextlib import closing

    return closing(robust.Mutex.temporary())


@needs(NEWPID)
def test_members_of_a_channel_are_named_by_their_pids_here(elsewhere):
    with channel.Queue.create("pids") as queue:
        try:

            def use(writer):
                with queue.sender():
                    tell(writer)
                    signal.pause()

            pid = elsewhere(NEWPID, use)
            (row,) = [row for row in inspector.ls("channel") if row.id == "pids"]
            assert row.senders == (1,)  # as it calls itself
            edges = {(edge.pid, edge.how) for edge in inspector.who("pids")}
            assert (pid, "writes") in edges and not any(each == 1 for each, _how in edges)
        finally:
            queue.remove()


@needs(NEWPID)
def test_N10_a_wait_for_a_child_there_is_for_that_child(elsewhere, until):
    """It waits for its 2, which is somebody else here."""

    def parent(writer):
        if (child := os.fork()) == 0:
            signal.pause()
        tell(writer)
        os.waitpid(child, 0)

    pid = elsewhere(NEWPID, parent)
    (wait,) = [wait for wait in waits_of(pid, until) if wait.kind == "process"]
    assert [wait.id] == procfs.children_of(pid) and wait.id != 2


# all at once ----------------------------------------------------------------------------------------------------------


@needs(NEWUSER | NEWIPC | NEWPID | NEWNS)
def test_what_the_inside_of_a_container_sees(elsewhere):
    """Its own objects, and of what it shares the files; nothing of ours by number."""
    with sysv.SemaphoreSet.temporary([1]) as ours:
        number = ours.id

        def look(writer):
            libc.mount(b"none", b"/", None, 0x4000 | 1 << 18, None)
            if libc.mount(b"proc", b"/proc", b"proc", 0, None):
                os._exit(9)
            theirs = sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [3])
            rows = inspector.ls("sysv-set")
            good = [row.id for row in rows] == [theirs.id] and inspector.ls("posix-queue") == []
            good = good and all(edge.pid == 1 for edge in inspector.graph().edges)
            writer.write_all(f"{good} {number}".ljust(20).encode())
            theirs.remove()
            signal.pause()

        reader, writer = pipe()
        with reader, writer:
            child = fork(lambda: (unshare(NEWUSER | NEWIPC | NEWPID | NEWNS), run(lambda: look(writer))))
            try:
                assert reader.read(20, WAIT).split()[0] == b"True"
            finally:
                for pid in procfs.children_of(child.pid):
                    os.kill(pid, 9)
                child.wait(WAIT)
                child.close()
