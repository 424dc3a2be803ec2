"""Random operations on a set, against what the manual says in a few lines of Python."""

from __future__ import annotations

import errno
import random
import secrets

import pytest

from unixipc import Exited, fork
from unixipc.sysv import Op, SemaphoreSet

HIGHEST = 32767
WAIT = 60


class Model:
    """A set as the manual describes it: values, and what one process will have undone at its end."""

    def __init__(self, values):
        self.values = list(values)
        self.undo = [0] * len(values)

    def op(self, ops):
        """What comes of it: "done", "not now", or the errno; every operation in turn, all or nothing."""
        if not ops:
            return errno.EINVAL
        if any(op.index >= len(self.values) for op in ops):
            return errno.EFBIG
        values, undo = list(self.values), list(self.undo)
        for op in ops:
            after = values[op.index] + op.change
            if after < 0 or (op.change == 0 and values[op.index]):
                return "nowait" if op.nowait else "not now"
            if after > HIGHEST:
                return errno.ERANGE
            if op.undo:
                undo[op.index] -= op.change
                if not -HIGHEST - 1 <= undo[op.index] <= HIGHEST:
                    return errno.ERANGE
            values[op.index] = after
        self.values, self.undo = values, undo
        return "done"

    def set(self, values):
        if not all(0 <= value <= HIGHEST for value in values):
            return errno.ERANGE
        self.values, self.undo = list(values), [0] * len(values)
        return "done"

    def set_one(self, index, value):
        if not 0 <= value <= HIGHEST:
            return errno.ERANGE
        self.values[index], self.undo[index] = value, 0
        return "done"

    def end(self):
        """The process ends: what it had done with undo is taken back, as far as that is possible."""
        self.values = [max(0, min(HIGHEST, value + back)) for value, back in zip(self.values, self.undo, strict=True)]


def outcome(call, *args, **named):
    try:
        return "not now" if call(*args, **named) is False else "done"
    except TimeoutError:
        return "not now"
    except BlockingIOError:
        return "nowait"
    except OSError as error:
        return error.errno


def some_op(dice, size, undo):
    index = dice.randrange(size + (dice.random() < 0.01))
    change = dice.choice((0, 0, -1, -1, +1, +1, dice.randrange(-8, 9), dice.randrange(-HIGHEST, HIGHEST)))
    return Op(index, change, undo=undo and dice.random() < 0.5, nowait=dice.random() < 0.05)


def some_value(dice):
    return dice.choice((0, 1, dice.randrange(10), dice.randrange(HIGHEST + 1), HIGHEST, -1, HIGHEST + 1))


def one_step(dice, s, model, undo):
    """Do one thing to both: (what it was, what the set said, what the model said)."""
    size = len(model.values)
    match dice.randrange(20):
        case 0:
            values = [some_value(dice) for _ in range(size)]
            return values, outcome(s.set, values), model.set(values)
        case 1:
            index, value = dice.randrange(size), some_value(dice)
            return (index, value), outcome(setattr, s[index], "value", value), model.set_one(index, value)
        case 2 | 3 | 4:
            index, n = dice.randrange(size), dice.randrange(1, 5)
            name, change = dice.choice((("try_acquire", -n), ("release", n)))
            return (name, index, n), outcome(getattr(s[index], name), n), model.op([Op(index, change)])
        case 5:
            index = dice.randrange(size)
            return ("zero", index), outcome(s[index].try_wait_zero), model.op([Op(index, 0)])
    ops = [some_op(dice, size, undo) for _ in range(dice.choice((1, 1, 2, 3, 5, 40, dice.randrange(2))))]
    if dice.random() < 0.9:
        expected = model.op(ops)
        return ops, outcome(s.try_op, *ops), "not now" if expected == "nowait" else expected
    return ops, outcome(s.op, *ops, timeout=0), model.op(ops)


def same_for(steps, seed, s, undo=False):
    dice = random.Random(seed)
    model = Model(s.values)
    for number in range(steps):
        what, got, expected = one_step(dice, s, model, undo)
        assert (got, s.values) == (expected, tuple(model.values)), f"step {number} of seed {seed}: {what}"
    return model


@pytest.mark.parametrize("size", [1, 3, 40])
def test_100_000_random_operations_do_what_the_manual_says(size):
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    with SemaphoreSet.temporary([0] * size) as s:
        same_for(100_000 // 3, seed, s)


def test_random_operations_with_undo_are_undone_at_the_end():
    """As a process does them, which then ends: the rest of the model is compared by its parent."""
    first = secrets.randbits(32)
    print(f"seeds from {first}")

    def live(seed):
        model = same_for(300, seed, s, undo=True)
        model.end()
        expected.set(model.values)

    with SemaphoreSet.temporary([5, 0, 32767]) as s, SemaphoreSet.temporary([0, 0, 0]) as expected:
        for seed in range(first, first + 100):
            with fork(live, seed) as child:
                assert child.wait(timeout=WAIT) == Exited(0)
            assert s.values == expected.values, f"after the end of seed {seed}"
