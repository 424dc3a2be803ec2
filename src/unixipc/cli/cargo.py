"""What the tour carries: the files of a folder, each with the SHA-256 that the receiver must find.

The digests are computed here, once, before anything is carried, so that the check does not test itself.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sysconfig

from .._call import explained, failure
from .._fd import Descriptor
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1 << 18
NOT_OURS = frozenset({"site-packages", "dist-packages", "__pycache__"})
"""Left out of the default cargo: other people's packages, and files that running programs rewrite at any moment."""


@record
class Item:
    """One file: its number in the cargo, its path below the cargo's root, its size and what it must hash to."""

    index: int
    path: str
    size: int
    digest: str


@record
class Cargo:
    """The files to carry, and those that cannot be, each with the reason."""

    root: str
    items: tuple[Item, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(item.size for item in self.items)

    def open(self, item: Item) -> Descriptor:
        """The file, open for reading."""
        return open_file(os.path.join(self.root, item.path))


def open_file(path: str) -> Descriptor:
    """Open for reading; no symbolic link is followed, and nothing that is no plain file makes us wait. -- open(2)"""
    return Descriptor(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), path)


def collect(path: str | None) -> Cargo:
    """The cargo at `path` (None: the standard library).

    FileNotFoundError, or ValueError if there is no file in it, or OSError(EINVAL) if it is neither file nor folder.
    """
    top = os.path.realpath(sysconfig.get_path("stdlib") if path is None else path)
    try:
        mode = os.stat(top).st_mode
    except OSError as error:
        raise explained(error, "stat(2)", path, "there is nothing to carry") from None
    if stat.S_ISDIR(mode):
        root, names = top, _walk(top, NOT_OURS if path is None else frozenset())
    elif stat.S_ISREG(mode):
        root, names = os.path.dirname(top), iter([(os.path.basename(top), None)])
    else:
        raise failure(errno.EINVAL, "stat(2)", path, "neither a file nor a folder")
    cargo = _weigh(root, names)
    if not cargo.items:
        reasons = "".join(f"; {name}: {reason}" for name, reason in cargo.skipped[:3])
        raise ValueError(f"{top}: no file in it that could be carried{reasons}")
    return cargo


def _walk(top: str, leave_out: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    """(path below top, None), or (path, the reason why it cannot be carried)."""
    unreadable: list[tuple[str, str | None]] = []

    def note(error: OSError) -> None:
        unreadable.append((os.path.relpath(os.fsdecode(error.filename), top), error.strerror))

    for folder, folders, files in os.walk(top, onerror=note):
        folders[:] = sorted(name for name in folders if name not in leave_out)
        for name in sorted(files):
            yield os.path.relpath(os.path.join(folder, name), top), None
    yield from unreadable


def _weigh(root: str, names: Iterator[tuple[str, str | None]]) -> Cargo:
    items: list[Item] = []
    skipped: list[tuple[str, str]] = []
    for path, reason in names:
        full = os.path.join(root, path)
        if os.path.islink(full):
            continue  # its target is carried if it is in the folder, and none of our business if it is not
        try:
            if reason is not None:
                raise ValueError(reason)
            items.append(Item(len(items), path, *_measure(full)))
        except (OSError, ValueError) as error:
            skipped.append((path, getattr(error, "strerror", None) or str(error)))
    return Cargo(root, tuple(items), tuple(skipped))


def _measure(path: str) -> tuple[int, str]:
    """Size and SHA-256."""
    if not stat.S_ISREG(os.lstat(path).st_mode):  # before open(2), which a FIFO or a device would notice
        raise ValueError("not a plain file")
    with open_file(path) as file:
        digest, seen = hashlib.sha256(), 0
        while block := os.read(file.fileno(), BLOCK_BYTES):
            digest.update(block)
            seen += len(block)
        if seen != os.fstat(file.fileno()).st_size:
            raise ValueError("it has not the size it says (it is being written, or made up by the kernel)")
    return seen, digest.hexdigest()
