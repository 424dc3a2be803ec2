"""Names of POSIX objects."""

from __future__ import annotations

import os

from .._native.posix import checked_name

__all__ = ["checked_name", "temporary_name"]


def temporary_name() -> str:
    """A name that nobody else has."""
    return f"/unixipc-{os.getpid()}-{os.urandom(8).hex()}"
