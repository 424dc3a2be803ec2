"""What can never be sent is refused with both numbers; a message that is too long to take says how long it is."""

from __future__ import annotations

import errno
import subprocess
import sys

import anyio
import pytest

from unixipc import aio
from unixipc.sysv import MessageQueue

WAIT = 30
CAPACITY, LENGTH = 1000, 2000


@pytest.fixture
def queue(own_ipc_namespace):
    with MessageQueue.temporary(capacity_bytes=CAPACITY) as made:
        yield made


def is_told(error):
    text = " ".join([str(error), *error.__notes__])
    assert error.errno == errno.EMSGSIZE
    assert f"{LENGTH} bytes" in text and f"holds {CAPACITY}" in text
    return True


@pytest.mark.parametrize("call", [lambda queue, body: queue.send(body), lambda queue, body: queue.try_send(body),
                                  lambda queue, body: queue.send(body, timeout=WAIT)])  # fmt: skip
def test_a_message_longer_than_the_queue_is_refused(queue, call):
    for body in (bytes(LENGTH), bytearray(LENGTH)):
        with pytest.raises(OSError) as caught:
            call(queue, body)
        assert is_told(caught.value)
    assert len(queue) == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_is_refused_too(queue, backend):
    async def main():
        with pytest.raises(OSError) as caught:
            await aio.sysv.MessageQueue(queue).send(bytes(LENGTH))
        assert is_told(caught.value)

    anyio.run(main, backend=backend)


def test_who_may_only_send_is_told_too(own_ipc_namespace, as_nobody):
    with MessageQueue.temporary(0o622, capacity_bytes=CAPACITY) as queue:

        def child():
            with pytest.raises(OSError) as caught:
                queue.send(bytes(LENGTH))
            assert is_told(caught.value)

        as_nobody(child)


def test_what_fits_once_there_is_room_is_waited_for(queue):
    queue.send(bytes(600))
    assert queue.try_send(bytes(600)) is False
    with pytest.raises(TimeoutError):
        queue.send(bytes(CAPACITY), timeout=0.01)
    queue.receive()
    queue.send(bytes(CAPACITY), timeout=WAIT)


def test_the_command_says_it(queue):
    command = [sys.executable, "-m", "unixipc.cli", "send", f"sysv:id={queue.id}"]
    done = subprocess.run(command, input="y" * LENGTH + "\n", capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 1 and f"{LENGTH} bytes" in done.stderr and f"holds {CAPACITY}" in done.stderr


TAKEN = {
    "the first": ({}, 100),
    "of a type": ({"type": 5}, 300),
    "of any other type": ({"other_than": 7}, 300),
    "the lowest": ({"up_to": 5}, 200),
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_message_that_is_too_long_says_how_long_it_is(queue, what):
    words, length = TAKEN[what]
    for type, size in ((7, 100), (5, 300), (3, 200)):
        queue.send(bytes(size), type)
    for receive in (queue.receive, queue.try_receive):
        with pytest.raises(OSError) as caught:
            receive(**words, max_bytes=10)
        assert caught.value.errno == errno.E2BIG
        assert f"has {length} bytes, max_bytes is 10" in " ".join(caught.value.__notes__)
    assert len(queue) == 3, "it stays"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_is_told_how_long_it_is(queue, backend):
    queue.send(bytes(300))

    async def main():
        with pytest.raises(OSError) as caught:
            await aio.sysv.MessageQueue(queue).receive(max_bytes=10)
        assert "has 300 bytes" in " ".join(caught.value.__notes__)

    anyio.run(main, backend=backend)
