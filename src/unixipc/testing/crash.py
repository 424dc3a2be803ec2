"""Death on purpose: a child that runs your code and is killed with SIGKILL, at a point of your choice.

* `killed_at(target, point="unixipc.framing.FrameWriter.try_send")`: on entering that function (module and qualified
  name), or where the code itself says ``crash.point("half-way")``
* `killed_at_step(target, n)`: before the n-th line it would execute; `steps(target)` counts them, so that a test can
  kill it at *every* step
* `killed_after(target, seconds)`: at a moment that has nothing to do with what it is doing

SIGKILL is sent by the kernel's own hand: no handler, no ``finally``, no flush runs.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from .._fd import Descriptor
from ..framing import FrameReader, FrameWriter
from ..pipe import pipe
from ..process import Child, fork

__all__ = ["every_step", "killed_after", "killed_at", "killed_at_step", "point", "random_moments", "steps"]

_wanted: str | None = None


def point(name: str) -> None:
    """A named point: here a child made by `killed_at(point=name)` dies. Elsewhere it does nothing."""
    if name == _wanted:
        os.kill(os.getpid(), signal.SIGKILL)


def killed_at(target: Callable[..., Any], *args: Any, point: str) -> Child:
    """Run ``target(*args)`` in a child that dies on reaching `point`; if it never does, it ends as it likes."""
    return fork(_until_point, target, args, point)


def _until_point(target: Callable[..., Any], args: tuple[Any, ...], name: str) -> object:
    global _wanted
    _wanted = name

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}" == name:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    return target(*args)


def killed_at_step(target: Callable[..., Any], n: int, *args: Any) -> Child:
    """Run ``target(*args)`` in a child that dies before its `n`-th line (from 0), if it gets that far."""
    return fork(_until_step, target, args, n)


def _until_step(target: Callable[..., Any], args: tuple[Any, ...], n: int) -> object:
    left = n

    def watch(_frame: FrameType, event: str, _argument: object) -> object:
        nonlocal left
        if event == "line":
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        return watch

    sys.settrace(watch)  # type: ignore[arg-type]
    return target(*args)


def steps(target: Callable[..., Any], *args: Any) -> int:
    """How many lines of Python ``target(*args)`` executes, counted in a child that is not killed."""
    reader, writer = pipe()
    with reader, fork(_count, writer, target, args) as child:
        writer.close()
        counted = FrameReader(reader).receive(timeout=60)
        child.wait(timeout=60)
    return int(counted)


def _count(writer: Any, target: Callable[..., Any], args: tuple[Any, ...]) -> None:
    count = 0

    def watch(_frame: FrameType, event: str, _argument: object) -> object:
        nonlocal count
        count += event == "line"
        return watch

    sys.settrace(watch)  # type: ignore[arg-type]
    target(*args)
    sys.settrace(None)
    FrameWriter(writer).send(str(count).encode())


def every_step(target: Callable[..., Any], *args: Any, most: int = 10_000) -> Iterator[Child]:
    """A child for each step of ``target(*args)``, killed just before it; the caller looks at what is left each time."""
    total = steps(target, *args)
    stride = max(1, total // most)
    for n in range(0, total, stride):
        with killed_at_step(target, n, *args) as child:
            yield child


def killed_after(target: Callable[..., Any], seconds: float, *args: Any) -> Child:
    """Run ``target(*args)`` in a child that is killed after `seconds`, whatever it is doing then.

    A thread of this process sends the signal through the child's pidfd, and ends with the child at the latest.
    """
    child = fork(target, *args)
    killer = threading.Thread(target=_kill_later, args=(child.dup(), seconds), daemon=True, name="crash.killed_after")
    killer.start()
    return child


def _kill_later(pidfd: Descriptor, seconds: float) -> None:
    with pidfd:
        ended, _, _ = select.select([pidfd], [], [], seconds)
        if not ended:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself since, and was waited for
                signal.pidfd_send_signal(pidfd.fileno(), signal.SIGKILL)


def random_moments(count: int, longest_seconds: float, seed: int = 0) -> Iterator[float]:
    """`count` moments between 0 and `longest_seconds`, the same for the same seed."""
    source = random.Random(seed)
    for _ in range(count):
        yield source.uniform(0, longest_seconds)
