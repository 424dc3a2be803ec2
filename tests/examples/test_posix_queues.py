"""The guide's programs about POSIX queues run and print what they are there to show."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from unixipc.posix import MessageQueue, remove_queue

DEMO = (sys.executable, "-m", "unixipc.cli", "demo")
LIMIT_S = 30


def demo(*words, **options):
    return subprocess.run([*DEMO, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False, **options)


@pytest.fixture
def name(own_ipc_namespace):
    fresh = f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}"
    yield fresh
    with contextlib.suppress(FileNotFoundError):
        remove_queue(fresh)


def test_the_urgent_line_overtakes_and_the_queue_outlives_both(name):
    sent = demo("mq_sender", name, "2", input=f"first\n!fire\n\n{'x' * 257}\nlast")
    assert sent.returncode == 0, sent.stderr
    assert "sent 5 bytes with priority 9" in sent.stdout
    assert "not sent: 257 bytes" in sent.stdout
    received = demo("mq_receiver", name, "0.1")
    assert received.returncode == 0, received.stderr
    lines = [line.split("priority ")[1] for line in received.stdout.splitlines() if "priority" in line]
    assert lines == ["9, 5 bytes: '!fire'", "2, 5 bytes: 'first'", "2, 0 bytes: ''", "2, 4 bytes: 'last'"]
    MessageQueue.open(name).close()
    removed = demo("mq_unlink", name)
    assert (removed.returncode, "is gone" in removed.stdout) == (0, True)
    assert demo("mq_unlink", name).returncode == 1


def test_both_at_once(name):
    with subprocess.Popen([*DEMO, "mq_receiver", name, "5"], stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert "holds 0 messages" in receiver.stdout.readline()
            sent = demo("mq_sender", name, input="".join(f"{n}\n" for n in range(50)))
            assert sent.returncode == 0, sent.stderr
            bodies = [receiver.stdout.readline().split()[-1] for _ in range(50)]
            assert bodies == [f"'{n}'" for n in range(50)]
        finally:
            receiver.kill()
