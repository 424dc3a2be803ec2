"""Stands in for the library sysv_ipc, version 1.2.0: ``import unixipc.compat.sysv_ipc as sysv_ipc``. -- sysvipc(7)

>>> import unixipc.compat.sysv_ipc as sysv_ipc
>>> queue = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX)
>>> queue.send("ship ahoy", type=7)
>>> queue.receive()
(b'ship ahoy', 7)
>>> queue.remove()

Names, parameters, defaults, constants and exceptions are those of that library, and so is what the kernel is asked to
do; `unixipc.sysv` has everything that it lacks. It differs where a program could not want what happened there: nothing
crashes, a signal does not end a wait, and exceptions know the errno. The guide lists the differences.
"""

from ._constants import (
    IPC_CREAT,
    IPC_CREX,
    IPC_EXCL,
    IPC_PRIVATE,
    KEY_MAX,
    KEY_MIN,
    PAGE_SIZE,
    SEMAPHORE_TIMEOUT_SUPPORTED,
    SEMAPHORE_VALUE_MAX,
    SHM_HUGETLB,
    SHM_NORESERVE,
    SHM_RDONLY,
    SHM_REMAP,
    SHM_RND,
    VERSION,
)
from ._errors import BusyError, Error, ExistentialError, InternalError, NotAttachedError, PermissionsError
from ._ftok import ftok
from ._memory import SharedMemory, attach, remove_shared_memory
from ._queue import MessageQueue, remove_message_queue
from ._semaphore import Semaphore, remove_semaphore

__version__ = VERSION
__author__ = "the authors of unixipc"
__copyright__ = "the authors of unixipc; see LICENSE"
__license__ = "MIT"

__all__ = [
    "IPC_CREAT",
    "IPC_CREX",
    "IPC_EXCL",
    "IPC_PRIVATE",
    "KEY_MAX",
    "KEY_MIN",
    "PAGE_SIZE",
    "SEMAPHORE_TIMEOUT_SUPPORTED",
    "SEMAPHORE_VALUE_MAX",
    "SHM_HUGETLB",
    "SHM_NORESERVE",
    "SHM_RDONLY",
    "SHM_REMAP",
    "SHM_RND",
    "VERSION",
    "BusyError",
    "Error",
    "ExistentialError",
    "InternalError",
    "MessageQueue",
    "NotAttachedError",
    "PermissionsError",
    "Semaphore",
    "SharedMemory",
    "attach",
    "ftok",
    "remove_message_queue",
    "remove_semaphore",
    "remove_shared_memory",
]

# Tracebacks and pickled exceptions name the place where users find them.
for _each in (Error, InternalError, PermissionsError, ExistentialError, BusyError, NotAttachedError):
    _each.__module__ = __name__
for _each in (Semaphore, SharedMemory, MessageQueue):  # type: ignore[assignment]
    _each.__module__ = __name__
del _each
