"""What the three classes have in common: getting an object by flags and key, and attributes that are the kernel's."""

from __future__ import annotations

import os
from errno import EINVAL

from ..._call import failure
from ..._native import sysv as _sysv
from .._arguments import c_long
from ._arguments import integer, key_number, user_number
from ._constants import IPC_CREAT, IPC_CREX, IPC_EXCL, MODE_BITS, RANDOM_KEY_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, NoReturn, TypeVar

    from ._errors import Refusals

    H = TypeVar("H", bound="_sysv.Handle")

# places in `KernelObject._numbers`
MODE, UID, GID, CREATOR_UID, CREATOR_GID, FIRST_OWN = 1, 2, 3, 4, 5, 6


def obtained(get: Callable[[int], H], key: Any, flags: int, mode: int) -> H:
    """What `get(key)` gives; for a key of None with a random key that was free.

    `mode` as the caller gave it: flags in it mean nothing, and whoever put them there is told when it matters.
    """
    try:
        return _obtained(get, key, flags)
    except FileNotFoundError as error:
        if mode & IPC_CREX & ~flags:
            error.add_note("mode= has flags in it, which mean nothing there: IPC_CREAT and IPC_EXCL belong into flags=")
        raise


def _obtained(get: Callable[[int], H], key: Any, flags: int) -> H:
    if flags & IPC_EXCL and not flags & IPC_CREAT:
        raise ValueError("IPC_EXCL means nothing without IPC_CREAT; IPC_CREX is both")
    if key is not None:
        return get(key_number(key))
    if not flags & IPC_EXCL:
        raise ValueError("a key of None makes a new object: it needs IPC_CREX")
    return _with_random_key(get)


def _with_random_key(get: Callable[[int], H]) -> H:
    """Begin anywhere and take the first free key; FileExistsError once every one was tried."""
    first = int.from_bytes(os.urandom(2), "little")
    for step in range(1, RANDOM_KEY_MAX):
        try:
            return get((first + step) % RANDOM_KEY_MAX + 1)
        except FileExistsError:
            pass
    return get(first % RANDOM_KEY_MAX + 1)


def adopted(cls: type[H], number: int) -> H:
    """A handle for an id; EINVAL for what cannot be one."""
    if number < 0:
        raise failure(EINVAL, "sysvipc(7)", f"id {number}", "ids are numbers from 0 up")
    handle = cls.__new__(cls)
    _sysv.adopt(handle, number)
    return handle


class Attribute:
    """An attribute that is asked for each time; it can be set if there is a `write`."""

    name = ""

    def __init__(self, read: Callable[[Any], Any], write: Callable[[Any, Any], object] | None = None) -> None:
        self.read, self.write = read, write

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self.read(instance)

    def __set__(self, instance: object, value: object) -> None:
        if self.write is None:
            self._refuse(instance)
        self.write(instance, value)

    def __delete__(self, instance: object) -> None:
        self._refuse(instance)

    def _refuse(self, instance: object) -> NoReturn:
        if self.name == "id":
            raise AttributeError("readonly attribute")
        owner = f"{type(instance).__module__}.{type(instance).__qualname__}"
        raise AttributeError(f"attribute '{self.name}' of '{owner}' objects is not writable")


def status(place: int) -> Callable[[Any], Any]:
    """Reads one number of IPC_STAT."""
    return lambda instance: instance._numbers()[place]


class KernelObject:
    """A handle of one object, with the attributes that every kind has."""

    __slots__ = ()
    _looking: ClassVar[Refusals]
    _handle: Any
    _key: int

    def _numbers(self) -> tuple[Any, ...]:
        """IPC_STAT: key, mode, uid, gid, cuid, cgid, then what the kind has of its own."""
        with self._looking:
            _, permissions, *own = self._handle.status()
        return (*permissions, *own)

    def _change(self, **new: int) -> None:
        with self._looking:
            self._handle.change(**new)

    key = Attribute(lambda instance: instance._key)
    """The key, also the one that was chosen for a key of None."""
    id = Attribute(lambda instance: instance._handle.id)
    """The id that the kernel gave it."""
    mode = Attribute(
        status(MODE), lambda instance, value: instance._change(mode=c_long(integer(value, "mode")) & MODE_BITS)
    )
    """The permission bits."""
    uid = Attribute(status(UID), lambda instance, value: instance._change(uid=user_number(value, "uid")))
    """The owner."""
    gid = Attribute(status(GID), lambda instance, value: instance._change(gid=user_number(value, "gid")))
    """The owner's group."""
    cuid = Attribute(status(CREATOR_UID))
    """Who made it."""
    cgid = Attribute(status(CREATOR_GID))
    """The group of who made it."""

    def __str__(self) -> str:
        return f"Key={self.key}, id={self.id}"

    def __repr__(self) -> str:
        return f"sysv_ipc.{self._kind}({self.key})"

    _kind: ClassVar[str]

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__}: pass the key, or the id")
