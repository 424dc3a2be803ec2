"""A refusal says whose the object is, which file was meant, and what a leftover or a foreign spelling means."""

from __future__ import annotations

import errno
import os
import socket
import stat
import uuid

import pytest

from unixipc import Exited, FileLock, RecordLock, channel, fork, inspector, posix, sockets
from unixipc.compat import sysv_ipc
from unixipc.sysv import MessageQueue, SemaphoreSet, SharedMemory

WAIT = 30
USES = {
    "queue": (lambda: MessageQueue.create(0x5EED0100), lambda: MessageQueue.open(0x5EED0100).send(b"x")),
    "set": (lambda: SemaphoreSet.create(0x5EED0101, [1]), lambda: SemaphoreSet.open(0x5EED0101)),
    "segment": (lambda: SharedMemory.create(0x5EED0102, 100), lambda: SharedMemory.open(0x5EED0102).attach()),
    "queue, by id": (lambda: MessageQueue.temporary(), lambda made: MessageQueue(made.id).send(b"x")),
    "segment, to change": (lambda: SharedMemory.create(0x5EED0103, 100),
                           lambda: SharedMemory.open(0x5EED0103).set_permissions(mode=0o666)),
}  # fmt: skip


@pytest.mark.parametrize("what", USES)
def test_a_refusal_of_system_v_says_owner_and_mode(own_ipc_namespace, as_nobody, what):
    make, use = USES[what]
    with make() as made:

        def child():
            with pytest.raises(PermissionError) as caught:
                use(made) if what.endswith("id") else use()
            assert "owner uid 0, gid 0, mode 0600" in " ".join(caught.value.__notes__)

        try:
            as_nobody(child)
        finally:
            if not what.endswith("id"):
                made.remove()


def test_a_channel_that_may_not_be_made_is_named_by_its_path(tmp_path_factory, as_nobody):
    folder = tmp_path_factory.mktemp("closed")
    for each in (folder, folder.parent):
        each.chmod(0o755)

    def child():
        with pytest.raises(PermissionError) as caught:
            channel.Queue.create(f"{folder}/c")
        assert caught.value.filename == f"{folder}/c"
        assert f"write permission on {folder}" in caught.value.__notes__[0]

    if all(each.stat().st_mode & 0o001 for each in folder.parents):
        as_nobody(child)


@pytest.mark.parametrize("lock", [FileLock, RecordLock])
def test_another_users_writable_lock_file_in_a_sticky_folder(tmp_path_factory, as_nobody, lock):
    folder = tmp_path_factory.mktemp("sticky")
    file = folder / "lock"
    file.touch()
    file.chmod(0o666)
    folder.chmod(0o1777)
    folder.parent.chmod(0o755)
    sysctl = "/proc/sys/fs/protected_regular"
    with open(sysctl) as was:
        before = was.read()
    try:
        with open(sysctl, "w") as now:
            now.write("2")
    except OSError:
        pass  # then it is tried with what holds here
    try:
        if all(each.stat().st_mode & 0o001 for each in folder.parents):
            as_nobody(lambda: lock(file, mode=0o666).acquire(0))
    finally:
        try:
            with open(sysctl, "w") as now:
                now.write(before)
        except OSError:
            pass


@pytest.fixture
def leftover():
    """An object as a C program leaves it that was killed between shm_open and ftruncate."""
    name = f"/left-{uuid.uuid4().hex[:8]}"
    os.close(os.open(f"/dev/shm{name}", os.O_CREAT | os.O_RDWR, 0o600))
    yield name
    posix.memory.remove_memory(name)


def test_a_leftover_of_length_0_is_taken_over(leftover):
    with posix.SharedMemory.ensure(leftover, 4096, 0o640) as memory:
        assert memory.size_bytes == 4096
        assert stat.S_IMODE(os.fstat(memory.fileno()).st_mode) == 0o640
        with memory.map() as mapped:
            mapped.buffer[4095] = 7


def test_what_somebody_has_open_is_his(leftover):
    with open(f"/dev/shm{leftover}", "r+b"), pytest.raises(OSError) as caught:
        posix.SharedMemory.ensure(leftover, 4096)
    assert caught.value.errno == errno.EINVAL
    assert os.stat(f"/dev/shm{leftover}").st_size == 0


def test_many_take_it_over_at_once(leftover):
    def child():
        with posix.SharedMemory.ensure(leftover, 4096) as memory, memory.map() as mapped:
            assert memory.size_bytes == 4096
            mapped.buffer[0] = 1

    children = [fork(child) for _ in range(8)]
    for each in children:
        with each:
            assert each.wait(timeout=WAIT) == Exited(0)


def test_an_abstract_name_is_no_file():
    name = f"@gone-{uuid.uuid4().hex[:8]}"
    with pytest.raises(ConnectionRefusedError) as caught:
        sockets.connect(name)
    text = " ".join(caught.value.__notes__)
    assert "file" not in text and "network namespace" in text and "NUL" not in text


def test_an_abstract_name_with_nul_bytes_behind_it():
    name = f"nul-{uuid.uuid4().hex[:8]}"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(b"\0" + name.encode() + bytes(10))
        bound.listen()
        with pytest.raises(ConnectionRefusedError) as caught:
            sockets.connect(f"@{name}")
        assert "NUL" in " ".join(caught.value.__notes__)
        assert [each.pid for each in inspector.who(f"@{name}")] == [os.getpid()]


@pytest.mark.parametrize("kind", [sysv_ipc.MessageQueue, sysv_ipc.SharedMemory])  # the other one takes them there
def test_flags_in_the_mode_are_told_of(own_ipc_namespace, kind):
    with pytest.raises(sysv_ipc.ExistentialError) as caught:
        kind(0x5EED0104, mode=sysv_ipc.IPC_CREAT | 0o666)
    assert "flags=" in " ".join(caught.value.__notes__)
    with pytest.raises(sysv_ipc.ExistentialError) as caught:
        kind(0x5EED0104, mode=0o666)
    assert "flags=" not in " ".join(caught.value.__notes__)


def test_one_refusal_has_the_words_of_the_library_it_stands_for(own_ipc_namespace):
    made = sysv_ipc.Semaphore(None, sysv_ipc.IPC_CREX)
    with pytest.raises(ValueError) as caught:
        made.acquire(delta=0)
    assert str(caught.value) == "The delta must be non-zero"
    made.remove()
