"""How two processes that were forked apart get to know each other: each holds the other's pidfd."""

from __future__ import annotations

import errno
import os
import struct

from ... import _wait
from ...errors import PeerGone
from ...event import EventFd
from ...mapping import map_anonymous
from ...process import Process
from ..delivery import PATIENCE_S
from .carrier import Carrier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..._fd import Descriptor

    T = TypeVar("T")

SENDER, RECEIVER = 0, 1
PID = struct.Struct("<q")


def ended(me: int, what_tells: str = "the pidfd") -> EOFError | PeerGone:
    """What the one gets when the other has ended."""
    if me == RECEIVER:
        return EOFError(f"{what_tells} of the sender: it has ended before its end mark")
    return PeerGone(errno.EPIPE, "it has ended", "receiver")


class Meeting(Carrier):
    """A carrier whose two processes meet before they begin: `other` is the other one, `me` which of them we are.

    What they have in common beyond that, a subclass makes in `make_common`, before the fork; what each of them must
    have before the other may begin, in `prepare`.
    """

    def make(self) -> None:  # noqa: D102
        self.pids = map_anonymous(2 * PID.size)
        self.bells = (EventFd(), EventFd())
        self.own(self.pids, *self.bells)
        self.make_common()

    def make_common(self) -> None:
        """Make what both sides need."""

    def prepare(self) -> None:
        """In each process, before they meet."""

    def start_sending(self) -> None:  # noqa: D102
        self._meet(SENDER, RECEIVER)

    def start_receiving(self) -> None:  # noqa: D102
        self._meet(RECEIVER, SENDER)

    def _meet(self, me: int, other: int) -> None:
        self.me = me
        self.prepare()
        PID.pack_into(self.pids.buffer, me * PID.size, os.getpid())
        self.bells[other].add()
        self.bells[me].take(PATIENCE_S)
        (pid,) = PID.unpack_from(self.pids.buffer, other * PID.size)
        self.other = Process(pid)  # the pid is its own: our common parent waits for nobody before we both have ended
        self.own(self.other)

    def beside_the_other(self, descriptor: Descriptor, events: int, attempt: Callable[[], T | None]) -> T:
        """Wait until `attempt` gives something, or the other process has ended: asleep on both descriptors."""
        both = ((descriptor, events), (self.other, _wait.READABLE))

        def try_both() -> T | None:
            found = attempt()
            if found is None and self.other.has_ended():
                found = attempt()  # it came between the try and the end
                if found is None:
                    raise ended(self.me)
            return found

        return _wait.on_descriptors(lambda: both, try_both, PATIENCE_S, self.name)
