"""Any child's end: wait for it, reap all that have ended, or let the kernel reap. -- waitid(2), sigaction(2)"""

from __future__ import annotations

import errno
from _functools import partial  # type: ignore[import-not-found]  # functools itself imports collections

from .. import _wait
from .._call import failure
from .._native import process as _process
from .._native.within import Held
from .handle import WEXITED, WNOHANG, release
from .status import from_waitid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .status import Status

__all__ = ["auto_reap", "reap", "try_wait_any", "wait_any", "wait_any_end"]

P_ALL, P_PID, P_PGID = 0, 1, 2
WNOWAIT = 0x01000000


def try_wait_any(group: int | None = None) -> tuple[int, Status] | None:
    """(pid, status) of any child that has ended (of process group `group`), None for not now. -- waitid(2)

    ChildProcessError (ECHILD) when there is no child at all. A `Child` whose status is taken this way keeps it.
    """
    return _wait_any(group, WNOHANG)


def wait_any(group: int | None = None, timeout: float | None = None) -> tuple[int, Status]:
    """Wait until any child (of process group `group`) ends: (pid, status). -- waitid(2)

    While SIGCHLD is ignored this waits until *all* children have ended and then fails with ECHILD.
    """
    return _wait.in_kernel(_wait_any, group, 0, timeout=timeout, name="any child")


def wait_any_end(group: int | None = None, timeout: float | None = None) -> int:
    """Wait until any child (of process group `group`) has ended; its pid. Nothing is reaped. -- waitid(2), WNOWAIT"""
    found = _wait.in_kernel(_waitid_any, group, WEXITED | WNOWAIT, timeout=timeout, name="any child")
    return found[0]


def _waitid_any(group: int | None, options: int) -> tuple[int, int, int, int, int, int] | None:
    which, who = (P_ALL, 0) if group is None else (P_PGID, group)
    return _process.waitid_once(which, who, options)


def _wait_any(group: int | None, how: int) -> tuple[int, Status] | None:
    # Looked at first and then taken: only while it is unreaped do its handles tell it from an older one's namesake.
    ended = _waitid_any(group, WEXITED | WNOWAIT | how)
    if ended is None:
        return None
    handles = _process.living(ended[0])
    try:
        found = _process.waitid_once(P_PID, ended[0], WEXITED | WNOHANG)
    except ChildProcessError:
        found = None
    if found is None:
        return None  # another thread was faster
    status = from_waitid(found[1], found[2])
    for child in handles:
        child.ended(status, found)
    release(found[0])
    return found[0], status


def reap() -> Iterator[tuple[int, Status]]:
    """(pid, status) of every child that has ended, now: for PID 1, subreapers and SIGCHLD handlers. -- waitid(2)

    One SIGCHLD may stand for many deaths, so this goes on until nobody is left. It takes *any* child's status, also
    one that another library waits for; a `Child` keeps its status and still gives it.
    """
    while True:
        try:
            found = try_wait_any()
        except ChildProcessError:
            return
        if found is None:
            return
        yield found


class auto_reap(Held["auto_reap"]):
    """Let the kernel reap: children vanish when they end and their status is lost. -- sigaction(2), SA_NOCLDWAIT

    A call changes it for the process, ``with`` restores it. Unlike ignoring SIGCHLD it does not survive exec.
    Beware: `subprocess` then reports 0 for a command that failed, and `wait_any` waits until *all* children have ended;
    `Child.wait` still knows the status from Linux 6.15 on, and says ECHILD before. `stops=False`: no SIGCHLD
    for children that stop (SA_NOCLDSTOP). Reaping with `reap` or `Child.wait` is almost always better.
    """

    def __init__(self, on: bool = True, *, stops: bool = True) -> None:
        flags, default = _process.child_flags()
        if not default:
            raise failure(errno.EBUSY, "sigaction(2)", "SIGCHLD", "the program handles or ignores SIGCHLD itself")
        wanted = (_process.NOCLDWAIT if on else 0) | (0 if stops else _process.NOCLDSTOP)
        _process.child_flags(wanted)
        super().__init__(partial(_process.child_flags, wanted), partial(_process.child_flags, flags), self)
