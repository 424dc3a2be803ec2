"""Waiting on a word of shared memory, between processes."""

from __future__ import annotations

import mmap
import time

import pytest

from unixipc import ClosedError, Exited, _wait, fork, map_anonymous
from unixipc._native.wait import Word


@pytest.fixture
def memory():
    shared = mmap.mmap(-1, 4096)
    yield shared
    shared.close()


def test_a_word_wakes_another_process(memory):
    word = Word(memory, 0)

    def child():
        return 0 if _wait.on_word(word, lambda: word.load() == 7 or None, 30, "word") else 1

    with fork(child) as waiting:
        time.sleep(0.05)
        word.store(7)
        word.wake()
        assert waiting.wait(timeout=30) == Exited(0)
    word.close()


def test_ping_pong_between_two_processes_loses_no_wake_up(memory):
    """2 000 turns: a single lost wake-up would be a hang, and the watchdog's."""
    ping, pong = Word(memory, 0), Word(memory, 128)

    def child():
        for turn in range(1, 2001):
            _wait.on_word(ping, lambda turn=turn: ping.load() == turn or None, 30)
            pong.store(turn)
            pong.wake()

    with fork(child) as other:
        for turn in range(1, 2001):
            ping.store(turn)
            ping.wake()
            _wait.on_word(pong, lambda turn=turn: pong.load() == turn or None, 30)
        assert other.wait(timeout=30) == Exited(0)
    ping.close()
    pong.close()


def test_a_word_keeps_its_memory(memory):
    word = Word(memory, 4092)
    with pytest.raises(BufferError):
        memory.close()
    word.close()
    with pytest.raises(ClosedError):
        word.load()


@pytest.mark.parametrize("offset", [-4, 4093, 4096, 1 << 40])
def test_a_word_outside_the_memory_is_refused(memory, offset):
    with pytest.raises(ValueError, match="does not fit"):
        Word(memory, offset)


def test_a_word_must_be_aligned_and_writable(memory):
    with pytest.raises(ValueError, match="aligned"):
        Word(memory, 2)
    with pytest.raises(BufferError):
        Word(b"read only", 0)


@pytest.mark.parametrize("offset", [-1, -(2**63), 1, 5, 4093, 4096, 2**62, 2**63 - 1, 2**63 - 4])
def test_a_word_lies_within_its_memory(offset):
    with map_anonymous(4096) as memory, pytest.raises(ValueError):
        Word(memory, offset)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_word_needs_four_bytes(size):
    with pytest.raises(ValueError):
        Word(bytearray(size))
