"""The columns of `ipc ls`: which there are for which kinds, what they hold, and how that is written in a table."""

from __future__ import annotations

import sys

from ..sysv import Key
from .seeing import detail_of, name_of, owner_of, plain
from .units import human_bytes, human_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .looking import Look

OF_ALL = {
    "short": "a short id: what `ipc who` and `ipc rm` take",
    "name": "its path, name or key",
    "owner": "the owner's name",
    "users": "the processes that are known to have to do with it",
    "waiters": "how many are seen to wait for it",
    "now": "the numbers and words that say how it is now",
}
"""Columns that every kind has, worked out from the fields."""

GENERIC = ("short", "kind", "name", "owner", "users", "now")
FAMILIES = {
    "sysv": ("short", "kind", "key", "id", "mode", "owner", "users", "now"),
    "posix": ("short", "kind", "id", "mode", "owner", "users", "now"),
    "orphans": ("short", "kind", "name", "owner", "certainty", "why"),
}
MEANINGFUL = {
    "sysv-queue": (
        *("short", "key", "mode", "owner", "messages", "used_bytes", "capacity_bytes", "last_sender_pid"),
        *("last_receiver_pid", "sent_at", "received_at"),
    ),
    "sysv-set": ("short", "key", "mode", "owner", "count", "semaphores", "waiters", "operated_at"),
    "sysv-segment": (
        *("short", "key", "mode", "owner", "size_bytes", "attached", "attached_by", "creator_pid", "last_pid"),
        "attached_at",
    ),
    "posix-queue": (
        *("short", "id", "mode", "owner", "messages", "max_messages", "max_message_bytes", "used_bytes"),
        *("notified_pid", "used_by"),
    ),
    "posix-semaphore": ("short", "id", "mode", "owner", "value", "waiters", "used_by"),
    "posix-memory": ("short", "id", "mode", "owner", "size_bytes", "allocated_bytes", "changed_at", "used_by"),
    "lock": ("short", "type", "shared", "start", "length", "holders", "waiters", "path"),
    "pipe": ("short", "readers", "writers"),
    "fifo": ("short", "readers", "writers", "path"),
    "socket": ("short", "type", "state", "holders", "peer_holders", "received_bytes", "waiting", "name"),
    "memfd": ("short", "owner", "size_bytes", "allocated_bytes", "seals", "used_by", "name"),
    "channel": (
        *("short", "owner", "capacity_bytes", "when_full", "depth", "sent", "received", "dropped", "refused"),
        *("senders", "receivers", "dead", "id"),
    ),
    "topic": (
        *("short", "owner", "capacity_bytes", "when_full", "published", "refused", "publishers", "subscribers"),
        *("dead", "id"),
    ),
    "robust": (
        "short",
        "type",
        "state",
        "owner",
        "holders",
        "writer",
        "free_slots",
        "died_pid",
        "waiters",
        "used_by",
        "id",
    ),
    "mapping": ("short", "mapped_bytes", "mapped_by", "written_by", "removed", "path"),
    "signals": ("id", "command", "pending", "blocked", "ignored", "caught"),
}
"""What lsipc(1), lslocks(8) and lsfd(1) show of such an object, and what they do not know. Else: all fields."""


def fields_of(kind: str) -> tuple[str, ...]:
    """The fields of a kind's rows, "orphans" included, as the class of its rows has them."""
    from ..inspector import Orphan
    from ..inspector.listing import KINDS

    if kind == "orphans":
        return Orphan.__match_args__
    rows = KINDS[kind]
    name = rows.__annotations__["return"].partition("[")[2].rstrip("]")
    return getattr(sys.modules[rows.__module__], name).__match_args__  # type: ignore[no-any-return]


def known_columns(kinds: Iterable[str]) -> list[str]:
    """Every column that rows of these kinds can have."""
    return list(dict.fromkeys((*OF_ALL, *(field for kind in kinds for field in fields_of(kind)))))


def default_columns(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the one kind or family that was asked for; for several, those that all have."""
    if len(set(asked)) != 1:
        return GENERIC
    (kind,) = set(asked)
    if kind in FAMILIES:
        return FAMILIES[kind]
    return MEANINGFUL.get(kind) or ("short", *(field for field in fields_of(kind) if field != "kind"))


def value_of(look: Look, row: Any, column: str) -> Any:
    """What a row has in this column; None if its kind has no such field, or it may not be known."""
    worked_out = {"short": look.short_id, "users": look.users, "waiters": look.waiters}
    if column in worked_out:
        return worked_out[column](row)
    if column in OF_ALL:
        return {"name": name_of, "owner": owner_of, "now": detail_of}[column](row) or None
    return getattr(row, column, None)


def cell(column: str, value: Any, human: bool) -> str:
    """A value as a table shows it; "" for None and for empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Key):
        return str(plain(value))
    if isinstance(value, int):
        return _number(column, value, human)
    if isinstance(value, tuple):
        words = [word_of(each) for each in value]
        if human and len(words) > MOST_WORDS:
            words[MOST_WORDS - 1 :] = [f"+{len(words) - MOST_WORDS + 1}"]
        return ",".join(words)
    return str(plain(value))


MOST_WORDS = 8
"""Of a longer list a person is told how many more there are."""


def _number(column: str, value: int, human: bool) -> str:
    if column == "mode":
        return f"{value:04o}"
    if human and column.endswith("_bytes"):
        return human_bytes(value)
    if human and column.endswith("_at"):
        return human_time(value)
    return str(value)


def word_of(value: Any) -> str:
    """One of several: an end as "pid:fd", a semaphore as its value, a subscriber as "pid+lag", a user "name(pid)"."""
    fields = getattr(value, "__match_args__", ())
    if "command" in fields:
        return f"{value.command}({value.pid}){'' if value.sure else '?'}"
    if "number" in fields:
        return f"{value.pid}:{value.number}"
    if "lag" in fields:
        return f"{value.pid}+{value.lag}"
    if "value" in fields:
        return str(value.value)
    if "pid" in fields:
        return "?" if value.pid is None else str(value.pid)
    return str(plain(value))


def is_right(column: str) -> bool:
    """Whether it holds one number: aligned to the right."""
    ends = ("_bytes", "_pid", "messages", "start", "length", "waiters", "waiting")
    return column.endswith(ends) or column in RIGHT


RIGHT = {"count", "attached", "value", "depth", "sent", "received", "dropped", "refused", "published"}
