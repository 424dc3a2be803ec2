"""The fates of FrameReader, FrameWriter and Pipeline: handles of theirs are other objects' or live inside one call."""

import os
import random
import signal
import sys

import pytest

from unixipc import ClosedError, Exited, Killed, PeerGone, fork, pipe, pipeline, spawn
from unixipc.framing import FrameReader, FrameWriter

WAIT = 20


def test_frames_close_with_their_ends():
    reader, writer = pipe()
    receiver, sender = FrameReader(reader), FrameWriter(writer)
    sender.send(b"x", timeout=WAIT)
    reader.close()
    with pytest.raises(ClosedError):
        receiver.receive(timeout=WAIT)
    with pytest.raises(PeerGone):
        sender.send(b"y", timeout=WAIT)
    writer.close()
    with pytest.raises(ClosedError):
        sender.send(b"z", timeout=WAIT)


def test_frames_cross_a_fork_and_an_exec_by_number():
    script = (
        "from unixipc import PipeWriter; from unixipc.framing import FrameWriter\n"
        "with PipeWriter(7) as writer: FrameWriter(writer).send(b'after exec', timeout=20)\n"
    )
    reader, writer = pipe()
    with reader:
        with fork(lambda: FrameWriter(writer).send(b"after fork", timeout=WAIT)) as child:
            child.wait(timeout=WAIT)
        with spawn([sys.executable, "-c", script], descriptors={7: writer}) as program:
            writer.close()
            assert list(FrameReader(reader)) == [b"after fork", b"after exec"]
            assert program.wait(timeout=WAIT) == Exited(0)


def test_kill_9_of_a_sender_at_any_moment_leaves_whole_messages_and_a_clear_end():
    """Whatever arrives is what was sent, in order; the end is clean or says that it cut a frame."""
    dice = random.Random(1)
    messages = [bytes([number % 256]) * dice.choice([10, 3000, 50_000]) for number in range(300)]

    def send_all():
        sender = FrameWriter(writer)
        for message in messages * 100:
            sender.send(message, timeout=WAIT)

    for _ in range(15):
        reader, writer = pipe()
        with reader, fork(send_all) as child:
            writer.close()
            receiver = FrameReader(reader)
            got = [receiver.receive(timeout=WAIT) for _ in range(dice.randrange(1, 60))]
            child.kill()
            try:
                got += receiver
            except EOFError as cut:
                assert "inside a frame" in str(cut)
            assert got == (messages * 100)[: len(got)]
            assert child.wait(timeout=WAIT) == Killed(signal.SIGKILL)


def test_kill_9_of_a_receiver_is_peer_gone_for_the_sender():
    reader, writer = pipe()

    def receive_some_and_hang():
        writer.close()
        receiver = FrameReader(reader)
        receiver.receive(timeout=WAIT)
        signal.pause()

    with writer, fork(receive_some_and_hang) as child:
        reader.close()
        sender = FrameWriter(writer)
        sender.send(b"x", timeout=WAIT)
        child.kill()
        with pytest.raises(PeerGone):
            for _ in range(1000):
                sender.send(b"y" * 4000, timeout=WAIT)
        child.wait(timeout=WAIT)


def test_a_pipeline_can_run_again_and_in_a_fork():
    """It is a plan: nothing of it is open between two runs."""
    before = os.listdir("/proc/self/fd")
    plan = pipeline(["cat"], ["cat"])
    assert [plan.run(input=b"x", timeout=WAIT).stdout for _ in range(2)] == [b"x", b"x"]
    assert os.listdir("/proc/self/fd") == before
    with fork(lambda: int(plan.run(input=b"y", timeout=WAIT).stdout == b"y")) as child:
        assert child.wait(timeout=WAIT) == Exited(1)


def test_kill_9_of_a_pipelines_stage_is_in_its_status():
    result = pipeline(["/bin/sh", "-c", "kill -9 $$"], ["cat"]).run(timeout=WAIT)
    assert result.statuses == (Killed(signal.SIGKILL), Exited(0))
    assert not result.succeeded
