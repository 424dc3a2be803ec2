"""Text that others wrote: the names of processes and files hold any bytes. -- proc(5)"""

from __future__ import annotations

import os

__all__ = ["text_of"]


def text_of(path: str) -> str:
    """The whole file; bytes that are no text in this locale stay in it, as in the names that `os.listdir` gives."""
    with open(path, "rb") as file:
        return os.fsdecode(file.read())
