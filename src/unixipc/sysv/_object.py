"""What queues, sets and segments have in common: the ways to get one, keys, permissions, the end of temporary ones."""

from __future__ import annotations

from .._creation import checked_mode
from .._native import sysv as _sysv
from .._record import record
from ..errors import ObjectRemoved
from .key import Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
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


def values_of(initial: Sequence[int]) -> tuple[int, ...]:
    """The initial values of a set."""
    if hasattr(initial, "__index__"):
        raise TypeError(
            f"`initial` is a list with a value for each semaphore: [{initial}] for one, [0] * {initial} for {initial}"
        )
    return tuple(initial)


def one_value(initial: int) -> int:
    """The initial value of a set of one."""
    if not hasattr(initial, "__index__"):
        raise TypeError(f"`initial` is one number, not {initial!r}: SemaphoreSet takes a list")
    return initial


def signed(key: int) -> int:
    """A number or `Key` as the C type that the kernel takes; ValueError if it has more than 32 bits."""
    return (key if isinstance(key, Key) else Key(key)).signed


def adopt(handle: _sysv.QueueCalls | _sysv.SetCalls | _sysv.MemoryCalls, id: int) -> None:
    """Make a new handle stand for the object of this id. `ObjectRemoved` if there is none."""
    kind = type(handle).__name__
    if isinstance(id, Key) or not hasattr(id, "__index__"):
        raise TypeError(f"{kind}(id) takes the number that the kernel gave, not {id!r}: for a key use {kind}.open(key)")
    if id >= 1 << 31:
        raise ValueError(
            f"{kind}(id) takes the number that the kernel gave: {id} is too large, and may be a key: {kind}.open(key)"
        )
    _sysv.adopt(handle, id)
    try:
        _sysv.know_key(handle, handle.status()[1][0])
    except PermissionError:
        pass  # we may use it without being allowed to look at it
    except ObjectRemoved as error:
        error.__notes__ = [f"nothing has this id in this IPC namespace; if it is a key: {kind}.open(key)"]
        raise


def given(mode: int | None, uid: int | None, gid: int | None) -> tuple[int, int, int]:
    """(uid, gid, mode) as the native calls take them: -1 for unchanged."""
    return _owner(uid), _owner(gid), -1 if mode is None else checked_mode(mode)


def _owner(number: int | None) -> int:
    if number is None:
        return -1
    if not 0 <= number < (1 << 32) - 1:
        raise ValueError(f"a user or group is a number in 0..{(1 << 32) - 2}, not {number}")
    return number


def named(key: int) -> int:
    number = signed(key)
    if not number:
        raise ValueError("Key.PRIVATE names no object: create() makes one, its id finds it")
    return number
