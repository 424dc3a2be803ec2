"""What every room that makes objects needs: their permissions, and making one or opening what is there."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    H = TypeVar("H")

__all__ = ["checked_mode", "create_or_open"]


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
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EIDRM):
                raise
