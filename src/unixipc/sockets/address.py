"""Addresses: paths of any length, abstract names, and what ``sun_path`` really takes. -- unix(7)

``sun_path`` has 108 bytes, and a path of all 108 needs no NUL (the standard library stops at 107). A longer path is
reached through a descriptor of its folder: ``/proc/self/fd/N/name`` is short, whatever the folder is called.
"""

from __future__ import annotations

import os

from .._call import explained
from .._fd import Descriptor
from .._native.file import open_once, open_owned
from .._record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    AddressLike: TypeAlias = "str | bytes | os.PathLike[str] | Address"

__all__ = ["SUN_PATH_BYTES", "Address", "by_descriptor", "display", "open_folder", "parse", "reachable"]

SUN_PATH_BYTES = 108


@record
class Address:
    """Where a socket is: `path` in the file system, or `abstract` name; neither: it has no name."""

    path: str | None = None
    abstract: bytes | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return "" if self.abstract is None else "@" + os.fsdecode(self.abstract)


def parse(address: AddressLike) -> Address:
    """A path, ``"@abstract"`` (or bytes with a leading NUL), or ``""`` (the kernel chooses); ValueError if bad."""
    if isinstance(address, Address):
        return address
    text = os.fspath(address)
    raw = os.fsencode(text)
    if raw[:1] in (b"@", b"\0") and not isinstance(address, os.PathLike):
        if len(raw) > SUN_PATH_BYTES:
            raise ValueError(f"an abstract name has at most {SUN_PATH_BYTES - 1} bytes, not {len(raw) - 1}: {text!r}")
        return Address(abstract=raw[1:])
    if not raw:
        return Address()
    if b"\0" in raw:
        raise ValueError(f"a path has no NUL in it: {text!r}")
    return Address(path=os.fsdecode(raw))


def display(raw: bytes) -> Address:
    """The address for what the kernel reports."""
    if not raw:
        return Address()
    return Address(abstract=raw[1:]) if raw[:1] == b"\0" else Address(path=os.fsdecode(raw))


class reachable:
    """The bytes to connect or send to; a long path goes through a descriptor of the socket file itself."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._held: Descriptor | None = None

    def __enter__(self) -> bytes:
        if self.address.path is None:
            return b"" if self.address.abstract is None else b"\0" + self.address.abstract
        raw = os.fsencode(self.address.path)
        if len(raw) <= SUN_PATH_BYTES:
            return raw
        self._held = Descriptor(open_once(self.address.path, os.O_PATH), self.address.path)
        return b"/proc/self/fd/%d" % self._held.fileno()

    def __exit__(self, *_exception: object) -> None:
        if self._held is not None:
            self._held.close()


def by_descriptor(folder: Descriptor, name: str) -> bytes:
    """A short path to `name` in an open folder."""
    return b"/proc/self/fd/%d/%s" % (folder.fileno(), os.fsencode(name))


def open_folder(path: str) -> tuple[Descriptor, str]:
    """(the path's folder, open; the name in it). Errors name the folder. -- open(2)"""
    folder, name = os.path.split(path)
    if not name:
        raise ValueError(f"this path names a folder, not a socket: {path!r}")
    try:
        return open_owned(folder or ".", os.O_RDONLY | os.O_DIRECTORY), name
    except OSError as error:
        raise explained(error, "open(2)", folder or ".") from None


def nobody_there(name: str) -> str:
    """What a refusal means of an abstract name ("@name"), which is no file. -- unix(7)"""
    hint = "nobody in this network namespace has this abstract name"
    try:
        with open("/proc/net/unix", "rb") as table:  # NUL bytes are shown as "@"
            bound = [line.split(None, 7)[-1].strip() for line in table]
    except OSError:
        return hint
    asked = os.fsencode(name)
    if any(each != asked and each.rstrip(b"@") == asked for each in bound):
        return f"{hint}; one with NUL bytes behind it is bound, and they are part of a name: give them too"
    return hint
