"""Rows of the inspector for people and for programs: what `ls`, `who` and `why` share."""

from __future__ import annotations

import os
from typing import Any

import click

from ..sysv import Key

__all__ = ["detail_of", "hidden_line", "name_of", "owner_of", "plain"]

NAMES = ("path", "name", "key")
LEFT_OUT = {"kind", "id", "mode", *NAMES}
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
    found = next((value for name in NAMES if (value := getattr(row, name, None)) is not None), "")
    return str(plain(found))


def owner_of(row: Any) -> str:
    """Its owner's name."""
    uid = getattr(row, "owner_uid", None)
    if uid is None:
        return ""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def detail_of(row: Any) -> str:
    """The numbers and words that say how it is now."""
    found = row._asdict()
    told = {name: value for name, value in found.items() if name not in LEFT_OUT and not name.endswith(ENDINGS)}
    return " ".join(
        f"{name}={plain(value)}"
        for name, value in told.items()
        if isinstance(value, int | str) and value is not None and value != ""
    )


def hidden_line(hidden: tuple[int, ...]) -> None:
    """Say on stderr what could not be seen, and how it could be."""
    if hidden:
        count = f"{len(hidden)} process{'es' if len(hidden) > 1 else ''}"
        why = "" if os.geteuid() == 0 else "; root may"
        click.echo(f"ipc: {count} may not be looked into{why}", err=True)
