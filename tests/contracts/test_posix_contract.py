"""POSIX queues carry messages, POSIX semaphores are locks, both can be closed; blocking, asyncio and trio."""

from __future__ import annotations

import os
import pickle

import pytest

from unixipc import aio, posix
from unixipc.testing.contracts import FORMS, ClosableContract, LockContract, MessageContract

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
        queue = posix.MessageQueue.temporary()
        ends = posix.MessageQueue(os.dup(queue.fileno())), queue
        return map(Bodies, ends) if form.blocking else map(AsyncBodies, map(aio.posix.MessageQueue, ends))

    test_the_end_is_told = None  # a queue does not know who else may send


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingAQueue(ClosableContract):
    def make(self, form):
        queue = posix.MessageQueue.temporary()
        return (queue if form.blocking else aio.posix.MessageQueue(queue)), []

    def wait_forever(self, handle):
        return (handle.receive,)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingAFullQueue(ClosableContract):
    def make(self, form):
        queue = posix.MessageQueue.temporary(1)
        queue.send(b"1")
        return (queue if form.blocking else aio.posix.MessageQueue(queue)), []

    def wait_forever(self, handle):
        return handle.send, b"2"


def twin(form, semaphore):
    """The same as this form has it."""
    return semaphore if form.blocking else aio.posix.Semaphore(semaphore)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestSemaphoreOfOne(LockContract):
    def make(self, form):
        mine = posix.Semaphore.create(f"/unixipc-test-{os.getpid()}-{os.urandom(6).hex()}", 1)
        theirs = pickle.loads(pickle.dumps(mine))
        mine.remove()
        return twin(form, mine), twin(form, theirs)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestClosingASemaphore(ClosableContract):
    def make(self, form):
        return twin(form, posix.Semaphore.temporary(0)), []

    def use(self, handle):
        return (handle.try_acquire,)

    def wait_forever(self, handle):
        return (handle.acquire,)
