"""The two processes of a tour: one sends the cargo, one receives and verifies it; both report to their parent.

Per file: a header (number, size, path), exactly that many bytes as the carrier likes to carry them, an end mark.
At last one mark that says that all was sent: an end of the stream before it means that the sender has died.

Reports are framed JSON on one pipe that both children write to. Each is at most `PIPE_BUF` long, so they never mix.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from contextlib import suppress

from ..errors import LayoutError, PeerGone
from ..framing import FrameWriter
from ..process import Process
from .main import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..pipe import PipeWriter
    from .cargo import Cargo, Item
    from .carriers import Carrier

MARK = struct.Struct("<cIQ")  # kind, number of the file, bytes (of the file; at last: of all files)
FILE, END, MISSING, DONE = b"F", b"E", b"M", b"Z"
MOST_PATH_BYTES = 1024  # a header must fit into one packet, also with a longer path
MOST_TEXT = 500  # of an error: as JSON it must still fit into PIPE_BUF
REPORT_FILES, REPORT_BYTES = 40, 1 << 20
PATIENCE_S = 20.0


class Journal:
    """Reports to the parent."""

    def __init__(self, writer: PipeWriter) -> None:
        self._frames = FrameWriter(writer)

    def write(self, who: str, **facts: object) -> None:
        """One report; `who` is sender or receiver."""
        with suppress(PeerGone):  # the parent has left, and we are about to be killed
            self._frames.send(json.dumps({"who": who, **facts}).encode(), PATIENCE_S)


def short_path(item: Item) -> bytes:
    """The path as headers carry it."""
    return os.fsencode(item.path)[-MOST_PATH_BYTES:]


class Sender:
    """Sends the cargo.

    With `pause_at` it stops after that many bytes, in the middle of a file if it can be, and waits to be killed.
    """

    def __init__(self, carrier: Carrier, cargo: Cargo, pause_at: int | None = None) -> None:
        self.carrier, self.cargo, self.pause_at = carrier, cargo, pause_at
        self.sent_bytes = self.sent_files = 0

    def run(self, journal: Journal) -> int:
        """The sender process: its exit status."""
        try:
            self.carrier.start_sending()
            for item in self.cargo.items:
                self._send_item(item)
            self.carrier.send(MARK.pack(DONE, self.sent_files, self.sent_bytes))
            self.carrier.close()
        except (OSError, ValueError, EOFError) as error:
            journal.write("sender", error=explain(error)[:MOST_TEXT])
            return 1
        return 0

    def _send_item(self, item: Item) -> None:
        try:
            file = self.cargo.open(item)
        except OSError as error:
            self.carrier.send(MARK.pack(MISSING, item.index, 0) + str(error.strerror).encode())
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            self.carrier.send(MARK.pack(FILE, item.index, size) + short_path(item))
            for sent in self.carrier.send_body(file, size):
                self.sent_bytes += sent
                self._pause_if_asked()
        self._pause_if_asked()
        self.carrier.send(MARK.pack(END, item.index, size))
        self.sent_files += 1

    def _pause_if_asked(self) -> None:
        if self.pause_at is not None and self.sent_bytes >= self.pause_at:
            with Process(os.getppid()) as parent:
                parent.wait_end(PATIENCE_S)  # the parent kills us before that, or dies itself


class Receiver:
    """Receives the cargo, hashes every file and compares with what it must be."""

    def __init__(self, carrier: Carrier, cargo: Cargo) -> None:
        self.carrier, self.cargo = carrier, cargo
        self.files = self.bytes = self.wrong = self.told_bytes = 0
        self.told_half = False
        self.news: list[tuple[int, str]] = []
        self.total_bytes = cargo.bytes

    def run(self, journal: Journal) -> int:
        """The receiver process: its exit status."""
        self.journal = journal
        began = time.monotonic()
        try:
            self.carrier.start_receiving()
            while self._receive_item():
                pass
        except (EOFError, PeerGone) as error:
            return self._finish(began, "cut", explain(error))
        except (OSError, ValueError) as error:
            self._finish(began, "error", explain(error))
            return 1
        return self._finish(began, "complete", "")

    def _finish(self, began: float, end: str, how: str) -> int:
        seconds = time.monotonic() - began
        self._tell()
        totals = {"files": self.files, "bytes": self.bytes, "wrong": self.wrong, "messages": self.carrier.messages}
        self.journal.write("receiver", end=end, how=how[:MOST_TEXT], seconds=seconds, **totals)
        return 0

    def _receive_item(self) -> bool:
        """Receive one file; False when all were sent. A file counts only when its end mark is here."""
        message = bytes(self.carrier.receive())
        kind, index, size = _unpack(message)
        if kind == DONE:
            self._check_totals(index, size)
            return False
        if index >= len(self.cargo.items):
            raise LayoutError("number of the file", f"less than {len(self.cargo.items)}", index)
        if kind == MISSING:
            reason = message[MARK.size :].decode()
            self.journal.write("sender", error=f"{self.cargo.items[index].path[-500:]}: {reason}")
            return True
        self._receive_file(self.cargo.items[index], kind, size, message[MARK.size :])
        return True

    def _receive_file(self, item: Item, kind: bytes, size: int, path: bytes) -> None:
        if kind != FILE or path != short_path(item):
            raise LayoutError("header", (FILE, short_path(item)), (kind, path))
        digest = hashlib.sha256()
        self._tell_if_worth()
        for piece in self.carrier.receive_body(size):
            digest.update(piece)
            self.bytes += len(piece)
            self._tell_if_worth()
        if (found := _unpack(self.carrier.receive())) != (END, item.index, size):
            raise LayoutError("end mark", (END, item.index, size), found)
        self.files += 1
        self.wrong += digest.hexdigest() != item.digest
        self.news.append((item.index, digest.hexdigest()))

    def _check_totals(self, files: int, size: int) -> None:
        if (files, size) != (self.files, self.bytes):
            raise LayoutError("totals of the sender", (self.files, self.bytes), (files, size))

    def _tell_if_worth(self) -> None:
        half = self.bytes * 2 >= self.total_bytes and not self.told_half
        if half or len(self.news) >= REPORT_FILES or self.bytes - self.told_bytes >= REPORT_BYTES:
            self.told_half = self.told_half or half
            self._tell()

    def _tell(self) -> None:
        self.journal.write("receiver", digests=self.news, bytes=self.bytes)
        self.news, self.told_bytes = [], self.bytes


def _unpack(message: bytes | memoryview) -> tuple[bytes, int, int]:
    if len(message) < MARK.size:
        raise LayoutError("mark", f"{MARK.size} bytes", f"{len(message)} bytes")
    kind, index, size = MARK.unpack_from(message)
    return kind, index, size
