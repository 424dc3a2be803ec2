"""Locks in shared memory that outlive whoever holds them: kill -9 hangs nobody. -- set_robust_list(2), futex(2)

>>> from unixipc import OwnerDied, fork, robust
>>> with robust.Mutex.temporary() as mutex:      # or in any shared mapping, or by name
...     mutex.holder is not None
True
>>> with fork(mutex.acquire) as child:           # which ends without a release
...     _ = child.wait()
>>> try:
...     mutex.acquire()
... except OwnerDied as death:                   # ours, and what it guards may be half changed
...     print(death.pid == child.pid)
...     mutex.recover()                          # it is sound again
...     mutex.release()
True
>>> mutex.close()

The owner is a thread: the kernel knows it by its thread, and marks what it held however it ends. So who acquires is who
releases, and nothing is held by a process that forks or by a program that it becomes.
"""

from .condition import Condition
from .mutex import Mutex
from .rwlock import RWLock
from .semaphore import Semaphore

__all__ = ["Condition", "Mutex", "RWLock", "Semaphore"]
