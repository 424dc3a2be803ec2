"""Names, flags and modes: how posix_ipc's constructors get their object."""

from __future__ import annotations

import os
from errno import EEXIST

from ._constants import O_CREAT, O_EXCL, UINT_BITS
from ._errors import ExistentialError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    H = TypeVar("H")

RANDOM_LETTERS, TRIES = 12, 100
"""26 ** 12 names: a hundred of them in use is a broken machine, and no reason to try for ever."""


def obtained(get: Callable[[str], H], name: Any, flags: int) -> tuple[str, H]:
    """(the name, what `get` gives for it); for a name of None with a random one that was free."""
    if flags & O_EXCL and not flags & O_CREAT:
        raise ValueError("O_EXCL means nothing without O_CREAT; O_CREX is both")
    if name is not None:
        return name, get(name)
    if not flags & O_EXCL:
        raise ValueError("a name of None makes a new object: it needs O_CREX")
    for _ in range(TRIES):
        try:
            return (chosen := random_name()), get(chosen)
        except ExistentialError as error:
            if error.errno != EEXIST:
                raise
            refused = error
    raise refused


def random_name() -> str:
    """A slash and small letters: short enough for every system."""
    return "/" + "".join(chr(ord("a") + each % 26) for each in os.urandom(RANDOM_LETTERS))


def checked_name(name: Any) -> str | None:
    """A name as a str, or None. TypeError for what is none; ValueError for what the kernel could only cut short."""
    if name is None:
        return None
    if not isinstance(name, str | bytes):
        raise TypeError(f"a name is None, a str or bytes, not {type(name).__name__}")
    return without_nul(os.fsdecode(name))


def name_to_unlink(name: Any) -> str:
    """The same for the functions that unlink, which take a str only."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    return without_nul(name)


def without_nul(name: str) -> str:
    """ValueError for a NUL, and for characters that no name can have."""
    if b"\0" in os.fsencode(name):
        raise ValueError(f"a name has no NUL in it: {name!r}")
    return name


def mode_to_give(mode: int) -> int:
    """What the umask leaves of it: our own native calls would give a new object exactly `mode`. -- umask(2)"""
    with open("/proc/self/status", "rb") as status:
        umask = next((line.split()[1] for line in status if line.startswith(b"Umask:")), b"0")
    return mode & 0o7777 & ~int(umask, 8)


def mode_attribute(mode: int) -> int:
    """What `mode` shows of a C int: its bits."""
    return mode & UINT_BITS


class Named:
    """What the three classes have in common: a name and a mode, which stay what the constructor was given."""

    __slots__ = ("_mode", "_name")
    _mode: int
    _name: str

    @property
    def name(self) -> str:
        """The name, also the one that was chosen for a name of None."""
        return self._name

    @property
    def mode(self) -> int:
        """The mode that the constructor was given, whatever the object has."""
        return self._mode

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f'posix_ipc.{type(self)._kind}("{self._name}", mode=0{self._mode:o}{self._more()})'

    _kind = ""

    def _more(self) -> str:
        return ""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"cannot pickle {type(self).__name__}: pass the name")
