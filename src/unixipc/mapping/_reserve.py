"""The length of files in memory: what is promised is there."""

from __future__ import annotations

import errno
import os

from .. import _wait
from .._call import failure
from .._native import mapping as _mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._fd import Descriptor

CHUNK_BYTES = 1 << 26
"""Set aside at once: the kernel begins a call again from its start after each signal."""


def resize(file: Descriptor, size_bytes: int) -> None:
    """Change a memory file's length, with its memory set aside; if there is too little, the length is as before.

    The file grows with its memory, never before it: who has it open sees no byte that is not there.
    """
    before = os.fstat(file.fileno()).st_size
    if size_bytes <= before:
        _mapping.set_length(file.fileno(), size_bytes, file.name)
        return
    _check_memory(size_bytes - before, file.name)
    try:
        for start in range(before, size_bytes, CHUNK_BYTES):
            part = min(CHUNK_BYTES, size_bytes - start)
            _wait.in_kernel(_reserved, file, start, part, timeout=None, name=file.name)
    except BaseException:
        _mapping.set_length(file.fileno(), before, file.name)
        raise


def _reserved(file: Descriptor, offset: int, length: int) -> bool:
    _mapping.reserve(file.fileno(), offset, length, file.name)
    return True


def _check_memory(wanted_bytes: int, name: object) -> None:
    """The kernel gives memory files pages until it has none, and then kills somebody: it is asked before."""
    if wanted_bytes < CHUNK_BYTES:
        return
    try:
        with open("/proc/meminfo", "rb") as file:
            told = dict(line.split(b":") for line in file)
        free = sum(int(told[key].split()[0]) for key in (b"MemAvailable", b"SwapFree")) * 1024
    except (OSError, KeyError, ValueError):
        return
    if wanted_bytes > free:
        hint = f"{wanted_bytes} bytes were asked for, the machine has {free} left with its swap space"
        raise failure(errno.ENOMEM, "posix_fallocate(3)", name, hint)
