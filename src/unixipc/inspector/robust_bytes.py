"""What the bytes of a robust lock say (_native/robust/layout.h). They may be anything: whoever may write there, may.

Nothing here is followed or believed further than the bytes that were copied.
"""

from __future__ import annotations

import struct

from .._native import robust as _robust
from .._record import record

__all__ = ["BLOCK_BYTES", "CHANGED_AT", "MOST_BYTES", "Block", "block_of", "size_of", "slot_among"]

BLOCK = struct.Struct("=IIQQQQII16x")  # word, pid, identity, mark, previous, next, changed, writing
SLOT = struct.Struct("=II56x")  # word, pid
BLOCK_BYTES = BLOCK.size
MOST_BYTES = BLOCK_BYTES * (1 + _robust.MOST_SLOTS)
CHANGED_AT = 40
MAGIC, VERSION = 0x42524955, 1
TYPES = {_robust.MUTEX: "mutex", _robust.SEMAPHORE: "semaphore", _robust.RWLOCK: "rwlock"}
TYPES[_robust.CONDITION] = "condition"
WITH_SLOTS = ("semaphore", "rwlock")
THREAD, DIED = 0x3FFFFFFF, 0x40000000  # FUTEX_TID_MASK, FUTEX_OWNER_DIED


@record
class Block:
    """A lock as its bytes say: ids are (thread, process) in the namespaces of those that wrote them, 0 for unknown.

    `slots`: how many it should have; `whole`: whether there was memory for all of them. `owner`: who has the mutex, or
    writes; `taken`: who has a permit, or reads. `died`: who was killed while it held the lock, 0 if unknown, None if
    nobody was since the state was last sound.
    """

    type: str
    slots: int
    whole: bool
    owner: tuple[int, int] | None
    taken: tuple[tuple[int, int], ...]
    died: int | None
    writing: bool


def size_of(raw: bytes) -> int:
    """How many bytes the lock that begins so has; 0: no lock begins so."""
    known = _identity(raw)
    return 0 if known is None else BLOCK_BYTES * (1 + known[1])


def block_of(raw: bytes) -> Block | None:
    """None: these bytes are no lock."""
    known = _identity(raw)
    if known is None:
        return None
    kind, slots = known
    word, pid, _identity_word, mark, _previous, _next, _changed, writing = BLOCK.unpack_from(raw)
    there = min(slots, len(raw) // BLOCK_BYTES - 1)
    taken = (SLOT.unpack_from(raw, BLOCK_BYTES * (1 + i)) for i in range(there))
    return Block(
        kind, slots, there == slots, (word & THREAD, pid) if word & THREAD else None,
        tuple((each & THREAD, of) for each, of in taken if each & THREAD), _died(kind, word, pid, mark, writing),
        bool(writing) and kind == "rwlock",
    )  # fmt: skip


def _identity(raw: bytes) -> tuple[str, int] | None:
    """(type, slots), if it is one that we know and that can be."""
    if len(raw) < BLOCK_BYTES:
        return None
    found: int = BLOCK.unpack_from(raw)[2]
    kind, slots = TYPES.get(found >> 40 & 0xFF), found >> 48
    if found & 0xFFFFFFFF != MAGIC or found >> 32 & 0xFF != VERSION or kind is None:
        return None
    return (kind, slots) if (1 <= slots <= _robust.MOST_SLOTS if kind in WITH_SLOTS else slots == 0) else None


def _died(kind: str, word: int, pid: int, mark: int, writing: int) -> int | None:
    """The mark is set by who comes after a dead holder; until somebody comes, the kernel's flag in the word says it."""
    if mark:
        return mark & 0xFFFFFFFF
    guards = kind in ("mutex", "condition") or (kind == "rwlock" and writing)
    return pid if guards and word & DIED and not word & THREAD else None


def slot_among(raw: bytes) -> int | None:
    """Where in these bytes the lock begins whose slot follows them; None: there is none."""
    for distance in range(1, len(raw) // BLOCK_BYTES + 1):
        at = len(raw) - BLOCK_BYTES * distance
        known = _identity(raw[at : at + BLOCK_BYTES])
        if known is not None:
            return at if known[1] >= distance else None
    return None
