"""The message and the closing contract, for System V queues. They have no end of the stream and no descriptor."""

from __future__ import annotations

import pytest

from unixipc import ClosedError, aio, sysv
from unixipc.testing.contracts import FORMS, ClosableContract, MessageContract

pytestmark = pytest.mark.usefixtures("own_ipc_namespace")


class Bodies:
    """A queue that speaks bytes."""

    def __init__(self, queue):
        self.queue = queue
        self.close, self.send, self.try_send = queue.close, queue.send, queue.try_send

    def receive(self, timeout=None):
        return self.queue.receive(timeout=timeout).body

    def try_receive(self):
        message = self.queue.try_receive()
        return message and message.body


class AsyncBodies(Bodies):
    async def receive(self, timeout=None):
        return (await self.queue.receive(timeout=timeout)).body


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestQueue(MessageContract):
    def make(self, form):
        queue = sysv.MessageQueue.temporary()
        ends = sysv.MessageQueue(queue.id), queue
        return map(Bodies, ends) if form.blocking else map(AsyncBodies, map(aio.sysv.MessageQueue, ends))

    test_the_end_is_told = None  # a queue does not know who else may send


class QueueContract(ClosableContract):
    def test_nothing_works_after_close(self, form):
        handle, _ = self.make(form)
        handle.close()

        async def main():
            await form.fails(ClosedError, *self.wait_forever(handle))
            await form.fails(ClosedError, handle.send, b"")

        form.run(main)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestQueueHandle(QueueContract):
    def make(self, form):
        queue = sysv.MessageQueue.temporary()
        return (queue if form.blocking else aio.sysv.MessageQueue(queue)), []

    def wait_forever(self, handle):
        return (handle.receive,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestFullQueueHandle(QueueContract):
    def make(self, form):
        queue = sysv.MessageQueue.temporary(capacity_bytes=1)
        queue.send(b"1")
        return (queue if form.blocking else aio.sysv.MessageQueue(queue)), []

    def wait_forever(self, handle):
        return handle.send, b"2"
