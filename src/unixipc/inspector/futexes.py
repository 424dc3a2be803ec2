"""Who could wake a thread that sleeps on a word of memory. -- futex(2), futex_waitv(2)

A word in memory that is mapped shared is a place in a file: the same for everybody who has mapped it.
"""

from __future__ import annotations

import struct
import sys

from .._native import ring as _ring
from .channels import ChannelRow
from .procfs import Call, identity, memory_of, process_of
from .scene import Thing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .channels import TopicRow
    from .procfs import Identity, Mapped
    from .scene import Ender, Scene

__all__ = ["slept_on"]

COMMANDS = {0: "waits", 9: "waits", 6: "acquires", 13: "acquires", 11: "waits"}
PRIVATE, PRIVATE_2 = 128, 128
OWNER = 0x3FFFFFFF
WORDS_OWNER_AT = (0, 8)
"""Where the owner's thread id is: in the word itself (robust locks), or behind it (the C library's plain mutex)."""
WAITER = struct.Struct("=QQII")  # struct futex_waitv: value, address, flags, reserved


def slept_on(scene: Scene, call: Call, name: str) -> list[Thing]:
    """What the words that this call sleeps on belong to."""
    if name == "futex":
        address, command = call.arguments[0], call.arguments[1]
        return [_word(scene, call.pid, address, bool(command & PRIVATE))]
    return [_word(scene, call.pid, address, private) for address, private in _several(call)]


def _several(call: Call) -> Iterator[tuple[int, bool]]:
    count = min(call.arguments[1], 128)
    raw = memory_of(call.pid, call.arguments[0], WAITER.size * count) or b""
    for _value, address, flags, _reserved in WAITER.iter_unpack(raw):
        yield address, bool(flags & PRIVATE_2)


def _word(scene: Scene, pid: int, address: int, private: bool) -> Thing:
    for which, mapped in [] if private else scene.mappings.get(pid, []):
        if mapped.start <= address < mapped.end:
            return _shared(scene, pid, address, which, mapped)
    enders = scene.enders([pid], "another thread of it could wake it", False)
    return Thing("thread", f"{pid}:{address:#x}", "waits", "for another thread of the process", enders)


def _shared(scene: Scene, pid: int, address: int, which: Identity, mapped: Mapped) -> Thing:
    offset = address - mapped.start + mapped.offset
    if which in scene.channels:
        return _in_channel(scene, pid, address, offset, scene.channels[which])
    path = f"/dev/shm/{scene.names[which]}" if which in scene.names else mapped.path.removesuffix(" (deleted)")
    owner = _owner(scene, pid, address, which)
    enders = owner or scene.enders(_others(scene, pid, which), "has it mapped", False)
    if path.startswith("/dev/shm/sem."):
        name = "/" + path.removeprefix("/dev/shm/sem.")
        return Thing("posix-semaphore", name, "acquires", f"semaphore {name} is 0", enders, True)
    if mapped.path.startswith("/SYSV"):
        return Thing("sysv-segment", which[1], "waits", f"word {offset} of segment {which[1]}", enders, not owner)
    return Thing("mapping", identity(*which), "waits", f"word {offset} of {path or 'shared memory'}", enders, not owner)


def _others(scene: Scene, pid: int, which: Identity) -> set[int]:
    return {each.pid for each in scene.seen.maps.get(which, ()) if each.writes} - {pid}


def _owner(scene: Scene, pid: int, address: int, which: Identity) -> tuple[Ender, ...]:
    """The thread whose id is in the word, if it is one of a process that has it mapped."""
    users = {each.pid for each in scene.seen.maps.get(which, ())}
    for distance in WORDS_OWNER_AT:
        raw = memory_of(pid, address + distance, 4)
        number = int.from_bytes(raw or b"", sys.byteorder) & OWNER
        if number > 2 and (owner := process_of(number)) in users and owner is not None:
            return scene.enders([owner], f"its thread {number} is the owner in the word", distance == 0)
    return ()


def _in_channel(scene: Scene, pid: int, address: int, offset: int, row: ChannelRow | TopicRow) -> Thing:
    """The words of a ring: what is slept on there is known (layout.h)."""
    word = _ring.WORDS_AT.get(offset)
    if isinstance(row, ChannelRow):
        senders, receivers = row.senders, row.receivers
    else:
        senders, receivers = row.publishers, tuple(each.pid for each in row.subscribers)
    if word == "messages":
        enders = scene.enders(senders, "could send")
        return Thing(row.kind, row.id, "receives", f"{row.kind} {row.id} is empty", enders, not senders)
    if word == "space":
        return Thing(
            row.kind, row.id, "sends", f"{row.kind} {row.id} is full", scene.enders(receivers, "could receive")
        )
    raw = memory_of(pid, address, 4) or b""
    owner = process_of(int.from_bytes(raw, sys.byteorder) & OWNER)
    enders = () if owner is None else scene.enders([owner], "its thread is the owner in the word")
    return Thing(row.kind, row.id, "acquires", f"the lock of the {word or 'ring'} of {row.id} is held", enders)
