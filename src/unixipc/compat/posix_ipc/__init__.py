"""Stands in for posix_ipc, version 1.3.2: ``import unixipc.compat.posix_ipc as posix_ipc``. -- mq_overview(7)

>>> import unixipc.compat.posix_ipc as posix_ipc
>>> queue = posix_ipc.MessageQueue(None, posix_ipc.O_CREX)
>>> queue.send("ship ahoy", priority=7)
>>> queue.receive()
(b'ship ahoy', 7)
>>> queue.close(); queue.unlink()

Names, parameters, defaults, constants and exceptions are those of that library, and so is what the kernel is asked to
do; `unixipc.posix` has everything that it lacks. It differs where a program could not want what happened there: nothing
crashes, a signal does not end a wait, and exceptions know the errno. The guide lists the differences.
"""

from ...posix import _refusal as _refusal  # now: at the first refusal the process may not be able to read it any more
from ._constants import (
    MESSAGE_QUEUES_SUPPORTED,
    O_CREAT,
    O_CREX,
    O_EXCL,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
    PAGE_SIZE,
    QUEUE_MESSAGE_SIZE_MAX_DEFAULT,
    QUEUE_MESSAGES_MAX_DEFAULT,
    QUEUE_PRIORITY_MAX,
    SEMAPHORE_TIMEOUT_SUPPORTED,
    SEMAPHORE_VALUE_MAX,
    SEMAPHORE_VALUE_SUPPORTED,
    USER_SIGNAL_MAX,
    USER_SIGNAL_MIN,
    VERSION,
)
from ._errors import BusyError, Error, ExistentialError, PermissionsError, SignalError
from ._memory import SharedMemory, unlink_shared_memory
from ._queue import MessageQueue, unlink_message_queue
from ._semaphore import Semaphore, unlink_semaphore

__version__ = VERSION
__author__ = "the authors of unixipc"
__copyright__ = "the authors of unixipc; see LICENSE"
__license__ = "MIT"

__all__ = [
    "MESSAGE_QUEUES_SUPPORTED",
    "O_CREAT",
    "O_CREX",
    "O_EXCL",
    "O_NONBLOCK",
    "O_RDONLY",
    "O_RDWR",
    "O_TRUNC",
    "O_WRONLY",
    "PAGE_SIZE",
    "QUEUE_MESSAGES_MAX_DEFAULT",
    "QUEUE_MESSAGE_SIZE_MAX_DEFAULT",
    "QUEUE_PRIORITY_MAX",
    "SEMAPHORE_TIMEOUT_SUPPORTED",
    "SEMAPHORE_VALUE_MAX",
    "SEMAPHORE_VALUE_SUPPORTED",
    "USER_SIGNAL_MAX",
    "USER_SIGNAL_MIN",
    "VERSION",
    "BusyError",
    "Error",
    "ExistentialError",
    "MessageQueue",
    "PermissionsError",
    "Semaphore",
    "SharedMemory",
    "SignalError",
    "unlink_message_queue",
    "unlink_semaphore",
    "unlink_shared_memory",
]

# Tracebacks and pickled exceptions name the place where users find them.
for _each in (Error, SignalError, PermissionsError, ExistentialError, BusyError):
    _each.__module__ = __name__
for _each in (Semaphore, SharedMemory, MessageQueue):  # type: ignore[assignment]
    _each.__module__ = __name__
del _each
