"""One thread that sleeps for all tasks that wait for a word in shared memory. -- futex_waitv(2)

It sleeps on all their words at once, and on one of its own that `watch` and `forget` change. Who sends or receives does
for a task what it does for a sleeping thread, and no more: nothing is written to a descriptor, and nobody needs to know
that there are event loops. The thread stays, and costs nothing while it sleeps. The kernel watches 128 words in one
call: more tasks than that have more threads.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from .. import features
from .._native.wait import MOST_WORDS, Word, monotonic_ns, sleep_on_words

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_NS = 500_000_000
"""A member that is killed wakes nobody: tasks look again as often as this."""


class Sleepers:
    """The threads, and which one sleeps for which task."""

    def __init__(self) -> None:
        features.require("futex_waitv")
        self.lock = threading.Lock()
        self.all: list[Sleeper] = []
        self.of: dict[object, Sleeper] = {}

    def watch(self, key: object, word: Word, value: int, wake: Callable[[], None]) -> None:
        """Call `wake`, once, when the word has not this value any more; or after a while."""
        with self.lock:
            for each in self.all:
                if each.watch(key, word, value, wake):
                    break
            else:
                each = Sleeper()
                self.all.append(each)
                each.watch(key, word, value, wake)
            self.of[key] = each

    def forget(self, key: object) -> bool:
        """It does not wait any more. Whether it still did."""
        with self.lock:
            each = self.of.pop(key, None)
        return each is not None and each.forget(key)


class Sleeper:
    """One of the threads, and who waits for what."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: dict[object, tuple[Word, int, Callable[[], None]]] = {}
        self.changes = Word(bytearray(8))
        self.thread: threading.Thread | None = None

    def watch(self, key: object, word: Word, value: int, wake: Callable[[], None]) -> bool:
        """The same, unless it has as many words as the kernel takes."""
        with self.lock:
            if len(self.waiting) >= MOST_WORDS - 1:
                return False
            self.waiting[key] = (word, value, wake)
            if self.thread is None:
                self.thread = threading.Thread(target=self._sleep, name="unixipc sleeper", daemon=True)
                self.thread.start()
        self._tell()
        return True

    def forget(self, key: object) -> bool:
        """It does not wait any more. Whether it still did."""
        with self.lock:
            found = self.waiting.pop(key, None) is not None
        if found:
            self._tell()
        return found

    def _tell(self) -> None:
        self.changes.store((self.changes.load() + 1) & 0xFFFFFFFF)
        self.changes.wake()

    def _sleep(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the program's, not ours
        while True:  # as long as the process lives
            seen = self.changes.load()
            with self.lock:
                words = [(word, value) for word, value, _wake in self.waiting.values()]
            until_ns = monotonic_ns() + LOOK_NS if words else -1
            try:
                sleep_on_words(((self.changes, seen), *words), until_ns)
            except OSError:
                until_ns = 0  # the kernel is short of memory: let them look, and come again
            self._wake(0 <= until_ns <= monotonic_ns())

    def _wake(self, everybody: bool) -> None:
        with self.lock:
            due = [key for key, (word, value, _) in self.waiting.items() if everybody or word.load() != value]
            calls = [self.waiting.pop(key)[2] for key in due]
        for wake in calls:
            wake()


_sleepers: Sleepers | None = None


def sleeper() -> Sleepers:
    """Those of this process."""
    global _sleepers
    if _sleepers is None:
        _sleepers = Sleepers()
    return _sleepers


def _forget_in_child() -> None:
    global _sleepers
    _sleepers = None


os.register_at_fork(after_in_child=_forget_in_child)
