"""100 000 random operations on a queue and on a plain Python model of it: no difference (R02, R04, R05)."""

import errno
import random

import pytest

from unixipc.posix import Message, MessageQueue, QueueStat

SEEDS = range(8)
OPERATIONS = 12_500


class Pair:
    """The queue and its model, a list of (priority, body) in the order of arrival."""

    def __init__(self, queue, seed):
        self.queue, self.random, self.model = queue, random.Random(seed), []
        self.most, self.longest = queue.stat().max_messages, queue.max_message_bytes

    def send(self):
        priority = self.random.choice([0, 0, 0, 1, 2, 32766, 32767])
        body = self.random.randbytes(self.random.choice([0, 1, 5, self.longest, self.longest + 1]))
        try:
            sent = self.queue.try_send(body, priority)
        except OSError as error:
            assert error.errno == errno.EMSGSIZE
            assert len(body) > self.longest
            return
        assert sent is (len(self.model) < self.most)
        assert len(body) <= self.longest
        if sent:
            self.model.append((priority, body))

    def receive(self):
        message = self.queue.try_receive()
        if not self.model:
            assert message is None
            return
        expected = max(self.model, key=lambda each: each[0])  # the first of the highest
        self.model.remove(expected)
        assert message == Message(*expected)

    def look(self):
        assert self.queue.stat() == QueueStat(self.most, self.longest, len(self.model))
        assert len(self.queue) == len(self.model)

    def run(self, operations):
        for n in range(operations):
            busy = self.random.choice([3, 5, 7]) if n % 50 == 0 else 5
            operation = self.random.choice([self.send] * busy + [self.receive] * 5 + [self.look])
            try:
                operation()
            except AssertionError as difference:
                difference.add_note(f"operation {n}: {operation.__name__}; then the model had {self.model}")
                raise


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed={seed}")
def test_a_queue_is_what_its_model_says(seed):
    with MessageQueue.temporary(1 + seed, 6 * (seed + 1)) as queue:
        Pair(queue, seed).run(OPERATIONS)
