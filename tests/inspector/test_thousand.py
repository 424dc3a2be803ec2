"""A thousand orphans of all kinds are collected; a thousand objects that somebody has, or may come back to, stay."""

from __future__ import annotations

import os
import signal
import stat
from contextlib import ExitStack, suppress

import pytest

from unixipc import Exited, Fifo, Killed, channel, fork, inspector, pipe, posix, sockets, sysv
from unixipc.inspector import lineage

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")

WAIT = 120
STRANGER = 54_321
"""A user that has no process."""
RING = {"capacity_bytes": 4096}
NAME = f"thousand-{os.getpid()}"
MEMORY = "/dev/shm"
KINDS = ("sysv", "channel", "topic", "socket", "fifo", "posix")


def content(number):
    """What is in the thing of this number: nobody else writes that."""
    return b"%08d" % number * 8


# orphans: each maker makes `count` of them and is killed ------------------------------------------------------------


def private_segments(_folder, numbers):
    for number in numbers:
        memory = sysv.SharedMemory.create(sysv.Key.PRIVATE, 64)
        memory.attach().buffer[:] = content(number)


def temporary_channels(_folder, numbers):
    return [channel.Queue.temporary(f"{NAME}-dead-{number}", **RING).receiver() for number in numbers]


def temporary_topics(_folder, numbers):
    return [channel.Topic.temporary(f"{NAME}-dead-{number}", **RING).publisher() for number in numbers]


def listeners(folder, numbers):
    return [sockets.listen(f"{folder}/dead-{number}") for number in numbers]


def as_stranger(make):
    def run(folder, numbers):
        os.setgroups([])
        os.setgid(STRANGER)
        os.setuid(STRANGER)
        return make(folder, numbers)

    return run


def queues(_folder, numbers):
    for number in numbers:
        sysv.MessageQueue.create(sysv.Key.PRIVATE).send(content(number))


def sets(_folder, numbers):
    for _number in numbers:
        sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [1, 0, 3])


def makers_of_orphans():
    """(maker, how many): a thousand in all."""
    if lineage._sees_everybody():
        more = [(as_stranger(queues), 150), (as_stranger(sets), 150)]
    else:  # of queues and sets nothing can be proven here
        more = [(private_segments, 300)]
    return [(private_segments, 250), (temporary_channels, 150), (temporary_topics, 100), (listeners, 200), *more]


def plant_orphans(folder):
    number = 0
    for make, count in makers_of_orphans():

        def live_and_die(make=make, numbers=range(number, number + count)):
            kept = make(folder, numbers)
            os.kill(os.getpid(), signal.SIGKILL)
            return kept

        number += count
        with fork(live_and_die) as child:
            assert child.wait(WAIT) == Killed(signal.SIGKILL, False)
    return number


# live things: the keeper makes them and stays; some of its children are killed --------------------------------------


class Live:
    """A thousand of them, with what must still be in each afterwards."""

    def __init__(self, folder):
        self.folder, self.things = str(folder), ExitStack()
        self.checks = []
        self.number = 0

    def some(self, make, count):
        for _ in range(count):
            self.number += 1
            self.checks.append(make(self.number))

    def make_all(self):
        self.some(self.attached, 150)
        self.some(self.detached_by_its_maker, 100)
        self.some(self.queue_of_a_living_sender, 150)
        self.some(self.set_of_the_living, 150)
        self.some(self.channel_in_use, 100)
        self.some(self.topic_in_use, 50)
        self.some(self.listening, 100)
        self.some(self.bound, 50)
        self.some(self.name_in_memory, 50)
        self.some(self.fifo, 30)
        self.some(self.waited_in, 10)
        self.some(self.keyed_segment_of_the_dead, 30)
        self.some(self.keyed_queue_of_the_dead, 15)
        self.some(self.named_channel_of_the_dead, 15)

    def attached(self, number):
        memory = sysv.SharedMemory.create(sysv.Key.PRIVATE, 64)
        segment = self.things.enter_context(memory.attach())
        segment.buffer[:] = content(number)
        self.things.callback(memory.remove)
        return lambda: bytes(segment.buffer) == content(number) and memory.stat().attached

    def detached_by_its_maker(self, number):
        memory = sysv.SharedMemory.create(sysv.Key.PRIVATE, 64)
        with memory.attach() as segment:
            segment.buffer[:] = content(number)
        self.things.callback(memory.remove)
        return lambda: in_segment(memory) == content(number)

    def queue_of_a_living_sender(self, number):
        queue = sysv.MessageQueue.create(sysv.Key.PRIVATE)
        queue.send(content(number))
        self.things.callback(queue.remove)
        return lambda: queue.receive(timeout=1).body == content(number)

    def set_of_the_living(self, number):
        made = sysv.SemaphoreSet.create(sysv.Key.PRIVATE, [number % 100, 0])
        self.things.callback(made.remove)
        return lambda: made.values == (number % 100, 0)

    def channel_in_use(self, number):
        made = self.things.enter_context(channel.Queue.temporary(f"{NAME}-live-{number}", **RING))
        self.things.enter_context(made.sender()).send(content(number))
        receiver = self.things.enter_context(made.receiver())
        return lambda: os.path.exists(path_of(made.name)) and receiver.receive(timeout=1) == content(number)

    def topic_in_use(self, number):
        made = self.things.enter_context(channel.Topic.temporary(f"{NAME}-live-{number}", **RING))
        return lambda: os.path.exists(path_of(made.name))

    def listening(self, number):
        path = f"{self.folder}/live-{number}"
        self.things.enter_context(sockets.listen(path, temporary=True))
        return lambda: sockets.connect(path).close() is None

    def bound(self, number):
        path = f"{self.folder}/live-{number}"
        self.things.enter_context(sockets.bind(path, temporary=True))
        return lambda: stat.S_ISSOCK(os.stat(path).st_mode)

    def name_in_memory(self, number):
        """Nobody has it open, and nobody knows who made it."""
        name = f"/{NAME}-{number}"
        with posix.SharedMemory.create(name, 64) as memory, memory.map() as view:
            view.buffer[:] = content(number)
        self.things.callback(posix.remove_memory, name)
        return lambda: read(f"{MEMORY}{name}") == content(number)

    def fifo(self, number):
        made = Fifo.create(f"{self.folder}/fifo-{number}")
        self.things.callback(made.remove)
        return lambda: stat.S_ISFIFO(os.stat(f"{self.folder}/fifo-{number}").st_mode)

    def waited_in(self, _number):
        queue = sysv.MessageQueue.create(sysv.Key.PRIVATE)
        waiting = self.things.enter_context(fork(lambda: queue.receive(timeout=WAIT)))
        self.things.callback(queue.remove)
        self.things.callback(lambda: (queue.send(b""), waiting.wait(WAIT)))
        return lambda: not waiting.has_ended() and queue.stat().messages == 0

    def keyed_segment_of_the_dead(self, number):
        """A database's: who starts it again looks for its key."""
        key = 0x4B1D0000 + number
        by_a_killed_process(lambda: fill(sysv.SharedMemory.create(key, 64), number))
        memory = sysv.SharedMemory.open(key)
        self.things.callback(memory.remove)
        return lambda: in_segment(memory) == content(number)

    def keyed_queue_of_the_dead(self, number):
        key = 0x4B1D0000 + number
        by_a_killed_process(lambda: sysv.MessageQueue.create(key).send(content(number)))
        queue = sysv.MessageQueue.open(key)
        self.things.callback(queue.remove)
        return lambda: queue.receive(timeout=1).body == content(number)

    def named_channel_of_the_dead(self, number):
        name = f"{NAME}-stays-{number}"
        by_a_killed_process(lambda: channel.Queue.create(name, **RING).sender().send(content(number)))
        self.things.callback(lambda: os.unlink(path_of(name)))

        def check():
            with channel.Queue.open(name) as made, made.receiver() as receiver:
                return receiver.receive(timeout=1) == content(number)

        return check


def fill(memory, number):
    memory.attach().buffer[:] = content(number)


def in_segment(memory):
    with memory.attach(readonly=True) as segment:
        return bytes(segment.buffer)


def path_of(name):
    return f"{MEMORY}/unixipc.channel.{name}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def by_a_killed_process(make):
    with fork(lambda: (make(), os.kill(os.getpid(), signal.SIGKILL))) as child:
        assert child.wait(WAIT) == Killed(signal.SIGKILL, False)


def keep(folder, tell, go):
    """Make a thousand, say so, wait until all is over, and look at each."""
    live = Live(folder)
    with live.things:
        live.make_all()
        tell.write_all(b"%d" % live.number)
        go.read(1, WAIT)
        lost = [number for number, check in enumerate(live.checks, 1) if not check()]
        assert not lost, f"not as it was left: {lost}"


def test_N06_a_thousand_orphans_are_collected_and_a_thousand_live_objects_are_not(tmp_path):
    with suppress(PermissionError):
        for folder in (tmp_path, *list(tmp_path.parents)[:2]):
            folder.chmod(0o755)
    (ready, tell), (go, start) = pipe(), pipe()
    with ready, tell, go, start, fork(keep, tmp_path, tell, go) as keeper:
        live = int(ready.read(10, WAIT))
        orphans = plant_orphans(str(tmp_path))
        assert (live, orphans) == (1000, 1000)
        rows = inspector.collect(KINDS, matching="*", folders=[str(tmp_path)], older_than_s=0, dry_run=True)
        sure = [row for row in rows if row.done == "would remove" and is_ours(row)]
        assert len(sure) == orphans
        for kind in {row.orphan.kind for row in sure}:
            collect_ours(kind, tmp_path, sum(row.orphan.kind == kind for row in sure))
        start.write_all(b"!")
        assert keeper.wait(WAIT) == Exited(0)
    assert os.listdir(tmp_path) == []


def is_ours(row):
    return not isinstance(row.orphan.id, str) or NAME in row.orphan.id or row.orphan.kind == "socket"


def collect_ours(kind, folder, count):
    """What is in /dev/shm could be another's, so it goes by name; ids are of our own namespace, paths of our folder."""
    pattern = f"{NAME}-*" if kind in ("channel", "topic") else None
    rows = inspector.collect([kind], matching=pattern, folders=[str(folder)], older_than_s=0)
    assert [row.done for row in rows].count("removed") == count
    assert {row.done for row in rows} <= {"removed", "left"}
