"""A ring full of nonsense, or of an attacker's bytes, also while we work: wrong bytes or an error, never worse."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap

import pytest

from unixipc import Exited, LayoutError, channel

from .conftest import path_of

SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
HEADER = 16384
FACTS = 64
SUBSCRIBERS_AT = 512 + 124 * 64
KINDS = ("queue", "topic")


@pytest.fixture
def fuzz(with_ring, tmp_path):
    source = tmp_path / "empty.c"
    source.write_text("int main(void) { return 0; }")
    probe = ["cc", *SANITIZED, str(source), "-o", str(tmp_path / "empty")]
    flags = SANITIZED if subprocess.run(probe, capture_output=True, timeout=60).returncode == 0 else ()

    def run(kind, seed, mutations, *racing):
        line = [with_ring("fuzz_ring", *flags), kind, str(seed), str(mutations), *racing]
        done = subprocess.run(line, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.endswith("ok\n")
        return [int(word) for word in done.stdout.split()[:-1]]

    return run


@pytest.mark.parametrize("racing", [(), ("racing",)], ids=["still", "racing"])
@pytest.mark.parametrize("kind", KINDS)
def test_5_000_mutations_in_c(fuzz, kind, racing):
    results = fuzz(kind, 1, 5000, *racing)
    assert all(results[which] > 100 for which in (0, 1, 4))  # it worked, it was not now, it was damaged


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("racing", [(), ("racing",)], ids=["still", "racing"])
@pytest.mark.parametrize("kind", KINDS)
def test_1_000_000_mutations_in_c(fuzz, kind, racing):
    for seed in range(4):
        fuzz(kind, 100 + seed, 250_000, *racing)


USE = """
import contextlib, sys
from unixipc import LayoutError, channel

kind, name, turns = sys.argv[1], sys.argv[2], int(sys.argv[3])
ERRORS = (LayoutError, OSError, EOFError, BufferError)  # TimeoutError is an OSError

def use(sender, receiver, n):
    with contextlib.suppress(*ERRORS):
        sender.send(b"x" * (n % 3000), timeout=0)
    with contextlib.suppress(*ERRORS):
        sender.send_many([b"y" * 20] * 5, timeout=0)
    with contextlib.suppress(*ERRORS), sender.reserve(50, timeout=0) as buffer:
        buffer[:] = b"z" * 50
    with contextlib.suppress(*ERRORS):
        receiver.receive(timeout=0)
    with contextlib.suppress(*ERRORS):
        receiver.receive_many(3, timeout=0)
    if kind == "queue":
        with contextlib.suppress(*ERRORS), receiver.lease(timeout=0) as message:
            message[-1:]
    else:
        receiver.lag, receiver.missed
        for read in (casual.receive, casual.receive_many):
            with contextlib.suppress(*ERRORS):
                read(timeout=0)
    with contextlib.suppress(*ERRORS), receiver.peek(timeout=0) as view:
        bytes(view)

made = (channel.Queue if kind == "queue" else channel.Topic).open(name)
print("open", flush=True)
for n in range(turns):
    if n % 50 == 0:
        try:
            if kind == "queue":
                sender, receiver, casual = made.sender(), made.receiver(), made
            else:
                sender, receiver, casual = made.publisher(), made.subscriber(), made.subscriber("tell")
        except ERRORS:
            continue
    use(sender, receiver, n)
    with contextlib.suppress(*ERRORS):
        made.stat()
    if n % 50 == 49:
        sender.close(); receiver.close()
        if casual is not made:
            casual.close()
print("done")
"""


def run_against(name, change, turns, kind="queue"):
    """Use the queue in a process of its own while `change(fd)` does its worst."""
    line = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(USE), kind, name, str(turns)]
    fd = os.open(path_of(name), os.O_RDWR)
    try:
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline() == "open\n"
                while process.poll() is None:
                    change(fd)
                assert (process.returncode, process.stdout.read()) == (0, "done\n")
            finally:
                process.kill()
    finally:
        os.close(fd)


def hostile(chance, capacity):
    """Writes near where it hurts. Words that name a living owner are taken away again: they are a lock, no damage."""

    def change(fd):
        places = SUBSCRIBERS_AT + chance.randrange(128)
        where = chance.choice([chance.randrange(FACTS, 512), places, chance.randrange(HEADER, HEADER + capacity)])
        value = chance.choice([0, 1, 255, 1 << 31, (1 << 64) - 1, chance.getrandbits(64)]).to_bytes(8, "little")
        os.pwrite(fd, value[: chance.choice([1, 4, 8])], where)
        os.pwrite(fd, bytes(4), FACTS)
        os.pwrite(fd, bytes(4), 2 * FACTS)

    return change


@pytest.mark.parametrize("seed", range(2))
def test_a_process_lives_with_bytes_that_change_under_it(queue, seed):
    run_against(queue.name, hostile(random.Random(seed), 4096), 300)


@pytest.mark.parametrize("seed", range(2))
def test_a_process_lives_with_bytes_of_a_topic_that_change_under_it(name, seed):
    with channel.Topic.create(name, 4096):
        run_against(name, hostile(random.Random(seed), 4096), 200, "topic")


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10))
def test_a_process_lives_with_bytes_of_a_topic_that_change_under_it_for_long(name, seed):
    with channel.Topic.create(name, 4096):
        run_against(name, hostile(random.Random(2000 + seed), 4096), 10_000, "topic")


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(20))
def test_a_process_lives_with_bytes_that_change_under_it_for_long(queue, seed):
    run_against(queue.name, hostile(random.Random(1000 + seed), 4096), 10_000)


@pytest.mark.parametrize("seed", range(2))
def test_a_file_that_is_made_shorter_and_longer_under_us(queue, seed):
    chance = random.Random(seed)
    sizes = [0, 1, 64, 4096, HEADER - 1, HEADER, HEADER + 1, HEADER + 4096, HEADER + 8192, 1 << 20]
    run_against(queue.name, lambda fd: os.ftruncate(fd, chance.choice(sizes)), 300)


def test_who_waits_is_told_that_the_file_was_cut(queue, children):
    def wait():
        with pytest.raises(OSError, match="error"), queue.receiver() as receiver:
            receiver.receive(timeout=20)

    with queue.sender():
        child = children.start(wait)
        while not queue.stat().receiver_sleeps:
            pass
        os.truncate(path_of(queue.name), 0)
        assert child.wait(timeout=20) == Exited(0)


def test_a_lock_that_names_nobody_is_waited_for_in_vain_and_not_for_ever(queue):
    with open(path_of(queue.name), "r+b", buffering=0) as file, queue.sender() as sender, queue.receiver() as receiver:
        os.pwrite(file.fileno(), (12345678).to_bytes(4, "little"), FACTS)
        os.pwrite(file.fileno(), (12345678).to_bytes(4, "little"), 2 * FACTS)
        with pytest.raises(TimeoutError):
            sender.send(b"x", timeout=0.05)
        assert not sender.try_send(b"x")
        with pytest.raises(TimeoutError):
            receiver.receive(timeout=0.05)
        assert receiver.try_receive() is None


@pytest.mark.parametrize("size", [0, 1, 63, 64, HEADER - 1, HEADER, HEADER + 4095, HEADER + 4097])
def test_a_file_of_another_size_is_refused(queue, size):
    os.truncate(path_of(queue.name), size)
    with pytest.raises(LayoutError):
        channel.Queue.open(queue.name)


def test_every_changed_byte_of_the_facts_is_noticed(queue):
    with open(path_of(queue.name), "r+b", buffering=0) as file:
        facts = file.read(FACTS)
        for at in range(52):
            os.pwrite(file.fileno(), bytes([facts[at] ^ 0x55]), at)
            with pytest.raises(LayoutError):
                channel.Queue.open(queue.name)
            os.pwrite(file.fileno(), facts[at : at + 1], at)
        channel.Queue.open(queue.name).close()
