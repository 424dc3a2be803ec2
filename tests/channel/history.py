"""What several senders and receivers did, noted in memory that outlives them, and the check of it afterwards.

Each message has its sender's number, its own number, its length and a checksum. A sender notes what it is about to send
and what was sent; a receiver notes each message that it got. Both may be killed between any two steps.
"""

from __future__ import annotations

import contextlib
import mmap
import random
import struct
import time
import zlib
from collections import Counter

HEAD = struct.Struct("<IIII")
ENTRY = struct.Struct("<II")
PAIR = struct.Struct("<QQ")
MOST = 2_000_000  # notes of one receiver
BATCH = 8
PLENTY = 20_000  # of one who sends without an end: from then on slowly, or the check would take minutes


def body(sender, number, length):
    """A message: it can be checked by itself."""
    rest = bytes([(sender * 7 + number) & 0xFF]) * max(0, length - HEAD.size)
    return HEAD.pack(sender, number, len(rest), zlib.crc32(rest, sender * 31 + number)) + rest


def read(message):
    """(sender, number) of a message that is whole."""
    sender, number, length, check = HEAD.unpack_from(message)
    rest = memoryview(message)[HEAD.size :]
    assert len(rest) == length, "torn: its length"
    assert zlib.crc32(rest, sender * 31 + number) == check, "torn: its bytes"
    return sender, number


class Notes:
    """One member's notes. Each number is one store: `pack_into` would write zeros first, and be killed then."""

    def __init__(self):
        self.memory = mmap.mmap(-1, PAIR.size + MOST * ENTRY.size)
        self.numbers = memoryview(self.memory).cast("Q")
        self.killed = False

    def set(self, first, second):
        self.numbers[0] = first
        self.numbers[1] = second

    @property
    def pair(self):
        return self.numbers[0], self.numbers[1]

    def add(self, sender, number):
        count = self.pair[0]
        assert count < MOST, "too many notes"
        ENTRY.pack_into(self.memory, PAIR.size + count * ENTRY.size, sender, number)
        self.set(count + 1, 0)

    def entries(self):
        return list(ENTRY.iter_unpack(self.memory[PAIR.size : PAIR.size + self.pair[0] * ENTRY.size]))


def length_of(chance, capacity):
    """Mostly small; some around the size from which a copy is made without a lock; some near the capacity."""
    kind = chance.random()
    if kind < 0.85:
        return chance.randrange(0, 300)
    if kind < 0.97:
        return min(chance.choice([1000, 16_000, 16_384, 16_385, 20_000]), capacity - 32 - HEAD.size)
    return capacity - 32 - HEAD.size - chance.randrange(64)


def send(queue, me, notes, stop, seed, most=None):
    """Send in all ways until `stop` is set, or `most` messages."""
    chance = random.Random(seed)
    number = 0
    with queue.sender() as sender:
        while not stop[0] and (most is None or number < most):
            how = chance.randrange(5)
            count = chance.randrange(1, BATCH) if how == 0 else 1
            some = [body(me, number + n, length_of(chance, queue.capacity_bytes)) for n in range(count)]
            notes.set(number + count, number)
            put(sender, how, some)
            number += count
            notes.set(number, number)
            if most is None and number > PLENTY:
                time.sleep(0.001)


def put(sender, how, some):
    if how == 0:
        sender.send_many(some)
    elif how == 1:
        with sender.reserve(len(some[0])) as buffer:
            buffer[:] = some[0]
    elif how == 2:
        with contextlib.suppress(RuntimeError), sender.reserve(len(some[0])) as buffer:
            buffer[:5] = b"never"[: len(buffer)]
            raise RuntimeError
        sender.send(memoryview(some[0]))
    elif how != 3 or not sender.try_send(some[0]):
        sender.send(some[0])


def receive(queue, notes, seed, lease):
    """Receive in all ways until the last sender has left."""
    chance = random.Random(seed)
    with queue.receiver() as receiver, contextlib.suppress(EOFError):
        while True:
            for message in take_leased(receiver, notes, chance) if lease else take(receiver, chance):
                sender, number = read(message)
                if not lease:
                    notes.add(sender, number)


def take(receiver, chance):
    how = chance.randrange(4)
    if how == 0:
        return receiver.receive_many(BATCH)
    if how == 1:
        with receiver.peek() as view:
            return [bytes(view)]
    message = receiver.try_receive() if how == 2 else None
    return [receiver.receive() if message is None else message]


def take_leased(receiver, notes, chance):
    with contextlib.suppress(ZeroDivisionError), receiver.lease() as message:
        if chance.random() < 0.1:
            raise ZeroDivisionError  # it goes back
        notes.add(*read(message))
        return [message]
    return []


def out_of_order(entries):
    """How many came after a later one of the same sender."""
    last, count = {}, 0
    for sender, number in entries:
        count += number < last.get(sender, -1)
        last[sender] = max(number, last.get(sender, -1))
    return count


def check(senders, receivers, lease, dropping=False):
    """Nothing torn (each receiver has looked), nothing twice, nothing lost but what was in flight: how much went."""
    got = Counter()
    for notes in receivers:
        got.update(notes.entries())
    for (sender, number), times in got.items():
        assert number < senders[sender].pair[0], "a message that nobody has sent"
        assert lease or times == 1, "twice"
    killed = sum(notes.killed for notes in receivers)
    missing = [(me, n) for me, notes in enumerate(senders) for n in range(notes.pair[1]) if (me, n) not in got]
    again = sum(times - 1 for times in got.values())
    if lease:
        assert not missing, missing[:10]
        assert again <= killed
    else:  # what was in the hands of one who was killed comes later
        assert sum(out_of_order(notes.entries()) for notes in receivers) <= killed
    if not lease and not dropping:
        assert len(missing) <= killed * BATCH, (len(missing), missing[:10])
    return len(got), len(missing), again


__all__ = ["PLENTY", "Notes", "body", "check", "read", "receive", "send"]
