"""A C program at the other side of a queue: it sends, receives, answers, and makes one."""

from __future__ import annotations

import signal
import subprocess

import pytest

from unixipc import channel

WAIT = 30


@pytest.fixture(scope="module")
def program(with_ring):
    return with_ring("channel_peer")


@pytest.fixture
def run(program):
    started = []

    def start(*words):
        started.append(subprocess.Popen([program, *map(str, words)], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=WAIT)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue"


def ends_well(process):
    out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0
    return out


def test_we_receive_what_it_sends(run, path):
    with channel.Queue.create(str(path), 4096) as queue, queue.receiver() as receiver:
        process = run("send", path, 20_000)
        assert list(receiver) == [b"%d" % n for n in range(20_000)]
        ends_well(process)


def test_it_receives_what_we_send(run, path):
    with channel.Queue.create(str(path), 4096) as queue:
        with queue.sender() as sender:
            process = run("receive", path)
            for n in range(5000):
                sender.send(b"%d" % n, timeout=WAIT)
            sender.send_many([b"batch", b"of", b"three"], timeout=WAIT)
            with sender.reserve(8) as buffer:
                buffer[:] = b"in place"
        lines = ends_well(process).split("\n")
        assert lines == [*map(str, range(5000)), "batch", "of", "three", "in place", ""]


def test_it_answers(run, path, tmp_path):
    back = tmp_path / "back"
    with channel.Queue.create(str(path), 4096) as there, channel.Queue.create(str(back), 4096) as here:
        with there.sender() as sender, here.receiver() as receiver:
            process = run("echo", path, back)
            for word in (b"one", b"two", b""):
                sender.send(word)
                assert receiver.receive(timeout=WAIT) == word.upper()
            sender.close()
            assert list(receiver) == []
        ends_well(process)


def test_we_open_what_it_made(run, path):
    ends_well(run("make", path, 10_000))
    with channel.Queue.open(str(path)) as queue, queue.receiver() as receiver:
        assert queue.capacity_bytes == 16384
        assert list(receiver) == [b"made in C"]


def test_its_death_is_our_end(run, path):
    with channel.Queue.create(str(path), 4096) as queue, queue.receiver() as receiver:
        process = run("send", path, 1 << 30)
        assert [receiver.receive(timeout=WAIT) for _ in range(100)] == [b"%d" % n for n in range(100)]
        assert queue.stat().senders == (process.pid,)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=WAIT) == -signal.SIGKILL
        rest = [int(each) for each in receiver]
        assert rest == list(range(100, 100 + len(rest)))


def test_it_refuses_what_is_no_queue(program, path):
    path.write_bytes(bytes(100_000))
    done = subprocess.run([program, "receive", path], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 2
    assert "magic" in done.stderr
