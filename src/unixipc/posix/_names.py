"""Names of POSIX objects."""

from __future__ import annotations

import os

from ._refusal import bad_name


def temporary_name() -> str:
    """A name that nobody else has."""
    return f"/unixipc-{os.getpid()}-{os.urandom(8).hex()}"


def checked_name(name: str, call: str) -> str:
    """The name, if it is "/" and one word; else OSError(EINVAL)."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {name!r}")
    if not name.startswith("/") or "/" in name[1:] or name in ("/", "/.", "/..") or "\0" in name:
        raise bad_name(call, name)
    return name
