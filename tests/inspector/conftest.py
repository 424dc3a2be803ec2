"""One object of each kind, made by a C program or by this library: the same in both; and three worlds to look from."""

from __future__ import annotations

import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager

import pytest

from unixipc import Exited, Fifo, FileLock, MemFd, RecordLock, channel, fork, map_file, pipe, posix, sockets, sysv

WAIT = 20
NOBODY = 65534
HERE = pathlib.Path(__file__).parent
OURS = ("channel", "topic")


@pytest.fixture(scope="session")
def makers_in_c():
    """The folder with the compiled programs, where every user may run them."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None:
        pytest.skip("no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        flags = ["-O1", "-Wall", "-Wextra", "-Werror"]
        maker = [*compiler, "-std=gnu11", *flags, "-o", f"{folder}/maker", HERE / "maker.c"]
        ring_maker = [*compiler, *flags, "-o", f"{folder}/ring_maker", HERE / "ring_maker.c"]
        for command in (maker, [*ring_maker, *shlex.split(channel.c_flags())]):
            subprocess.run(command, check=True, timeout=100)
        yield folder


@pytest.fixture(params=["C", "Python"])
def made(request):
    """``with made(kind, name) as (id, pid)``: an object in a process."""
    if request.param == "Python":
        return made_here
    folder = request.getfixturevalue("makers_in_c")

    @contextmanager
    def made_in_c(kind, name):
        words = [str(int(name)) if isinstance(name, int) else name]
        if kind in OURS:
            words = [f"/dev/shm/unixipc.channel.{name}"]
        program = f"{folder}/{'ring_maker' if kind in OURS else 'maker'}"
        with subprocess.Popen([program, kind, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                line = process.stdout.readline()
                assert line, "the C program could not make it"
                yield int(line), process.pid
            finally:
                process.stdin.close()
                assert process.wait(WAIT) == 0

    return made_in_c


class World:
    """Where a test looks from: as who runs the tests, as nobody, or in namespaces of its own as a container has them.

    ``world(function)`` runs it there; a skip in there is a skip here. `folder` may be written there.
    """

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def __call__(self, function, *args):
        if self.name == "as we are":
            function(*args)
            return
        reason = pathlib.Path(self.folder, "why-skipped")
        with fork(_skips_noted, reason, self._enter, reason, function, *args) as child:
            assert child.wait(timeout=3 * WAIT) == Exited(0)
        if reason.exists():
            pytest.skip(reason.read_text())

    def _enter(self, reason, function, *args):
        if self.name == "nobody":
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)  # others of this user may look into it, as into any program
            return function(*args)
        enter_namespaces()
        with fork(_skips_noted, reason, _first_of_a_container, function, *args) as child:
            return 0 if child.wait(timeout=2 * WAIT) == Exited(0) else 1


def _skips_noted(reason, function, *args):
    try:
        return function(*args)
    except pytest.skip.Exception as skipped:
        reason.write_text(str(skipped))


NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
PR_SET_DUMPABLE = 4
PRIVATE = 0x4000 | 0x40000  # MS_REC, MS_PRIVATE


def enter_namespaces():
    """As ``unshare --ipc --mount --pid --net --user --map-root-user`` does; our next child is in all of them."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(NEW_MOUNTS | NEW_IPC | NEW_USER | NEW_PIDS | NEW_NET):
        pytest.skip(f"no namespaces of a container here: {os.strerror(ctypes.get_errno())}")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        pathlib.Path("/proc/self", name).write_text(text)


def _first_of_a_container(function, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount(b"none", b"/", None, PRIVATE, None)
    for kind, place in ((b"proc", b"/proc"), (b"tmpfs", b"/dev/shm")):
        if libc.mount(kind, place, kind, 0, None):
            pytest.skip(f"a container may not mount {place.decode()} here: {os.strerror(ctypes.get_errno())}")
    return function(*args)


@pytest.fixture(params=["as we are", "nobody", "container"])
def world(request):
    """Each of them in turn."""
    if request.param == "nobody" and os.geteuid():
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield World(request.param, folder)


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


def _mapping(things, path):
    with open(path, "xb") as file:
        file.truncate(8192)
    things.callback(os.unlink, path)
    things.enter_context(map_file(path, "rw"))


def _signals(things, _name):
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    things.callback(signal.pthread_sigmask, signal.SIG_SETMASK, old)
    signal.raise_signal(signal.SIGUSR2)  # to this thread: another one may not have it blocked
    things.callback(signal.sigtimedwait, {signal.SIGUSR2}, 0)


def _channel(things, name):
    queue = things.enter_context(channel.Queue.create(name, capacity_bytes=4096, mode=0o640))
    things.callback(queue.remove)
    things.enter_context(queue.sender()).send(b"hello")


def _topic(things, name):
    topic = things.enter_context(channel.Topic.create(name, capacity_bytes=4096, mode=0o640))
    things.callback(topic.remove)
    things.enter_context(topic.publisher())


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
    "mapping": _mapping,
    "signals": _signals,
    "channel": _channel,
    "topic": _topic,
}
