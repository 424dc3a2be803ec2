"""N01, N05, N09, L20, R09, I15, G22: every object is listed, and field for field as util-linux and iproute2 list it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess

import pytest

from unixipc import channel, fork, inspector, pipe, posix, signals, sysv
from unixipc.sysv import Key

WAIT = 20


def only(kind, **fields):
    """The one row with these fields."""
    rows = [row for row in inspector.ls(kind) if all(getattr(row, name) == value for name, value in fields.items())]
    assert len(rows) == 1, rows
    return rows[0]


def told_by(*command):
    """What another program lists, or a skip if it is not here or cannot do that."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode and "invalid option" in done.stderr + done.stdout:
        pytest.skip(f"this {command[0]} does not know {' '.join(command[1:])}")
    if done.returncode and "failed to parse" in done.stderr:  # lslocks, and a lock of a file that is no more
        pytest.skip(f"{command[0]} cannot read the kernel's table now: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def let_others_look_into(pid):
    """Programs may not look into a process that has more rights than they: one in a user namespace of its own."""
    if subprocess.run(["readlink", f"/proc/{pid}/fd/0"], capture_output=True, timeout=60).returncode:
        pytest.skip("a program that we start may not look into this process")


def lsipc(which, number):
    """The row of an object as lsipc gives it: its columns in lower case."""
    table = json.loads(told_by("lsipc", which, "-J", "-b", "--time-format=iso"))
    (rows,) = table.values()
    return next(row for row in rows if int(row["id"]) == number)


# System V -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own_ipc_namespace")
class TestSystemV:
    def test_N01_a_queue_is_listed_as_lsipc_does(self, made):
        with made("sysv-queue", key := Key.random()) as (number, pid):
            row, theirs = only("sysv-queue", id=number), lsipc("-q", number)
            assert (row.messages, row.used_bytes, row.last_sender_pid, row.last_receiver_pid) == (1, 5, pid, 0)
            assert row.key == key == int(str(theirs["key"]), 0)
            assert row.mode == 0o640 and stat.filemode(row.mode)[1:] == theirs["perms"]
            assert row.owner_uid == os.geteuid() and row.received_at is None and row.sent_at > 0
            assert [row.messages, row.used_bytes, row.last_sender_pid, row.last_receiver_pid] == [
                int(theirs[name]) for name in ("msgs", "usedbytes", "lspid", "lrpid")
            ]

    def test_N01_a_set_is_listed_with_each_semaphore(self, made):
        with made("sysv-set", key := Key.random()) as (number, pid):
            row, theirs = only("sysv-set", id=number), lsipc("-s", number)
            assert (row.key, stat.filemode(row.mode)[1:], row.count) == (key, theirs["perms"], int(theirs["nsems"]))
            assert [each.value for each in row.semaphores] == [0, 4, 0]
            assert row.semaphores[1].last_pid == pid
            assert [each.index for each in row.semaphores] == [0, 1, 2]

    def test_N01_a_segment_is_listed_with_who_has_it_attached(self, made):
        with made("sysv-segment", key := Key.random()) as (number, pid):
            row, theirs = only("sysv-segment", id=number), lsipc("-m", number)
            assert (row.key, stat.filemode(row.mode)[1:], row.attached_by) == (key, theirs["perms"], (pid,))
            assert [row.size_bytes, row.attached, row.creator_pid, row.last_pid] == [
                int(theirs[name]) for name in ("size", "nattch", "cpid", "lpid")
            ]

    def test_N01_as_ipcs_counts(self, made):
        with made("sysv-queue", Key.random()), made("sysv-segment", Key.random()), made("sysv-set", Key.random()):
            for option, kind in (("-q", "sysv-queue"), ("-m", "sysv-segment"), ("-s", "sysv-set")):
                lines = [line.split() for line in told_by("ipcs", option).splitlines() if line.startswith("0x")]
                ours = [(int(row.key), row.id, f"{row.mode:o}") for row in inspector.ls(kind)]
                assert [(int(line[0], 16), int(line[1]), line[3]) for line in lines] == ours

    def test_N10_waiters_of_a_semaphore_are_counted(self, children, until):
        with sysv.SemaphoreSet.temporary([0]) as semaphores:
            child = children.start(semaphores[0].acquire, 1)
            until(lambda: semaphores[0].waiters == 1)
            row = only("sysv-set", id=semaphores.id)
            assert (row.semaphores[0].waiters, row.semaphores[0].zero_waiters) == (1, 0)
            until(lambda: [e.how for e in inspector.who(semaphores.id) if e.pid == child.pid] == ["waits for"])
            semaphores[0].release()
            children.all_succeed()

    def test_nobody_sees_all_of_them_and_no_values(self, as_nobody):
        with sysv.SemaphoreSet.create(Key.random(), [5]) as semaphores:
            try:

                def look():
                    row = only("sysv-set", id=semaphores.id)
                    assert row.semaphores is None and row.count == 1 and row.owner_uid == 0

                as_nobody(look)
            finally:
                semaphores.remove()


# POSIX ----------------------------------------------------------------------------------------------------------------


def test_R09_a_posix_queue_is_listed(made):
    with made("posix-queue", "/unixipc-listed") as (_, pid):
        row = only("posix-queue", id="/unixipc-listed")
        assert (row.messages, row.used_bytes, row.max_messages, row.max_message_bytes) == (1, 5, 4, 100)
        assert (row.mode, row.owner_uid, row.used_by) == (0o640, os.geteuid(), (pid,))
        assert row.notified_pid is None


def test_R09_nobody_sees_the_queues_that_its_processes_have_open(as_nobody):
    def look():
        with posix.MessageQueue.create("/unixipc-nobody", max_messages=2) as queue:
            queue.remove()
            queue.send(b"hello")
            (row,) = [row for row in inspector.ls("posix-queue") if os.getpid() in row.used_by]
            assert (row.messages, row.max_messages, row.owner_uid) == (1, 2, os.getuid())

    as_nobody(look)


def test_R09_who_is_notified_is_listed():
    with posix.MessageQueue.create("/unixipc-notified", max_messages=2) as queue, signals.blocked(signal.SIGUSR1):
        try:
            queue.notify(signal.SIGUSR1)
            row = only("posix-queue", id="/unixipc-notified")
            assert (row.notified_pid, row.notified_signal) == (os.getpid(), signal.SIGUSR1)
        finally:
            queue.remove()


def test_N05_a_posix_semaphore_is_listed(made):
    with made("posix-semaphore", "/unixipc-listed") as (_, pid):
        row = only("posix-semaphore", id="/unixipc-listed")
        assert (row.value, row.waiters, row.mode, row.used_by) == (7, 0, 0o640, (pid,))


def test_N05_posix_memory_is_listed(made):
    with made("posix-memory", "/unixipc-listed") as (_, pid):
        row = only("posix-memory", id="/unixipc-listed")
        assert (row.size_bytes, row.mode, row.used_by) == (8192, 0o640, (pid,))
        assert row.allocated_bytes == os.stat("/dev/shm/unixipc-listed").st_blocks * 512


# locks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["flock", "ofd", "posix"])
def test_L20_a_lock_is_listed_as_lslocks_does(made, kind, tmp_path):
    path = str(tmp_path / "locked")
    with made(kind, path) as (_, pid):
        row = only("lock", path=path)
        span = (0, 0) if kind == "flock" else (10, 5)
        assert (row.type, row.shared, (row.start, row.length)) == (kind, kind == "flock", span)
        assert row.holders == (pid,) and row.waiters == ()
        table = json.loads(told_by("lslocks", "-J", "-b", "-o", "PID,TYPE,INODE,MODE,START,END"))["locks"]
        inode = os.stat(path).st_ino
        (theirs,) = [each for each in table if int(each["inode"]) == inode]
        end = 0 if row.length == 0 else row.start + row.length - 1
        assert (int(theirs["start"]), int(theirs["end"])) == (row.start, end)
        assert theirs["mode"] == ("READ" if row.shared else "WRITE")
        assert theirs["type"] == {"flock": "FLOCK", "ofd": "OFDLCK", "posix": "POSIX"}[kind]
        assert kind == "ofd" or int(theirs["pid"]) == row.pid == pid


@pytest.mark.parametrize("kind", ["flock", "posix"])
def test_L20_who_waits_for_a_lock_is_listed_with_it(made, kind, tmp_path, children, until):
    from unixipc import FileLock, RecordLock

    path = str(tmp_path / "locked")
    with made(kind, path):

        def wait_for_it():
            os.closerange(3, 100)  # or it would hold the C program's standard input open
            with open(path, "r+b") as file:
                lock = FileLock(file) if kind == "flock" else RecordLock(file, 12, 1, kind=kind)
                with lock:
                    pass

        children.start(wait_for_it)
        until(lambda: only("lock", path=path).waiters)
        (waiter,) = only("lock", path=path).waiters
        assert (waiter.pid, waiter.shared) == (children[0].pid, False)
        assert kind == "flock" or (waiter.start, waiter.length) == (12, 1)
    children.all_succeed()


# pipes, sockets, memory -----------------------------------------------------------------------------------------------


def test_I15_a_pipe_is_listed_with_both_ends(made):
    with made("pipe", "-") as (inode, pid):
        row = only("pipe", id=inode)
        assert [(end.pid, end.reads, end.writes) for end in (*row.readers, *row.writers)] == [
            (pid, True, False), (pid, False, True)
        ]  # fmt: skip
        let_others_look_into(pid)
        table = json.loads(told_by("lsfd", "-J", "-p", str(pid), "-o", "PID,FD,TYPE,INODE,MODE"))["lsfd"]
        theirs = {(int(each["fd"]), each["mode"][0] == "r") for each in table if int(each["inode"]) == inode}
        assert theirs == {(end.number, end.reads) for end in (*row.readers, *row.writers)}


def test_I15_a_fifo_is_listed_with_its_path(made, tmp_path):
    path = str(tmp_path / "fifo")
    with made("fifo", path) as (_, pid):
        row = only("fifo", path=path)
        assert {end.pid for end in row.readers} == {pid} == {end.pid for end in row.writers}


def ss(inode):
    """(state, peer, the word with the users) of a socket."""
    for line in told_by("ss", "-xapnO").splitlines()[1:]:
        words = line.split()
        if words[5] == str(inode):
            return words[1], int(words[7]), words[-1]
    raise AssertionError(f"ss does not list socket {inode}")


def test_I15_a_listening_socket_is_listed_as_ss_does(made, tmp_path):
    path = str(tmp_path / "socket")
    with made("listener", path) as (inode, pid):
        row = only("socket", id=inode)
        assert (row.name, row.state, row.type, row.peer) == (path, "listening", "seqpacket", None)
        assert [end.pid for end in row.holders] == [pid]
        let_others_look_into(pid)
        state, peer, users = ss(inode)
        assert (state, peer) == ("LISTEN", 0) and f"pid={pid},fd={row.holders[0].number}" in users


def test_I15_a_pair_of_sockets_knows_its_peer(made):
    with made("pair", "-") as (inode, pid):
        row = only("socket", id=inode)
        let_others_look_into(pid)
        state, peer, users = ss(inode)
        assert (row.state, row.type, row.peer, row.received_bytes > 0) == ("connected", "stream", peer, True)
        assert state == "ESTAB" and f"pid={pid},fd={row.holders[0].number}" in users
        assert [end.pid for end in row.peer_holders] == [pid]
        assert only("socket", id=row.peer).peer == inode


def test_a_memory_file_is_listed_with_its_seals(made):
    with made("memfd", "listed-here") as (inode, pid):
        row = only("memfd", name="listed-here")
        assert row.id.endswith(f":{inode}") and row.used_by == (pid,)
        assert row.size_bytes == 4096 and set(row.seals) >= {"shrink", "grow"}


def test_shared_mappings_are_listed_when_asked_for(tmp_path):
    from unixipc import map_file

    path = tmp_path / "mapped"
    path.write_bytes(bytes(4096))
    with map_file(path, "rw"):
        row = only("mapping", path=str(path))
        assert (row.mapped_bytes, row.mapped_by, row.written_by) == (4096, (os.getpid(),), (os.getpid(),))
        assert not any(each.kind == "mapping" for each in inspector.ls())


def test_G22_signals_are_listed_when_asked_for():
    told, tell = pipe()
    with told, tell, signals.blocked(signal.SIGUSR2), fork(told.read, 1, WAIT) as child:
        row = only("signals", id=child.pid)
        assert signal.SIGUSR2 in row.blocked and row.command == inspector.procfs.command_of(child.pid)
        tell.write_all(b"!")


# ours -----------------------------------------------------------------------------------------------------------------


def test_a_channel_is_listed_as_it_tells_itself(children):
    with channel.Queue.create("listed", when_full="drop_oldest") as queue:
        try:
            with queue.sender() as sender, queue.receiver() as receiver:
                sender.send_many([b"1", b"2", b"3"])
                receiver.receive()
                row, itself = only("channel", id="listed"), queue.stat()
                for name in ("depth", "used_bytes", "sent", "received", "dropped", "refused", "senders", "receivers"):
                    assert getattr(row, name) == getattr(itself, name), name
                assert (row.depth, row.when_full, row.temporary, row.dead) == (2, "drop_oldest", False, ())
                assert row.used_by == (os.getpid(),)
        finally:
            queue.remove()


def test_a_topic_is_listed_with_the_lag_of_each_subscriber():
    with channel.Topic.create("listed-topic") as topic:
        try:
            with topic.publisher() as publisher, topic.subscriber("tell"):
                publisher.send(b"news")
                row = only("topic", id="listed-topic")
                assert row.subscribers == topic.stat().subscribers
                assert (row.published, row.subscribers[0].lag, row.publishers) == (1, 1, (os.getpid(),))
        finally:
            topic.remove()


def test_an_anonymous_channel_is_found_through_who_uses_it():
    with channel.Queue.anonymous() as queue, queue.sender():
        (row,) = [row for row in inspector.ls("channel") if os.getpid() in row.used_by]
        assert row.path is None and row.senders == (os.getpid(),)


def test_looking_at_a_temporary_channel_does_not_remove_it():
    def make_and_die():
        channel.Queue.temporary("left-over").sender()
        os.kill(os.getpid(), signal.SIGKILL)

    with fork(make_and_die) as child:
        child.wait(WAIT)
    try:
        for _ in range(2):
            assert only("channel", id="left-over").in_use is False
    finally:
        os.unlink("/dev/shm/unixipc.channel.left-over")


# as a whole -----------------------------------------------------------------------------------------------------------


def test_kinds_and_families():
    assert {row.kind for row in inspector.ls()} <= set(inspector.KINDS) - {"mapping", "signals"}
    assert {row.kind for row in inspector.ls("sysv")} <= {"sysv-queue", "sysv-set", "sysv-segment"}
    with pytest.raises(ValueError, match="no kind; there are sysv-queue"):
        inspector.ls("quue")


def test_rows_are_frozen_and_can_be_printed():
    reader, writer = pipe()
    with reader, writer:
        row = inspector.ls("pipe")[0]
        assert [*row._asdict()][:2] == ["kind", "id"]
        json.dumps(row._asdict(), default=lambda record: record._asdict())
        with pytest.raises(AttributeError, match="frozen"):
            row.id = 0


def test_our_own_posix_locks_survive_a_look(tmp_path):
    """Closing any descriptor of a file drops the process's POSIX locks on it: looking must not open our own files."""
    from unixipc import RecordLock, map_file

    path = tmp_path / "database"
    path.write_bytes(bytes(16384 + 4096))  # as long as a channel
    with open(path, "r+b") as file, map_file(path, "rw"), RecordLock(file, kind="posix"):
        inspector.ls()
        inspector.ls("mapping")
        assert only("lock", path=str(path)).type == "posix"
