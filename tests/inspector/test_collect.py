"""N06: what is provably ownerless is removed, whatever killed its owner; what somebody may come back to is not.

Everything here is made by real processes that are really killed. The queues, sets and segments are those of the tests'
own IPC namespace, the sockets' files are looked for in the test's own folder, and the kinds are named where something
in /dev/shm could be another's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from unixipc import Fifo, channel, fork, inspector, pipe, posix, sockets, sysv
from unixipc.inspector import collecting, lineage, procfs, stale

from .leaving import (
    CHANNELS,
    NAME,
    OURS,
    STRANGER,
    WAIT,
    a_set,
    as_somebody,
    as_user,
    collect,
    killed,
    queue,
    removed_later,
    segment,
    skip_if_blind,
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


# one of each --------------------------------------------------------------------------------------------------------


def test_N06_a_segment_without_a_key_goes_with_the_reason_once_its_users_were_killed():
    pid, number = killed(segment)
    would = collect(["sysv-segment"], dry_run=True)["sysv-segment", number]
    assert (would.done, would.because, would.orphan.size_bytes) == ("would remove", "", 4096)
    assert f"creator {pid} has ended, last user {pid} has ended" in would.orphan.why
    assert collect(["sysv-segment"])["sysv-segment", number].done == "removed"
    assert number not in [each.id for each in sysv.segments()]
    assert collect(["sysv"]) == {}


@pytest.mark.parametrize("make", [segment, a_set, queue])
def test_N06_a_key_is_a_way_back_so_it_takes_consent(make):
    _pid, number = killed(as_somebody, make, sysv.Key.random())
    if make is queue:
        skip_if_blind("sysv-queue", number)
    (((kind, found), row),) = collect(["sysv"]).items()
    assert (found, row.done, row.because, row.orphan.certainty) == (number, "left", "only likely", "likely")
    assert collect(["sysv"], likely=True)[kind, number].done == "removed"
    assert collect(["sysv"]) == {}


def test_N06_what_was_used_just_now_is_left():
    _pid, number = killed(segment)
    row = inspector.collect(["sysv-segment"], folders=[])[0]
    assert (row.done, row.because[:5]) == ("left", "used ") and row.orphan.sure
    collect(["sysv-segment"])
    assert collecting.YOUNG_S == 60 and number not in [each.id for each in sysv.segments()]


def test_N06_a_segment_is_kept_for_the_family_of_its_maker():
    """The kernel notes two pids. Who was told the number lives in their session, or in their group."""
    go, gone = pipe()
    told, tell = pipe()

    def leader():
        os.setsid()
        with fork(lambda: go.read(1)) as worker:  # does not hold, and knows all that its parent knew
            tell.write_all(b"%d %d" % (segment(), worker.pid))
            os.kill(os.getpid(), signal.SIGKILL)

    with go, gone, told, tell:
        with fork(leader) as child:
            child.wait(WAIT)
        number, worker = map(int, told.read(40).split())
        row = collect(["sysv-segment"])["sysv-segment", number]
        assert row.done == "left" and f"process {worker} of their group or session lives" in row.orphan.why
        os.kill(worker, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(worker, 0)
        while not procfs.has_ended(worker):
            os.sched_yield()
    assert collect(["sysv-segment"])["sysv-segment", number].done == "removed"


def test_N06_a_segment_whose_maker_lives_is_left():
    with sysv.SharedMemory.create(sysv.Key.PRIVATE, 4096) as mine, removed_later(mine):
        killed(lambda: (mine.attach(), 0)[1])
        row = collect(["sysv-segment"], likely=True)["sysv-segment", mine.id]
        assert (row.done, row.because) == ("left", "not enough is known") and "lives" in row.orphan.why


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
@pytest.mark.parametrize("make", [queue, a_set])
def test_N06_queues_and_sets_go_if_nobody_lives_who_could_have_used_them(make):
    """The kernel notes the last users only: an earlier one may live and hold a semaphore, or come back to the queue."""
    _pid, ours = killed(make)
    _pid, theirs = killed(as_user, STRANGER, make)
    rows = {number: row for (_kind, number), row in collect(["sysv"]).items()}
    assert rows[ours].done == "left" and rows[ours].because in ("only likely", "not enough is known")
    if not lineage._sees_everybody():
        assert rows[theirs].because == "only likely"
    else:
        assert (rows[theirs].done, rows[theirs].orphan.certainty) == ("removed", "sure")
        assert "no process of its owner is as old as its last use" in rows[theirs].orphan.why
    collect(["sysv"], likely=True)
    for kind in (sysv.MessageQueue, sysv.SemaphoreSet):
        with suppress(OSError), kind(ours) as left:
            left.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_N06_a_holder_who_was_not_the_last_keeps_a_set():
    """A counting semaphore: one holds a unit and lives, another took one later and was killed."""
    go, gone = pipe()
    with go, gone, sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [2]) as units, removed_later(units):
        units.set_permissions(uid=STRANGER)

        def hold(then):
            units[0].acquire(undo=True)
            return then()

        with fork(as_user, STRANGER, hold, lambda: go.read(1, WAIT)) as holder:
            while units.values != (1,):
                os.sched_yield()
            killed(as_user, STRANGER, hold, lambda: 0)
            row = collect(["sysv-set"])["sysv-set", units.id]
            assert row.orphan.certainty == "likely" and row.done == "left"
            gone.write_all(b"!")
            holder.wait(WAIT)


def test_N06_a_temporary_channel_goes_under_its_users_lock():
    made = {kind: f"{NAME}-{kind.__name__}" for kind in (channel.Queue, channel.Topic)}
    for kind, name in made.items():
        role = "sender" if kind is channel.Queue else "publisher"
        killed(lambda kind=kind, name=name, role=role: getattr(kind.temporary(name), role)())
    rows = collect(["channel", "topic"], **OURS)
    for kind, name in made.items():
        assert rows["channel" if kind is channel.Queue else "topic", name].done == "removed"
        assert not os.path.exists(CHANNELS + name)


def test_N06_a_named_channel_is_made_to_stay_and_goes_with_consent_if_nobody_has_it_open():
    name = f"{NAME}-stays"
    killed(lambda: channel.Queue.create(name).receiver())
    assert collect(["channel"], matching=name)["channel", name].because == "only likely"
    assert os.path.exists(CHANNELS + name)
    assert collect(["channel"], likely=True, matching=name)["channel", name].done == "removed"
    assert not os.path.exists(CHANNELS + name)


def test_N06_a_socket_s_file_goes_when_no_socket_is_bound_to_it(tmp_path):
    for kind in ("stream", "seqpacket"):
        killed(lambda kind=kind: sockets.listen(str(tmp_path / kind), kind=kind))
    killed(lambda: sockets.bind(str(tmp_path / "dgram")))
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    killed(lambda: sockets.listen(str(deep / "in a folder")))
    with sockets.listen(str(tmp_path / "live")) as live, sockets.bind(str(tmp_path / "live dgram")) as datagrams:
        rows = collect(["socket"], [str(tmp_path)])
        assert {os.path.basename(path) for _kind, path in rows} == {"stream", "seqpacket", "dgram", "in a folder"}
        assert {row.done for row in rows.values()} == {"removed"}
        assert sorted(os.listdir(tmp_path)) == ["a", "live", "live dgram"] and os.listdir(deep) == []
        live.remove(), datagrams.remove()


def bound_only(path):
    """A server between bind(2) and listen(2): it refuses who connects."""
    import socket

    made = socket.socket(socket.AF_UNIX)
    made.bind(path)
    return made


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to leave the network namespace")
def test_N06_a_socket_of_another_network_namespace_or_that_does_not_listen_yet_is_alive(tmp_path):
    there, here = str(tmp_path / "there"), str(tmp_path / "here")
    code = (
        f"import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind({there!r}); print(flush=True); sys.stdin.read()"
    )
    command = ["unshare", "-n", sys.executable, "-c", code]
    with (
        bound_only(here),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):
        try:
            if not other.stdout.readline():
                pytest.skip("no network namespace can be made here")
            assert collect(["socket"], [str(tmp_path)]) == {}
        finally:
            other.kill()
            other.wait(WAIT)
    rows = collect(["socket"], [str(tmp_path)])
    assert {path for _kind, path in rows} == {there, here} and {row.done for row in rows.values()} == {"removed"}


def test_N06_a_posix_queue_is_made_to_stay():
    name = f"/{NAME}"
    killed(lambda: posix.MessageQueue.create(name).send(b"for later"))
    try:
        rows = collect(["posix-queue"], likely=True, matching=name)
        assert os.geteuid() or rows  # one that nobody has open root alone sees
        assert all((row.done, row.orphan.certainty) == ("left", "possible") for row in rows.values())
        with posix.MessageQueue.open(name) as left:
            assert left.receive(timeout=WAIT).body == b"for later"
    finally:
        posix.remove_queue(name)


def test_N06_a_fifo_is_made_to_stay(tmp_path):
    path = str(tmp_path / "fifo")
    killed(lambda: Fifo.create(path).reader(persistent=True))
    row = collect(["fifo"], [str(tmp_path)], likely=True)["fifo", path]
    assert (row.done, row.orphan.certainty) == ("left", "possible") and os.path.exists(path)
    with Fifo.open(path).reader(persistent=True):
        assert collect(["fifo"], [str(tmp_path)]) == {}


PYTHON_S = """
import os, signal
from multiprocessing import resource_tracker, shared_memory
made = shared_memory.SharedMemory(create=True, size=5000)
print(made.name, flush=True)
os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_N06_shared_memory_of_killed_python_programs_is_known_by_its_name():
    done = subprocess.run([sys.executable, "-c", PYTHON_S], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    name = f"/{done.stdout.strip()}"
    try:
        row = collect(["posix"], matching=name)["posix-memory", name]
        assert "Python's multiprocessing.shared_memory" in row.orphan.why and row.done == "left"
        if procfs.snapshot().hidden:
            assert row.orphan.certainty == "possible"
        else:
            assert collect(["posix"], likely=True, matching=name)["posix-memory", name].done == "removed"
            assert not os.path.exists(f"/dev/shm{name}")
    finally:
        with suppress(FileNotFoundError):
            posix.remove_memory(name)


def test_N06_pinned_memory_of_a_running_postgresql_is_not_touched():
    """It keeps segments that no backend has mapped at this moment, and opens them again by name."""
    names = [f"/PostgreSQL.{os.getpid()}{n}" for n in (1, 2)]
    with posix.SharedMemory.create(names[0], 4096) as used, removed_later(used):
        posix.SharedMemory.create(names[1], 4096).close()
        try:
            row = collect(["posix"], likely=True, matching=names[1])["posix-memory", names[1]]
            assert (row.done, row.orphan.certainty) == ("left", "possible")
            assert "which runs and may come back to it" in row.orphan.why
        finally:
            posix.remove_memory(names[1])


# whose it is, and what cannot be seen ---------------------------------------------------------------------------------


def test_N06_what_belongs_to_others_is_left_to_root(as_nobody, tmp_path):
    _pid, number = killed(segment, sysv.Key.PRIVATE, 0o666)
    killed(lambda: sockets.listen(str(tmp_path / "s"), mode=0o666))
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)

    def look():
        rows = collect(["sysv-segment", "socket"], [str(tmp_path)])
        row = rows["sysv-segment", number]
        assert (row.done, row.because) == ("left", "it belongs to somebody else")
        assert all(row.done == "left" for row in rows.values())
        assert collect(["sysv-segment"], mine=True) == {}
        _pid, own = killed(segment)
        assert collect(["sysv-segment"], mine=True)["sysv-segment", own].done == "removed"

    as_nobody(look)
    assert os.path.exists(tmp_path / "s")
    assert collect(["sysv-segment"])["sysv-segment", number].done == "removed"


IN_A_PID_NAMESPACE = """
from unixipc import inspector
for row in inspector.collect(["sysv"], likely=True, older_than_s=0, folders=[]):
    print(row.done, row.orphan.certainty, row.orphan.why)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a pid namespace")
def test_N06_pids_of_another_namespace_prove_nothing():
    """There, every process that used it is pid 0 to us, and those that may come are invisible."""
    (_p, one), (_p, two), (_p, three) = killed(segment), killed(queue, 0x4711), killed(a_set, 0x4711)
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", IN_A_PID_NAMESPACE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"no pid namespace can be made here: {done.stderr}")
    lines = done.stdout.splitlines()
    assert not done.stderr and all(line.startswith("left possible") for line in lines), done
    assert any("creator in another pid namespace" in line for line in lines)
    for thing in (sysv.SharedMemory(one), sysv.MessageQueue(two), sysv.SemaphoreSet(three)):
        thing.remove()


def test_N06_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="'turnip' is no kind"):
        inspector.collect(["turnip"])


def test_N06_the_usual_folders_are_those_of_living_sockets_too(tmp_path):
    with sockets.listen(str(tmp_path / "live")) as live:
        assert str(tmp_path) in stale.usual_folders()
        live.remove()


def test_N06_a_process_whose_first_thread_has_ended_still_remembers():
    """It looks like a zombie, and lives."""
    code = "import os, threading, time; threading.Thread(target=lambda: (print(flush=True), time.sleep(60))).start()\n"
    code += "import ctypes; ctypes.CDLL(None).pthread_exit(None)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as child:
        try:
            assert child.stdout.readline()
            while b") Z" not in read(f"/proc/{child.pid}/stat"):
                os.sched_yield()
            living = lineage.Living([child.pid])
            assert [each.pid for each in living.witnesses] == [child.pid]
            assert living.relative_of([child.pid]) == child.pid
        finally:
            os.killpg(child.pid, signal.SIGKILL)
    assert lineage.Living([child.pid]).witnesses == []


def read(path):
    with open(path, "rb") as file:
        return file.read()
