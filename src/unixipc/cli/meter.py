"""How many messages and bytes went by: a bar on a terminal when it takes long, a line at the end when asked for."""

from __future__ import annotations

import os
import stat
import sys
import time

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any, Self

LONG_S = 1.0
"""Work that is shorter shows no bar."""


class Meter:
    """Counts. For ``with``: at the end the bar goes. `total_bytes` is None where nobody knows."""

    def __init__(self, what: str, total_bytes: int | None, quiet: bool) -> None:
        self.what, self.total_bytes = what, total_bytes
        self.messages = self.bytes = 0
        self.began = time.monotonic()
        self.may_show = not quiet and sys.stderr.isatty()
        self._bar: Any = None

    def add(self, messages: int, size_bytes: int) -> None:
        """So many more."""
        self.messages += messages
        self.bytes += size_bytes
        if self.may_show and time.monotonic() - self.began > LONG_S:
            self._show()

    def _show(self) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total_bytes)
        self._bar.update(self._task, completed=self.bytes, description=f"{self.what} {self.messages}")

    def facts(self) -> dict[str, float]:
        """Messages, bytes, seconds."""
        seconds = round(time.monotonic() - self.began, 6)
        return {"messages": self.messages, "bytes": self.bytes, "seconds": seconds}

    def tell(self, as_json: bool) -> None:
        """One line on stderr."""
        facts = self.facts()
        if as_json:
            import json

            click.echo(json.dumps(facts), err=True)
        else:
            rate = facts["bytes"] / max(facts["seconds"], 1e-6) / 1e6
            text = f"{self.messages} messages, {self.bytes} bytes in {facts['seconds']:.2f} s ({rate:.1f} MB/s)"
            click.echo(f"ipc: {self.what} {text}", err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def size_of_all(paths: Sequence[str]) -> int | None:
    """The bytes of all these files; None if one of them is no plain file."""
    total = 0
    for path in paths:
        found = os.fstat(0) if path == "-" else os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            return None
        total += found.st_size
    return total
