"""N10: what a process waits for, who could end that, and circles across mechanisms."""

from __future__ import annotations

import fcntl
import os
import signal

import pytest

from unixipc import Fifo, FileLock, RecordLock, channel, fork, inspector, pipe, posix, sockets, sysv
from unixipc.inspector import calls, procfs

WAIT = 20

pytestmark = pytest.mark.skipif(
    not procfs.shows_calls() or os.uname().machine not in calls.NAMES,
    reason="this kernel does not show what a process waits in, or this machine's numbers are not known",
)


def waits_of(pid, kind):
    return [wait for wait in inspector.why(pid).waits if wait.kind == kind]


@pytest.fixture
def wait_of(until):
    """The wait of this process for an object of this kind, as soon as it is asleep."""

    def look(child, kind):
        found = []  # of one look: between two it may have turned over in its sleep
        until(lambda: found.extend(waits_of(child.pid, kind)) or found)
        return found[0]

    return look


def enders(wait):
    return {(each.pid, each.sure) for each in wait.enders}


# one mechanism --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own_ipc_namespace")
class TestSystemV:
    def test_N10_a_wait_for_a_semaphore_names_who_changed_it_last(self, children, wait_of):
        with sysv.SemaphoreSet.temporary([0, 1]) as semaphores:
            semaphores[1].acquire()
            wait = wait_of(children.start(semaphores.op, (1, -1)), "sysv-set")
            assert (wait.id, wait.does) == (semaphores.id, "acquires")
            assert f"semaphore 1 of set {semaphores.id} is 0, it wants 1" in wait.text
            assert enders(wait) == {(os.getpid(), False)} and wait.others
            semaphores[1].release()
            children.all_succeed()

    def test_N10_who_waits_for_a_semaphore_of_the_dead_is_told_so(self, children, wait_of):
        with sysv.SemaphoreSet.temporary([1]) as semaphores:
            with fork(semaphores[0].acquire) as gone:
                gone.wait(WAIT)
            wait = wait_of(children.start(semaphores[0].acquire), "sysv-set")
            assert f"last changed by {gone.pid}, which has ended" in wait.text and not wait.enders
            semaphores[0].release()
            children.all_succeed()

    def test_N10_a_wait_in_a_queue(self, children, wait_of):
        with sysv.MessageQueue.temporary() as queue:
            queue.send(b"x", type=2)
            wait = wait_of(children.start(queue.receive, 1), "sysv-queue")
            assert (wait.id, wait.does, enders(wait)) == (queue.id, "receives", {(os.getpid(), False)})
            assert "1 messages in it" in wait.text
            queue.send(b"y", type=1)
            children.all_succeed()


def hold(lock, told, tell):
    with lock:
        tell.write_all(b"!")
        told.read(1)


@pytest.mark.parametrize("kind", ["flock", "posix", "ofd"])
def test_N10_a_wait_for_a_file_lock_names_its_holder(kind, tmp_path, children, wait_of, until):
    path = tmp_path / "locked"
    path.touch()

    def lock():
        return FileLock(path) if kind == "flock" else RecordLock(open(path, "r+b"), kind=kind)

    go, start = pipe()
    ready, tell = pipe()
    with go, start, ready, tell:
        holder = children.start(lambda: hold(lock(), go, tell))
        assert ready.read(1, WAIT) == b"!"
        waiter = children.start(lambda: lock().acquire())
        wait = wait_of(waiter, "lock")
        assert enders(wait) == {(holder.pid, True)} and str(path) in wait.text
        both = [(holder.pid, "holds"), (waiter.pid, "waits for")]
        until(lambda: [(edge.pid, edge.how) for edge in inspector.who(path) if edge.kind == "lock"] == both)
        start.write_all(b"!")
        children.all_succeed()


def test_N10_ranges_that_do_not_meet_are_nobody_s_fault(tmp_path, children, wait_of):
    path = tmp_path / "locked"
    path.write_bytes(bytes(100))
    with open(path, "r+b") as file, RecordLock(file, 0, 10), open(path, "r+b") as other, RecordLock(other, 50, 10):
        waiter = children.start(lambda: RecordLock(open(path, "r+b"), 55, 1).acquire())
        wait = wait_of(waiter, "lock")
        assert (os.getpid(), True) in enders(wait)  # and the child, which has inherited the opening
        rows = [row for row in inspector.ls("lock") if row.path == str(path)]
        assert {(row.start, row.length): len(row.waiters) for row in rows} == {(0, 10): 0, (50, 10): 1}
    children.all_succeed()


def test_I15_a_wait_at_a_pipe_names_who_has_the_other_end(children, wait_of):
    reader, writer = pipe()
    with reader, writer:
        child = children.start(reader.read, 1)
        wait = wait_of(child, "pipe")
        assert wait.does == "reads" and {(os.getpid(), True), (child.pid, True)} == enders(wait)
        writer.write_all(b"!")
        children.all_succeed()


def test_N10_a_bare_read_is_understood_too(children, wait_of):
    read, write = os.pipe()
    try:
        wait = wait_of(children.start(os.read, read, 1), "pipe")
        assert (wait.call, wait.id, wait.limited) == ("read", os.fstat(read).st_ino, False)
        os.write(write, b"!")
        children.all_succeed()
    finally:
        os.close(read)
        os.close(write)


def test_N10_select_and_epoll_are_understood(children, wait_of):
    import select

    def by_epoll(fd):
        with select.epoll() as several:
            several.register(fd, select.EPOLLIN)
            several.poll()

    read, write = os.pipe()
    try:
        for how in (lambda: select.select([read], [], []), lambda: by_epoll(read)):
            assert wait_of(children.start(how), "pipe").id == os.fstat(read).st_ino
        os.write(write, b"!")
        children.all_succeed()
    finally:
        os.close(read)
        os.close(write)


def test_N10_a_time_limit_is_seen(children, wait_of):
    reader, writer = pipe()
    with reader, writer:
        assert wait_of(children.start(lambda: reader.read(1, WAIT)), "pipe").limited
        writer.write_all(b"!")
        children.all_succeed()


def test_I15_a_wait_at_a_socket_names_the_peer(children, wait_of):
    a, b = sockets.pair()
    with a, b:
        child = children.start(a.read, 1)
        a.close()
        wait = wait_of(child, "socket")
        assert wait.does == "reads" and (os.getpid(), True) in enders(wait)
        b.write_all(b"!")
        children.all_succeed()


def test_N10_opening_a_fifo_waits_for_the_other_side(children, wait_of):
    with Fifo.temporary() as fifo:
        child = children.start(lambda: os.close(os.open(fifo.path, os.O_RDONLY)))
        wait = wait_of(child, "fifo")
        assert wait.does == "opens" and "has no writer" in wait.text
        os.close(os.open(fifo.path, os.O_WRONLY))
        children.all_succeed()


def test_N10_a_wait_for_a_child_names_it(children, wait_of):
    go, start = pipe()
    with go, start:

        def parent():
            if (pid := os.fork()) == 0:
                go.read(1, WAIT)
                os._exit(0)
            os.waitpid(pid, 0)

        outer = children.start(parent)
        wait = wait_of(outer, "process")
        assert [each.pid for each in wait.enders] == [wait.id] != [outer.pid]
        start.write_all(b"!")
        children.all_succeed()


def test_N10_a_wait_for_a_posix_semaphore(children, wait_of):
    with posix.Semaphore.create("/unixipc-waited", initial=0) as semaphore:
        try:
            wait = wait_of(children.start(semaphore.acquire), "posix-semaphore")
            assert (wait.id, wait.does) == ("/unixipc-waited", "acquires") and (os.getpid(), False) in enders(wait)
            semaphore.release()
            children.all_succeed()
        finally:
            semaphore.remove()


def test_N10_a_wait_for_a_channel_names_its_members(children, wait_of):
    with channel.Queue.create("waited") as queue:
        try:
            with queue.sender() as sender:

                def receive():
                    with queue.receiver() as receiver:
                        receiver.receive(WAIT)

                wait = wait_of(children.start(receive), "channel")
                assert (wait.id, wait.does, enders(wait)) == ("waited", "receives", {(os.getpid(), True)})
                sender.send(b"!")
                children.all_succeed()
        finally:
            queue.remove()


def test_N10_a_wait_behind_an_unfinished_message_names_its_writer(children, wait_of):
    with channel.Queue.create("waited") as made:
        try:
            sender = made.sender()

            def receive():
                with made.receiver() as receiver:
                    receiver.receive(WAIT)

            child = children.start(receive)
            with sender, sender.reserve(100):
                wait = wait_of(child, "channel")
                assert enders(wait) == {(os.getpid(), True)}
                assert f"the next message is an unfinished one of {os.getpid()} (" in wait.text
            children.all_succeed()
        finally:
            made.remove()


@pytest.fixture
def cycle_of(until):
    """The circle of these processes; several looks, as one of them may turn over in its sleep just then."""

    def look(pid, circle):
        found = []
        until(lambda: found.extend(each for each in inspector.why(pid).cycles if set(each.pids) == circle) or found)
        return found[0]

    return look


# circles --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own_ipc_namespace")
def test_N10_a_deadlock_of_three_across_a_semaphore_a_file_lock_and_a_pipe_is_named(
    tmp_path, children, until, cycle_of
):
    """A waits for a semaphore that B took, B for a file that C has locked, C for a pipe that only A could write."""
    path = tmp_path / "locked"
    path.touch()
    read, write = os.pipe()
    ready, tell = os.pipe()

    def a():
        os.close(read)
        semaphores[0].acquire()

    def b():
        os.close(read), os.close(write)
        semaphores[0].acquire()
        os.write(tell, b"b")
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)

    def c():
        os.close(write)
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(tell, b"c")
            os.read(read, 1)

    with sysv.SemaphoreSet.temporary([1]) as semaphores:
        pid_c = children.start(c).pid
        assert os.read(ready, 1) == b"c"
        pid_b = children.start(b).pid
        assert os.read(ready, 1) == b"b"
        pid_a = children.start(a).pid
        for fd in (read, write, ready, tell):
            os.close(fd)
        circle = {pid_a, pid_b, pid_c}
        until(lambda: any(set(each.pids) == circle for each in inspector.why().cycles))
        for pid in (None, *circle):
            cycle = cycle_of(pid, circle)
            links = {wait.pid: (wait.kind, {each.pid for each in wait.enders}) for wait in cycle.waits}
            assert links == {pid_a: ("sysv-set", {pid_b}), pid_b: ("lock", {pid_c}), pid_c: ("pipe", {pid_a})}
            assert not cycle.sure and not cycle.limited  # who holds a semaphore the kernel does not tell
            text = str(cycle)
            assert text.startswith("probably a deadlock: ") and all(str(pid) in text for pid in circle)
        until(lambda: any(set(each.pids) == circle for each in inspector.graph().cycles))
        children[2].kill()  # A had the write end: C sees the end of the pipe, B gets the lock
        children[2].wait(WAIT)
        for child in children[:2]:
            child.wait(WAIT)


def test_N10_two_who_read_from_each_other_are_surely_stuck(children, cycle_of):
    (read_1, write_1), (read_2, write_2) = os.pipe(), os.pipe()

    def talk(reads, closes):
        for fd in closes:
            os.close(fd)
        os.read(reads, 1)

    one = children.start(talk, read_1, (write_1, read_2))
    two = children.start(talk, read_2, (write_2, read_1))
    for fd in (read_1, write_1, read_2, write_2):
        os.close(fd)
    cycle = cycle_of(two.pid, {one.pid, two.pid})
    assert cycle.sure and str(cycle).startswith("deadlock: ")


def test_N10_who_has_a_way_out_is_in_no_circle(children, wait_of):
    """The same two, but this process could write to one of them."""
    (read_1, write_1), (read_2, write_2) = os.pipe(), os.pipe()
    try:
        one, two = children.start(os.read, read_1, 1), children.start(os.read, read_2, 1)
        for child in (one, two):
            wait_of(child, "pipe")
            assert inspector.why(child.pid).cycles == ()
        os.write(write_1, b"!")
        os.write(write_2, b"!")
        children.all_succeed()
    finally:
        for fd in (read_1, write_1, read_2, write_2):
            os.close(fd)


def test_N10_who_waits_for_itself_is_told_so(children, until):
    """The classic: it reads to the end of a pipe, and has the write end open itself."""
    read, write = os.pipe()
    child = children.start(os.read, read, 1)
    os.close(read)
    os.close(write)
    found = []
    until(lambda: found.extend(inspector.why(child.pid).cycles) or found)
    cycle = found[0]
    assert cycle.pids == (child.pid,) and cycle.sure


# rights ---------------------------------------------------------------------------------------------------------------


def test_N10_nobody_is_told_what_is_hidden_and_sees_who_waits_for_locks(tmp_path, as_nobody, children, until):
    path = tmp_path / "locked"
    path.touch()
    with FileLock(path):
        waiter = children.start(lambda: FileLock(path).acquire())
        until(lambda: any(row.waiters for row in inspector.ls("lock")))
        mine = os.getpid()

        def look():
            found = inspector.why(waiter.pid)
            assert waiter.pid in found.hidden
            (wait,) = found.waits
            assert (wait.kind, wait.call) == ("lock", "") and [each.pid for each in wait.enders] == [mine]
            assert all("may not be looked at" in each.text for each in inspector.why(mine).waits)

        as_nobody(look)
    children.all_succeed()


def test_who_is_not_there_is_an_error():
    with fork(lambda: None) as child:
        child.wait(WAIT)
    with pytest.raises(ProcessLookupError):
        inspector.why(child.pid)


def test_a_program_with_other_call_numbers_is_not_misread():
    words = b"7 0x4 0x1 0xffffffff 0x0 0x0 0x0 0xffa0b0c0 0xf7f01234".split()  # waitpid(2) there, poll(2) here
    call = procfs._call(1, 1, words)
    assert calls.name_of(call.number) == "a 32-bit call"
    there = procfs._call(1, 1, [*words[:7], b"0x7ffd0a0b0c00", b"0x7f5801234567"])
    assert calls.name_of(there.number) != "a 32-bit call" and there.arguments[:3] == (4, 1, 0xFFFFFFFF)
    assert procfs._call(1, 1, [b"running"]) is None


def test_a_stopped_or_running_process_waits_for_nothing(children, until):
    def spin():
        while True:
            pass

    child = children.start(spin)
    assert [wait for wait in inspector.why(child.pid).waits if wait.kind] == []
    child.send_signal(signal.SIGKILL)
