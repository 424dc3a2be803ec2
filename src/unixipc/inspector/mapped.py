"""Memory that processes share: mapped files, memory files, anonymous memory. -- mmap(2), memfd_create(2)"""

from __future__ import annotations

from .._record import record
from .files import glances, way_to
from .procfs import Mapped, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .procfs import Identity, Snapshot

__all__ = ["MappingRow", "MemFdRow", "mapping_rows", "memfd_rows"]

SEALS = {1: "seal", 2: "shrink", 4: "grow", 8: "write", 16: "future_write", 32: "exec"}


@record
class MemFdRow:
    """A memory file ("memfd"; its id is major:minor:inode). `seals` is None where we may not open it."""

    kind: str
    id: str
    name: str
    size_bytes: int
    allocated_bytes: int
    owner_uid: int
    seals: tuple[str, ...] | None
    used_by: tuple[int, ...]


@record
class MappingRow:
    """A file, or anonymous memory, that is mapped shared ("mapping"; its id is major:minor:inode).

    `mapped_bytes` is the largest mapping. `path` is "" for anonymous memory; `removed`: its name is gone.
    """

    kind: str
    id: str
    path: str
    removed: bool
    mapped_bytes: int
    mapped_by: tuple[int, ...]
    written_by: tuple[int, ...]


def memfd_rows(seen: Snapshot) -> list[MemFdRow]:
    """Every memory file that somebody has open or mapped. -- memfd_create(2)"""
    paths = {which: path for which, path in seen.paths.items() if path.startswith("/memfd:")}
    return [_memfd_row(which, path, seen) for which, path in sorted(paths.items())]


def _memfd_row(which: Identity, path: str, seen: Snapshot) -> MemFdRow:
    found = seen.stats[which]
    pid, number, _mode = seen.files[which][0]
    name = path.removeprefix("/memfd:").removesuffix(" (deleted)")
    return MemFdRow(
        "memfd", identity(*which), name, found.st_size, found.st_blocks * 512, found.st_uid,
        _seals(pid, number), seen.users(*which),
    )  # fmt: skip


def _seals(pid: int, number: int) -> tuple[str, ...] | None:
    (found,) = glances([way_to(pid, number)], 0)
    bits = None if found is None else found[2]
    return None if bits is None else tuple(name for bit, name in SEALS.items() if bits & bit)


def mapping_rows(seen: Snapshot) -> list[MappingRow]:
    """Every shared mapping of a file or of anonymous memory. System V segments have rows of their own. -- mmap(2)"""
    return [
        _mapping_row(which, mappings)
        for which, mappings in sorted(seen.maps.items())
        if not mappings[0].path.startswith("/SYSV")
    ]


def _mapping_row(which: Identity, mappings: list[Mapped]) -> MappingRow:
    path = mappings[0].path
    anonymous = path == "/dev/zero (deleted)"
    return MappingRow(
        "mapping", identity(*which), "" if anonymous else path.removesuffix(" (deleted)"), path.endswith(" (deleted)"),
        max(each.end - each.start for each in mappings), tuple(sorted({each.pid for each in mappings})),
        tuple(sorted({each.pid for each in mappings if each.writes})),
    )  # fmt: skip
