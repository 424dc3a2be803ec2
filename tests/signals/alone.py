"""A test in a process of its own that has one thread: elsewhere, another one (the watchdog's) may take a signal."""

from __future__ import annotations

import functools

from unixipc import Exited, fork


def alone(test):
    @functools.wraps(test)
    def in_a_child(*args, **named):
        with fork(functools.partial(test, *args, **named)) as process:
            assert process.wait(100) == Exited(0)

    return in_a_child
