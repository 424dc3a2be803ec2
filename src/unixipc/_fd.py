"""An owned descriptor: close-on-exec from birth, -1 after close; and the checks on descriptors from outside."""

from __future__ import annotations

import errno
import os
import stat

from ._call import explained, failure
from ._native.descriptor import Descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class HasFileno(Protocol):
        """Anything with a descriptor: one of ours, a file, a socket, a Popen's pipe."""

        def fileno(self) -> int:
            """The descriptor's number."""
            ...


__all__ = ["Descriptor", "check_kind", "name_of", "number_of"]


def number_of(thing: int | HasFileno) -> int:
    """The descriptor's number of a number, or of anything with ``fileno()``."""
    return thing if isinstance(thing, int) else thing.fileno()


def name_of(thing: object) -> object:
    """What to call it in an error: its name where it has one."""
    return getattr(thing, "name", None) or (f"fd {thing}" if isinstance(thing, int) else None)


def check_kind(fd: int, is_kind: Callable[[int], bool], kind: str) -> os.stat_result:
    """The descriptor's stat, or an OSError(EINVAL) that says what it is instead. -- fstat(2)"""
    try:
        found = os.fstat(fd)
    except OSError as error:
        raise explained(error, "fstat(2)", f"fd {fd}") from None
    if not is_kind(found.st_mode):
        what = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise failure(errno.EINVAL, "fstat(2)", f"fd {fd}", f"this descriptor is {what}, not a {kind}")
    return found


_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
