"""ftok as sysv_ipc has it, with its warning."""

from __future__ import annotations

import warnings

from ...sysv import Key
from .._arguments import c_int

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os


def ftok(path: str | os.PathLike[str], id: int, silence_warning: bool | int = False) -> int:
    """A key from a file's inode, device and the lowest 8 bits of `id`. -- ftok(3)

    It warns, unless told not to, that two files may have the same key. OSError if there is no such file.
    """
    if isinstance(path, bytes):
        raise TypeError("path is a str, not bytes")
    project = c_int(id)
    if not c_int(silence_warning):
        warnings.warn("ftok() keys are not unique: see unixipc.sysv.Key.ftok", Warning, stacklevel=2)
    bits = Key.ftok(path, 1) & 0xFFFFFF | (project & 0xFF) << 24
    return bits - (1 << 32) if bits >= 1 << 31 else bits
