"""A town of real processes that talk: clients and servers, pipelines, a topic, locks, a deadlock: for `ipc map`.

``python town.py FOLDER [WORKERS [TEAMS]]`` makes it, prints the pids by name as JSON, stays until its input ends, and
then ends everybody and removes what it has made. Names are those of files in FOLDER, and of channels and POSIX memory
with the folder's name in them.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path

from unixipc import Fifo, FileLock, channel, fork, pipe, posix, sockets, sysv

PR_SET_NAME, PR_SET_PDEATHSIG = 15, 1
LIMIT_S = 60


def forever() -> None:
    """Until somebody ends us."""
    while True:
        signal.pause()


class Town:
    """Starts processes under a name. A body is a generator: when it yields, it has what it should; then it waits."""

    def __init__(self, folder: Path, private: tuple[int, ...] = ()) -> None:
        self.folder, self.private = folder, private
        self.name = folder.name
        self.key = 0x0DEA0000 | zlib.crc32(str(folder).encode()) & 0xFFFF
        self.pids: dict[str, list[int]] = {}
        self.children: list = []
        self.at_end = ExitStack()

    def start(self, name: str, body, *args) -> None:
        """Fork it, and wait for its yield."""
        to_town, ready = pipe()

        def run() -> None:
            to_town.close()
            self._leave_home()
            ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)
            steps = body(*args)
            next(steps)
            ready.close()
            next(steps, None)
            forever()

        self.children.append(fork(run, death_signal=signal.SIGKILL))
        self.pids.setdefault(name, []).append(self.children[-1].pid)
        ready.close()
        assert to_town.read(1, timeout=LIMIT_S) == b""
        to_town.close()

    def _leave_home(self) -> None:
        """Nobody shares anything with the town, or with each other, but what the scene is about."""
        for number in self.private:
            os.close(number)
        errors = os.open(self.folder / "errors", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(errors, 2)
        os.close(errors)

    def make(self, kind, name, *args):
        """Something with a name that is removed at the end, and that the town itself does not keep open."""
        kind.create(name, *args).close()
        self.at_end.callback(lambda: kind.open(name).remove())
        return name

    def end(self) -> None:
        """Kill everybody, and remove what has a name."""
        for child in self.children:
            child.kill()
        for child in self.children:
            child.wait(timeout=LIMIT_S)
            child.close()
        self.at_end.close()


def pipeline(town: Town, *names: str) -> None:
    """The names, joined by pipes; who can read waits."""
    before = None
    for index, name in enumerate(names):
        after = pipe() if index + 1 < len(names) else None

        def body(before=before, after=after):
            if after:
                after[0].close()
            yield
            if before:
                before.read(1)

        town.start(name, body)
        if before:
            before.close()
        if after:
            after[1].close()
            before = after[0]


def served(town: Town, file: str, server: str, clients: dict[str, int]) -> None:
    """A server at a socket with one connection to each client."""
    path = str(town.folder / file)

    def serve():
        with sockets.listen(path) as listener:
            yield
            kept = [listener.accept(timeout=LIMIT_S) for _ in range(sum(clients.values()))]
            assert kept
            forever()

    def connect():
        connection = sockets.connect(path, timeout=LIMIT_S)
        yield
        connection.read(1)

    town.start(server, serve)
    for name, times in clients.items():
        for _ in range(times):
            town.start(name, connect)


def jobs(town: Town, makers: int, workers: int) -> None:
    """A channel of jobs; each worker publishes in a topic, which one process reads."""
    queue = town.make(channel.Queue, f"jobs-{town.name}")
    results = town.make(channel.Topic, f"results-{town.name}")

    def make():
        with channel.Queue.open(queue) as opened, opened.sender():
            yield
            forever()

    def work():
        with channel.Queue.open(queue) as opened, channel.Topic.open(results) as told:
            with opened.receiver() as receiver, told.publisher():
                yield
                receiver.receive()

    def collect():
        with channel.Topic.open(results) as told, told.subscriber() as subscriber:
            yield
            subscriber.receive()

    for name, body, times in (("scheduler", make, makers), ("worker", work, workers), ("collector", collect, 1)):
        for _ in range(times):
            town.start(name, body)


def locked(town: Town, waiters: int) -> None:
    """One holds the lock of a file, others wait for it."""
    path = town.folder / "database.lock"

    def hold():
        with FileLock(path):
            yield
            forever()

    def want():
        yield
        FileLock(path).acquire()

    town.start("backup", hold)
    for _ in range(waiters):
        town.start("importer", want)


def deadlock(town: Town) -> None:
    """Three that wait in a circle: for a pipe, a semaphore, a file lock."""
    path = town.folder / "accounts.lock"
    town.make(sysv.SemaphoreSet, town.key, [1])
    data, into = pipe()

    def billing():  # has the semaphore, reads what the auditor would write
        into.close()
        sysv.SemaphoreSet.open(town.key)[0].acquire()
        yield
        data.read(1)

    def ledger():  # has the lock, wants the semaphore
        data.close(), into.close()
        with FileLock(path):
            yield
            sysv.SemaphoreSet.open(town.key)[0].acquire()

    def auditor():  # has the pipe's end, wants the lock
        data.close()
        yield
        FileLock(path).acquire()

    for body in (billing, ledger, auditor):
        town.start(body.__name__, body)
    data.close(), into.close()


def logged(town: Town, writers: dict[str, int]) -> None:
    """A FIFO that several write to; and memory that two processes share."""
    path = town.folder / "events.fifo"
    Fifo.create(path).close()
    memory = town.make(posix.SharedMemory, f"/frames-{town.name}", 4096)

    def read():
        with Fifo.open(path).reader(persistent=True) as reader:
            yield
            reader.read(1)

    def write():
        with Fifo.open(path).writer(timeout=LIMIT_S):
            yield
            forever()

    def share():
        with posix.SharedMemory.open(memory).map():
            yield
            forever()

    town.start("logger", read)
    for name, times in writers.items():
        for _ in range(times):
            town.start(name, write)
    for name in ("camera", "viewer"):
        town.start(name, share)


def busy(town: Town, workers: int) -> None:
    """Everything above: 26 processes and the workers."""
    served(town, "app.sock", "gateway", {"web": 4, "probe": 1})
    jobs(town, 2, workers)
    pipeline(town, "tail", "grep", "awk", "uploader")
    locked(town, 2)
    deadlock(town)
    logged(town, {"cron": 1, "mailer": 2})


def crowd(town: Town, teams: int) -> None:
    """Teams of ten, all with names of their own: nine that are connected to the first, which is connected to the bus.

    Each of the nine has a channel, and sends to one or two of those that come after it, seldom to another team.
    """
    dice = random.Random(7)
    bus = str(town.folder / "bus.sock")
    names = [f"{town.name}-{number}" for number in range(teams * 10)]

    def serve(path: str, times: int, above: str | None = None):
        with ExitStack() as kept:
            if above:
                kept.enter_context(sockets.connect(above, timeout=LIMIT_S))
            listener = kept.enter_context(sockets.listen(path))
            yield
            for _ in range(times):
                kept.enter_context(listener.accept(timeout=LIMIT_S))
            forever()

    def member(path: str, inbox: str, targets: list[str]):
        with ExitStack() as kept:
            kept.enter_context(sockets.connect(path, timeout=LIMIT_S))
            for target in targets:
                kept.enter_context(kept.enter_context(channel.Queue.open(target)).sender())
            receiver = kept.enter_context(kept.enter_context(channel.Queue.open(inbox)).receiver())
            yield
            with suppress(EOFError):  # nobody sends to it
                receiver.receive()
            forever()

    town.start("bus", serve, bus, teams)
    for team in range(teams):
        path = str(town.folder / f"team-{team}.sock")
        inboxes = [town.make(channel.Queue, f"{name}.in", 4096) for name in names[team * 10 + 1 : team * 10 + 10]]
        town.start(f"team-{team}", serve, path, 9, bus)
        for number, inbox in enumerate(inboxes):
            later = inboxes[number + 1 :]
            targets = dice.sample(later, min(len(later), dice.choice((0, 1, 1, 1, 2))))
            town.start(f"member-{team}-{number}", member, path, inbox, targets)


def main() -> None:
    """Make it, say so, stay."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    told, asked = os.dup(1), os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    town = Town(Path(sys.argv[1]), (told, asked))
    try:
        busy(town, int(sys.argv[2]) if len(sys.argv) > 2 else 8)
        if len(sys.argv) > 3 and int(sys.argv[3]):
            crowd(town, int(sys.argv[3]))
        os.write(told, json.dumps(town.pids).encode() + b"\n")
        os.read(asked, 1)
    finally:
        town.end()


if __name__ == "__main__":
    main()
