"""Every queue of the namespace, as the kernel's own table, `lsipc` and `ipcs` tell it: N01, Q14."""

import json
import os
import shutil
import subprocess
import time

import pytest

from unixipc import fork, sysv
from unixipc.sysv import Key, MessageQueue

WAIT = 20


@pytest.fixture
def three():
    """An empty one, one that was used by two processes, one with mode 0; with and without a key."""
    key = Key(0x80000000 | os.getpid())
    with MessageQueue.create(key, 0o640) as empty, MessageQueue.temporary(0o602) as used:
        shut = MessageQueue.temporary(0)
        used.send(b"taken")
        with fork(lambda: used.receive(timeout=WAIT) and 0) as child:
            child.wait(timeout=WAIT)
        used.send(b"12345", 2**40)
        used.send(b"678")
        used.resize(4321)
        yield empty, used, shut
        empty.remove()
        shut.close()


def proc_table():
    """/proc/sysvipc/msg as dictionaries."""
    with open("/proc/sysvipc/msg") as lines:
        names, *rows = [line.split() for line in lines]
    return [dict(zip(names, map(int, row), strict=True)) for row in rows]


def as_proc_has_it(row):
    of = row.permissions
    return {
        "key": of.key.signed, "msqid": row.id, "perms": int(f"{of.mode:o}"),
        "cbytes": row.used_bytes, "qnum": row.messages, "lspid": row.last_sender_pid, "lrpid": row.last_receiver_pid,
        "uid": of.uid, "gid": of.gid, "cuid": of.creator_uid, "cgid": of.creator_gid,
        "stime": row.sent_at or 0, "rtime": row.received_at or 0, "ctime": row.changed_at,
    }  # fmt: skip


def test_N01_the_list_is_proc_sysvipc_msg_field_by_field(three):
    assert [as_proc_has_it(row) for row in sysv.queues()] == proc_table()
    assert {queue.id for queue in three} <= {row.id for row in sysv.queues()}


def test_Q14_each_row_is_what_stat_says(three):
    rows = {row.id: row for row in sysv.queues()}
    for queue in three:
        assert rows[queue.id] == queue.stat()


LSIPC = "KEY,ID,PERMS,UID,GID,CUID,CGID,USEDBYTES,MSGS,SEND,RECV,LSPID,LRPID,CTIME"


def as_lsipc_has_it(row):
    def moment(at):
        return at and time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + "+00:00"

    of = row.permissions
    rights = "".join(letter if of.mode >> 8 - n & 1 else "-" for n, letter in enumerate("rwxrwxrwx"))
    return {
        "key": f"0x{of.key:08x}", "id": str(row.id), "perms": rights,
        "uid": str(of.uid), "gid": str(of.gid), "cuid": str(of.creator_uid), "cgid": str(of.creator_gid),
        "usedbytes": str(row.used_bytes), "msgs": str(row.messages),
        "send": moment(row.sent_at), "recv": moment(row.received_at), "ctime": moment(row.changed_at),
        "lspid": str(row.last_sender_pid), "lrpid": str(row.last_receiver_pid),
    }  # fmt: skip


def test_N01_the_list_is_what_lsipc_says_field_by_field(three):
    if not shutil.which("lsipc"):
        pytest.skip("lsipc is not installed")
    command = ["lsipc", "-q", "-J", "-b", "--time-format=iso", "-o", LSIPC]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    told = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=True, env=environment).stdout
    theirs = next(iter(json.loads(told).values()))
    assert [as_lsipc_has_it(row) for row in sysv.queues()] == theirs


def test_N01_the_capacity_is_what_ipcs_says(three):
    if not shutil.which("ipcs"):
        pytest.skip("ipcs is not installed")
    for row in sysv.queues():
        command = ["ipcs", "-q", "-i", str(row.id)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=True).stdout
        assert f"qbytes={row.capacity_bytes}\t" in told


def test_Q14_what_we_may_not_read_is_listed_too(three, as_nobody):
    everything = sysv.queues()

    def child():
        with pytest.raises(PermissionError):
            three[2].stat()
        assert sysv.queues() == everything

    as_nobody(child)


def test_Q14_without_queues_the_list_is_empty():
    before = sysv.queues()
    with MessageQueue.temporary() as queue:
        assert [row.id for row in sysv.queues() if row not in before] == [queue.id]
    assert sysv.queues() == before


def test_Q14_the_list_is_whole_while_others_come_and_go():
    """Each row is one moment of one queue; those that stay are in every list."""

    def churn():
        while True:
            with MessageQueue.temporary() as one, MessageQueue.temporary() as other:
                one.send(b"x")
                other.send(b"xy")

    with MessageQueue.temporary() as first, fork(churn) as child:
        for _ in range(300):
            rows = sysv.queues()
            assert first.id in {row.id for row in rows}
            assert all((row.messages, row.used_bytes) in {(0, 0), (1, 1), (1, 2)} for row in rows)
            assert len({row.id for row in rows}) == len(rows)
        child.kill()
        child.wait(timeout=WAIT)
        for row in sysv.queues():
            if row.id != first.id:
                MessageQueue(row.id).remove()


def test_N01_many_queues_are_listed_in_the_order_of_their_slots():
    queues = [MessageQueue.temporary() for _ in range(200)]
    del queues[::3]
    assert [row.id for row in sysv.queues()] == [row["msqid"] for row in proc_table()]
    assert {queue.id for queue in queues} <= {row.id for row in sysv.queues()}
