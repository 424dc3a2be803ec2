"""Names of POSIX objects."""

from __future__ import annotations

import errno
import os

from .._call import failure
from .._native.posix import checked_name

__all__ = ["checked_name", "temporary_name", "without_name"]


def without_name(error: FileNotFoundError, name: str) -> OSError:
    """Why a new object did not get its name, which is given by way of its descriptor in /proc. -- linkat(2)"""
    if os.path.exists("/proc/self/fd"):
        return error
    hint = f"/proc is missing (mount -t proc proc /proc): {name} cannot be given to a new object without it"
    return failure(errno.ENOENT, "linkat(2)", "/proc/self/fd", hint)


def temporary_name() -> str:
    """A name that nobody else has."""
    return f"/unixipc-{os.getpid()}-{os.urandom(8).hex()}"
