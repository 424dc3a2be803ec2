"""A process held by its pidfd, and the children that we may wait for. -- pidfd_open(2), waitid(2)"""

from __future__ import annotations

import errno
import os

from .. import _wait
from .._call import explained, failure
from .._fd import Descriptor, number_of
from .._native import process as _process
from .status import CLD_DUMPED, Exited, Usage, from_waitid, from_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .status import Status

__all__ = ["Child", "Process", "collect"]

WNOHANG, WSTOPPED, WEXITED, WCONTINUED, WNOWAIT = 1, 2, 4, 8, 0x01000000
P_PIDFD = 3
SIGTERM, SIGKILL = 15, 9


class Process(_process.ProcessHandle):
    """Any process, held by a pidfd: signals never reach another process that got the same pid. -- pidfd_open(2)

    `Process(pid)` looks the pid up now (ProcessLookupError, ESRCH, if there is none); `Process.adopt(pidfd)` takes over
    a pidfd from elsewhere. Being ended is a fact you can wait for; the exit status is the parent's alone (`Child`).
    """

    def __init__(self, pid: int, *, nonblocking: bool = False, pidfd: int | None = None) -> None:
        if pid < 1:
            raise ValueError(f"a pid is at least 1, not {pid}")
        super().__init__(pid, _process.pidfd_open(pid, nonblocking) if pidfd is None else pidfd)

    @classmethod
    def adopt(cls, pidfd: Descriptor | int) -> Process:
        """Take over a pidfd; OSError(EINVAL) if the descriptor is none. -- pidfd_open(2)"""
        pid = _pid_of(number_of(pidfd))
        return Process(pid, pidfd=pidfd.detach() if isinstance(pidfd, Descriptor) else pidfd)

    def has_ended(self) -> bool:
        """Whether it has ended; a zombie has. Nothing is reaped. -- poll(2)"""
        return bool(_wait.ready_now(self, _wait.READABLE))

    def try_wait_end(self) -> bool | None:
        """True if it has ended, None for not now."""
        return self.has_ended() or None

    def wait_end(self, timeout: float | None = None) -> None:
        """Wait until it has ended, whoever's child it is. Nothing is reaped. -- pidfd_open(2)"""
        _wait.on_descriptor(self, _wait.READABLE, self.try_wait_end, timeout=timeout)

    def send_signal(self, signal: int, value: int | None = None) -> None:
        """Send a signal, with an int beside it if given. ESRCH once it is reaped. -- pidfd_send_signal(2)"""
        if value is not None and not -(2**31) <= value < 2**31:
            raise ValueError(f"a signal's value is a 32-bit int, not {value}")
        _process.pidfd_send_signal(self.fileno(), int(signal), value, self.name)

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        """End it: SIGKILL."""
        self.send_signal(SIGKILL)

    def take_descriptor(self, number: int) -> Descriptor:
        """A duplicate of its descriptor `number`, ours to close. EPERM without ptrace rights. -- pidfd_getfd(2)"""
        return Descriptor(_process.pidfd_getfd(self.fileno(), number, self.name), f"fd {number} of {self.name}")

    def __repr__(self) -> str:
        state = "closed" if self.closed else "ended" if self.has_ended() else "running"
        return f"<{type(self).__name__} {self.pid} {state}>"


def _pid_of(pidfd: int) -> int:
    try:
        with open(f"/proc/self/fdinfo/{pidfd}") as lines:
            for line in lines:
                if line.startswith("Pid:"):
                    return _alive(int(line.split()[1]), pidfd)
    except OSError as error:
        raise explained(error, "fdinfo", f"fd {pidfd}") from None
    raise failure(errno.EINVAL, "pidfd_open(2)", f"fd {pidfd}", "this descriptor is no pidfd")


def _alive(pid: int, pidfd: int) -> int:
    if pid > 0:
        return pid
    if pid == 0:
        raise failure(errno.EINVAL, "pidfd_open(2)", f"fd {pidfd}", "the process is not visible in this pid namespace")
    raise failure(errno.ESRCH, "pidfd_open(2)", f"fd {pidfd}", "the process has ended and was reaped")


class Child(_process.ChildHandle, Process):
    """A process we started: `wait` gives its status, leaving the ``with`` block waits for it.

    An exception that leaves the block kills the child first, so that nothing waits for ever or is left behind. A child
    of `new_group` or `new_session` leads a `group` (its number, else 0) of all that it has started and that has not
    left it: `terminate`, `kill` and such an exception are for all of them, also when the child itself has ended.
    """

    status: Status | None
    group: int

    if TYPE_CHECKING:  # compiled: see ChildHandle

        def __init__(self, pid: int, pidfd: int) -> None: ...

    def terminate(self, *, group: bool | None = None) -> None:
        """Ask it to end: SIGTERM. To its whole `group` if it leads one, unless that is False."""
        self._send(SIGTERM, group)

    def kill(self, *, group: bool | None = None) -> None:
        """End it: SIGKILL. To its whole `group` if it leads one, unless that is False."""
        self._send(SIGKILL, group)

    def _send(self, signal: int, group: bool | None) -> None:
        if not (self.group if group is None else group):
            self.send_signal(signal)
            return
        if not self.group:
            raise ValueError(f"{self.name} leads no group: start it with new_group or new_session")
        mine = self.status is None and self.owner == os.getpid()  # unreaped: its number is nobody else's
        reached = _process.signal_group(self.fileno(), self.group if mine else 0, signal, self.name)
        if not reached or (mine and _group_of(self.pid) != self.group):
            self.send_signal(signal)

    @property
    def usage(self) -> Usage | None:
        """What it cost, once it was waited for; None before, or if somebody else took the status. -- getrusage(2)"""
        if self.waited is None:
            return None
        user_us, system_us, peak_kib = self.waited[3:]
        return Usage(user_us / 1e6, system_us / 1e6, peak_kib)

    def try_wait(self, *, stopped: bool = False, continued: bool = False) -> Status | None:
        """Its status if it has ended (or, when asked for, stopped or went on), else None. -- waitid(2)"""
        return self._take(WNOHANG, stopped, continued)

    def _wait_long(self, timeout: float | None, stopped: bool, continued: bool) -> Status:
        if stopped or continued:  # a pidfd tells of the end only, so this sleeps in the call itself
            if self.status is None and self._not_ours():
                self.wait_end(timeout)
            sleeping = (self._take, 0, stopped, continued)
            return _wait.in_kernel(*sleeping, timeout=timeout, name=self.name, on=self)  # type: ignore[return-value]
        attempt = self.try_wait
        return _wait.on_descriptor(self, _wait.READABLE, attempt, timeout=timeout)  # type: ignore[return-value]

    def _take(self, how: int, stopped: bool, continued: bool) -> Status | None:
        if self.status is not None:
            return self.status
        options = how | WEXITED | stopped * WSTOPPED | continued * WCONTINUED
        try:
            found = _process.waitid_once(P_PIDFD, self.fileno(), options)
        except ChildProcessError:
            return self._status_without_waiting()
        if found is None:
            return None
        status = from_waitid(found[1], found[2])
        if found[1] <= CLD_DUMPED:  # exited, killed, dumped: no more to come
            self.ended(status, found)
        return status

    def _status_without_waiting(self) -> Status | None:
        if self.owner == os.getpid() and not self._is_gone():
            return None  # SIGCHLD is ignored: nothing to wait for until it has ended and the kernel has reaped it
        word = _process.exit_status(self.fileno())
        if word is None:
            raise failure(errno.ECHILD, "waitid(2)", self.name)
        self.ended(from_word(word), None)
        return self.status

    def _not_ours(self) -> bool:
        """Whether waitid(2) has nothing to wait for (SIGCHLD ignored, no child of ours): only its end can be seen."""
        try:
            _process.waitid_once(P_PIDFD, self.fileno(), WEXITED | WNOHANG | WNOWAIT)
        except ChildProcessError:
            return True
        return False

    def _is_gone(self) -> bool:
        """Whether it was reaped. Its pidfd is readable a moment earlier, before the kernel has noted the status."""
        try:
            self.send_signal(0)
        except OSError as error:  # EPERM: it became another user's, and is there
            return error.errno == errno.ESRCH
        return False

    def _unreaped(self) -> bool:
        try:
            return self.try_wait() is None
        except ChildProcessError:
            return False

    def _leave(self, failing: bool) -> None:
        """The ``with`` block ends, and there is somebody to wait for or to end."""
        if failing and (self.group or not self.has_ended()):
            try:
                self.kill()
            except ProcessLookupError:
                pass  # all have ended
        self.wait()

    def __repr__(self) -> str:
        return super().__repr__() if self.status is None else f"<{type(self).__name__} {self.pid} {self.status!r}>"


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def collect() -> None:
    """Reap what was abandoned (closed while it ran) and has ended since."""
    for child in tuple(_process.abandoned) if _process.abandoned else ():
        if child.owner != os.getpid() or not child._unreaped():  # the first: our parent's, from before the fork
            _release(child)


def release(pid: int) -> None:
    """An abandoned child's status was taken by somebody: nothing is left to wait for."""
    for child in tuple(_process.abandoned):
        if child.pid == pid and child.status is not None:
            _release(child)


def _release(child: Child) -> None:
    if child in _process.abandoned:
        _process.abandoned.remove(child)
    Descriptor.close(child)


_process.use_status_class(from_waitid, Exited(0))
