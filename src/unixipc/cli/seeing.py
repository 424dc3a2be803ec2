"""Rows of the inspector for people and for programs: what `ls`, `who` and `why` share."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ..sysv import Key

__all__ = ["detail_of", "name_of", "owner_of", "plain", "user_name"]

SEEN_ONLY = re.compile(r"[0-9a-f]+:[0-9a-f]+:[0-9]+")
"""A file as the kernel's tables have it: nobody calls it that."""
NAMES = ("path", "name", "key")
LEFT_OUT = {"kind", "id", "mode", "uid", "pid", "peer", "count", *NAMES}
ENDINGS = ("_uid", "_gid", "_at", "_pid", "_pids", "inode", "device")


def plain(value: Any) -> Any:
    """As JSON has it: records are objects, keys "0x...", bytes text."""
    if hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if isinstance(value, Key):
        return f"{int(value):#010x}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def name_of(row: Any) -> str:
    """Its path, name or key; "" if it has none."""
    if isinstance(row.id, str) and not SEEN_ONLY.fullmatch(row.id):
        return row.id
    found = next((value for name in NAMES if (value := getattr(row, name, None)) is not None), "")
    return "" if found == 0 else str(plain(found))  # key 0: private


def owner_of(row: Any) -> str:
    """Its owner's name; "" for what has none, as a pipe."""
    uid = getattr(row, "owner_uid", getattr(row, "uid", None))
    return "" if uid is None else user_name(uid)


@lru_cache(maxsize=1000)
def user_name(uid: int) -> str:
    """A user's name, or the number of one who has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def detail_of(row: Any) -> str:
    """The numbers and words that say how it is now; of yes and no only the yes."""
    words = []
    for name, value in row._asdict().items():
        if name in LEFT_OUT or name.endswith(ENDINGS) or value is None or value == "":
            continue
        if isinstance(value, bool):
            words += [name] if value else []
        elif isinstance(value, int | str):
            words.append(f"{name}={plain(value)}")
        elif name == "semaphores":
            words.append("values=" + ",".join(str(each.value) for each in value))
    return " ".join(words)
