"""What a scenario is, and what it gets: names of its own, and a list of what to clear up when a fault has ended it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from unixipc import ClosedError, Exited

__all__ = ["SCENARIOS", "Soon", "World", "end", "scenario"]

WAIT = 20
SCENARIOS: dict[str, Callable[[World], None]] = {}


def scenario(function):
    """One use of a mechanism, from its creation to its end, that checks its results itself."""
    SCENARIOS[function.__name__] = function
    return function


class World:
    """One run of a scenario."""

    runs = 0

    def __init__(self, folder: str, quiet=contextlib.nullcontext) -> None:
        World.runs += 1
        self.folder, self.quiet = folder, quiet  # within `quiet` no call fails: what a scenario does by itself
        self.number = World.runs
        self.name = f"/uipc-faults-{os.getpid()}-{self.number}"
        self.key = (os.getpid() << 12 & 0x7FFFFFFF) + self.number + 1
        self._later: list[Callable[[], object]] = []

    def path(self, name: str = "it") -> str:
        """A name in the scenario's folder, which is empty at its start."""
        return os.path.join(self.folder, name)

    def file(self, data: bytes = b"", name: str = "file") -> str:
        """A file with these bytes; it goes at the end."""
        with self.quiet(), open(self.later_unlinked(name), "wb") as made:
            made.write(data)
        return made.name

    def later_unlinked(self, name: str = "it") -> str:
        """The path of a file that is nobody's to remove but the scenario's."""
        path = self.path(name)
        self.later(lambda: os.unlink(path))
        return path

    def opened(self, path: str, mode: str = "r+b"):
        """A file of the scenario's own."""
        with self.quiet():
            return open(path, mode, buffering=0)

    def later(self, clean: Callable[[], object]) -> None:
        """What a careful program does in a `finally`: done when nothing fails any more; twice is fine."""
        self._later.append(clean)

    def child(self, process) -> None:
        """A child that must end well; whatever happens, it ends."""
        self.later(lambda: end(process))
        status = process.wait(timeout=WAIT)
        if status != Exited(0):
            raise ChildFailed(str(status))

    def clean(self) -> None:
        """Run what was noted, the last one first."""
        while self._later:
            with contextlib.suppress(OSError, ClosedError, RuntimeError):
                self._later.pop()()


class Soon(threading.Thread):
    """What another thread does a moment later; `instead`, if that fails: so that nobody waits for it."""

    def __init__(self, world: World, do: Callable[[], object], instead: Callable[[], object], seconds=0.02) -> None:
        super().__init__(daemon=True)
        self.do, self.instead, self.seconds, self.error = do, instead, seconds, None
        world.later(self.join)

    def run(self) -> None:
        """Patience, then the work."""
        time.sleep(self.seconds)
        try:
            self.do()
        except BaseException as error:
            self.error = error
            self.instead()

    def __enter__(self) -> Soon:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.join()
        if self.error is not None:
            raise self.error


class ChildFailed(AssertionError):
    """The fault hit a forked child: its status tells so, and its words are on stderr."""


def end(process) -> None:
    """Kill and reap, if there is still something to."""
    if process.status is None and not process.closed:
        process.kill()
        process.wait(timeout=WAIT)
    process.close()


@contextlib.contextmanager
def empty_folder() -> Iterator[str]:
    """For the scenarios of one process."""
    with tempfile.TemporaryDirectory(prefix="uipc-faults-") as folder:
        tempfile.tempdir = folder  # temporary objects are to be found there too
        yield folder
        tempfile.tempdir = None
