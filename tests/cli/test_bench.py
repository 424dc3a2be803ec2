"""`ipc bench`: every mechanism is measured between two processes, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from unixipc import sysv
from unixipc.cli import lanes, measuring
from unixipc.cli.bench import QUESTIONS
from unixipc.cli.tour import slug

IPC = (sys.executable, "-m", "unixipc.cli")
LIMIT_S = 90
KEYS = ["question", "mechanism", "message_bytes", "median_us", "lowest_us", "messages", "batches", "why_not"]

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [*IPC, "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def test_every_mechanism_is_measured_or_says_why_not():
    done = bench("--json", "--seconds", "0.01")
    rows = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(rows) == len(lanes.LANES) * 2 * 2
    assert {row["mechanism"] for row in rows} == set(lanes.LANES)
    for row in rows:
        assert list(row) == KEYS
        if row["why_not"] is None:
            assert 0 < row["lowest_us"] <= row["median_us"] and row["batches"] >= 5 and row["messages"] >= 5, row
        else:
            assert row["message_bytes"] == 65536 and row["median_us"] is row["lowest_us"] is None, row
            assert row["mechanism"] in ("System V queue", "POSIX queue") and "longer than" in row["why_not"], row


def test_a_table_of_what_was_asked_for():
    done = bench("one-way", "--only", "pipe", "--only", "system-v-queue", "--size", "100", "--size", "8192000",
                 "--seconds", "0.01")  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].split("  ")[0] == "mechanism"
    assert "100 B one way" in lines[0] and "8000 KiB one way" in lines[0] and "there and back" not in lines[0]
    assert [line.split("  ")[0] for line in lines[1:3]] == ["pipe", "System V queue"]
    assert lines[1].count("µs") == 2 and lines[2].endswith("-")
    assert lines[3] == f"System V queue, 8000 KiB: longer than kernel.msgmax = {sysv.limits().message_bytes}"


def test_nothing_measured_is_status_1():
    done = bench("--only", "system-v-queue", "--size", "100000000")
    assert done.returncode == 1 and "longer than kernel.msgmax" in done.stdout


@pytest.mark.parametrize(
    "words", [("two-way",), ("--only", "carrier-pigeon"), ("--size", "0"), ("--seconds", "0"), ("--seconds", "nan")]
)
def test_what_is_not_understood_is_status_2(words):
    done = bench(*words)
    assert (done.returncode, done.stdout) == (2, "") and "Error" in done.stderr


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_packet_that_is_too_long_is_the_kernels_answer(question):
    """One way it is the other process that is refused: its reason is told."""
    cost = measuring.measure(question, lanes.PacketLane, 1 << 26, 0.01)
    assert cost.median_us is None and "Message too long" in cost.why_not


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("kind", [lanes.PipeLane, lanes.StreamLane, lanes.PacketLane])
def test_a_killed_process_is_an_answer_and_no_hang(question, kind):
    class Killed(kind):
        def start_sending(self):
            super().start_sending()
            send, parent = self.send, os.getppid()

            def dying(message):
                if os.getppid() == parent != grandparent:  # in the child, but for the first message
                    os.kill(os.getpid(), signal.SIGKILL)
                send(message)

            self.send = dying

    grandparent = os.getppid()
    cost = measuring.measure(question, Killed, 64, 0.01)
    assert cost.median_us is None and cost.why_not


def test_what_arrives_is_what_was_sent():
    """A lane that carried nothing would be fast."""
    for kind in lanes.LANES.values():
        lane = kind(3)
        try:
            if isinstance(lane, lanes.Slot | lanes.SystemVQueueLane | lanes.PosixQueueLane | lanes.ChannelLane):
                lane.start_sending()
                lane.start_receiving()
                lane.send(b"abc")
                got = lane.receive()
                assert getattr(got, "body", got) == b"abc", kind
        finally:
            lane.close()
            lane.remove()


def test_ctrl_c_leaves_nothing():
    words = [*IPC, "bench", "--seconds", "30", "--only", "system-v-memory-semaphores"]
    before = sysv.usage()
    with subprocess.Popen(words, stdout=-1, stderr=-1) as process:
        deadline = time.monotonic() + LIMIT_S
        while sysv.usage().sets == before.sets:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out, err) == (130, b"", b"")
    after = sysv.usage()
    assert (after.sets, after.segments, after.queues) == (before.sets, before.segments, before.queues)


def test_a_terminal_sees_a_bar():
    master, terminal = os.openpty()
    try:
        words = [*IPC, "bench", "--only", "pipe", "--seconds", "0.01"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=terminal) as process:
            os.close(terminal)
            seen = b""
            try:
                while piece := os.read(master, 65536):
                    seen += piece
            except OSError:  # EIO: the other end is closed
                pass
            out, _ = process.communicate(timeout=LIMIT_S)
    finally:
        os.close(master)
    assert process.returncode == 0 and "µs" in out.decode() and b"pipe, 64 B, there and back" in seen


def test_completion_offers_questions_and_mechanisms():
    code = "import sys\nsys.argv = ['ipc']\nfrom unixipc.cli.main import run\nrun()"
    for words, expected in (
        ("ipc bench r", {"round-trip"}),
        ("ipc bench --only p", {slug(name) for name in lanes.LANES if slug(name).startswith("p")}),
    ):
        number = str(len(words.split()) - 1)
        environment = os.environ | {"_IPC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": number}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True,
                              timeout=LIMIT_S, check=False)  # fmt: skip
        assert {line.partition(",")[2] for line in done.stdout.splitlines()} == expected


@pytest.mark.parametrize("after_ms", range(0, 200, 25))
def test_ctrl_c_at_any_moment_is_quiet(after_ms):
    """From the first object on: while the other process starts, calibrates, measures, ends."""
    before = sysv.usage()
    with subprocess.Popen([*IPC, "bench", "--only", "system-v-queue"], stdout=-1, stderr=-1) as process:
        deadline = time.monotonic() + LIMIT_S
        while sysv.usage().queues == before.queues:
            assert time.monotonic() < deadline
        time.sleep(after_ms / 1000)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (130, b"") or process.returncode == 0
    assert sysv.usage().queues == before.queues
