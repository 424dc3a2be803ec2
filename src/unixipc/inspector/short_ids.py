"""Short names for objects, to be typed: ``q3``, ``p9021``, ``c7kx2``. The same as long as the object is there.

A few letters for the kind, then the kernel's own number where the object has one, else the first characters of a hash
of its id: four, or as many as tell it from the others that are there. A longer beginning of the same hash is good too.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol, TypeAlias

    Name: TypeAlias = tuple[str, int | str]

    class HasId(Protocol):
        """A row of `ls`, an edge, an orphan."""

        @property
        def kind(self) -> str: ...
        @property
        def id(self) -> int | str: ...


__all__ = ["short_ids"]

NUMBERED = {"sysv-queue": "q", "sysv-set": "s", "sysv-segment": "m", "pipe": "p", "socket": "u"}
"""What stands before the kernel's number."""
HASHED = {
    "posix-queue": "pq", "posix-semaphore": "ps", "posix-memory": "pm", "lock": "l", "fifo": "f", "memfd": "d",
    "channel": "c", "topic": "t", "robust": "r", "mapping": "mm",
}  # fmt: skip
"""What stands before a hash; a kind that is not here has its name and a hyphen there."""
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Of 32 characters, without those that look like others."""
SHORTEST = 4
LONGEST = 16


def short_ids(rows: Iterable[HasId]) -> dict[tuple[str, int | str], str]:
    """For each (kind, id) of these rows its short id: what `who` takes, and `ipc` prints.

    It is unique among these rows, and stays the same while the object lives; when another one with the same hash so far
    comes along, it grows by a character. Several locks of one file have the file's id, so one short id. A process's
    signals are no object, and have none.
    """
    names = {(row.kind, row.id) for row in rows if row.kind != "signals"}
    found = {name: f"{NUMBERED[name[0]]}{name[1]}" for name in names if name[0] in NUMBERED}
    hashed = sorted((whole(name), name) for name in names if name[0] not in NUMBERED)
    for place, (text, name) in enumerate(hashed):
        beside = [hashed[other][0] for other in (place - 1, place + 1) if 0 <= other < len(hashed)]
        least = len(before(name[0])) + SHORTEST
        found[name] = text[: max([least, *(_alike(text, other) + 1 for other in beside)])]
    return found


def before(kind: str) -> str:
    """What a short id of this kind begins with."""
    return NUMBERED.get(kind) or HASHED.get(kind) or f"{kind}-"


def whole(name: Name) -> str:
    """The letters and the whole hash."""
    from hashlib import blake2b  # takes longer to import than all of the inspector's files together

    kind, number = name
    digest = int.from_bytes(blake2b(f"{kind}:{number}".encode("utf-8", "surrogateescape"), digest_size=10).digest())
    return before(kind) + "".join(ALPHABET[digest >> 5 * place & 31] for place in reversed(range(LONGEST)))


def _alike(text: str, other: str) -> int:
    """How many characters both begin with."""
    return next((place for place, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), len(text))


def meant(text: str, rows: Iterable[HasId]) -> set[Name]:
    """The objects that this short id stands for: none if it is none, several if it is too short."""
    return set(_meant(text.lower(), {(row.kind, row.id) for row in rows}))


def _meant(text: str, names: set[Name]) -> Iterator[Name]:
    for name in names:
        kind, number = name
        if kind in NUMBERED:
            if text == f"{NUMBERED[kind]}{number}":
                yield name
        elif len(text) >= len(before(kind)) + SHORTEST and whole(name).startswith(text):
            yield name


def ambiguous(text: str, names: Iterable[Name]) -> ValueError:
    """The error of a word that stands for several objects, with the words that stand for one each."""
    spelled = " or ".join(f"{kind}:{number}" for kind, number in sorted(names, key=str))
    return ValueError(f"{text!r} could be {spelled}: write one of these")
