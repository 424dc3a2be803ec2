"""Looking changes nothing: registrations, locks, ends of pipes, children of who looks stay as they are."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal

import pytest

from unixipc import PeerGone, fork, inspector, pipe, posix, signals

WAIT = 20
KINDS = (*inspector.KINDS, None)


def look_at_everything():
    for kind in KINDS:
        inspector.ls(kind)
    inspector.why()
    inspector.graph()
    inspector.orphans()


def test_a_registration_at_a_queue_outlasts_a_look():
    """The kernel withdraws it when the registered process closes any descriptor of the queue. -- mq_notify(3)"""
    with posix.MessageQueue.create("/unixipc-registered", max_messages=2) as queue:
        try:
            with signals.SignalStream(signal.SIGUSR1) as stream:
                queue.notify(signal.SIGUSR1)
                look_at_everything()
                inspector.who("/unixipc-registered")
                (row,) = [row for row in inspector.ls("posix-queue") if row.id == "/unixipc-registered"]
                assert (row.notified_pid, row.used_bytes) == (os.getpid(), 0)
                with fork(send) as child:
                    assert child.wait(WAIT).code == 0
                assert stream.receive(WAIT).signal == signal.SIGUSR1
        finally:
            queue.remove()


def send():
    with posix.MessageQueue.open("/unixipc-registered") as queue:
        queue.send(b"!")


def test_our_posix_locks_outlast_a_look_at_a_file_that_others_have_open_too(tmp_path):
    """They would go with any descriptor of the file that this process closes. -- fcntl(2)

    As long as a channel, mapped, and open in a process with a smaller number: so it is looked into there.
    """
    path = tmp_path / "database"
    path.write_bytes(bytes(16384 + 4096))
    read, write = os.pipe()
    told, tell = os.pipe()

    def lock_and_look():
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0):
            fcntl.lockf(file, fcntl.LOCK_EX)
            look_at_everything()
            (row,) = [row for row in inspector.ls("lock") if row.path == str(path)]
            assert row.holders == (os.getpid(),)
            os.write(tell, b"!")
            os.read(read, 1)

    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0), fork(lock_and_look) as child:
        assert os.read(told, 1) == b"!"
        with pytest.raises(BlockingIOError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(write, b"!")
        assert child.wait(WAIT).code == 0
    for fd in (read, write, told, tell):
        os.close(fd)


def test_our_posix_locks_outlast_a_look_at_shared_memory_and_memory_files():
    with posix.SharedMemory.create("/unixipc-locked", 4096) as memory:
        fd = os.memfd_create("unixipc-locked", os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, 100)
            for each in (memory.fileno(), fd):
                fcntl.lockf(each, fcntl.LOCK_EX)
            look_at_everything()
            held = {(row.type, row.pid) for row in inspector.ls("lock") if row.id.endswith(f":{os.fstat(fd).st_ino}")}
            assert held == {("posix", os.getpid())}
            found = os.fstat(memory.fileno())
            name = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
            assert [row.pid for row in inspector.ls("lock") if row.id == name] == [os.getpid()]
        finally:
            os.close(fd)
            memory.remove()


def test_nobody_is_told_of_the_process_that_looks():
    """No SIGCHLD, and no wait(2) finds it."""
    came = []
    before = signal.signal(signal.SIGCHLD, lambda *_: came.append(1))
    try:
        with posix.MessageQueue.create("/unixipc-quiet") as queue:
            queue.remove()
            look_at_everything()
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        assert not came
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_fifo_in_the_place_of_shared_memory_is_not_opened():
    """Who waits for the other side of a FIFO would be woken by that."""
    path = "/dev/shm/unixipc-fifo"
    os.mkfifo(path)
    try:
        from unixipc.inspector import files

        assert files.glances([path, "/dev/null", "/", "/no/such/file"], 64) == [None] * 4
    finally:
        os.unlink(path)


def test_a_pipe_s_other_side_sees_nothing_of_a_look():
    """Its last reader goes while we look again and again: the writer is told so at once, not after the look."""
    reader, writer = pipe()
    with reader, writer:
        look_at_everything()
        reader.close()
        with pytest.raises(PeerGone):
            writer.try_write(b"!")
        inspector.ls("pipe")
        with pytest.raises(PeerGone):
            writer.try_write(b"!")
