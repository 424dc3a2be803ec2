"""What queues, sets and segments have in common: the ways to get one, keys, permissions, the end of temporary ones."""

from __future__ import annotations

import atexit
import errno
import weakref

from .._native import sysv as _sysv
from .._record import record
from .key import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    H = TypeVar("H", bound="_sysv.Handle")

CREATE, EXCLUSIVE = 0o1000, 0o2000  # IPC_CREAT, IPC_EXCL


@record
class Permissions:
    """Who may do what with a System V object: mode (as of a file, without the x bits), owner, creator; its key."""

    key: Key
    mode: int
    uid: int
    gid: int
    creator_uid: int
    creator_gid: int


def permissions_of(raw: tuple[int, int, int, int, int, int]) -> Permissions:
    """From what the kernel gives; flags that it keeps in the mode are left out."""
    key, mode, uid, gid, cuid, cgid = raw
    return Permissions(Key(key), mode & 0o777, uid, gid, cuid, cgid)


def signed(key: int) -> int:
    """A number or `Key` as the C type that the kernel takes; ValueError if it has more than 32 bits."""
    return (key if isinstance(key, Key) else Key(key)).signed


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


_temporary: weakref.WeakSet[_sysv.Handle] = weakref.WeakSet()


def close_at_exit(handle: H) -> H:
    """Remove a temporary object when the interpreter ends, if its handle lives as long."""
    if not _temporary:
        atexit.unregister(_close_all)
        atexit.register(_close_all)
    _temporary.add(handle)
    return handle


def _close_all() -> None:
    for handle in list(_temporary):
        handle.close()
