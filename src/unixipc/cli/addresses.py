"""Addresses of objects as URLs, such as ``sysv:0x4b1d`` or ``channel:frames``: they are read and written here only.

>>> str(parse("sysv:19229"))
'sysv:0x00004b1d'
>>> parse("unix:@chat?kind=dgram").kind
'dgram'
"""

from __future__ import annotations

import os
import re

from .._record import record
from .._text import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KINDS: dict[str, tuple[str, ...]] = {
    "sysv": ("queue", "set", "segment"),
    "posix": ("queue", "semaphore", "memory"),
    "fifo": (),
    "unix": ("stream", "seqpacket", "dgram"),
    "channel": (),
    "topic": (),
}
"""The schemes, and what ``?kind=`` may say behind a name. One name may stand for an object of each of these kinds."""

SPELLINGS = {
    "sysv": "sysv:0x4b1d (a key), sysv:id=123, or sysv:ftok=PATH,B",
    "posix": "posix:/name",
    "fifo": "fifo:/path",
    "unix": "unix:/path or unix:@abstract, with ?kind=seqpacket or ?kind=dgram behind it if it is no stream",
    "channel": "channel:NAME or channel:/path",
    "topic": "topic:NAME or topic:/path",
}


@record
class Address:
    """What a URL says. `name` is what stands behind the scheme; `key` or `id` for System V; `kind` if it was said."""

    scheme: str
    name: str
    key: int | None = None
    id: int | None = None
    kind: str | None = None

    def __str__(self) -> str:
        said = self.kind and self.kind != "stream"  # a socket that is not called otherwise is one
        return f"{self.scheme}:{self.name}" + (f"?kind={self.kind}" if said else "")


def parse(text: str, schemes: tuple[str, ...] = tuple(KINDS)) -> Address:
    """Read a URL. ValueError with the right spelling if it is none, or none of these schemes."""
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in KINDS:
        raise ValueError(f"{text!r} is no address: write {_spelled(schemes)}")
    if scheme not in schemes:
        raise ValueError(f"{text!r}: that is nothing for this command: write {_spelled(schemes)}")
    name, kind = _split_kind(text, scheme, rest)
    if not name or "\0" in name:
        raise ValueError(f"{text!r}: the name is missing: write {SPELLINGS[scheme]}")
    return READERS.get(scheme, _plain)(text, scheme, name, kind)


def _spelled(schemes: tuple[str, ...]) -> str:
    return "; ".join(SPELLINGS[scheme] for scheme in schemes)


def _split_kind(text: str, scheme: str, rest: str) -> tuple[str, str | None]:
    name, mark, kind = rest.rpartition("?kind=")
    if not mark:
        return rest, None
    if kind not in KINDS[scheme]:
        known = ", ".join(KINDS[scheme]) or "none"
        raise ValueError(f"{text!r}: {kind!r} is no kind of {scheme}: objects: write ?kind= and one of {known}")
    return name, kind


def _plain(_text: str, scheme: str, name: str, kind: str | None) -> Address:
    return Address(scheme, name, kind=kind)


def _of_sysv(text: str, scheme: str, name: str, kind: str | None) -> Address:
    what, equals, value = name.partition("=")
    try:
        if what == "id" and equals:
            return Address(scheme, f"id={number(value)}", id=number(value), kind=kind)
        key = _ftok(value) if what == "ftok" and equals else checked_key(number(name))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}: write {SPELLINGS[scheme]}") from None
    if not key:
        raise ValueError(f"{text!r}: the key 0 (IPC_PRIVATE) names nothing: write sysv:id=NUMBER")
    return Address(scheme, f"0x{key:08x}", key=key, kind=kind)


def _ftok(value: str) -> int:
    from ..sysv import Key

    path, _, project = value.rpartition(",")
    if not path:
        raise ValueError(f"{value!r} is not PATH,B")
    return Key.ftok(path, number(project) if len(project) > 1 else project)


def checked_key(value: int) -> int:
    """A key as the unsigned number that ipcs(1) shows. ValueError beyond 32 bits."""
    from ..sysv import Key

    return int(Key(value))


def _of_posix(text: str, scheme: str, name: str, kind: str | None) -> Address:
    if not name.startswith("/") or "/" in name[1:] or name in ("/", "/.", "/.."):
        raise ValueError(f'{text!r}: the name is "/" and one word: write {SPELLINGS[scheme]}')
    return Address(scheme, name, kind=kind)


def _of_unix(_text: str, scheme: str, name: str, kind: str | None) -> Address:
    return Address(scheme, name, kind=kind or "stream")


READERS: dict[str, Callable[[str, str, str, str | None], Address]] = {
    "sysv": _of_sysv,
    "posix": _of_posix,
    "unix": _of_unix,
}

NUMBER = re.compile(r"-?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")


def number(text: str) -> int:
    """A number as C reads it: decimal, 0x for hexadecimal, 0 for octal."""
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number (decimal, 0x... or octal 0...)")
    digits = text.lstrip("-")
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    return int(digits, base) * (-1 if text[0] == "-" else 1)


def known(incomplete: str, schemes: tuple[str, ...]) -> list[tuple[str, str]]:
    """For tab completion: (URL, what it is) of what exists and begins so; without a colon yet, the schemes."""
    scheme, colon, rest = incomplete.partition(":")
    if not colon:
        return [(f"{each}:", SPELLINGS[each]) for each in schemes if each.startswith(scheme)]
    if scheme not in schemes:
        return []
    try:
        found = {"sysv": _sysv, "posix": _posix, "fifo": _paths, "unix": _sockets}.get(scheme, _channels)(scheme, rest)
    except OSError:
        return []
    return sorted((f"{scheme}:{name}", what) for name, what in found if name.startswith(rest))


def _sysv(_scheme: str, _rest: str) -> list[tuple[str, str]]:
    from .. import sysv

    rows = []
    for kind, table in (("queue", sysv.queues), ("set", sysv.semaphore_sets), ("segment", sysv.segments)):
        for each in table():
            key = each.permissions.key
            rows.append((f"0x{int(key):08x}" if key else f"id={each.id}", kind))
    return rows


def _posix(_scheme: str, _rest: str) -> list[tuple[str, str]]:
    rows = [("/" + name, "queue") for name in listed("/dev/mqueue")]
    for name in listed("/dev/shm"):
        if name.startswith("sem."):
            rows.append(("/" + name[4:], "semaphore"))
        elif not name.startswith(CHANNELS):
            rows.append(("/" + name, "memory"))
    return rows


CHANNELS = "unixipc.channel."


def _channels(scheme: str, rest: str) -> list[tuple[str, str]]:
    from .. import channel

    if "/" in rest:
        return _paths(scheme, rest)
    cls = channel.Queue if scheme == "channel" else channel.Topic
    rows = []
    for name in listed("/dev/shm"):
        if name.startswith(CHANNELS):
            try:
                cls.open(name[len(CHANNELS) :]).close()
                rows.append((name[len(CHANNELS) :], cls.__name__.lower()))
            except (OSError, ValueError):
                pass  # not ours to open, or of the other kind
    return rows


def _paths(scheme: str, rest: str) -> list[tuple[str, str]]:
    """Folders, and in them what such a name may stand for."""
    folder, wanted = os.path.dirname(rest), {"fifo": 0o010000, "unix": 0o140000}.get(scheme, 0o100000)
    rows = []
    for name in listed(folder or "."):
        path = os.path.join(folder, name)
        try:
            kind = os.stat(path).st_mode & 0o170000
        except OSError:
            continue
        if kind == 0o040000:
            rows.append((path + "/", "folder"))
        elif kind == wanted:
            rows.append((path, scheme))
    return rows


def _sockets(scheme: str, rest: str) -> list[tuple[str, str]]:
    if not rest.startswith("@"):
        return _paths(scheme, rest)
    fields = [line.split(None, 7) for line in text_of("/proc/net/unix").split("\n")]
    names = {each[7].strip() for each in fields[1:] if len(each) == 8}
    return [(name, "socket") for name in names if name.startswith("@")]


def listed(folder: str) -> list[str]:
    """The names in a folder; none if it is not there or not ours to read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
