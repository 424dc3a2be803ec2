"""Where the C sources of channels are, for programs in C."""

from __future__ import annotations

import os
import shlex

from .. import _native

SOURCES = ("client.c", "ending.c", "queue.c", "recovery.c", "segment.c", "topic.c", "wakeup.c")


def c_flags() -> str:
    """What a C compiler needs to build a program that includes "ring/client.h": folders, sources, libraries."""
    folder = os.path.dirname(os.path.abspath(_native.__file__))
    sources = [os.path.join(folder, "ring", name) for name in SOURCES]
    flags = ["-std=gnu11", f"-I{folder}", *sources, os.path.join(folder, "robust", "owner.c"), "-pthread"]
    return shlex.join(flags)
