"""C programs that use the header for them: they are users of a temporary channel as everybody is, and hear its end."""

from __future__ import annotations

import subprocess

import pytest

from unixipc import channel

WAIT = 30


@pytest.fixture(scope="module")
def program(with_ring):
    return with_ring("client_peer")


@pytest.fixture
def start(program):
    """A running program that has become a member."""
    started = []

    def run(what, path):
        started.append(
            subprocess.Popen([program, what, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        )
        assert started[-1].stdout.readline() == "in\n"
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait(timeout=WAIT)
        process.stdin.close()
        process.stdout.close()


def test_a_temporary_channel_stays_while_a_c_program_uses_it(start, tmp_path):
    path = tmp_path / "queue"
    queue = channel.Queue.temporary(path, 4096)
    process = start("send", path)
    queue.close()
    assert path.exists()
    with channel.Queue.open(path) as again, again.receiver() as receiver:
        process.stdin.write("from C\n")
        assert receiver.receive(timeout=WAIT) == b"from C"
    assert path.exists()


def test_the_last_one_out_of_a_temporary_channel_may_be_a_c_program(start, tmp_path):
    path = tmp_path / "queue"
    queue = channel.Queue.temporary(path, 4096)
    process = start("send", path)
    queue.close()
    process.stdin.close()
    assert process.wait(timeout=WAIT) == 0
    assert not path.exists()


def test_a_c_program_that_is_killed_is_no_user_any_more(start, tmp_path):
    path = tmp_path / "queue"
    queue = channel.Queue.temporary(path, 4096)
    process = start("receive", path)
    process.kill()
    process.wait(timeout=WAIT)
    queue.close()
    assert not path.exists()


def test_what_took_the_name_of_a_temporary_channel_is_left_alone(start, tmp_path):
    path = tmp_path / "queue"
    queue = channel.Queue.temporary(path, 4096)
    process = start("send", path)
    queue.close()
    path.unlink()
    path.write_text("somebody else's")
    process.stdin.close()
    assert process.wait(timeout=WAIT) == 0
    assert path.read_text() == "somebody else's"


def test_a_channel_that_is_missing_leaves_the_other_descriptors_alone(program, tmp_path):
    done = subprocess.run(
        [program, "missing", tmp_path / "no"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT
    )
    assert done.stdout == "standard input is open\n"


def test_it_hears_the_end_when_nothing_can_come_any_more(start, tmp_path):
    with channel.Queue.create(tmp_path / "queue", 4096) as queue, queue.receiver() as receiver:
        with queue.sender() as sender:
            sender.send(b"job")
            lease = receiver.lease(timeout=WAIT)
            lease.__enter__()
            process = start("receive", tmp_path / "queue")
        lease.cancel()
        assert process.stdout.readline() == "job\n"
        assert process.stdout.readline() == "end: ENODATA\n"
        queue.remove()


def test_a_persistent_one_outlives_the_senders_and_ends_with_the_name(start, tmp_path):
    with channel.Queue.create(tmp_path / "queue", 4096) as queue:
        process = start("follow", tmp_path / "queue")
        for number in range(3):
            with queue.sender() as sender:
                sender.send(b"%d" % number)
            assert process.stdout.readline() == f"{number}\n"
        queue.remove()
        assert process.stdout.readline() == "end: EIDRM\n"
