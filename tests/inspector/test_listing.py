"""N01, N05, N09, L20, R09, I15, G22: every object is listed, and field for field as util-linux and iproute2 list it."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time
from datetime import datetime

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
    done = run_until_it_can(command)
    if done.returncode and "invalid option" in done.stderr + done.stdout:
        pytest.skip(f"this {command[0]} does not know {' '.join(command[1:])}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_until_it_can(command):
    """lslocks of util-linux 2.38 gives up on a line with "<none>:0": somebody, anywhere, opens a file that has a lease.

    The kernel lets nobody wait longer than that for a lease: so long we try.
    """
    longest = int(pathlib.Path("/proc/sys/fs/lease-break-time").read_text())
    deadline = time.monotonic() + longest + WAIT
    while True:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if not (done.returncode and "failed to parse '<none>" in done.stderr) or time.monotonic() > deadline:
            return done
        time.sleep(0.1)


def let_others_look_into(pid):
    """Programs may not look into a process that has more rights than they: one in a user namespace of its own."""
    if subprocess.run(["readlink", f"/proc/{pid}/fd/0"], capture_output=True, timeout=60).returncode:
        pytest.skip("a program that we start may not look into this process")


GENERIC = "KEY,ID,OWNER,PERMS,CUID,CGID,UID,GID,CTIME"


def lsipc(which, number, columns):
    """The row of an object as lsipc gives it: its columns in lower case."""
    table = json.loads(told_by("lsipc", which, "-J", "-b", "--time-format=iso", "-o", f"{GENERIC},{columns}"))
    (rows,) = table.values()
    return next(row for row in rows if int(row["id"]) == number)


def generic(theirs):
    """What lsipc tells of every kind, as our rows have it."""
    ids = [int(theirs[name]) for name in ("cuid", "cgid", "uid", "gid")]
    return int(str(theirs["key"]), 0), theirs["perms"], *ids, at(theirs["ctime"])


def ours(row):
    """The same of a row."""
    ids = (row.creator_uid, row.creator_gid, row.owner_uid, row.owner_gid)
    return int(row.key), stat.filemode(row.mode)[1:], *ids, row.changed_at


def at(text):
    """lsipc's time as seconds since 1970; None for never."""
    return None if not text else int(datetime.fromisoformat(text).timestamp())


# System V -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own_ipc_namespace")
class TestSystemV:
    def test_N01_a_queue_is_listed_as_lsipc_does(self, made, world):
        def look():
            with made("sysv-queue", key := Key.random()) as (number, pid):
                row = only("sysv-queue", id=number)
                assert (row.messages, row.used_bytes, row.last_sender_pid, row.last_receiver_pid) == (1, 5, pid, 0)
                assert (row.key, row.mode, row.owner_uid) == (key, 0o640, os.geteuid())
                assert row.received_at is None and row.sent_at > 0
                theirs = lsipc("-q", number, "USEDBYTES,MSGS,SEND,RECV,LSPID,LRPID")
                assert ours(row) == generic(theirs)
                assert (row.sent_at, row.received_at) == (at(theirs["send"]), at(theirs["recv"]))
                assert [row.messages, row.used_bytes, row.last_sender_pid, row.last_receiver_pid] == [
                    int(theirs[name]) for name in ("msgs", "usedbytes", "lspid", "lrpid")
                ]

        world(look)

    def test_N01_a_set_is_listed_with_each_semaphore(self, made, world):
        def look():
            with made("sysv-set", key := Key.random()) as (number, pid):
                row = only("sysv-set", id=number)
                assert (row.key, row.mode, row.owner_uid) == (key, 0o640, os.geteuid())
                assert [each.value for each in row.semaphores] == [0, 4, 0]
                assert row.semaphores[1].last_pid == pid
                assert [each.index for each in row.semaphores] == [0, 1, 2]
                theirs = lsipc("-s", number, "NSEMS,OTIME")
                assert (ours(row), row.count) == (generic(theirs), int(theirs["nsems"]))
                assert row.operated_at == at(theirs["otime"])

        world(look)

    def test_N01_a_segment_is_listed_with_who_has_it_attached(self, made, world):
        def look():
            with made("sysv-segment", key := Key.random()) as (number, pid):
                row = only("sysv-segment", id=number)
                assert (row.key, row.mode, row.attached_by) == (key, 0o640, (pid,))
                theirs = lsipc("-m", number, "SIZE,NATTCH,ATTACH,DETACH,CPID,LPID")
                assert ours(row) == generic(theirs)
                assert (row.attached_at, row.detached_at) == (at(theirs["attach"]), at(theirs["detach"]))
                assert [row.size_bytes, row.attached, row.creator_pid, row.last_pid] == [
                    int(theirs[name]) for name in ("size", "nattch", "cpid", "lpid")
                ]

        world(look)

    def test_N01_as_ipcs_counts(self, made, world):
        def look():
            with made("sysv-queue", Key.random()), made("sysv-segment", Key.random()), made("sysv-set", Key.random()):
                for option, kind in (("-q", "sysv-queue"), ("-m", "sysv-segment"), ("-s", "sysv-set")):
                    lines = [line.split() for line in told_by("ipcs", option).splitlines() if line.startswith("0x")]
                    mine = [(int(row.key), row.id, f"{row.mode:o}") for row in inspector.ls(kind)]
                    assert [(int(line[0], 16), int(line[1]), line[3]) for line in lines] == mine

        world(look)

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


def test_R09_a_posix_queue_is_listed(made, world):
    def look():
        with made("posix-queue", name := f"/unixipc-listed-{os.getuid()}") as (_, pid):
            row = only("posix-queue", id=name)
            assert (row.messages, row.used_bytes, row.max_messages, row.max_message_bytes) == (1, 5, 4, 100)
            assert (row.mode, row.owner_uid, row.used_by) == (0o640, os.geteuid(), (pid,))
            assert row.notified_pid is None

    world(look)


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


def test_N05_a_posix_semaphore_is_listed(made, world):
    def look():
        with made("posix-semaphore", "/unixipc-listed") as (_, pid):
            row = only("posix-semaphore", id="/unixipc-listed")
            assert (row.value, row.waiters, row.mode, row.used_by) == (7, 0, 0o640, (pid,))

    world(look)


def test_N05_posix_memory_is_listed(made, world):
    def look():
        with made("posix-memory", "/unixipc-listed") as (_, pid):
            row = only("posix-memory", id="/unixipc-listed")
            assert (row.size_bytes, row.mode, row.used_by) == (8192, 0o640, (pid,))
            assert row.allocated_bytes == os.stat("/dev/shm/unixipc-listed").st_blocks * 512

    world(look)


# locks ----------------------------------------------------------------------------------------------------------------


def lslocks(inode):
    """The lines about a file, as lslocks has them."""
    table = json.loads(told_by("lslocks", "-J", "-b", "-u", "-o", "COMMAND,PID,TYPE,INODE,MODE,START,END,PATH,BLOCKER"))
    return [each for each in table["locks"] if int(each["inode"]) == inode]


@pytest.mark.parametrize("kind", ["flock", "ofd", "posix"])
def test_L20_a_lock_is_listed_as_lslocks_does(made, kind, world):
    def look():
        path = f"{world.folder}/locked"
        with made(kind, path) as (_, pid):
            row = only("lock", path=path)
            span = (0, 0) if kind == "flock" else (10, 5)
            assert (row.type, row.shared, (row.start, row.length)) == (kind, kind == "flock", span)
            assert row.holders == (pid,) and row.waiters == ()
            inode = os.stat(path).st_ino
            assert row.id.endswith(f":{inode}")
            (theirs,) = lslocks(inode)
            end = 0 if row.length == 0 else row.start + row.length - 1
            assert (int(theirs["start"]), int(theirs["end"])) == (row.start, end)
            assert theirs["mode"] == ("READ" if row.shared else "WRITE")
            assert theirs["type"] == {"flock": "FLOCK", "ofd": "OFDLCK", "posix": "POSIX"}[kind]
            assert theirs["blocker"] is None
            if kind != "ofd":  # of which the kernel tells neither of us the process; we look for who has the opening
                assert int(theirs["pid"]) == row.pid == pid
                assert theirs["command"] == inspector.procfs.command_of(pid)

    world(look)


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


def test_a_lease_that_somebody_is_waiting_for_is_listed_with_him(tmp_path, children, until):
    """What lslocks of util-linux 2.38 cannot read: the kernel knows no file of who waits for a lease."""
    path = tmp_path / "leased"
    path.touch()
    with open(path, "rb", buffering=0) as file:
        old = signal.signal(signal.SIGIO, signal.SIG_IGN)
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            children.start(lambda: open(path, "wb").close())
            until(lambda: only("lock", path=str(path)).waiters)
            row = only("lock", path=str(path))
            assert (row.type, [each.pid for each in row.waiters]) == ("lease", [children[0].pid])
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        finally:
            signal.signal(signal.SIGIO, old)
    children.all_succeed()


# pipes, sockets, memory -----------------------------------------------------------------------------------------------


def lsfd(pid, inode):
    """The lines about an inode among a process's descriptors."""
    let_others_look_into(pid)
    table = json.loads(told_by("lsfd", "-J", "-p", str(pid), "-o", "COMMAND,PID,FD,TYPE,INODE,MODE,NAME,SIZE"))["lsfd"]
    return [each for each in table if int(each["inode"]) == inode and str(each["fd"]).isdigit()]


def test_I15_a_pipe_is_listed_with_both_ends(made, world):
    def look():
        with made("pipe", "-") as (inode, pid):
            row = only("pipe", id=inode)
            assert [(end.pid, end.reads, end.writes) for end in (*row.readers, *row.writers)] == [
                (pid, True, False), (pid, False, True)
            ]  # fmt: skip
            theirs = {(int(each["pid"]), int(each["fd"]), each["mode"][:2]) for each in lsfd(pid, inode)}
            assert theirs == {
                (end.pid, end.number, ("r" if end.reads else "-") + ("w" if end.writes else "-"))
                for end in (*row.readers, *row.writers)
            }

    world(look)


def test_I15_a_fifo_is_listed_with_its_path(made, world):
    def look():
        path = f"{world.folder}/fifo"
        with made("fifo", path) as (_, pid):
            row = only("fifo", path=path)
            assert {end.pid for end in row.readers} == {pid} == {end.pid for end in row.writers}
            theirs = lsfd(pid, inode := os.stat(path).st_ino)
            assert row.id.endswith(f":{inode}") and {each["name"] for each in theirs} == {row.path}
            assert {int(each["fd"]) for each in theirs} == {end.number for end in (*row.readers, *row.writers)}

    world(look)


SS_TYPES = {"u_str": "stream", "u_seq": "seqpacket", "u_dgr": "dgram"}


def ss(inode):
    """(type, state, received bytes or waiting connections, name, peer, the word with the users) of a socket."""
    for line in told_by("ss", "-xapnO").splitlines()[1:]:
        words = line.split()
        if words[5] == str(inode):
            name = None if words[4] == "*" else words[4]
            return SS_TYPES[words[0]], words[1], int(words[2]), name, int(words[7]), words[-1]
    raise AssertionError(f"ss does not list socket {inode}")


def test_I15_a_listening_socket_is_listed_as_ss_does(made, world):
    def look():
        path = f"{world.folder}/socket"
        with made("listener", path) as (inode, pid):
            row = only("socket", id=inode)
            assert (row.name, row.state, row.type, row.peer) == (path, "listening", "seqpacket", None)
            assert [end.pid for end in row.holders] == [pid]
            let_others_look_into(pid)
            kind, state, waiting, name, peer, users = ss(inode)
            assert (kind, state, waiting, name, peer) == (row.type, "LISTEN", row.waiting, row.name, 0)
            assert f"pid={pid},fd={row.holders[0].number}" in users

    world(look)


def test_I15_a_pair_of_sockets_knows_its_peer(made, world):
    def look():
        with made("pair", "-") as (inode, pid):
            row = only("socket", id=inode)
            let_others_look_into(pid)
            kind, state, received, name, peer, users = ss(inode)
            assert (row.type, row.received_bytes, row.name, row.peer) == (kind, received, name, peer)
            assert (row.state, row.type, row.received_bytes > 0, state) == ("connected", "stream", True, "ESTAB")
            assert f"pid={pid},fd={row.holders[0].number}" in users
            assert [end.pid for end in row.peer_holders] == [pid]
            assert only("socket", id=row.peer).peer == inode

    world(look)


def test_a_memory_file_is_listed_with_its_seals(made, world):
    def look():
        with made("memfd", "listed-here") as (inode, pid):
            row = only("memfd", name="listed-here")
            assert row.id.endswith(f":{inode}") and row.used_by == (pid,)
            assert row.size_bytes == 4096 and set(row.seals) >= {"shrink", "grow"}
            (theirs,) = lsfd(pid, inode)
            assert (int(theirs["size"]), "memfd:listed-here" in theirs["name"]) == (row.size_bytes, True)

    world(look)


def test_a_mapping_is_listed_when_asked_for(made, world):
    def look():
        path = f"{world.folder}/mapped"
        with made("mapping", path) as (_, pid):
            row = only("mapping", path=path)
            assert (row.mapped_bytes, row.mapped_by, row.written_by, row.removed) == (8192, (pid,), (pid,), False)
            assert row.id.endswith(f":{os.stat(path).st_ino}")

    world(look)


def test_G22_signals_are_listed_as_ps_does(made, world, until):
    def agree(pid):
        row = only("signals", id=pid)
        words = told_by("ps", "-o", "pending,blocked,ignored,caught,comm", "--no-headers", "-p", str(pid)).split()
        masks = [sum(1 << (each - 1) for each in some) for some in (row.blocked, row.ignored, row.caught)]
        return [int(word, 16) for word in words[1:4]] == masks and words[4] == row.command

    def look():
        with made("signals", "-") as (_, pid):
            row = only("signals", id=pid)
            assert signal.SIGUSR2 in row.pending and signal.SIGUSR2 in row.blocked
            until(lambda: agree(pid))  # two looks: the mask may be another one for a moment

    world(look)


@pytest.mark.parametrize("kind", ["channel", "topic"])
def test_ours_are_listed_whoever_makes_them(made, kind, world):
    def look():
        with made(kind, "listed-in-c") as (_, pid):
            row = only(kind, id="listed-in-c")
            assert (row.mode, row.owner_uid, row.capacity_bytes) == (0o640, os.geteuid(), 4096)
            assert (row.when_full, row.temporary, row.dead, row.used_by) == ("wait", False, (), (pid,))
            if kind == "channel":
                assert (row.senders, row.receivers, row.depth, row.sent) == ((pid,), (), 1, 1)
            else:
                assert (row.publishers, row.subscribers, row.published) == ((pid,), (), 0)

    world(look)


def test_shared_mappings_are_listed_when_asked_for(tmp_path):
    from unixipc import map_file

    path = tmp_path / "mapped"
    path.write_bytes(bytes(4096))
    with map_file(path, "rw"):
        row = only("mapping", path=str(path))
        assert (row.mapped_bytes, row.mapped_by, row.written_by) == (4096, (os.getpid(),), (os.getpid(),))
        assert not any(each.kind == "mapping" for each in inspector.ls())


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
        made = channel.Queue.temporary("left-over")
        sender = made.sender()
        assert not sender.closed
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
