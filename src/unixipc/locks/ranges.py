"""Ranges of bytes of one opening, locked and unlocked one by one: they split, merge and convert. -- fcntl(2)

>>> import tempfile
>>> from unixipc.locks import lock_range, try_lock_range, unlock_range
>>> file = tempfile.NamedTemporaryFile()
>>> lock_range(file, 0, 100)
>>> unlock_range(file, 40, 20)                      # two are left: 0-39 and 60-99
>>> with open(file.name, "r+b") as other:
...     try_lock_range(other, 40, 20), try_lock_range(other, 50, 20)
(True, False)
>>> file.close()
"""

from __future__ import annotations

from operator import index

from .. import _wait
from .._call import name_holders
from .._fd import name_of, number_of
from .._native.locks import range_in_kernel, range_now
from ._holders import kept_out_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from .._fd import HasFileno

    Kind: TypeAlias = Literal["ofd", "posix"]

__all__ = ["lock_range", "try_lock_range", "unlock_range"]


def try_lock_range(
    file: int | HasFileno, start: int = 0, length: int = 0, *, shared: bool = False, kind: Kind = "ofd"
) -> bool:
    """Lock these bytes now (`length` 0: to the end); False if others have some of them. -- fcntl(2)

    What this opening (`kind` "posix": this process) has of them already is converted; neighbours merge. OSError(EBADF):
    not open for writing (`shared`: for reading).
    """
    access: Literal["read", "write"] = "read" if shared else "write"
    return range_now(number_of(file), _checked(kind), access, index(start), index(length), name_of(file))


def lock_range(
    file: int | HasFileno,
    start: int = 0,
    length: int = 0,
    *,
    shared: bool = False,
    kind: Kind = "ofd",
    timeout: float | None = None,
) -> None:
    """Lock these bytes, waiting until nobody else has any. OSError(EDEADLK) for posix locks in a circle. -- fcntl(2)

    TimeoutError tells who holds them. Nothing of what was held is given up meanwhile: two OFD openings may wait for
    each other, so give a `timeout`.
    """
    if try_lock_range(file, start, length, shared=shared, kind=kind):
        return
    access = "read" if shared else "write"
    name = name_of(file)
    try:
        _wait.in_kernel(range_in_kernel, number_of(file), kind, access, start, length, name, timeout=timeout, name=name)
    except TimeoutError as error:
        name_holders(error, kept_out_by(number_of(file), kind, shared, start, length))
        raise


def unlock_range(file: int | HasFileno, start: int = 0, length: int = 0, *, kind: Kind = "ofd") -> None:
    """Unlock these bytes, whether they are locked or not; a lock around them is split in two. -- fcntl(2)"""
    range_now(number_of(file), _checked(kind), "unlock", index(start), index(length), name_of(file))


def _checked(kind: str) -> str:
    if kind not in ("ofd", "posix"):
        raise ValueError(f"kind must be 'ofd' or 'posix', not {kind!r}")
    return kind
