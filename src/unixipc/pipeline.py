r"""Programs connected by pipes, as the shell's ``ls | wc -l``, with every program's status. -- pipe(7)

>>> from unixipc import pipeline
>>> pipeline(["yes"], ["head", "-n", "1"]).run()
PipelineResult(stdout=b'y\n', statuses=(Killed(signal=13, core=False), Exited(code=0)))

The first program of ``yes | head -n 1`` is killed by SIGPIPE (13): that is how a pipeline ends early, and no failure.

The five fates: a running pipeline belongs to `run`: a time-out, Ctrl-C or an error kills every program and reaps it.
**close** and **remove**: nothing stays. **fork**, **exec**: no handle is inherited. **kill -9** of a program ends its
neighbours as a closed pipe does; of the caller: the programs get SIGKILL (their death signal).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from . import _wait
from ._record import record
from .pipe import PipeReader, PipeWriter, pipe
from .process import Child, Exited, Killed, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal, TypeAlias

    from typing_extensions import Buffer

    from ._fd import Descriptor, HasFileno

    Command: TypeAlias = Sequence[str | bytes | os.PathLike[str]]
    Until: TypeAlias = Literal["end", "exit"]

__all__ = ["Pipeline", "PipelineResult", "pipeline"]

SIGPIPE, SIGKILL = 13, 9
CHUNK_BYTES = 65536


@record
class PipelineResult:
    """What the last program wrote, and how each one ended, in order."""

    stdout: bytes
    statuses: tuple[Exited | Killed, ...]

    @property
    def succeeded(self) -> bool:
        """Whether the last program exited with 0, and each other did too or was ended early by SIGPIPE."""
        fine = (Exited(0), Killed(SIGPIPE))
        return self.statuses[-1] == Exited(0) and all(status in fine for status in self.statuses)


class Pipeline:
    """Programs to connect. `run` starts them, feeds the first, collects what the last one writes."""

    def __init__(self, *commands: Command, env: Mapping[str, str] | None = None, cwd: str | None = None) -> None:
        if not commands or any(isinstance(command, str | bytes) or not command for command in commands):
            raise ValueError('a pipeline is one list of words a program: pipeline(["ls"], ["wc", "-l"])')
        self.commands, self._env, self._cwd = commands, env, cwd

    def run(
        self,
        input: Buffer | None = None,
        timeout: float | None = None,
        stderr: int | HasFileno | None = None,
        *,
        until: Until = "end",
    ) -> PipelineResult:
        """Run all programs to their end. `input`: bytes for the first one's stdin (else it inherits ours).

        `until`: the "end" of what the last one writes, for which everybody who has its stdout must close it, daemons
        that a program started too; or the programs' "exit": what is written by then is the output.

        TimeoutError after `timeout` seconds: every program was killed and reaped. It has the `stdout` so far and the
        `statuses`, and names the processes that still have the write end. A program that cannot be started is
        FileNotFoundError or PermissionError with its name; those before it are killed and reaped.
        """
        with Running(self, input, stderr, until) as running:
            try:
                return _wait.on_descriptors(running.watched, running.advance, timeout, str(self))
            except TimeoutError as error:
                running.explain(error)
                raise

    def __str__(self) -> str:
        return " | ".join(" ".join(os.fsdecode(word) for word in command) for command in self.commands)

    def __repr__(self) -> str:
        return f"<Pipeline {str(self)!r}>"


def pipeline(*commands: Command, env: Mapping[str, str] | None = None, cwd: str | None = None) -> Pipeline:
    """Programs connected stdout to stdin: ``pipeline(["ls"], ["wc", "-l"]).run()``. -- pipe(2), execve(2)"""
    return Pipeline(*commands, env=env, cwd=cwd)


def writers_of(end: Descriptor) -> list[str]:
    """The processes that can write into this pipe, as "1234 (sleep)", as far as we may look. -- proc(5)"""
    found = []
    with suppress(OSError):
        pipe_name = os.readlink(f"/proc/self/fd/{end.fileno()}")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):  # it has ended, or is not ours to look at
                if any(_writes(f"/proc/{pid}/fd/{number}", pipe_name) for number in os.listdir(f"/proc/{pid}/fd")):
                    found.append(f"{pid} ({_word_of(pid)})")
    return found


def _writes(link: str, pipe_name: str) -> bool:
    return os.readlink(link) == pipe_name and bool(os.lstat(link).st_mode & stat.S_IWUSR)


def _word_of(pid: str) -> str:
    with open(f"/proc/{pid}/comm", errors="replace") as file:
        return file.read().strip()


class Running:
    """A pipeline under way: `advance` moves what can be moved now, and gives the result when all have ended."""

    def __init__(self, plan: Pipeline, data: Buffer | None, stderr: int | HasFileno | None, until: str = "end") -> None:
        if until not in ("end", "exit"):
            raise ValueError(f'a pipeline runs until its "end" or its programs\' "exit", not {until!r}')
        self._until = until
        self.children: list[Child] = []
        self.output: list[bytes] = []
        self.feed: PipeWriter | None = None
        self.left = memoryview(b"" if data is None else data).cast("B")
        self._commands, self._fed = plan.commands, data is not None
        self._how: Any = {"stderr": stderr, "env": plan._env, "cwd": plan._cwd, "death_signal": SIGKILL}
        self._ends: list[PipeReader | PipeWriter] = []

    def __enter__(self) -> Running:
        """Start the programs. What is made is noted where `stop` finds it in the same statement: Ctrl-C may come."""
        try:
            self.drain, last = self._pipe()
            source = None
            if self._fed:
                source, self.feed = self._pipe()
            for place, command in enumerate(self._commands, 1):
                source = self._start_one(command, source, last if place == len(self._commands) else None)
            return self
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _pipe(self) -> tuple[PipeReader, PipeWriter]:
        self._ends += (ends := pipe())
        return ends

    def _start_one(self, command: Command, source: PipeReader | None, last: PipeWriter | None) -> PipeReader | None:
        """Start a program; our copies of its ends are closed at once, or nobody would ever see the end."""
        following, out = (None, last) if last is not None else self._pipe()
        self.children.append(spawn(command, stdin=source, stdout=out, **self._how))
        for end in (out, source):
            if end is not None:
                end.close()
        return following

    def advance(self) -> PipelineResult | None:
        """Write what fits, read what is there, note who has ended; None while anything is still going on."""
        self._write()
        more = self._read()
        if more and self._until == "end":
            return None
        statuses = tuple(child.try_wait() for child in self.children)
        if None in statuses:
            return None
        self._read()  # what the last one wrote before it ended is here now
        return PipelineResult(b"".join(self.output), statuses)  # type: ignore[arg-type]

    def _write(self) -> None:
        while self.feed is not None:
            try:
                done = self.feed.try_write(self.left[:CHUNK_BYTES]) if self.left else 0
            except ConnectionError:  # the first program wants no more: its right
                done, self.left = 0, self.left[:0]
            if done is None:
                return
            self.left = self.left[done:]
            if not self.left:
                self.feed.close()
                self.feed = None

    def _read(self) -> bool:
        """Whether more may come."""
        while not self.drain.closed:
            data = self.drain.try_read(CHUNK_BYTES)
            if data is None:
                return True
            if data:
                self.output.append(data)
            else:
                self.drain.close()
        return False

    def watched(self) -> tuple[tuple[Descriptor, int], ...]:
        """What to sleep on: until something can be written or read, or a program ends."""
        watched: list[tuple[Descriptor, int]] = []
        if self.feed is not None:
            watched.append((self.feed, _wait.WRITABLE))
        if not self.drain.closed:
            watched.append((self.drain, _wait.READABLE))
        if self.drain.closed or self._until == "exit":
            watched += [(child, _wait.READABLE) for child in self.children if child.status is None]
        return tuple(watched)

    def explain(self, error: TimeoutError) -> None:
        """End what was waited for, which other waits do not, and tell what there is."""
        self._end_all()
        self.left = self.left[:0]
        holders = writers_of(self.drain) if self._read() else []
        if holders:
            have = "has" if len(holders) == 1 else "have"
            error.strerror = f"{error.strerror}; {', '.join(holders)} still {have} the write end"
        error.stdout = b"".join(self.output)  # type: ignore[attr-defined]
        error.statuses = tuple(child.status for child in self.children)  # type: ignore[attr-defined]
        error.__notes__ = ["pipeline: every program was killed and reaped; what they had done is done"]
        if holders:
            error.add_note('what they had started lives; run(until="exit") does not wait for it')

    def stop(self) -> None:
        """Kill and reap whoever still runs; close everything."""
        for end in self._ends:
            end.close()
        self._end_all()

    def _end_all(self) -> None:
        for child in self.children:
            if child.closed:
                continue
            with child:  # leaving the block reaps it
                try:
                    if child.status is None:
                        child.kill()
                except ProcessLookupError:
                    pass  # somebody else has reaped it
