"""Awaitable System V queues, semaphores and guarded memory. -- sysvipc(7)

They have no descriptor: what waits is a thread, which a cancel interrupts. It takes nothing: it waits until a message
is there (and leaves it there), until an operation is possible (and undoes it in the same step), and then the loop's
own thread tries. So a cancel loses nothing.
"""

from ...sysv import Key, Message, Op
from .coordination import Barrier, ReadWriteLock
from .memory import Guarded, SharedMemory
from .queue import MessageQueue
from .semaphore import Semaphore, SemaphoreSet

__all__ = [
    "Barrier",
    "Guarded",
    "Key",
    "Message",
    "MessageQueue",
    "Op",
    "ReadWriteLock",
    "Semaphore",
    "SemaphoreSet",
    "SharedMemory",
]
