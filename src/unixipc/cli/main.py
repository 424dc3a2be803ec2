"""Where `ipc` begins, and where every error ends: one clear line on stderr and an exit status.

======= =================================================================
status  meaning
======= =================================================================
0       all is well
1       something was not as it must be; an error
2       the command was not understood, or is not installed
124     the time was up, as timeout(1) says (`ipc lock`: 1, as flock(1))
130     Ctrl-C
141     whoever read our output has left (as SIGPIPE would say)
======= =================================================================
"""

from __future__ import annotations

import os
import signal
import sys
import time

from . import standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

NEEDED = ("click", "rich")
TIME_IS_UP, INTERRUPTED = 124, 130


def run() -> NoReturn:
    """The entry point: run `ipc` with the words of the command line and exit."""
    standard.prepare()
    try:
        status = _run(sys.argv[1:])
    except KeyboardInterrupt:
        status = INTERRUPTED
    except SystemExit as leaving:
        status = _status_of(leaving)
    sys.exit(standard.finish(status))


def _status_of(leaving: SystemExit) -> int:
    """As the interpreter sees it: a program of `ipc demo` may leave with a text, which goes to stderr."""
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    print(leaving.code, file=sys.stderr)
    return 1


def _run(words: list[str]) -> int:
    if missing := [name for name in NEEDED if not _is_installed(name)]:
        print(f'ipc: it needs {" and ".join(missing)}: pip install "unixipc[cli]"', file=sys.stderr)
        return 2
    leaving = Leaving()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup and background jobs want it
            signal.signal(number, leaving)
    if "_IPC_COMPLETE" in os.environ:
        from . import completion  # noqa: F401 (bash needs more than click has)
    from .group import ipc

    ipc.main(words, prog_name="ipc")  # ends with SystemExit
    return 0


def _is_installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


class Leaving:
    """A request to end unwinds the stack, so that children and names in the file system go too.

    Some (timeout(1), an impatient hand) ask twice: for `GRACE_S` more requests would only disturb that.
    """

    GRACE_S = 2.0

    def __init__(self) -> None:
        self.asked_at: float | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """The signal handler."""
        now = time.monotonic()
        if self.asked_at is not None and now < self.asked_at + self.GRACE_S:
            return
        self.asked_at = now
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)


def explain(error: BaseException) -> str:
    """The error as one line: what the kernel said, of what, and what it means here (the exception's notes)."""
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename}: " if error.filename is not None else ""
        text = f"{what}{error.strerror}"
    else:
        text = str(error) or type(error).__name__
    return printable(" - ".join([text, *getattr(error, "__notes__", [])]))


def printable(text: str) -> str:
    """The text on one line, with what cannot be printed replaced: names hold any bytes, a terminal's commands too."""
    if text.isprintable():
        return text
    known = " ".join(text.splitlines()).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(each if each.isprintable() else "\ufffd" for each in known)
