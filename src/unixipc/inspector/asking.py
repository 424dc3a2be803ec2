"""Who has to do with a thing, whatever it is called: a path, a key, an id, a name, "pid:fd", "kind:id"."""

from __future__ import annotations

import errno
import os

from .. import sysv
from .._call import failure
from .connections import edge_of, everybody, waits_in
from .descriptors import descriptor
from .edges import Edge, edges_of
from .files import remote_type, stat_by_path
from .listing import KINDS, rows_in
from .procfs import identity, nothing_collected, snapshot
from .scene import Scene
from .short_ids import ambiguous, meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._fd import HasFileno
    from .listing import Row
    from .procfs import Identity, Snapshot

__all__ = ["who"]


@nothing_collected()
def who(thing: str | int | os.PathLike[str] | HasFileno) -> list[Edge]:
    """Everybody who holds, reads, writes, maps or waits for it. -- proc(5), fuser(1)

    `thing`: a path; a `sysv.Key` or "0x..." (a key); a number (an id or a key of System V, the inode number of a pipe
    or socket); "kind:id" as in `ls`; a short id ("q3") as `short_ids` makes them; "pid:fd"; the name of a POSIX object,
    channel, abstract socket ("@name") or memory file; or anything with ``fileno()``. Several objects may have the same
    number: the edges say which they are about. An empty list: it exists, and nobody who may be seen uses it.
    FileNotFoundError: there is no such thing. ValueError: a short id that could be several, or is a name too.
    """
    scene = Scene(snapshot())
    return edges_about(scene, *asked_for(scene, thing))


def asked_for(scene: Scene, thing: str | int | os.PathLike[str] | HasFileno) -> tuple[list[Row], set[Identity]]:
    """The objects that are called so, and the files. FileNotFoundError if there is none."""
    names, files = _meant(scene, thing)
    known = rows_in(scene.seen)
    if isinstance(thing, str) and thing.startswith(("mapping:", "mm")):  # listed by name only
        known += rows_in(scene.seen, "mapping")
    rows = [row for row in known if names(row) or _is_one_of(row, files)]
    rows += _by_short_id(thing, known, rows)
    if not rows and not files:
        raise failure(errno.ENOENT, "proc(5)", str(thing), _why_not_found(thing))
    return rows, files


def edges_about(scene: Scene, rows: list[Row], files: set[Identity]) -> list[Edge]:
    """Everybody who has to do with them."""
    found = {(row.kind, row.id) for row in rows} | {(kind, identity(*which)) for which in files for kind in FILES}
    edges = [edge for row in rows for edge in edges_of(scene, row)]
    edges += [edge for which in files for edge in _of_file(scene.seen, which, {(e.pid, e.how) for e in edges})]
    waits = [wait for wait in waits_in(everybody(scene).values()) if (wait.kind, wait.id) in found]
    return edges + [edge for wait in waits if (edge := edge_of(wait))]


def _why_not_found(thing: object) -> str:
    if isinstance(thing, str | os.PathLike) and "/" in os.fspath(thing) and (kind := remote_type(os.fspath(thing))):
        return f"its file system ({kind}) may be dead and is not asked; nobody who may be seen has such a file in use"
    return "no object that can be seen from here is called that"


FILES = ("file", "lock", "fifo", "mapping")
"""The kinds of objects that are a file, so have its identity for an id; another namespace has other files so named."""
NAMES = ("id", "path", "name")


def _meant(
    scene: Scene, thing: str | int | os.PathLike[str] | HasFileno
) -> tuple[Callable[[Row], bool], set[Identity]]:
    """Which rows are meant, and which files."""
    if isinstance(thing, int):
        return _by_number(int(thing), isinstance(thing, sysv.Key)), set()
    if not isinstance(thing, str | os.PathLike):
        return _by_descriptor(scene, os.getpid(), thing.fileno())
    text = os.fspath(thing)
    before, colon, after = text.partition(":")
    if colon and before in KINDS:
        return lambda row: row.kind == before and str(row.id) == after, set()
    if colon and before.isdigit() and after.isdigit():
        return _by_descriptor(scene, int(before), int(after))
    if text.isdigit() or text[:2].lower() == "0x":
        number = int(text, 16 if text[1:2] in "xX" and len(text) > 1 else 10)
        return _by_number(number, not text.isdigit()), set()
    files = _file_of(scene.seen, text)
    return _by_name(text, files), files


def _by_number(number: int, is_key: bool) -> Callable[[Row], bool]:
    """0 is no key: it is what all objects without one have."""
    return lambda row: (number != 0 and getattr(row, "key", 0) == number) or (not is_key and row.id == number)


def _by_name(text: str, files: set[Identity]) -> Callable[[Row], bool]:
    """Who binds a whole `sun_path` has NUL bytes behind an abstract name, which nobody types."""
    own = os.stat("/proc/thread-self/ns/net").st_ino

    def called(name: object) -> bool:
        return name == text or (text[:1] == "@" and isinstance(name, str) and name.rstrip("\0") == text)

    def names(row: Row) -> bool:
        if getattr(row, "netns", own) != own or not any(called(getattr(row, each, None)) for each in NAMES):
            return False
        return not files or row.kind not in FILES or any(str(row.id).endswith(f":{inode}") for _dev, inode in files)

    return names


def _by_short_id(thing: object, known: list[Row], found: list[Row]) -> list[Row]:
    """The rows of a short id. It must stand for one object, and be nothing else's name."""
    names = meant(thing, known) if isinstance(thing, str) else set()
    if names and len(every := names | {(row.kind, row.id) for row in found}) > 1:
        raise ambiguous(str(thing), every)
    return [row for row in known if (row.kind, row.id) in names and row not in found]


def _file_of(seen: Snapshot, text: str) -> set[Identity]:
    """On a server that may be dead, and that knows more than the kernel: by what those who use the file call it."""
    if "/" not in text:
        return set()
    if (found := stat_by_path(text)) is not None:
        return {(found.st_dev, found.st_ino)}
    if not remote_type(text):
        return set()
    path = os.path.abspath(text)
    opened = {which for which, link in seen.paths.items() if link == path}
    return opened | {which for which, mappings in seen.maps.items() if mappings[0].path == path}


def _by_descriptor(scene: Scene, pid: int, number: int) -> tuple[Callable[[Row], bool], set[Identity]]:
    found = descriptor(scene, pid, number, True)
    if not found:
        raise failure(
            errno.EBADF, "proc(5)", f"{pid}:{number}", "it has no such descriptor, or we may not look into it"
        )
    (thing,) = found
    files: set[Identity] = set()
    if thing.kind == "file":
        there = scene.seen.stat(pid, number)
        files = {(there.st_dev, there.st_ino)}
    return lambda row: (row.kind, row.id) == (thing.kind, thing.id), files


def _is_one_of(row: Row, files: set[Identity]) -> bool:
    """Rows about a file: locks, FIFOs, mappings, memory files by its numbers; what has a path by that."""
    if not files:
        return False
    numbers = str(row.id).split(":")
    if len(numbers) != 3:
        return getattr(row, "file", None) in {identity(*which) for which in files} or _named_file(row) in files
    if not any(numbers[2] == str(inode) for _device, inode in files):
        return False
    return row.id in {identity(*which) for which in files} or _named_file(row) in files  # btrfs tells two devices


def _named_file(row: Row) -> Identity | None:
    path = getattr(row, "path", None) or PLACES.get(row.kind, "") + str(row.id)[1:]
    found = stat_by_path(path) if path[:1] == "/" else None
    return None if found is None else (found.st_dev, found.st_ino)


PLACES = {"posix-memory": "/dev/shm/", "posix-semaphore": "/dev/shm/sem."}


def _of_file(seen: Snapshot, which: Identity, known: set[tuple[int, str]]) -> Iterator[Edge]:
    """Who has the file itself open or mapped, if no row has said so."""
    name = identity(*which)
    for pid, number, _mode in sorted(seen.files.get(which, ())):
        if not any(pid == known_pid for known_pid, _how in known):
            yield Edge(pid, seen.command(pid), "holds", "file", name, True, f"fd {number}")
    for pid in sorted({each.pid for each in seen.maps.get(which, ())}):
        if (pid, "maps") not in known:
            yield Edge(pid, seen.command(pid), "maps", "file", name, True, "mapped shared")
