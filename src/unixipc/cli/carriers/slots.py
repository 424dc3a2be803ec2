"""A ring of slots in shared memory, each for one message, and a carrier over it.

Message number n goes into slot n modulo the number of slots. The number that a slot carries is written last, so a
slot whose writer was killed is no message; 0 says that the slot is free.
"""

from __future__ import annotations

import struct

from ..._record import record
from .carrier import CHUNK_BYTES, InPlace
from .meeting import RECEIVER, Meeting, ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...mapping import Mapping

SLOTS = 8
HEAD = struct.Struct("<QI4x")  # the message's number plus 1, its length
NUMBER = struct.Struct("<Q")
SLOT_BYTES = HEAD.size + CHUNK_BYTES
RING_BYTES = SLOTS * SLOT_BYTES


@record
class Ring:
    """The slots in a mapping."""

    memory: Mapping

    def fill(self, n: int, put: Callable[[memoryview], int]) -> int:
        """Make message `n` of what `put` writes; its length."""
        at = n % SLOTS * SLOT_BYTES
        with self.memory.buffer[at + HEAD.size : at + SLOT_BYTES] as body:
            length = put(body)
        HEAD.pack_into(self.memory.buffer, at, 0, length)
        NUMBER.pack_into(self.memory.buffer, at, n + 1)
        return length

    def take(self, n: int) -> bytes:
        """Message `n`; its slot is free from then on."""
        at = n % SLOTS * SLOT_BYTES
        _number, length = HEAD.unpack_from(self.memory.buffer, at)
        message = bytes(self.memory.buffer[at + HEAD.size : at + HEAD.size + length])
        NUMBER.pack_into(self.memory.buffer, at, 0)
        return message

    def is_free(self, n: int) -> bool:
        """Whether message `n` may be written."""
        return self._number(n) == 0

    def is_there(self, n: int) -> bool:
        """Whether message `n` may be taken."""
        return self._number(n) == n + 1

    def _number(self, n: int) -> int:
        number: int = NUMBER.unpack_from(self.memory.buffer, n % SLOTS * SLOT_BYTES)[0]
        return number


class Slots(InPlace, Meeting):
    """Messages in a ring. How the two wake each other is the subclass's."""

    def make_common(self) -> None:  # noqa: D102
        memory = self.make_memory()
        self.own(memory)
        self.ring = Ring(memory)
        self.number = 0

    def make_memory(self) -> Mapping:
        """`RING_BYTES` that both processes see, all zero."""
        raise NotImplementedError

    def wait_for_turn(self) -> None:
        """Sleep until the sender may fill a slot, or the receiver may empty one; or the other has ended."""
        raise NotImplementedError

    def give_turn(self) -> None:
        """Wake the other: there is a slot more for it."""
        raise NotImplementedError

    def my_turn(self) -> int:
        """Wait; the number of the message that may be written or taken now."""
        self.wait_for_turn()
        n = self.number
        if not (self.ring.is_there(n) if self.me == RECEIVER else self.ring.is_free(n)):
            raise ended(self.me)
        self.number = n + 1
        return n

    def fill(self, put: Callable[[memoryview], int]) -> int:  # noqa: D102
        length = self.ring.fill(self.my_turn(), put)
        self.give_turn()
        return length

    def receive_message(self) -> bytes:  # noqa: D102
        message = self.ring.take(self.my_turn())
        self.give_turn()
        return message
