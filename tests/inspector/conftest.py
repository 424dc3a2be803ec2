"""One object of each kind, made by a C program or by this library: the same in both."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import subprocess
from contextlib import ExitStack, contextmanager

import pytest

from unixipc import Fifo, FileLock, MemFd, RecordLock, pipe, posix, sockets, sysv

WAIT = 20
SOURCE = pathlib.Path(__file__).with_name("maker.c")


@pytest.fixture(scope="session")
def maker_in_c(tmp_path_factory):
    """The compiled program."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("inspector") / "maker"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler, *flags, "-o", program, SOURCE], check=True, timeout=100)
    return program


@pytest.fixture(params=["C", "Python"])
def made(request):
    """``with made(kind, name) as (id, pid)``: an object in a process."""
    if request.param == "Python":
        return made_here
    program = request.getfixturevalue("maker_in_c")

    @contextmanager
    def made_in_c(kind, name):
        command = [program, kind, str(int(name)) if isinstance(name, int) else name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                line = process.stdout.readline()
                assert line, "the C program could not make it"
                yield int(line), process.pid
            finally:
                process.stdin.close()
                assert process.wait(WAIT) == 0

    return made_in_c


@contextmanager
def made_here(kind, name):
    """The same by this library, in this process."""
    with ExitStack() as things:
        yield MAKERS[kind](things, name), os.getpid()


def _queue(things, key):
    queue = things.enter_context(sysv.MessageQueue.create(key, mode=0o640))
    things.callback(queue.remove)
    queue.send(b"hello", type=3)
    return queue.id


def _set(things, key):
    made = things.enter_context(sysv.SemaphoreSet.create(key, [0, 4, 0], mode=0o640))
    things.callback(made.remove)
    return made.id


def _segment(things, key):
    memory = things.enter_context(sysv.SharedMemory.create(key, 5000, mode=0o640))
    things.callback(memory.remove)
    things.enter_context(memory.attach())
    return memory.id


def _posix_queue(things, name):
    queue = things.enter_context(posix.MessageQueue.create(name, max_messages=4, max_message_bytes=100, mode=0o640))
    things.callback(queue.remove)
    queue.send(b"hello", priority=1)


def _posix_semaphore(things, name):
    semaphore = things.enter_context(posix.Semaphore.create(name, initial=7, mode=0o640))
    things.callback(semaphore.remove)


def _posix_memory(things, name):
    memory = things.enter_context(posix.SharedMemory.create(name, 8192, mode=0o640))
    things.callback(memory.remove)


def _lock(things, path, kind):
    file = things.enter_context(open(path, "w+b"))
    things.callback(os.unlink, path)
    lock = FileLock(file, shared=True) if kind == "flock" else RecordLock(file, 10, 5, kind=kind)
    things.enter_context(lock)


def _fifo(things, path):
    fifo = things.enter_context(Fifo.create(path))
    things.callback(fifo.remove)
    things.enter_context(fifo.reader(persistent=True))


def _pipe(things, _name):
    reader, writer = pipe()
    things.enter_context(reader)
    things.enter_context(writer)
    return os.fstat(reader.fileno()).st_ino


def _listener(things, path):
    listener = things.enter_context(sockets.listen(path, kind="seqpacket"))
    things.callback(os.unlink, path)
    return os.fstat(listener.fileno()).st_ino


def _pair(things, _name):
    a, b = sockets.pair()
    things.enter_context(a)
    things.enter_context(b)
    b.write_all(b"hello")
    return os.fstat(a.fileno()).st_ino


def _memfd(things, name):
    file = things.enter_context(MemFd.create(name, 4096))
    file.seal("shrink", "grow")
    return os.fstat(file.fileno()).st_ino


MAKERS = {
    "sysv-queue": _queue,
    "sysv-set": _set,
    "sysv-segment": _segment,
    "posix-queue": _posix_queue,
    "posix-semaphore": _posix_semaphore,
    "posix-memory": _posix_memory,
    "flock": lambda things, path: _lock(things, path, "flock"),
    "ofd": lambda things, path: _lock(things, path, "ofd"),
    "posix": lambda things, path: _lock(things, path, "posix"),
    "fifo": _fifo,
    "pipe": _pipe,
    "listener": _listener,
    "pair": _pair,
    "memfd": _memfd,
}
