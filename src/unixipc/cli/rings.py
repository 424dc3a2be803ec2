"""Channels and topics as the shell uses them: like a pipe, they are made when first needed and end with their users.

A library's temporary channel ends with the last process that has it. Here a sender may well be done before the receiver
has begun, so what is in a channel keeps it: it goes when the last one out finds nothing in it. What was made otherwise
(``ipc mk``, a program) is used and stays.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from .._fd import Descriptor
from .._native.ring import use
from ..channel import Queue, Topic
from ..errors import LayoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    R = TypeVar("R", "ShellQueue", "ShellTopic")

PATIENCE_S = 1.0


class ShellQueue(Queue):
    """A queue that its last user removes, if it is spent."""

    unused_is_spent = True
    """False for a sender that had nothing to say: the receiver that is still to come shall see the end."""
    contents_matter = True
    """False when every receiver has left in the middle of things: what is in it goes with it, as in a broken pipe."""

    @property
    def lives_with_its_users(self) -> bool:
        """Whether the shell made it, or a program with `temporary`."""
        return bool(self._temporary)

    def receivers_were_here(self) -> bool:
        """Whether anybody has ever received."""
        seen = self.stat()
        return bool(seen.received or seen.receivers or seen.receiver_sleeps)

    def close(self) -> None:
        """Close this handle; the last one out removes what is spent."""
        if self.closed or not self._temporary:
            super().close()
            return
        # one after the other: of two that leave at the same moment each would see the other, and neither be the last
        with in_turn(self.fileno()):
            super().close()

    def _end_if_last(self) -> None:
        if not self._temporary:
            return
        if self._watcher is not None:
            self._watcher.close()
        if use(self.fileno(), True) and self._is_spent():  # from here on nobody else can come in: no message is lost
            try:
                self.remove()
            except OSError:
                pass  # somebody else has removed it, or given the name to another

    def _is_spent(self) -> bool:
        if not self.contents_matter:
            return True
        seen = self.stat()
        return not seen.depth and (self.unused_is_spent or seen.sent > 0 or seen.receiver_sleeps > 0)


class ShellTopic(Topic):
    """A topic; what nobody subscribes to any more is lost anyway, so the last one out removes it."""

    def close(self) -> None:
        """Close this handle; the last one out removes it."""
        if self.closed or not self._temporary:
            super().close()
            return
        with in_turn(self.fileno()):
            super().close()


@contextmanager
def in_turn(fd: int) -> Iterator[None]:
    """While this file is ours alone; if somebody keeps it for long, without."""
    from ..locks import FileLock

    path = f"/proc/self/fd/{fd}"
    with Descriptor(os.open(path, os.O_RDWR | os.O_CLOEXEC), path) as opening:
        lock = FileLock(opening)
        with suppress(OSError):  # in vain for so long, or a file system that has no locks
            lock.acquire(PATIENCE_S)
        try:
            yield
        finally:
            lock.close()


def opened(cls: type[R], name: str) -> R:
    """What is there, however large it is; or a new one that lives with its users."""
    try:
        return cls.open(name)
    except FileNotFoundError:
        return cls.temporary(name)
    except LayoutError as error:  # a foreign file, or one of the other kind: it does not know its name
        error.add_note(f"this is {name!r}; it was left as it is")
        raise
