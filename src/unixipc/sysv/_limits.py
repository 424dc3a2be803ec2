"""The kernel's System V limits, how much of them is used, and everything that exists in this IPC namespace."""

from __future__ import annotations

from .._native import sysv as _sysv
from .._record import record
from .memory import MemoryStat, memory_stat
from .queue import QueueStat, queue_stat
from .semaphore import SetStat, set_stat

__all__ = ["SYSCTLS", "Limits", "Usage", "limits", "queues", "segments", "semaphore_sets", "usage"]


@record
class Limits:
    """What this IPC namespace allows; `SYSCTLS` says how to raise each."""

    queues: int
    message_bytes: int
    queue_bytes: int
    sets: int
    semaphores: int
    semaphores_per_set: int
    operations_per_call: int
    semaphore_value: int
    segments: int
    segment_bytes: int
    memory_pages: int


SYSCTLS: dict[str, str] = {
    "queues": "kernel.msgmni",
    "message_bytes": "kernel.msgmax",
    "queue_bytes": "kernel.msgmnb",
    "sets": "kernel.sem, number 4 (SEMMNI)",
    "semaphores": "kernel.sem, number 2 (SEMMNS)",
    "semaphores_per_set": "kernel.sem, number 1 (SEMMSL)",
    "operations_per_call": "kernel.sem, number 3 (SEMOPM)",
    "semaphore_value": "fixed (SEMVMX)",
    "segments": "kernel.shmmni",
    "segment_bytes": "kernel.shmmax",
    "memory_pages": "kernel.shmall",
}
"""The name of each limit of `Limits` for sysctl(8)."""


@record
class Usage:
    """How much of it is used now, by everybody in this IPC namespace."""

    queues: int
    messages: int
    message_bytes: int
    sets: int
    semaphores: int
    segments: int
    memory_pages: int
    resident_pages: int
    swapped_pages: int


def limits() -> Limits:
    """What this IPC namespace allows. -- msgctl(2), semctl(2), shmctl(2), IPC_INFO"""
    (queues, message_bytes, queue_bytes), _ = _sysv.queue_info()
    (sets, semaphores, per_set, operations, value), _ = _sysv.set_info()
    return Limits(
        queues, message_bytes, queue_bytes, sets, semaphores, per_set, operations, value, *_sysv.memory_info()[0]
    )


def usage() -> Usage:
    """How much of it is used. -- MSG_INFO, SEM_INFO, SHM_INFO"""
    return Usage(*_sysv.queue_info()[1], *_sysv.set_info()[1], *_sysv.memory_info()[1])


def queues() -> list[QueueStat]:
    """Every queue of this IPC namespace, whoever owns it. -- msgctl(2), MSG_STAT_ANY"""
    return [queue_stat(raw) for raw in _sysv.queue_table()]


def semaphore_sets() -> list[SetStat]:
    """Every semaphore set of this IPC namespace, whoever owns it. -- semctl(2), SEM_STAT_ANY"""
    return [set_stat(raw) for raw in _sysv.set_table()]


def segments() -> list[MemoryStat]:
    """Every shared memory segment of this IPC namespace, whoever owns it. -- shmctl(2), SHM_STAT_ANY"""
    return [memory_stat(raw) for raw in _sysv.memory_table()]
