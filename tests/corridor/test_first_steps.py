"""Calls as a newcomer writes them: the error says what to write instead, in every room alike."""

from __future__ import annotations

import errno
import os
import signal
import uuid

import anyio
import pytest

from unixipc import FileLock, RecordLock, aio, channel, robust, signals
from unixipc._call import failure
from unixipc.locks import probe
from unixipc.sysv import Key, MessageQueue, Semaphore, SemaphoreSet, SharedMemory

KINDS = [MessageQueue, SemaphoreSet, SharedMemory]
BACKENDS = ["asyncio", "trio"]


def said(error):
    return " ".join([str(error), *getattr(error, "__notes__", ())])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [Key(0x4B1D), 0x4B1D, 0xF0004B1D, "0x4b1d"], ids=["Key", "number", "large", "text"])
def test_a_key_where_an_id_belongs(own_ipc_namespace, kind, key):
    with pytest.raises((TypeError, ValueError, OSError)) as caught:
        kind(key)
    assert f"{kind.__name__}.open(key)" in said(caught.value)
    assert "somebody removed it" not in said(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["create", "open", "ensure"])
def test_a_path_where_a_key_belongs(kind, method):
    words = {"open": ()}.get(method, {MessageQueue: (), SemaphoreSet: ([1],), SharedMemory: (100,)}[kind])
    with pytest.raises(TypeError, match=r"Key\.ftok\(path, id\)"):
        getattr(kind, method)("somefile", *words)


@pytest.mark.parametrize("wrong", ["x", b"x", None, 1.5, [1]])
def test_what_is_no_key(wrong):
    with pytest.raises(TypeError, match=r"Key\.ftok\(path, id\)"):
        Key(wrong)


@pytest.mark.parametrize("make", [SemaphoreSet.create, SemaphoreSet.ensure])
def test_a_number_where_a_list_of_values_belongs(make):
    with pytest.raises(TypeError, match=r"\[0\] \* 3"):
        make(0x4B1D, 3)
    with pytest.raises(TypeError, match=r"\[0\] \* 3"):
        SemaphoreSet.temporary(3)


@pytest.mark.parametrize("make", [Semaphore.create, Semaphore.ensure])
def test_a_list_where_one_value_belongs(make):
    with pytest.raises(TypeError, match="SemaphoreSet"):
        make(0x4B1D, [1])


@pytest.mark.parametrize("ops", [([(0, -1)],), (0, -1), ((0, -1, 0),), ("ab",), (None,)])
def test_operations_that_are_none(own_ipc_namespace, ops):
    with SemaphoreSet.temporary([1]) as made:
        for call in (made.op, made.try_op):
            with pytest.raises(TypeError, match=r"op\(\(0, -1\)\)"):
                call(*ops)
        assert made.values == (1,)


@pytest.mark.parametrize("backend", BACKENDS)
def test_operations_that_are_none_from_a_task(own_ipc_namespace, backend):
    async def main():
        with SemaphoreSet.temporary([1]) as made:
            with pytest.raises(TypeError, match=r"op\(\(0, -1\)\)"):
                await aio.sysv.SemaphoreSet(made).op([(0, -1)])

    anyio.run(main, backend=backend)


@pytest.mark.parametrize(("type", "advice"), [(-2, "up_to=2"), (0, "without `type`")])
def test_a_type_as_msgrcv_has_it(own_ipc_namespace, type, advice):
    with MessageQueue.temporary() as queue:
        for call in (queue.receive, queue.try_receive):
            with pytest.raises(OSError) as caught:
                call(type)
            assert caught.value.errno == errno.EINVAL and advice in said(caught.value)


def test_a_name_where_a_pid_belongs():
    with pytest.raises(TypeError, match="a pid, a Child or a Process"):
        signals.send("x", 15)
    with pytest.raises(TypeError, match=r"signal\.SIGTERM"):
        signals.send(os.getpid(), "SIGTERM")
    signals.send(os.getpid(), 0)
    assert signal.SIGTERM


ROBUST = [(robust.Mutex, ()), (robust.Semaphore, (1,)), (robust.RWLock, ()), (robust.Condition, ())]


@pytest.mark.parametrize(("kind", "words"), ROBUST, ids=lambda each: getattr(each, "__name__", ""))
def test_a_word_is_a_name_for_robust_locks_as_for_channels(kind, words):
    word = f"first-{uuid.uuid4().hex[:8]}"
    with_slash = f"/{word}"
    for make in (kind.create, kind.ensure):
        made = make(word, *words)
        assert made.name == with_slash
        for name in (word, with_slash):
            kind.open(name).close()
        made.remove()
        made.close()
    with pytest.raises(OSError, match="one word"):
        kind.open("two/words")


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_what_happens_often_is_said_in_words(code):
    """Not: see the manual page."""
    often = {"ENOENT", "ENOTDIR", "EISDIR", "EACCES", "EPERM", "ENOSPC", "EROFS", "ELOOP", "EBADF", "ENOMEM", "EINVAL"}
    note = failure(code, "open(2)", "x").__notes__[0]
    assert "man page" not in note or errno.errorcode[code] not in often


@pytest.mark.parametrize(
    "call",
    [lambda path: FileLock(path).acquire(), lambda path: RecordLock(path).acquire(),
     lambda path: channel.Queue.create(path), lambda path: Key.ftok(path, 1)],
    ids=["FileLock", "RecordLock", "Queue", "ftok"],
)  # fmt: skip
def test_a_missing_folder_is_called_so(tmp_path, call):
    with pytest.raises(FileNotFoundError) as caught:
        call(str(tmp_path / "missing" / "x"))
    assert "missing" in caught.value.filename
    assert "man page" not in said(caught.value) and (
        "folder" in said(caught.value) or "file must" in said(caught.value)
    )


def test_a_channel_that_is_too_large_says_what_helps():
    with pytest.raises(OSError) as caught:
        channel.Queue.create(f"first-{uuid.uuid4().hex[:8]}", capacity_bytes=1 << 40)
    if caught.value.errno == errno.ENOSPC:
        for advice in ("capacity_bytes=", "a path", "--shm-size"):
            assert advice in said(caught.value)
    else:
        assert caught.value.errno == errno.ENOMEM, "the machine has less memory than /dev/shm may have"


@pytest.mark.parametrize("kind", ["ofd", "posix"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_record_lock_makes_its_file(tmp_path, kind, shared):
    path = tmp_path / "made"
    with RecordLock(path, 10, 10, kind=kind, shared=shared), open(path, "r+b") as file:
        assert path.stat().st_mode & 0o777 == 0o600
        assert kind == "posix" or probe(file) is not None
    assert path.exists()
    with pytest.raises(FileNotFoundError):
        RecordLock(tmp_path / "other", mode=-1).acquire()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_awaitable_record_lock_makes_its_file(tmp_path, backend):
    async def main():
        async with aio.RecordLock(tmp_path / "made", 10, 10):
            assert (tmp_path / "made").exists()

    anyio.run(main, backend=backend)
