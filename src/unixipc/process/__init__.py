"""Processes: fork, spawn, wait, reap, pidfds, death signals, subreapers. -- fork(2), wait(2), pidfd_open(2)

>>> from unixipc import fork
>>> with fork(lambda: 3) as child:
...     child.wait()
Exited(code=3)

A child that has ended stays in the process table (a *zombie*) until its parent takes the status: `Child.wait`, `reap`,
or leaving the ``with`` block. SIGCHLD tells that *some* children ended (several deaths may give one signal); the
status itself needs no signal.

The five fates of a `Child`: **close** gives up the handle; a child that has ended is reaped, one that still runs is
reaped by a later `fork`, `spawn` or `reap` of this process. **remove**: a process is not removed, it ends
(`terminate`, `kill`). **fork**: the copy of the handle in another process can signal, but only the parent can wait
(ChildProcessError). **exec** closes it. **kill -9** of the child is `Killed(signal=9)`; of the parent: the child goes
to the next subreaper or init, or gets its `death_signal` first.
"""

from .family import death_signal, is_subreaper, subreaper
from .forking import fork
from .handle import Child, Process
from .reaping import auto_reap, reap, try_wait_any, wait_any, wait_any_end
from .spawning import spawn
from .status import Continued, Exited, Killed, Stopped, Usage

__all__ = [
    "Child",
    "Continued",
    "Exited",
    "Killed",
    "Process",
    "Stopped",
    "Usage",
    "auto_reap",
    "death_signal",
    "fork",
    "is_subreaper",
    "reap",
    "spawn",
    "subreaper",
    "try_wait_any",
    "wait_any",
    "wait_any_end",
]
