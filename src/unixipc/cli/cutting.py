"""Where one message ends and the next begins: lines, parts that end with NUL, blocks of so many bytes, whole files."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

READ_BYTES = 1 << 17


class Lines:
    """What ends with a separator, without it; what comes behind the last one is a line too."""

    def __init__(self, separator: bytes = b"\n") -> None:
        self.separator = separator
        self.pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Those that are whole now."""
        lines = data.split(self.separator)
        self.pieces.append(lines[0])
        if len(lines) == 1:
            return []
        lines[0], self.pieces = b"".join(self.pieces), [lines.pop()]
        return lines

    def end(self) -> list[bytes]:
        """What is left."""
        left, self.pieces = b"".join(self.pieces), []
        return [left] if left else []


class Blocks:
    """Blocks of `size` bytes; the last one may be shorter."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.left = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Those that are whole now."""
        data = self.left + data if self.left else data
        whole = len(data) - len(data) % self.size
        self.left = data[whole:]
        return [data[at : at + self.size] for at in range(0, whole, self.size)]

    def end(self) -> list[bytes]:
        """What is left."""
        left, self.left = self.left, b""
        return [left] if left else []


class Whole:
    """All of it is one message, an empty file too."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Nothing is whole before the end."""
        self.pieces.append(data)
        return []

    def end(self) -> list[bytes]:
        """The message."""
        whole, self.pieces = b"".join(self.pieces), []
        return [whole]


def batches(paths: Iterable[str], cut: Lines | Blocks | Whole) -> Iterator[list[bytes]]:
    """The messages of these files, as they come; "-" is the standard input. A message never goes over a file's end."""
    for path in paths:
        file = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while data := _read(file):  # what a terminal or a pipe has now: nobody waits for more
                if batch := cut.feed(data):
                    yield batch
        finally:
            if file:
                os.close(file)
        if batch := cut.end():
            yield batch


def _read(file: int) -> bytes:
    try:
        return os.read(file, READ_BYTES)
    except OSError as error:
        if file == 0:
            error.filename = "standard input"
        raise
