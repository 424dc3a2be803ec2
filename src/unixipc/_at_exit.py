"""What is gone at exit at the latest: temporary things that nobody has closed by then."""

from __future__ import annotations

import atexit
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    class Closable(Protocol):
        """Its `close` removes what it stands for, in the process that made it; twice is fine."""

        def close(self) -> None:
            """Close it, and remove what is temporary."""
            ...

    C = TypeVar("C", bound=Closable)

__all__ = ["close_at_exit"]

_open: weakref.WeakSet[Closable] = weakref.WeakSet()


def close_at_exit(thing: C) -> C:
    """Close it when the interpreter ends, if it lives as long.

    Registered anew when it is the first: what others register in between, and may need it, runs before.
    """
    if not _open:
        atexit.unregister(_close_all)
        atexit.register(_close_all)
    _open.add(thing)
    return thing


def _close_all() -> None:
    for thing in list(_open):
        try:
            thing.close()
        except BufferError:
            pass  # somebody still looks at its memory; the others are closed all the same
