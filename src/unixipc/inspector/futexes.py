"""Who could wake a thread that sleeps on a word of memory. -- futex(2), futex_waitv(2)

A word in memory that is mapped shared is a place in a file: the same for everybody who has mapped it.
"""

from __future__ import annotations

import sys

from .._native import ring as _ring
from ..channel._in_the_way import named
from . import robust
from .channels import ChannelRow
from .namespaces import elsewhere, pid_here, process_here
from .procfs import identity, memory_of
from .scene import Thing
from .words import slept_on_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .channels import TopicRow
    from .procfs import Call, Identity, Mapped
    from .robust import RobustHolder, RobustRow
    from .scene import Ender, Scene

__all__ = ["members_here", "slept_on"]

OWNER = 0x3FFFFFFF
WORDS_OWNER_AT = (0, 8)
"""Where the owner's thread id is: in the word itself (robust locks), or behind it (the C library's plain mutex)."""


def slept_on(scene: Scene, call: Call) -> list[Thing]:
    """What the words that this call sleeps on belong to."""
    return [_word(scene, call, address, private) for address, private in slept_on_by(call)]


def _word(scene: Scene, call: Call, address: int, private: bool) -> Thing:
    pid = call.pid
    for which, mapped in [] if private else scene.mappings.get(pid, []):
        if mapped.start <= address < mapped.end:
            return _shared(scene, call, address, which, mapped)
    enders = scene.enders([pid], "another thread of it could wake it", False)
    return Thing("thread", f"{pid}:{address:#x}", "waits", "for another thread of the process", enders)


def _shared(scene: Scene, call: Call, address: int, which: Identity, mapped: Mapped) -> Thing:
    offset = address - mapped.start + mapped.offset
    if which in scene.channels:
        return _in_channel(scene, call.pid, address, offset, scene.channels[which])
    lock = robust.lock_at(scene.seen, scene.names, which, mapped, address)
    if lock is not None:
        return _at_lock(scene, call, lock, offset - lock.offset_bytes)
    owner = _owner(scene, call.pid, address, which)
    enders = owner or scene.enders(_others(scene, call.pid, which), "has it mapped", False)
    if scene.names.get(which, "").startswith("sem."):
        name = "/" + scene.names[which].removeprefix("sem.")
        return Thing("posix-semaphore", name, "acquires", f"semaphore {name} is 0", enders, True)
    if mapped.path.startswith("/SYSV"):
        segment = elsewhere(scene.seen, call.pid, which[1]) or which[1]
        return Thing("sysv-segment", segment, "waits", f"word {offset} of segment {segment}", enders, not owner)
    path = f"/dev/shm/{scene.names[which]}" if which in scene.names else mapped.path.removesuffix(" (deleted)")
    return Thing("mapping", identity(*which), "waits", f"word {offset} of {path or 'shared memory'}", enders, not owner)


def _others(scene: Scene, pid: int, which: Identity) -> set[int]:
    return {each.pid for each in scene.seen.maps.get(which, ()) if each.writes} - {pid}


def _owner(scene: Scene, pid: int, address: int, which: Identity) -> tuple[Ender, ...]:
    """The thread whose id is in the word, if it is one of a process that has it mapped."""
    users = {each.pid for each in scene.seen.maps.get(which, ())}
    for distance in WORDS_OWNER_AT:
        raw = memory_of(pid, address + distance, 4)
        number = int.from_bytes(raw or b"", sys.byteorder) & OWNER
        if number > 2 and (owner := process_here(number, users)) is not None:
            return scene.enders([owner], f"its thread {number} is the owner in the word", distance == 0)
    return ()


# robust locks ---------------------------------------------------------------------------------------------------------


def _at_lock(scene: Scene, call: Call, lock: RobustRow, at: int) -> Thing:
    """At the block's first word sleeps who waits for its owner; at the other one, who waits for all the rest."""
    if lock.type == "condition" and at:
        others = scene.enders(set(lock.used_by) - {call.pid}, "could notify", False)
        return Thing("robust", lock.id, "waits", f"for a notification of condition {lock.id}", others, True)
    holders, what = _in_the_way(call, lock, at)
    known = {each.pid for each in holders if each.pid is not None}
    names = ", ".join(str(each.pid or f"thread {each.tid} of another namespace, or gone") for each in holders)
    text = f"{lock.type} {lock.id} {what}{names or 'nobody who is seen'}"
    does = "reads" if at and lock.type == "rwlock" and not _writes(call, lock) else "acquires"
    enders = scene.enders(known, "holds it")
    return Thing("robust", lock.id, does, text, enders, any(each.pid is None for each in holders) or not holders)


def _in_the_way(call: Call, lock: RobustRow, at: int) -> tuple[tuple[RobustHolder, ...], str]:
    """Whose release would help, and how that is called."""
    if lock.type == "semaphore":
        return lock.holders, f"has {lock.free_slots or 0} of {lock.slots} permits free; the others are held by "
    if lock.type != "rwlock" or not at:
        held = lock.holders if lock.type != "rwlock" else (lock.writer,) if lock.writer else ()
        return held, "is held by "
    if lock.writer is not None and not _writes(call, lock):
        return (lock.writer,), f"is {'held' if lock.writing else 'claimed'} for writing by "
    return lock.holders, "is read by "


def _writes(call: Call, lock: RobustRow) -> bool:
    """Whether the one that sleeps has claimed it for writing, and waits until nobody reads."""
    return lock.writer is not None and not lock.writing and lock.writer.pid == call.pid


# channels -------------------------------------------------------------------------------------------------------------


def members_here(row: ChannelRow | TopicRow, pids: Iterable[int]) -> list[int]:
    """The pids here of these members, each of which has written its own: those that use the channel and can be seen."""
    found = (pid_here(pid, row.used_by) for pid in pids)
    return [each for each in found if each is not None]


def _in_channel(scene: Scene, pid: int, address: int, offset: int, row: ChannelRow | TopicRow) -> Thing:
    """The words of a ring: what is slept on there is known (layout.h)."""
    word = _ring.WORDS_AT.get(offset)
    if isinstance(row, ChannelRow):
        senders, receivers = row.senders, row.receivers
    else:
        senders, receivers = row.publishers, tuple(each.pid for each in row.subscribers)
    unfinished = row.unfinished if isinstance(row, ChannelRow) else None
    writer = None if unfinished is None else pid_here(unfinished, row.used_by)
    if word == "messages" and writer is not None:
        text = f"{row.kind} {row.id}: the next message is an unfinished one of {named(writer)}"
        return Thing(row.kind, row.id, "receives", text, scene.enders([writer], "writes the next message"))
    if word == "messages":
        known = members_here(row, senders)
        enders = scene.enders(known, "could send")
        return Thing(
            row.kind, row.id, "receives", f"{row.kind} {row.id} is empty", enders, not len(known) == len(senders) > 0
        )
    if word == "space":
        known = members_here(row, receivers)
        enders = scene.enders(known, "could receive")
        return Thing(row.kind, row.id, "sends", f"{row.kind} {row.id} is full", enders, len(known) < len(receivers))
    raw = memory_of(pid, address, 4) or b""
    owner = process_here(int.from_bytes(raw, sys.byteorder) & OWNER, row.used_by)
    enders = () if owner is None else scene.enders([owner], "its thread is the owner in the word")
    return Thing(row.kind, row.id, "acquires", f"the lock of the {word or 'ring'} of {row.id} is held", enders)
