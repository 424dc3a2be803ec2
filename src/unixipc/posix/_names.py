"""Names of POSIX objects, and the ways to get one."""

from __future__ import annotations

import os

from ._refusal import bad_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    H = TypeVar("H")


def temporary_name() -> str:
    """A name that nobody else has."""
    return f"/unixipc-{os.getpid()}-{os.urandom(8).hex()}"


def checked_name(name: str, call: str) -> str:
    """The name, if it is "/" and one word; else OSError(EINVAL)."""
    if not name.startswith("/") or "/" in name[1:] or name in ("/", "/.", "/..") or "\0" in name:
        raise bad_name(call, name)
    return name


def checked_mode(mode: int) -> int:
    """Permissions of an object: ValueError for what a mode cannot be."""
    if not 0 <= mode <= 0o777:
        raise ValueError(f"permissions are 0..0o777, not {mode:#o}")
    return mode


def create_or_open(create: Callable[[], H], open: Callable[[], H]) -> H:
    """Make it, or open what is there: any number of processes may do so at once."""
    while True:  # ends: each turn somebody else has made or removed it in between
        try:
            return create()
        except FileExistsError:
            pass
        try:
            return open()
        except FileNotFoundError:
            pass
