"""System V IPC, whole: message queues, semaphore sets, shared memory, keys, limits. -- sysvipc(7)

>>> from unixipc import sysv
>>> key = sysv.Key.random()
>>> with sysv.MessageQueue.create(key) as queue, sysv.MessageQueue.open(key) as same:
...     queue.send(b"ship ahoy", type=7)
...     print(same.receive(type=7))
...     queue.remove()
Message(type=7, body=b'ship ahoy')

Objects belong to the IPC namespace, not to a process: they live until somebody removes them or the machine ends. A key
is how unrelated processes find one; its id is what every call uses. Both mean the same in every process of the
namespace, so handles can be pickled.
"""

from . import _refusal as _refusal  # now: at the first refusal the process may not be able to read it any more
from ._coordination import Barrier, ReadWriteLock
from ._guarded import Guarded
from ._limits import SYSCTLS, Limits, Usage, limits, queues, segments, semaphore_sets, usage
from ._object import Permissions
from .key import Key
from .memory import MemoryStat, Segment, SharedMemory
from .queue import Message, MessageQueue, QueueStat
from .semaphore import Op, Semaphore, SemaphoreSet, SetStat

__all__ = [
    "SYSCTLS",
    "Barrier",
    "Guarded",
    "Key",
    "Limits",
    "MemoryStat",
    "Message",
    "MessageQueue",
    "Op",
    "Permissions",
    "QueueStat",
    "ReadWriteLock",
    "Segment",
    "Semaphore",
    "SemaphoreSet",
    "SetStat",
    "SharedMemory",
    "Usage",
    "limits",
    "queues",
    "segments",
    "semaphore_sets",
    "usage",
]
