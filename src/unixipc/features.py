"""What this kernel can do: each probe asks it once. Drives code, test skips and the command alike.

>>> from unixipc import features
>>> features.available("pidfd")
True
"""

from __future__ import annotations

import errno
import os

from ._call import failure
from ._native import process as _process
from ._native import socket as _socket
from ._native import wait as _wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NAMES", "SINCE", "available", "require", "why_not"]

_answers: dict[str, str | None] = {}


def _pidfd() -> None:
    os.close(_process.pidfd_open(os.getpid(), False))


def _pidfd_getfd() -> None:
    pidfd = _process.pidfd_open(os.getpid(), False)
    try:
        os.close(_process.pidfd_getfd(pidfd, pidfd, None))
    finally:
        os.close(pidfd)


def _exit_status_after_reaping() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    pidfd = _process.pidfd_open(pid, False)
    try:
        os.waitpid(pid, 0)
        if _process.exit_status(pidfd) is None:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    finally:
        os.close(pidfd)


def _pipe_nowait() -> None:
    reader, writer = os.pipe()
    try:
        os.preadv(reader, [bytearray(1)], -1, os.RWF_NOWAIT)
    except BlockingIOError:
        pass
    finally:
        os.close(reader)
        os.close(writer)


def _peer_pidfd() -> None:
    a, b = _socket.new_pair(_socket.Endpoint, 1, "probe")
    with a, b:
        pidfd = _socket.peer_pidfd(a.fileno(), None)
        if pidfd is None:
            raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
        os.close(pidfd)


def _pass_pidfd() -> None:
    a, b = _socket.new_pair(_socket.Endpoint, 1, "probe")
    with a, b:
        _socket.set_option(a.fileno(), "pass_pidfd", 1, None)


def _futex_waitv() -> None:
    if not _wait.can_sleep_on_words():
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _leases() -> None:
    with open("/proc/sys/fs/leases-enable") as enabled:
        if enabled.read().strip() == "0":
            raise OSError(errno.EPERM, "/proc/sys/fs/leases-enable is 0")


def _robust_list() -> None:
    from ._native import robust

    robust.probe()


_PROBES: dict[str, tuple[Callable[[], None], str]] = {
    "pidfd": (_pidfd, "Linux 5.4: processes as descriptors"),
    "pidfd_getfd": (_pidfd_getfd, "Linux 5.6: take a descriptor of another process"),
    "exit_status_after_reaping": (_exit_status_after_reaping, "Linux 6.15: a pidfd keeps the exit status"),
    "pipe_nowait": (_pipe_nowait, "about Linux 6.4: pipes tried call by call, left blocking for others"),
    "peer_pidfd": (_peer_pidfd, "Linux 6.5: the peer of a socket as a pidfd"),
    "futex_waitv": (_futex_waitv, "Linux 5.16: one thread that sleeps for many tasks"),
    "pass_pidfd": (_pass_pidfd, "Linux 6.5: the sender of a message as a pidfd"),
    "leases": (_leases, "a kernel with CONFIG_FILE_LOCKING; some file systems have none all the same"),
    "robust_list": (_robust_list, "Linux with glibc, 64 bits: locks whose dead owner the kernel names"),
}
NAMES = tuple(_PROBES)
"""Every probe's name."""
SINCE = {name: since for name, (_, since) in _PROBES.items()}
"""Since which kernel there is what it probes, and what that is."""


def why_not(name: str) -> str | None:
    """Why this kernel does not have it, or None if it has. KeyError for a name that is no probe."""
    if name not in _answers:
        probe, since = _PROBES[name]
        try:
            probe()
            _answers[name] = None
        except OSError as error:
            _answers[name] = f"{error.strerror} ({since})"
    return _answers[name]


def available(name: str) -> bool:
    """Whether this kernel has it (asked once a process)."""
    return why_not(name) is None


def require(name: str) -> None:
    """OSError(ENOSYS) that names the probe, unless the kernel has it."""
    if (reason := why_not(name)) is not None:
        raise failure(errno.ENOSYS, name, None, f"features.available({name!r}) is False: {reason}")
