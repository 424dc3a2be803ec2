"""Words of memory that threads sleep on, and robust locks that they hold. -- futex(2), get_robust_list(2)"""

from __future__ import annotations

import os
import struct
import sys

from .._native import glance as _glance
from .calls import name_of
from .procfs import memory_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .procfs import Call

__all__ = ["robust_locks_of", "slept_on_by"]

PRIVATE, PRIVATE_2 = 128, 128
WAITER = struct.Struct("=QQII")  # struct futex_waitv: value, address, flags, reserved
ROBUST_LIST = struct.Struct("=QqQ")  # struct robust_list_head, on 64 bits


def slept_on_by(call: Call) -> list[tuple[int, bool]]:
    """(address, whether it is private to the process) of each word that this call sleeps on; none for other calls."""
    name = "" if call.number is None else name_of(call.number)
    if name == "futex":
        return [(call.arguments[0], bool(call.arguments[1] & PRIVATE))]
    if name != "futex_waitv":
        return []
    raw = memory_of(call.pid, call.arguments[0], WAITER.size * min(call.arguments[1], 128)) or b""
    return [(address, bool(flags & PRIVATE_2)) for _value, address, flags, _reserved in WAITER.iter_unpack(raw)]


def robust_locks_of(pid: int) -> Iterator[int]:
    """Where in its memory the robust locks are that its threads hold, by the kernel's lists. -- get_robust_list(2)

    The lists are in its own memory and say what it likes: at most 2048 of them are looked at, as by the kernel.
    """
    try:
        threads = [int(each) for each in os.listdir(f"/proc/{pid}/task")]
    except OSError:  # it has ended
        return
    for thread in threads:
        try:
            head = _glance.robust_list_of(thread)
        except OSError:  # it has ended, or may not be looked into
            continue
        yield from _list_at(pid, head)


def _list_at(pid: int, head: int) -> Iterator[int]:
    """The first node, how far a lock's word is from its node, and a node that is just being added or removed."""
    raw = memory_of(pid, head, 24) if head else None
    if raw is None:
        return
    node, distance, pending = ROBUST_LIST.unpack(raw)
    if pending:
        yield (pending & ~1) + distance
    for _ in range(2048):
        if node & ~1 == head or (raw := memory_of(pid, node & ~1, 8)) is None:
            return
        yield (node & ~1) + distance
        node = int.from_bytes(raw, sys.byteorder)
