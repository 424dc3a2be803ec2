"""Awaitable processes. -- wait(2), pidfd_open(2)"""

from __future__ import annotations

from .. import _wait, process
from . import _drive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from ..process import Usage
    from ..process.status import Status

__all__ = ["Child", "Process", "fork", "spawn", "wait_any"]


class Process(_drive.DescriptorTwin[process.Process]):
    """Any process, held by a pidfd; `unixipc.Process`, awaitable."""

    def __init__(self, pid: int | process.Process) -> None:
        super().__init__(pid if isinstance(pid, process.Process) else process.Process(pid))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.sync.pid

    def has_ended(self) -> bool:
        """Whether it has ended; a zombie has."""
        return self.sync.has_ended()

    async def wait_end(self, timeout: float | None = None) -> None:
        """Wait until it has ended, whoever's child it is. -- pidfd_open(2)"""
        await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_wait_end, timeout=timeout)

    def send_signal(self, signal: int, value: int | None = None) -> None:
        """Send a signal, with an int beside it if given. -- pidfd_send_signal(2)"""
        self.sync.send_signal(signal, value)

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""
        self.sync.terminate()

    def kill(self) -> None:
        """End it: SIGKILL."""
        self.sync.kill()


class Child(Process):
    """A process we started; `unixipc.Child`, awaitable. ``async with`` waits for it; an exception kills it first."""

    sync: process.Child

    def __init__(self, child: process.Child) -> None:
        super().__init__(child)

    @property
    def status(self) -> Status | None:
        """How it ended, once it was waited for."""
        return self.sync.status

    @property
    def usage(self) -> Usage | None:
        """What it cost, once it was waited for."""
        return self.sync.usage

    @property
    def group(self) -> int:
        """The process group that it leads since it was started, 0 for none."""
        return self.sync.group

    def terminate(self, *, group: bool | None = None) -> None:
        """Ask it to end: SIGTERM. To its whole `group` if it leads one, unless that is False."""
        self.sync.terminate(group=group)

    def kill(self, *, group: bool | None = None) -> None:
        """End it: SIGKILL. To its whole `group` if it leads one, unless that is False."""
        self.sync.kill(group=group)

    def try_wait(self, *, stopped: bool = False, continued: bool = False) -> Status | None:
        """Its status if it has ended (or, when asked for, stopped or went on), else None. -- waitid(2)"""
        return self.sync.try_wait(stopped=stopped, continued=continued)

    async def wait(self, timeout: float | None = None, *, stopped: bool = False, continued: bool = False) -> Status:
        """Wait for it to end and take its status; with `stopped`/`continued` for those too. -- waitid(2)"""
        if stopped or continued:
            named = {"stopped": stopped, "continued": continued}
            return await _drive.in_thread(self.sync.wait, timeout, **named, give_back=_notification_lost)
        return await _drive.on_descriptor(self.sync, _wait.READABLE, self.sync.try_wait, timeout=timeout)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.sync.closed and self.sync.status is None:
                await self.wait()
        except BaseException:
            self.sync.kill()  # cancelled while waiting for it: it must not be left behind
            raise
        finally:
            self.sync.__exit__(kind, error, where)


def _notification_lost(_status: Status) -> None:
    """An end stays with the handle; that it stopped or went on shows in its state, and was nobody's to keep."""


def fork(target: Callable[..., Any], *args: Any, **options: Any) -> Child:
    """Run ``target(*args)`` in a copy of this process, as `unixipc.fork`. It must not use the event loop. -- fork(2)"""
    return Child(process.fork(target, *args, **options))


def spawn(argv: Any, **options: Any) -> Child:
    """Start another program, as `unixipc.spawn`. -- execve(2)"""
    return Child(process.spawn(argv, **options))


async def wait_any(group: int | None = None, timeout: float | None = None) -> tuple[int, Status]:
    """Wait until any child (of process group `group`) ends: (pid, status). -- waitid(2)"""
    # Waits without taking (WNOWAIT): a cancel that comes too late has no status to lose.
    await _drive.in_thread(process.wait_any_end, group, timeout, give_back=lambda _pid: None)
    found = process.try_wait_any(group)
    return found if found is not None else await wait_any(group, timeout)  # another task was faster
