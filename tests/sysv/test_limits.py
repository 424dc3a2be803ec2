"""Limits and usage of an IPC namespace, and namespaces themselves: N07, N08."""

import ctypes
import errno
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from unixipc import Exited, fork, sysv
from unixipc.sysv import Key, MessageQueue, SemaphoreSet, SharedMemory
from unixipc.testing.namespaces import enter_own_ipc_namespace

WAIT = 20
NOBODY = 65534
NEWIPC = 0x08000000
PR_SET_DUMPABLE = 4
KERNEL = pathlib.Path("/proc/sys/kernel")


def numbers(name):
    return [int(word) for word in (KERNEL / name).read_text().split()]


def test_N07_limits_are_the_sysctls():
    limits = sysv.limits()
    assert [limits.queues] == numbers("msgmni")
    assert [limits.message_bytes] == numbers("msgmax")
    assert [limits.queue_bytes] == numbers("msgmnb")
    assert [limits.semaphores_per_set, limits.semaphores, limits.operations_per_call, limits.sets] == numbers("sem")
    shared = [limits.segments, limits.segment_bytes, limits.memory_pages]
    assert shared == [*numbers("shmmni"), *numbers("shmmax"), *numbers("shmall")]
    assert limits.semaphore_value == 32767


def test_N07_every_limit_names_its_sysctl():
    fields = {name for name in dir(sysv.limits()) if not name.startswith("_")}
    assert fields == set(sysv.SYSCTLS)
    for name in sysv.SYSCTLS.values():
        if name.startswith("kernel."):
            assert (KERNEL / name.split(",")[0].removeprefix("kernel.")).exists(), name


def test_N07_limits_agree_with_lsipc():
    if not shutil.which("lsipc"):
        pytest.skip("lsipc is not installed")
    told = subprocess.run(["lsipc", "-J", "-b"], capture_output=True, text=True, timeout=WAIT, check=True).stdout
    theirs = {row["resource"]: row["limit"] for row in json.loads(told)["ipclimits"]}
    limits = sysv.limits()
    ours = {
        "MSGMNI": limits.queues, "MSGMAX": limits.message_bytes, "MSGMNB": limits.queue_bytes,
        "SHMMNI": limits.segments, "SHMALL": limits.memory_pages, "SHMMAX": limits.segment_bytes,
        "SEMMNI": limits.sets, "SEMMNS": limits.semaphores, "SEMMSL": limits.semaphores_per_set,
        "SEMOPM": limits.operations_per_call, "SEMVMX": limits.semaphore_value,
    }  # fmt: skip
    assert {name: int(theirs[name]) for name in ours} == ours


def test_N07_usage_counts_what_is_made():
    before = sysv.usage()
    with MessageQueue.temporary() as one, MessageQueue.temporary(), SemaphoreSet.temporary([0] * 7):
        one.send(b"12345")
        one.send(b"678")
        with SharedMemory.temporary(5000):
            now = sysv.usage()
    assert (now.queues - before.queues, now.sets - before.sets, now.segments - before.segments) == (2, 1, 1)
    assert (now.messages - before.messages, now.message_bytes - before.message_bytes) == (2, 8)
    assert now.semaphores - before.semaphores == 7
    assert now.memory_pages - before.memory_pages == -(-5000 // os.sysconf("SC_PAGESIZE"))
    assert sysv.usage() == before


def in_a_child(function):
    with fork(function) as child:
        assert child.wait(timeout=WAIT) == Exited(0)


def test_N08_another_namespace_has_objects_and_limits_of_its_own():
    key = Key.random()

    def child():
        enter_own_ipc_namespace()
        assert sysv.queues() == sysv.semaphore_sets() == sysv.segments() == []
        with pytest.raises(FileNotFoundError):
            MessageQueue.open(key)
        with MessageQueue.create(key) as same_key:
            same_key.send(b"elsewhere")
            if os.access(KERNEL / "msgmni", os.W_OK):
                (KERNEL / "msgmni").write_text("77")
                assert sysv.limits().queues == 77

    before = sysv.limits()
    with MessageQueue.create(key) as queue:
        in_a_child(child)
        assert len(queue) == 0
        assert [row.id for row in sysv.queues()] == [queue.id]
        queue.remove()
    assert sysv.limits() == before


def test_N08_a_namespaces_objects_end_with_it():
    """Nothing that is left over there is seen here, and nobody can see it any more."""

    def child():
        enter_own_ipc_namespace()
        MessageQueue.create(5).send(b"left")

    in_a_child(child)
    assert 5 not in {row.permissions.key for row in sysv.queues()}


@pytest.mark.skipif(os.geteuid() != 0, reason="setns(2) into the first one needs privilege there")
def test_N08_setns_goes_back_to_where_the_objects_are():
    with MessageQueue.temporary() as queue:

        def child():
            home = os.open("/proc/self/ns/ipc", os.O_RDONLY)
            enter_own_ipc_namespace()
            assert sysv.queues() == []
            assert ctypes.CDLL(None).setns(home, NEWIPC) == 0
            queue.send(b"home again")

        in_a_child(child)
        assert queue.receive(timeout=WAIT).body == b"home again"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_N08_a_user_without_privilege_gets_a_namespace_and_keeps_his_numbers():
    """In a user namespace of his own, where the kernel lets him have one."""

    def child():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        assert ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1) == 0  # setuid took /proc/self away, exec would give it back
        try:
            enter_own_ipc_namespace()
        except OSError as refused:
            return refused.errno
        assert (os.getuid(), os.getgid()) == (NOBODY, NOBODY)
        assert sysv.queues() == []
        with MessageQueue.temporary() as queue:
            queue.send(b"mine")
            assert queue.stat().permissions.uid == NOBODY
        return 0

    with MessageQueue.temporary(), fork(child) as nobody:
        status = nobody.wait(timeout=WAIT)
    if status in (Exited(errno.EPERM), Exited(errno.ENOSPC), Exited(errno.EINVAL)):
        pytest.skip(f"no user namespaces for users here: {os.strerror(status.code)}")
    assert status == Exited(0)
