"""`ipc watch`, the screen: one app, which ends with the status of the command, whatever ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import Binding

from .board import Board
from .terminal import kept

if TYPE_CHECKING:
    from .looking import Wanted

__all__ = ["Watch", "run"]

INTERRUPTED = 130


class Watch(App[int]):
    """The board, and the keys that end it."""

    CSS_PATH = "app.tcss"
    TITLE = "ipc watch"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[Any]] = [
        Binding("ctrl+c", f"leave({INTERRUPTED})", "quit", show=False, priority=True),
        Binding("ctrl+q", "leave(0)", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]

    def __init__(self, wanted: Wanted, interval_s: float) -> None:
        super().__init__(ansi_color="NO_COLOR" in os.environ)  # the terminal's own colours: then none are sent at all
        self.animation_level = "none"
        self.board = Board(wanted, interval_s)

    def on_mount(self) -> None:
        """The board is all there is."""
        self.push_screen(self.board)

    def action_leave(self, status: int) -> None:
        """The end, with this status."""
        self.exit(status)


def run(wanted: Wanted, interval_s: float) -> int:
    """Show it until somebody ends it; the exit status."""
    with kept():
        return asyncio.run(_run(Watch(wanted, interval_s)))


async def _run(app: Watch) -> int:
    """A request to end is a key like any other: Textual puts the terminal back.

    It may come while the first screen is being made. What Textual then makes of that is not the answer.
    """
    loop, asked = asyncio.get_running_loop(), []

    def leave(status: int) -> None:
        asked.append(status)
        app.exit(status)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, leave, 128 + number)
    result = await app.run_async()
    return asked[0] if asked else result or app.return_code or 0
