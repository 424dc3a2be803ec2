"""What the pages look at: processes that have got stuck, in this folder. Prints "$worker", "$logger"; ends with stdin.

`deadlock`: a worker has a semaphore and wants a file lock, a logger has the lock and wants the semaphore.
`pipe`: a worker reads from a pipe, and waits for ever for its end: a logger has inherited the other side.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from unixipc import FileLock, fork, inspector, pipe, sysv

KEY = 0x4B1D
WAIT = 60


def named(name, function):
    """Nothing open but its own, and a name for ps."""

    def run():
        Path("/proc/self/comm").write_text(name)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        os.close(nowhere)
        function()

    return run


@contextmanager
def deadlock():
    """The pids of the two, once both wait."""
    told, tell = pipe()
    go, start = pipe()

    def worker():
        with semaphores[0].hold():
            tell.write_all(b"w")
            go.read(1, WAIT)
            close(told, tell, go, start)
            FileLock("state").acquire()

    def logger():
        with FileLock("state"):
            tell.write_all(b"l")
            close(told, tell, go, start)
            semaphores[0].acquire()

    with told, tell, go, start, sysv.SemaphoreSet.create(sysv.Key(KEY), [1]) as semaphores:
        with fork(named("worker", worker)) as one:
            told.read(1, WAIT)
            with fork(named("logger", logger)) as two:
                told.read(1, WAIT)
                start.write_all(b"!")
                until(lambda: inspector.why(one.pid).cycles)
                yield one.pid, two.pid
                killed(two)
            killed(one)
        semaphores.remove()


@contextmanager
def stuck_pipe():
    """The pids of who reads and who has the other side, once the first waits."""
    reader, writer = pipe()
    told, tell = pipe()

    def worker():
        writer.close(), told.close(), tell.close()
        os.read(reader.fileno(), 1)

    def logger():
        reader.close(), tell.close()
        os.read(told.fileno(), 1)

    with told, tell, reader, writer, fork(named("worker", worker)) as one, fork(named("logger", logger)) as two:
        reader.close(), writer.close(), told.close()
        until(lambda: inspector.why(one.pid).waits)
        until(lambda: len(inspector.why(two.pid).waits) == 1)
        yield one.pid, two.pid
        killed(one), killed(two)


def close(*ends):
    """All of them."""
    for end in ends:
        end.close()


def until(condition):
    """The kernel tells nobody that a process has fallen asleep."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def killed(child):
    """It is gone."""
    child.kill()
    child.wait(timeout=WAIT)


if __name__ == "__main__":
    with ExitStack() as things:
        worker_pid, logger_pid = things.enter_context({"deadlock": deadlock, "pipe": stuck_pipe}[sys.argv[1]]())
        print(worker_pid, logger_pid, flush=True)
        sys.stdin.read()
