from os import PathLike
from typing import TypeVar

from .descriptor import Descriptor

D = TypeVar("D", bound=Descriptor)

def open_once(path: str | bytes | PathLike[str] | PathLike[bytes], flags: int) -> int: ...
def open_owned(
    path: str | bytes | PathLike[str] | PathLike[bytes],
    flags: int,
    mode: int = 0o777,
    dir_fd: int | None = None,
    name: object = None,
) -> Descriptor: ...
def flock_once(fd: int, operation: int, name: object = None) -> bool | None: ...
def open_end_once(cls: type[D], path: str | bytes | PathLike[str] | PathLike[bytes], flags: int) -> D: ...
