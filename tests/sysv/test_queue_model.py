"""100 000 random operations on a queue and on a plain Python model of it: no difference (Q04-Q10, Q13, Q15, S1)."""

import errno
import random

import pytest

from unixipc.sysv import Message, MessageQueue

SEEDS = range(8)
OPERATIONS = 12_500
TYPES = [1, 1, 2, 2, 3, 4, 2**31, 2**32 + 1, 2**62]
TOO_LONG = "too long"


class Model:
    """What the manual pages say, as slowly as can be."""

    def __init__(self, capacity):
        self.messages, self.capacity = [], capacity

    @property
    def used(self):
        return sum(len(body) for _, body in self.messages)

    def send(self, type, body):
        if len(body) > self.capacity:
            return TOO_LONG  # it never fits
        fits = self.used + len(body) <= self.capacity and len(self.messages) + 1 <= self.capacity
        if fits:
            self.messages.append((type, body))
        return fits

    def chosen(self, type=None, up_to=None, other_than=None):
        """The place of the message that a receive takes; None for no such message."""
        fitting = [
            (each if up_to else 0, place)
            for place, (each, _) in enumerate(self.messages)
            if (type or each) == each and each <= (up_to or each) and each != other_than
        ]
        return min(fitting, default=(0, None))[1]

    def receive(self, choice, most, truncate):
        place = self.chosen(**choice)
        if place is None:
            return None
        type, body = self.messages[place]
        if most is not None and len(body) > most and not truncate:
            return TOO_LONG
        del self.messages[place]
        return Message(type, body[:most], most is not None and len(body) > most)

    def peek(self, place):
        return Message(*self.messages[place]) if place < len(self.messages) else None


class Pair:
    """The queue and its model, one operation at a time."""

    def __init__(self, queue, seed):
        self.queue, self.model, self.random = queue, Model(queue.stat().capacity_bytes), random.Random(seed)

    def send(self):
        type, body = self.random.choice(TYPES), self.random.randbytes(self.random.choice([0, 0, 1, 5, 40, 300]))
        expected = self.model.send(type, body)
        try:
            sent = self.queue.try_send(body, type)
        except OSError as error:
            assert error.errno == errno.EMSGSIZE
            sent = TOO_LONG
        assert sent is expected

    def receive(self):
        how = self.random.choice([None, "type", "up_to", "other_than"])
        choice = {} if how is None else {how: self.random.choice(TYPES)}
        most = self.random.choice([None, None, 0, 1, 5, 39, 40, 1000])
        truncate = most is not None and self.random.random() < 0.5
        expected = self.model.receive(choice, most, truncate)
        try:
            found = self.queue.try_receive(**choice, max_bytes=most, truncate=truncate)
        except OSError as error:
            assert error.errno == errno.E2BIG
            found = TOO_LONG
        assert found == expected, (choice, most, truncate)

    def peek(self):
        place = self.random.randrange(len(self.model.messages) + 2)
        assert self.queue.peek(place) == self.model.peek(place)

    def resize(self):
        self.model.capacity = self.random.choice([0, 1, 7, 100, 1000, 4000, 16384])
        self.queue.resize(self.model.capacity)

    def look(self):
        now = self.queue.stat()
        seen = now.messages, now.used_bytes, now.capacity_bytes
        assert seen == (len(self.model.messages), self.model.used, self.model.capacity)

    def run(self, operations):
        each = [self.send] * 9 + [self.receive] * 9 + [self.peek, self.look]
        for n in range(operations):
            operation = self.resize if n % 500 == 0 else self.random.choice(each)
            try:
                operation()
            except AssertionError as difference:
                difference.add_note(f"operation {n}: {operation.__name__}; then the model had {self.model.messages}")
                raise
        for place in range(len(self.model.messages) + 1):
            assert self.queue.peek(place) == self.model.peek(place)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed={seed}")
def test_a_queue_is_what_its_model_says(seed):
    with MessageQueue.temporary() as queue:
        Pair(queue, seed).run(OPERATIONS)


def test_S1_the_model_knows_the_run_of_the_manual():
    model = Model(100)
    for type in (3, 2, 1, 2, 1):
        model.send(type, b"")
    assert [model.receive({"up_to": 2}, None, False).type for _ in range(4)] == [1, 1, 2, 2]
    assert model.receive({"up_to": 2}, None, False) is None


@pytest.mark.parametrize("choice", [{"up_to": 2}, {"type": 1}, {"other_than": 9}, {}], ids=str)
def test_what_was_given_back_to_a_full_queue_is_chosen_by_the_same_rules(choice):
    """Empty messages that a cancelled receive took too late wait in the handle."""
    with MessageQueue.temporary(capacity_bytes=1) as queue:
        model = Model(10)
        queue.send(b"", 9)  # full
        for type in (2, 9, 1, 2, 1):
            queue.give_back(Message(type, b""))
            model.send(type, b"")
        while (expected := model.receive(choice, None, False)) is not None:
            assert queue.try_receive(**choice) == expected
