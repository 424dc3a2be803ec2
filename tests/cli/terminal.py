"""A terminal for a program that draws on the whole screen: a real pseudo-terminal, decoded by pyte."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time

import pyte

LIMIT_S = 60
KEYS = {
    "up": "\x1b[A", "down": "\x1b[B", "home": "\x1b[H", "end": "\x1b[F", "pagedown": "\x1b[6~", "pageup": "\x1b[5~",
    "enter": "\r", "escape": "\x1b", "tab": "\t", "shift+tab": "\x1b[Z", "backspace": "\x7f", "ctrl+c": "\x03",
    "ctrl+z": "\x1a",
}  # fmt: skip
NOT_PYTES = re.compile(rb"\x1b\[[<>=?][0-9;]*u|\x1b\[\?[0-9;]*\$p")
"""Queries and the keyboard protocol of newer terminals: an older one leaves them out, and pyte would print them."""


class Terminal:
    """A program in a pseudo-terminal of its own, whose leader it is; what it has drawn, as text."""

    def __init__(self, argv, *, columns=80, lines=24, env=None):
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._pending = b""
        self.status = None
        self.resized(columns, lines, before=True)
        # a size in the environment would count more than the terminal's own (workers of pytest-xdist have one)
        known = {name: value for name, value in (env or os.environ).items() if name not in ("COLUMNS", "LINES")}
        self.pid, self.master = os.forkpty()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                os.execvpe(argv[0], list(map(str, argv)), {"TERM": "xterm-256color", **known})
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()
        if self.master >= 0:
            os.close(self.master)

    def resized(self, columns, lines, before=False):
        """The window has another size now: the kernel tells the program."""
        if not before:
            self.screen.resize(lines, columns)
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def attributes(self):
        """As stty -a shows them."""
        return termios.tcgetattr(self.master)

    def press(self, *keys):
        """Keys by name, or text."""
        for key in keys:
            os.write(self.master, KEYS.get(key, key).encode())
            self.pump(0.02)

    def pump(self, seconds):
        """Take what it draws meanwhile; False once it has closed the terminal."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) >= 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # EIO: nobody has it open any more
                    return False
                if not data:
                    return False
                self._feed(data)
        return True

    def _feed(self, data):
        self.raw += data
        data = self._pending + data
        cut = len(data)  # a sequence that is cut in two waits for its end
        if (last := data.rfind(b"\x1b", -32)) >= 0:
            cut = last
        self._pending = data[cut:]
        self._stream.feed(NOT_PYTES.sub(b"", data[:cut]))
        if re.fullmatch(rb"\x1b(\[[0-9;?<>=$]*[A-Za-z].*|[^\[].*)", self._pending, re.S):
            self._stream.feed(NOT_PYTES.sub(b"", self._pending))
            self._pending = b""

    @property
    def text(self):
        """What the screen shows."""
        return "\n".join(self.screen.display)

    def line(self, part):
        """The first line with this in it, or ""."""
        return next((line for line in self.screen.display if part in line), "")

    def until(self, condition, why="it never became so"):
        """Take what it draws until that is so; what the condition found."""
        deadline = time.monotonic() + LIMIT_S
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{why}:\n{self.text}")
            if not self.pump(0.05) and not condition():
                raise AssertionError(f"the program has ended:\n{self.text}\n{self.raw[-2000:]!r}")
        return found

    def shows(self, *parts):
        """Wait until all of these are on the screen."""
        self.until(lambda: all(part in self.text for part in parts), f"{parts} never came")

    def ended(self):
        """Wait for the end of the program; its exit status, or the negative number of a signal."""
        deadline = time.monotonic() + LIMIT_S
        while self.status is None:
            self.pump(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"it does not end:\n{self.text}")
        self.pump(0.1)
        return self.status
