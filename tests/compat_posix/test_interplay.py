"""One side is posix_ipc, the other ours: they are the same queue, semaphore and memory."""

from __future__ import annotations

import mmap

import unixipc.compat.posix_ipc as ours
from unixipc import posix


def test_a_queue_between_processes(both, make, start):
    one, other = both
    here = make(one.MessageQueue, None, one.O_CREX)
    back = make(one.MessageQueue, None, one.O_CREX)
    code = """
here, back = ipc.MessageQueue(sys.argv[1]), ipc.MessageQueue(sys.argv[2])
while (message := here.receive(60))[0] != b"end": back.send(message[0].upper(), 60, message[1] + 1)
"""
    echo = start(other, code, here.name, back.name)
    for each in (b"a", b"bc", b"x" * 8192):
        here.send(each, priority=5)
        assert back.receive(60) == (each.upper(), 6)
    here.send(b"end")
    assert echo.wait(60) == 0


def test_a_semaphore_between_processes(both, make, start):
    one, other = both
    ping, pong = (make(one.Semaphore, None, one.O_CREX) for _ in range(2))
    code = """
ping, pong = ipc.Semaphore(sys.argv[1]), ipc.Semaphore(sys.argv[2])
for _ in range(500): ping.acquire(60); pong.release()
"""
    partner = start(other, code, ping.name, pong.name)
    for _ in range(500):
        ping.release()
        pong.acquire(60)
    assert partner.wait(60) == 0
    assert (ping.value, pong.value) == (0, 0)


def test_memory(both, make):
    one, other = both
    here = make(one.SharedMemory, None, one.O_CREX, size=100)
    there = make(other.SharedMemory, here.name)
    with mmap.mmap(here.fd, here.size) as mine, mmap.mmap(there.fd, there.size) as yours:
        mine[:5] = b"hello"
        assert yours[:5] == b"hello" and there.size == 100


def test_names_are_taken_away_by_the_other(both, make):
    one, other = both
    for cls, unlink in (
        ("Semaphore", "semaphore"),
        ("SharedMemory", "shared_memory"),
        ("MessageQueue", "message_queue"),
    ):
        made = make(getattr(one, cls), None, one.O_CREX)
        getattr(other, f"unlink_{unlink}")(made.name)


def test_they_are_those_of_posix(own_ipc_namespace, make):
    queue = make(ours.MessageQueue, None, ours.O_CREX)
    semaphore = make(ours.Semaphore, None, ours.O_CREX, initial_value=2)
    with posix.MessageQueue.open(queue.name) as same:
        same.send(b"hi", 3)
        assert queue.receive(60) == (b"hi", 3)
    with posix.Semaphore.open(semaphore.name) as same:
        assert same.value == 2
