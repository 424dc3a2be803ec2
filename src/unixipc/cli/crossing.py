"""One run of one mechanism: two processes carry the cargo while the parent listens and judges.

The parent believes nobody: it compares every digest that the receiver reports with the cargo's own list.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from signal import SIGKILL

from ..framing import FrameReader
from ..pipe import PipeReader, pipe
from ..process import Child, fork
from .delivery import PATIENCE_S, Journal, Receiver, Sender
from .traces import Traces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .cargo import Cargo
    from .carriers import Carrier

STALL_S = PATIENCE_S + 5
"""Longer than a child waits for the other one: it can still say what went wrong."""


class Crossing:
    """Two processes and what they report. `accepted` and `wrong` count the parent's own comparison of digests."""

    def __init__(self, carrier: Carrier, cargo: Cargo, pause_at: int | None = None) -> None:
        self.cargo = cargo
        self.accepted = self.wrong = self.bytes = 0
        self.complaints: list[str] = []
        self.left_behind: tuple[str, ...] = ()
        self.last: dict[str, Any] = {}
        reader, writer = pipe()
        self._reports = FrameReader(reader)
        with ExitStack() as until_ready, writer:
            until_ready.callback(reader.close)
            journal = Journal(writer)
            self.receiver = until_ready.enter_context(_child(Receiver(carrier, cargo).run, journal, reader))
            self.sender = until_ready.enter_context(_child(Sender(carrier, cargo, pause_at).run, journal, reader))
            carrier.close()
            self._exit = until_ready.pop_all()

    def __enter__(self) -> Crossing:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._exit.__exit__(*exception)

    def listen(self, patience_s: float = STALL_S) -> Iterator[int]:
        """Read reports until both processes have ended; after each, how many bytes have arrived."""
        while True:
            try:
                report = json.loads(self._reports.receive(patience_s))
            except EOFError:
                return
            self._note(report)
            yield self.bytes

    def _note(self, report: dict[str, Any]) -> None:
        if "error" in report:
            self.complaints.append(f"{report['who']}: {report['error']}")
        if "end" in report:
            self.last = report
        self.bytes = report.get("bytes", self.bytes)
        for index, digest in report.get("digests", ()):
            self._judge(index, digest)

    def _judge(self, index: int, digest: str) -> None:
        item = self.cargo.items[index]
        if digest == item.digest:
            self.accepted += 1
            return
        self.wrong += 1
        if self.wrong <= 3:
            self.complaints.append(f"{item.path}: its SHA-256 is not what it must be")


def _child(run: Callable[[Journal], int], journal: Journal, reader: PipeReader) -> Child:
    def target() -> int:
        reader.close()
        return run(journal)

    # A group of its own: Ctrl-C is for the parent, which then ends us. And if somebody kills the parent, we go too.
    return fork(target, death_signal=SIGKILL, new_group=True)


@contextmanager
def carrying(kind: type[Carrier], cargo: Cargo, pause_at: int | None = None) -> Iterator[Crossing]:
    """A crossing in a folder of its own; `left_behind` is filled in afterwards."""
    with _own_folder() as folder:
        traces = Traces(folder)
        with ExitStack() as stack:
            carrier = kind(folder)
            stack.callback(carrier.remove)
            stack.callback(carrier.close)
            crossing = stack.enter_context(Crossing(carrier, cargo, pause_at))
            yield crossing
        crossing.left_behind = tuple(traces.left_behind())


@contextmanager
def _own_folder() -> Iterator[str]:
    """A temporary folder that goes however we end: a child of ours outlives kill -9, and removes it then."""
    folder = os.path.join(tempfile.gettempdir(), f"unixipc-tour-{os.urandom(16).hex()}")
    try:
        reader, writer = pipe()

        def keep() -> None:
            writer.close()
            reader.read(1)  # nobody writes: it is the end of us, and of all that we have started
            shutil.rmtree(folder, ignore_errors=True)

        with reader, writer, fork(keep, new_group=True) as keeper:
            os.mkdir(folder, 0o700)  # not before there is somebody to remove it
            yield folder
            writer.close()
            keeper.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
