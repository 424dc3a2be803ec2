"""A file as a mailbox, and locks on ranges of its bytes that say whose turn it is. -- fcntl(2), F_OFD_SETLKW"""

from __future__ import annotations

import os
import struct

from ..._fd import Descriptor
from ...locks import RecordLock
from ..delivery import PATIENCE_S
from .carrier import CHUNK_BYTES, shrunk
from .meeting import SENDER, Meeting, ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = struct.Struct("<QI4x")  # how many turns are over, the message's length
LOCKS = 3


class LockedFile(Meeting):
    """Three locks are enough for two who take turns and sleep in between.

    Whoever has the turn holds two of them, the other holds the third and sleeps in the acquire of one of the two. To
    give the turn is to release that one and to acquire the third. When a process ends, however it ends, its locks fall,
    so the sleep always ends; the number of turns in the file tells whether it was a turn.
    """

    name = "record lock, file"

    def make_common(self) -> None:  # noqa: D102
        self.path = os.path.join(self.folder, "mailbox")
        opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.file = Descriptor(opened, self.path)
        self.own(self.file)
        os.pwrite(opened, HEAD.pack(0, 0), 0)
        self.room = memoryview(bytearray(CHUNK_BYTES))

    def prepare(self) -> None:
        """The sender begins: it holds the locks 0 and 1."""
        self.locks = [RecordLock(self.path, start, 1) for start in range(LOCKS)]
        self.own(*self.locks)
        for lock in self.locks[:2] if self.me == SENDER else self.locks[2:]:
            lock.acquire(PATIENCE_S)
        self.turn, self.is_my_turn = (0, True) if self.me == SENDER else (1, False)

    def _begin(self) -> int:
        """Wait until our next turn begins; the length of the message that the last one left."""
        if not self.is_my_turn:
            self.locks[self._released_before(self.turn)].acquire(PATIENCE_S)
            self.is_my_turn = True
        turns, length = HEAD.unpack(os.pread(self.file.fileno(), HEAD.size, 0))
        if turns != self.turn:
            raise ended(self.me, "the fallen lock")
        return int(length)

    def _released_before(self, turn: int) -> int:
        return -(turn - 1) % LOCKS

    def _end(self, length: int) -> None:
        os.pwrite(self.file.fileno(), HEAD.pack(self.turn + 1, length), 0)
        self.locks[self._released_before(self.turn + 1)].release()
        self.turn, self.is_my_turn = self.turn + 2, False

    def send(self, message: bytes | memoryview) -> None:  # noqa: D102
        self._begin()
        os.pwrite(self.file.fileno(), message, HEAD.size)
        self._end(len(message))

    def send_body(self, file: Descriptor, size: int) -> Iterator[int]:
        """From file to file."""
        while size:
            self._begin()
            got = os.readv(file.fileno(), [self.room[:size]])
            if not got:
                raise shrunk(file)
            os.pwrite(self.file.fileno(), self.room[:got], HEAD.size)
            self._end(got)
            size -= got
            yield got

    def receive_message(self) -> bytes:  # noqa: D102
        message = os.pread(self.file.fileno(), self._begin(), HEAD.size)
        self._end(0)
        return message

    def remove(self) -> None:  # noqa: D102
        os.unlink(self.path)
