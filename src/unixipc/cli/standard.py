"""The descriptors 0, 1 and 2 as `ipc` finds them: any of them closed, full, or in a locale that lacks our letters.

What holds is what coreutils does: output that could not be written is an error and exit status 1, what could not be
said on stderr is not, and a closed descriptor is an error for who needs it and for nobody else.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["OUT", "OUTPUT_CLOSED", "drop_output", "finish", "prepare"]

OUTPUT_CLOSED = 141
IN, OUT = "standard input", "standard output"


class Input(io.FileIO):
    """The standard input, whose errors name it."""

    def readinto(self, buffer: Any, /) -> int:
        """As any file."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise OSError(error.errno, error.strerror, IN) from None

    def readall(self) -> bytes:
        """As any file."""
        try:
            return super().readall()
        except OSError as error:
            raise OSError(error.errno, error.strerror, IN) from None


class Complaints(io.TextIOWrapper):
    """The standard error: if it cannot be written to, nobody is left who could be told.

    Not the raw file is ours: a signal's exception in there would make the buffer write what is written already again.
    """

    def write(self, text: str, /) -> int:
        """All of it, as far as the caller knows."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """As far as possible."""
        try:
            super().flush()
        except OSError:
            pass


def prepare() -> None:
    """Occupy what is closed, so that nothing else gets these numbers, and make `sys.stdin` and the others anew."""
    for number in (0, 1, 2):
        _occupy(number)
    codecs.register_error("ipc", _as_bytes)
    sys.stdin = _text(io.TextIOWrapper, io.BufferedReader(Input(0, "r", closefd=False)), sys.stdin)
    sys.stdout = _text(io.TextIOWrapper, _output(1, sys.stdout), sys.stdout)
    sys.stderr = _text(Complaints, io.BufferedWriter(io.FileIO(2, "w", closefd=False)), sys.stderr)


def _occupy(number: int) -> None:
    """With a file that can only be used the other way round: EBADF stays EBADF. Our children do not get it."""
    try:
        os.fstat(number)
    except OSError as error:
        if error.errno != errno.EBADF:
            return
        got = os.open(os.devnull, os.O_WRONLY if number == 0 else os.O_RDONLY)
        if got != number:  # a lower one is free: not those of ours, which are occupied in their order
            os.dup2(got, number, inheritable=False)
            os.close(got)


def _output(number: int, before: Any) -> io.FileIO | io.BufferedWriter:
    """Without a buffer where Python was told to have none (-u, PYTHONUNBUFFERED)."""
    raw = io.FileIO(number, "w", closefd=False)
    return raw if isinstance(getattr(before, "buffer", None), io.RawIOBase) else io.BufferedWriter(raw)


def _text(kind: type[io.TextIOWrapper], buffer: Any, before: Any) -> io.TextIOWrapper:
    """As Python makes it, but that every text can be written: ASCII is what a locale says that was never set."""
    encoding = getattr(before, "encoding", None) or sys.getfilesystemencoding()
    encoding = "utf-8" if codecs.lookup(encoding).name == "ascii" else encoding
    errors = "ipc" if buffer.writable() else "surrogateescape"
    unbuffered = isinstance(buffer, io.RawIOBase)
    lines = kind is Complaints or buffer.isatty()
    return kind(buffer, encoding, errors, line_buffering=lines, write_through=unbuffered)


def _as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """What a locale has no letters for: the bytes of a name as they are, anything else in UTF-8."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    piece = error.object[error.start : error.end]
    kept = (each if not 0xD800 <= ord(each) < 0xE000 or 0xDC80 <= ord(each) < 0xDD00 else "?" for each in piece)
    return "".join(kept).encode("utf-8", "surrogateescape"), error.end


def finish(status: int) -> int:
    """Write out what is left: the exit status, which says if that failed."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
        return OUTPUT_CLOSED
    except OSError as error:
        drop_output()
        if status == 0:
            print(f"ipc: {OUT}: {error.strerror}", file=sys.stderr)
            return 1
    return status


def drop_output() -> None:
    """What is still buffered for stdout goes nowhere, without a complaint at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
