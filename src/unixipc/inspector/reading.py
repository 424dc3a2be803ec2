"""A file in /proc, read whole. -- proc(5)"""

from __future__ import annotations

import os

from ..locks._table import OURS_TO_MEND

__all__ = ["OURS_TO_MEND", "bytes_of", "info_of"]

CHUNK_BYTES = 1 << 16


def bytes_of(path: str) -> bytes | None:
    """None if it is not there, or not ours to read. OSError where we have no descriptor left to read it by."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in OURS_TO_MEND:
            raise
        return None
    try:
        pieces = []
        while piece := os.read(fd, CHUNK_BYTES):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except OSError:
        return None
    finally:
        os.close(fd)


def info_of(pid: int, number: int) -> dict[str, str]:
    """What the kernel says about a descriptor; of fields that are there several times, all, by lines. -- fdinfo(5)"""
    found: dict[str, list[str]] = {}
    for line in (bytes_of(f"/proc/{pid}/fdinfo/{number}") or b"").decode(errors="replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name, []).append(value.strip())
    return {name: values[0] if len(values) == 1 else "\n".join(values) for name, values in found.items()}
