"""fork(2) without its traps: the child runs one function and never comes back into the caller's code."""

from __future__ import annotations

import errno

from .. import _wait
from .._call import explained
from .._fd import Descriptor
from .._native import pipe as _pipe
from .._native import process as _process
from .._native.descriptor import ReadEnd
from .._native.wait import is_main_thread
from .handle import Child, collect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["fork"]


def fork(
    target: Callable[..., Any],
    *args: Any,
    death_signal: int | None = None,
    new_group: bool = False,
    new_session: bool = False,
) -> Child:
    """Run ``target(*args)`` in a copy of this process. The child never returns into the caller's code. -- fork(2)

    It ends with `os._exit`: with the int that `target` returns (else 0), `SystemExit`'s code, or 1 after printing a
    traceback; neither atexit functions nor the caller's ``finally`` blocks run, and output is flushed once.
    `death_signal`: sent to the child when this process ends (prctl(2), PR_SET_PDEATHSIG). The kernel sends it when the
    *thread* that forked ends, so only the main thread may ask for it (ValueError): `spawn` has a way for the others.
    `new_group`, `new_session`: setpgid(2), setsid(2). The child starts only when its pidfd is open here: the handle
    cannot mean another process, and `target` has not run if this raises (OSError: a full descriptor table, a sandbox
    that refuses pidfd_open(2), a limit on processes). In a process with threads only the forking one exists in the
    child: locks that others held stay locked (Python 3.12 warns).
    """
    if death_signal and not is_main_thread():
        raise ValueError("a death signal comes when the forking thread ends: fork in the main thread, or spawn")
    collect()
    try:
        if death_signal:
            return _fork_with_death_signal(target, args, int(death_signal), new_group, new_session)
        return _process.fork_run(target, args, 0, new_group, new_session, -1, Child)
    except BlockingIOError as error:
        raise explained(error, "fork(2)", hint="the limit on processes: RLIMIT_NPROC, cgroup pids.max") from None
    except OSError as error:
        if error.errno != errno.ENOMEM or hasattr(error, "__notes__"):
            raise
        hint = "the kernel has no memory for another process: cgroup memory.max, sysctl vm.overcommit_memory"
        raise explained(error, "fork(2)", hint=hint) from None


def _fork_with_death_signal(
    target: Callable[..., Any], args: tuple[Any, ...], death_signal: int, group: bool, session: bool
) -> Child:
    """Returns once the signal is set: a forking thread that ended before would never be missed."""
    told, armed = _pipe.new_pipe(False, ReadEnd, Descriptor)
    with told, armed:
        child = _process.fork_run(target, args, death_signal, group, session, armed.fileno(), Child)
        try:
            armed.close()
            watched = ((told, _wait.READABLE), (child, _wait.READABLE))
            _wait.on_descriptors(lambda: watched, lambda: _told(told) or child.has_ended() or None, None, child.name)
        except BaseException:  # a signal handler that raises: no handle, so no child either
            child.kill()
            child.wait()
            child.close()
            raise
    return child


def _told(told: ReadEnd) -> bool:
    return told.try_read(1) is not None
