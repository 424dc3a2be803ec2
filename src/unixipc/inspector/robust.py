"""Robust locks, seen from outside: who has one, who waits, who died with it. -- set_robust_list(2), futex(2)

A lock is found where it must be if it is anywhere: in a file of its own in /dev/shm, at the beginning of anonymous
memory, on the list of locks that the kernel keeps for each thread, and behind the word that a thread sleeps on. Its
bytes are copied, never mapped: a file that is cut off meanwhile, or bytes that are none of ours, harm nobody.
"""

from __future__ import annotations

import os
import stat

from .._record import record
from . import posix
from .files import glances, stat_by_path
from .namespaces import has_thread, process_here
from .procfs import identity, memory_of, threads_of
from .robust_bytes import BLOCK_BYTES, CHANGED_AT, MOST_BYTES, Block, block_of, size_of, slot_among
from .words import robust_locks_of, slept_on_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from .procfs import Identity, Mapped, Snapshot

    Place: TypeAlias = tuple[Identity, int]

__all__ = ["RobustHolder", "RobustRow", "lock_at", "robust_rows"]

FOLDER = "/dev/shm"
ANONYMOUS = "/dev/zero (deleted)"


@record
class RobustHolder:
    """A thread that has a robust lock, or a part of it. `tid`: as it calls itself, in its own pid namespace.

    `pid` is None where none of the processes that use the lock, and that we may see, has such a thread; `alive` is then
    False if no process is hidden from us, else None.
    """

    pid: int | None
    tid: int
    alive: bool | None


@record
class RobustRow:
    """A robust lock ("robust"). `id`: its name; if it is not at the beginning of its file or memory, "+" and where.

    `type`: "mutex", "semaphore", "rwlock" or "condition". `state`: "free", "held", "damaged" (the file is too short).
    `suspect`: a holder was killed, and nobody has said since that what it guards is sound; `died_pid`: that holder (in
    its own pid namespace), None if unknown. `holders`: who has the mutex or a permit, or reads; `writer`: who has a
    rwlock for writing, or (`writing` is False) has claimed it and waits for the readers. `slots`: permits, or places
    for readers; `free_slots` of them. `waiters`: (pid, tid) of threads that sleep at it. `used_by`: who has it mapped.
    """

    kind: str
    id: str
    type: str
    path: str | None
    offset_bytes: int
    mode: int | None
    owner_uid: int | None
    state: str
    suspect: bool
    died_pid: int | None
    holders: tuple[RobustHolder, ...]
    writer: RobustHolder | None
    writing: bool | None
    slots: int | None
    free_slots: int | None
    waiters: tuple[tuple[int, int], ...]
    used_by: tuple[int, ...]


def robust_rows(seen: Snapshot) -> list[RobustRow]:
    """Every robust lock by name; of those in other memory the ones that are held, waited for, or alone in it."""
    places, sleepers = _named(), _sleepers(seen)
    for which, mapped in _writable(seen):
        if mapped.path == ANONYMOUS and mapped.offset == 0 and mapped.end - mapped.start < 2 * MOST_BYTES:
            _note(places, which, mapped, mapped.start)
    for which, mapped, address in _held(seen):
        _note(places, which, mapped, address)
    for (which, offset), (mapped, _threads) in sleepers.items():
        _note_word(places, which, mapped, offset)
    names = {(found.st_dev, found.st_ino): name for name, found in posix.files()}
    return [_row(seen, names, place, raw, sleepers) for place, raw in sorted(places.items())]


# finding them ---------------------------------------------------------------------------------------------------------


def _named() -> dict[Place, bytes]:
    there = [each for each in posix.files() if each[1].st_size >= BLOCK_BYTES]
    first = glances([f"{FOLDER}/{name}" for name, _found in there], BLOCK_BYTES)
    found = [
        (f"{FOLDER}/{name}", (status.st_dev, status.st_ino))
        for (name, status), look in zip(there, first, strict=True)
        if look is not None and size_of(look[0])
    ]
    whole = glances([path for path, _which in found], MOST_BYTES)
    return {(which, 0): look[0] for (_path, which), look in zip(found, whole, strict=True) if look and size_of(look[0])}


def _writable(seen: Snapshot) -> Iterator[tuple[Identity, Mapped]]:
    return ((which, each) for which, mappings in seen.maps.items() for each in mappings if each.writes)


def _by_process(seen: Snapshot) -> dict[int, list[tuple[Identity, Mapped]]]:
    found: dict[int, list[tuple[Identity, Mapped]]] = {}
    for which, mapped in _writable(seen):
        found.setdefault(mapped.pid, []).append((which, mapped))
    return found


def _in(mappings: Iterable[tuple[Identity, Mapped]], address: int) -> tuple[Identity, Mapped] | None:
    return next((each for each in mappings if each[1].start <= address < each[1].end), None)


def _held(seen: Snapshot) -> Iterator[tuple[Identity, Mapped, int]]:
    """What is on the lists of threads: of a permit, or a reader's place, the lock that it belongs to."""
    for pid, mappings in _by_process(seen).items():
        for address in robust_locks_of(pid):
            if (there := _in(mappings, address)) is not None:
                which, mapped = there
                yield which, mapped, address
                room = min(address - mapped.start, MOST_BYTES)
                before = memory_of(pid, address - room, room) or b""
                if (at := slot_among(before)) is not None:
                    yield which, mapped, address - room + at


def _sleepers(seen: Snapshot) -> dict[Place, tuple[Mapped, list[tuple[int, int]]]]:
    """Threads that sleep on words of shared memory, by the word's place."""
    found: dict[Place, tuple[Mapped, list[tuple[int, int]]]] = {}
    for pid, mappings in _by_process(seen).items():
        try:
            calls = list(threads_of(pid))
        except OSError:  # it has ended
            continue
        for call in calls:
            for address, private in slept_on_by(call) if call is not None else ():
                if not private and (there := _in(mappings, address)) is not None:
                    which, mapped = there
                    place = which, address - mapped.start + mapped.offset
                    found.setdefault(place, (mapped, []))[1].append((pid, call.tid if call else 0))
    return found


def _note_word(places: dict[Place, bytes], which: Identity, mapped: Mapped, offset: int) -> None:
    for distance in (0, CHANGED_AT):
        if (which, offset - distance) not in places:
            _note(places, which, mapped, offset - distance - mapped.offset + mapped.start)


def _note(places: dict[Place, bytes], which: Identity, mapped: Mapped, address: int) -> None:
    """If there is a lock at this address, and it is not known yet."""
    offset = address - mapped.start + mapped.offset
    if (which, offset) not in places and (raw := _bytes_at(mapped.pid, mapped, address)):
        places[which, offset] = raw


def _bytes_at(pid: int, mapped: Mapped, address: int) -> bytes:
    """The lock that begins at this address, as far as it is mapped there; b"" if there is none."""
    if address < mapped.start or address + BLOCK_BYTES > mapped.end or address % 8:
        return b""
    first = memory_of(pid, address, BLOCK_BYTES) or b""
    size = min(size_of(first), mapped.end - address)
    return (memory_of(pid, address, size) or b"") if size else b""


# what they are --------------------------------------------------------------------------------------------------------


def lock_at(seen: Snapshot, names: dict[Identity, str], which: Identity, mapped: Mapped, word: int) -> RobustRow | None:
    """The lock that a thread which sleeps on this word waits for; None: the word belongs to something else."""
    places: dict[Place, bytes] = {}
    _note_word(places, which, mapped, word - mapped.start + mapped.offset)
    return next((_row(seen, names, place, raw, {}) for place, raw in places.items()), None)


def _row(
    seen: Snapshot, names: dict[Identity, str], place: Place, raw: bytes,
    sleepers: dict[Place, tuple[Mapped, list[tuple[int, int]]]],
) -> RobustRow:  # fmt: skip
    which, offset = place
    block, found = block_of(raw), seen.maps.get(which, [])
    assert block is not None
    label, path, status = _name(seen, names, which, found)
    users = seen.users(*which)
    with_slots, readers = block.type in ("semaphore", "rwlock"), _holders(seen, users, block.taken)
    owner = _holders(seen, users, (block.owner,) if block.owner else ())
    waiting = [each for at in (0, CHANGED_AT) for each in sleepers.get((which, offset + at), (None, []))[1]]
    return RobustRow(
        "robust", label + (f"+{offset}" if offset else ""), block.type, path, offset,
        None if status is None else stat.S_IMODE(status.st_mode), None if status is None else status.st_uid,
        _state(block), block.died is not None, block.died or None,
        readers if with_slots else owner, owner[0] if block.type == "rwlock" and owner else None,
        block.writing if block.type == "rwlock" and owner else None,
        block.slots if with_slots else None, block.slots - len(block.taken) if with_slots and block.whole else None,
        tuple(sorted(waiting)), users,
    )  # fmt: skip


def _state(block: Block) -> str:
    if not block.whole:
        return "damaged"
    return "held" if block.taken or (block.owner and block.type != "semaphore") else "free"


def _holders(seen: Snapshot, users: tuple[int, ...], found: Iterable[tuple[int, int]]) -> tuple[RobustHolder, ...]:
    return tuple(_holder(seen, users, thread, pid) for thread, pid in found)


def _holder(seen: Snapshot, users: tuple[int, ...], thread: int, process: int) -> RobustHolder:
    """Among those who use the lock: by number alone it could be anybody."""
    pid = process_here(thread, users, process)
    if pid is not None:
        return RobustHolder(pid, thread, True)
    unknown = bool(seen.hidden) or any(has_thread(each, thread, process) for each in users)
    return RobustHolder(None, thread, None if unknown else False)


def _name(
    seen: Snapshot, names: dict[Identity, str], which: Identity, found: list[Mapped]
) -> tuple[str, str | None, os.stat_result | None]:
    """What it is called here, its path, its file's status. A path of another mount namespace says nothing here."""
    path = f"{FOLDER}/{names[which]}" if which in names else found[0].path if found else ""
    status = stat_by_path(path) if path[:1] == "/" and path != ANONYMOUS else None
    if status is None or (status.st_dev, status.st_ino) != which:
        return identity(*which), None, seen.stats.get(which)
    return f"/{names[which]}" if which in names else path, path, status
