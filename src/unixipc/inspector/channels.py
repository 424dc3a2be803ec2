"""Our own channels and topics, seen from outside: depth, drops, lag, and members that are alive by the kernel's locks.

Looking takes no place and changes nothing: a temporary channel that its last user left behind is still there
afterwards.
"""

from __future__ import annotations

import os
import stat

from .._fd import Descriptor
from .._native import mapping as _mapping
from .._native import ring as _ring
from .._record import record
from ..channel import SubscriberStatus
from ..errors import LayoutError
from ..locks import probe
from . import posix
from .files import first_bytes
from .namespaces import is_here
from .procfs import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .procfs import Identity, Snapshot

__all__ = ["ChannelRow", "TopicRow", "channel_rows", "topic_rows"]

FOLDER, PREFIX = "/dev/shm", "unixipc.channel."
MAGIC = b"uipcring"
SENDER, RECEIVER = 0, 1


@record
class ChannelRow:
    """A `channel.Queue` ("channel"). `id` is its name; its path, or major:minor:inode once its name is gone.

    `senders` and `receivers`: one pid for each member that is alive (in that member's pid namespace); `dead`: members
    that ended without leaving. `unfinished`: the pid of the member whose message is the next one, and is not whole yet:
    receivers wait behind it. `used_by`: processes that have it open or mapped. The numbers of a channel that we may not
    open are None.
    """

    kind: str
    id: str
    path: str | None
    mode: int
    owner_uid: int
    capacity_bytes: int | None
    when_full: str | None
    temporary: bool | None
    in_use: bool | None
    depth: int | None
    used_bytes: int | None
    sent: int | None
    received: int | None
    dropped: int | None
    refused: int | None
    senders: tuple[int, ...]
    receivers: tuple[int, ...]
    dead: tuple[int, ...]
    unfinished: int | None
    used_by: tuple[int, ...]


@record
class TopicRow:
    """A `channel.Topic` ("topic"): as `ChannelRow`; `subscribers` with their lag and what they missed."""

    kind: str
    id: str
    path: str | None
    mode: int
    owner_uid: int
    capacity_bytes: int | None
    when_full: str | None
    temporary: bool | None
    in_use: bool | None
    used_bytes: int | None
    published: int | None
    refused: int | None
    publishers: tuple[int, ...]
    subscribers: tuple[SubscriberStatus, ...]
    dead: tuple[int, ...]
    used_by: tuple[int, ...]


def channel_rows(seen: Snapshot) -> list[ChannelRow]:
    """Every queue with a name in /dev/shm, or in use by somebody that we may look into."""
    return [row for row in by_file(seen).values() if isinstance(row, ChannelRow)]


def topic_rows(seen: Snapshot) -> list[TopicRow]:
    """Every topic, found alike."""
    return [row for row in by_file(seen).values() if isinstance(row, TopicRow)]


def by_file(seen: Snapshot) -> dict[Identity, ChannelRow | TopicRow]:
    """Both, by (device, inode)."""
    return seen.once(_by_file)


def _by_file(seen: Snapshot) -> dict[Identity, ChannelRow | TopicRow]:
    return {which: row for which, row in _rows(seen) if row is not None}


def _rows(seen: Snapshot) -> Iterator[tuple[Identity, ChannelRow | TopicRow | None]]:
    named = {(found.st_dev, found.st_ino): (name, found) for name, found in posix.files() if name.startswith(PREFIX)}
    for which, (name, found) in named.items():
        path = f"{FOLDER}/{name}"
        yield which, _row(name.removeprefix(PREFIX), path, path, found, which, seen)
    for which in _mapped_files(seen):
        if which not in named:
            pid, number, _mode = seen.files[which][0]
            at = seen.paths[which] if is_here(seen.paths[which], which) else None
            label = at or identity(*which)
            yield which, _row(label, at, f"/proc/{pid}/fd/{number}", seen.stats[which], which, seen)


def _mapped_files(seen: Snapshot) -> list[Identity]:
    """Who uses a channel has its file open, and mapped for writing. Only what has a channel's size is looked into."""
    return sorted(
        which
        for which, mappings in seen.maps.items()
        if which in seen.files
        and _may_be_a_ring(seen.stats[which].st_size)
        and any(each.writes for each in mappings)
        and seen.may_be_opened(which)
        and first_bytes(seen.files[which][0][0], seen.files[which][0][1], len(MAGIC)) == MAGIC
    )


def _may_be_a_ring(size: int) -> bool:
    ring = size - _ring.HEADER_BYTES
    return ring > 0 and ring & (ring - 1) == 0


def _row(
    label: str, path: str | None, way: str, found: os.stat_result, which: Identity, seen: Snapshot
) -> ChannelRow | TopicRow | None:
    known: dict[str, Any] = {"id": label, "path": path, "used_by": seen.users(*which)}
    known |= {"mode": stat.S_IMODE(found.st_mode), "owner_uid": found.st_uid}
    try:
        fd = os.open(way, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:  # it may be a topic as well
        return ChannelRow(kind="channel", **known, **UNKNOWN)
    except OSError:  # removed meanwhile
        return None
    with Descriptor(fd, label) as file:
        try:
            return _looked_at(file, known)
        except (LayoutError, OSError):  # something else, or damaged
            return None


NUMBERS = ("depth", "used_bytes", "sent", "received", "dropped", "refused")
FACTS = ("capacity_bytes", "when_full", "temporary", "in_use")
UNKNOWN: dict[str, Any] = {
    **dict.fromkeys((*FACTS, *NUMBERS, "unfinished")),
    "senders": (),
    "receivers": (),
    "dead": (),
}


def _looked_at(file: Descriptor, known: dict[str, Any]) -> ChannelRow | TopicRow:
    first, size = os.pread(file.fileno(), 64, 0), os.fstat(file.fileno()).st_size
    kind, when_full, temporary, capacity = _ring.read_facts(first, size)
    in_use = probe(file, _ring.USERS_AT, 1) is not None if temporary else None
    known |= dict(zip(FACTS, (capacity, when_full, temporary, in_use), strict=True))
    with _mapping.map_twice(_mapping.Mapped, file.fileno(), _ring.HEADER_BYTES, capacity, known["id"]) as memory:
        outside = _ring.Member()
        outside._start(memory, file, first, size, known["id"])
        with outside:
            known["dead"] = tuple(outside.dead_members(SENDER) + outside.dead_members(RECEIVER))
            return _channel(outside, known) if kind == "queue" else _topic(outside, known)


def _channel(seen: _ring.Member, known: dict[str, Any]) -> ChannelRow:
    facts = seen.facts()
    in_the_way = seen._in_the_way(True)
    known |= {name: facts[name] for name in NUMBERS} | {"unfinished": in_the_way and in_the_way[0]}
    return ChannelRow(kind="channel", **known, senders=_pids(seen, SENDER), receivers=_pids(seen, RECEIVER))


def _topic(seen: _ring.Member, known: dict[str, Any]) -> TopicRow:
    facts = seen.topic_facts()
    known |= {name: facts[name] for name in ("used_bytes", "published", "refused")}
    subscribers = tuple(SubscriberStatus(*each) for each in seen.subscribers())
    return TopicRow(kind="topic", **known, publishers=_pids(seen, SENDER), subscribers=subscribers)


def _pids(seen: _ring.Member, role: int) -> tuple[int, ...]:
    return tuple(pid for _slot, pid, _since in seen.members(role))
