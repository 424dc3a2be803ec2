"""Channels and topics as the shell uses them: like a pipe, they are made when first needed and end with their users.

A library's temporary channel ends with the last process that has it. Here a sender may well be done before the receiver
has begun, so what is in a channel keeps it: it goes when the last one out finds nothing in it. What was made otherwise
(``ipc mk``, a program) is used and stays.
"""

from __future__ import annotations

import os

from .._native.ring import use
from ..channel import Queue, Topic
from ..errors import LayoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    R = TypeVar("R", "ShellQueue", Topic)

RECEIVER = 1


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
        """Whether there has ever been one."""
        return self._outside().was_here(RECEIVER)

    def _end_if_last(self) -> None:
        if not self._temporary or self._pid != os.getpid():
            return
        use(self.fileno(), -1)  # first our own lock: of two that end at once each would see the other's
        if use(self.fileno(), 1) and self._is_spent():  # from here on nobody else can come in: no message is lost
            try:
                self.remove()
            except OSError:
                pass  # somebody else has removed it, or given the name to another

    def _is_spent(self) -> bool:
        if not self.contents_matter:
            return True
        seen = self.stat()
        outside = self._outside()
        was_received_from = outside.was_here(RECEIVER)
        outside.close()
        return not seen.depth and (self.unused_is_spent or was_received_from)


def opened(cls: type[R], name: str) -> R:
    """What is there, however large it is; or a new one that lives with its users."""
    try:
        return cls.open(name)  # type: ignore[return-value] # checkers are told of `Queue` and `Topic` themselves only
    except FileNotFoundError:
        return cls.temporary(name)  # type: ignore[return-value]
    except LayoutError as error:  # a foreign file, or one of the other kind: it does not know its name
        error.add_note(f"this is {name!r}; it was left as it is")
        raise
