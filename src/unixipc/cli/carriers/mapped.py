"""Mapped memory: a file as a ring with event counters, and signals that say which slot."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from ... import _wait
from ..._fd import Descriptor
from ...event import EventFd
from ...mapping import map_anonymous, map_file
from ...signals import SignalStream, send, sigaction
from .meeting import RECEIVER, SENDER
from .slots import RING_BYTES, SLOTS, Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...mapping import Mapping
    from ...signals import SignalInfo


class MappedFile(Slots):
    """mmap(2), eventfd(2): a file that both have mapped; one counter tells of full slots, one of free ones.

    Neither tells that the other has ended: each waits for its counter and for the other's pidfd.
    """

    name = "mapped file"

    def make_memory(self) -> Mapping:  # noqa: D102
        self.turns = (EventFd(SLOTS, semaphore=True), EventFd(semaphore=True))
        self.own(*self.turns)
        self.path = os.path.join(self.folder, "ring")
        opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with Descriptor(opened, self.path) as file:
            os.posix_fallocate(file.fileno(), 0, RING_BYTES)
            return map_file(file, "rw")

    def wait_for_turn(self) -> None:  # noqa: D102
        turns = self.turns[self.me]
        self.beside_the_other(turns, _wait.READABLE, turns.try_take)

    def give_turn(self) -> None:  # noqa: D102
        self.turns[SENDER if self.me == RECEIVER else RECEIVER].try_add(1)  # far from its limit: it never waits

    def remove(self) -> None:  # noqa: D102
        with suppress(FileNotFoundError):
            os.unlink(self.path)


class SignalValues(Slots):
    """sigqueue(3), signalfd(2): a signal's 32 bits are too few for files, so the bytes lie in shared memory.

    A signal says that a slot is full, one back that it is free; the value names the slot. Real-time signals queue in
    the order they were sent, and as each slot has at most one of them under way, the kernel's limit is far.
    """

    name = "signals with values"
    number_of_signal = signal.SIGRTMIN

    def make_memory(self) -> Mapping:  # noqa: D102
        return map_anonymous(RING_BYTES)

    def prepare(self) -> None:
        """From here on the signal waits for us; before, it would have ended us. After `close` it is ignored."""
        self.signals = SignalStream(self.number_of_signal)
        self.own(self.signals)
        sigaction(self.number_of_signal, signal.SIG_IGN)

    def wait_for_turn(self) -> None:  # noqa: D102
        if self.me == SENDER and self.number < SLOTS:
            return  # all are free at first
        self.beside_the_other(self.signals, _wait.READABLE, self._try_hear)

    def _try_hear(self) -> SignalInfo | None:
        """The next signal, if it is about the slot that we wait for: anybody of this user could send one."""
        while info := self.signals.try_receive():
            if (info.pid, info.value) == (self.other.pid, self.number % SLOTS):
                heard: SignalInfo = info
                return heard
        return None

    def give_turn(self) -> None:  # noqa: D102
        with suppress(ProcessLookupError):  # it has ended: the next wait tells
            send(self.other, self.number_of_signal, (self.number - 1) % SLOTS)
