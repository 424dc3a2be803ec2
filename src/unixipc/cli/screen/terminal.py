"""However the screen ends, the terminal is afterwards what it was before. -- termios(3)"""

from __future__ import annotations

import os
import sys
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["kept", "why_not"]

LEAVE = "\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h"
"""No mouse, no pasting, no focus reports; lines wrap; usual keys; the usual screen; a cursor."""


def why_not() -> str | None:
    """Why no screen can be shown here; None if one can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "its input and output are not both a terminal"
    if os.environ.get("TERM", "") in ("", "dumb"):
        return f"the terminal is a {os.environ.get('TERM') or 'nameless'} one (TERM), without a screen to draw on"
    return None


@contextmanager
def kept() -> Iterator[None]:
    """Textual restores the terminal itself; this is for a signal that comes before or while it does.

    It draws on stderr, which may be a file, or closed: here it gets stdout, which is the terminal (`why_not`).
    """
    before, err = termios.tcgetattr(sys.stdin.fileno()), sys.__stderr__
    try:
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
        yield
    finally:
        sys.__stderr__ = err  # type: ignore[misc]
        _restore(before)


def _restore(before: list[Any]) -> None:
    try:
        if termios.tcgetattr(sys.stdin.fileno()) != before:
            sys.__stdout__.write(LEAVE)  # type: ignore[union-attr]
            sys.__stdout__.flush()  # type: ignore[union-attr]
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)
    except (termios.error, OSError):  # the terminal is gone
        pass
