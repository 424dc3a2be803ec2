"""The numbers of posix_ipc, as the kernel, the C library and that library define them on Linux."""

import os
import signal

O_CREAT = os.O_CREAT
O_EXCL = os.O_EXCL
O_CREX = O_CREAT | O_EXCL
O_TRUNC = os.O_TRUNC
O_NONBLOCK = os.O_NONBLOCK
O_RDONLY = os.O_RDONLY
O_RDWR = os.O_RDWR
O_WRONLY = os.O_WRONLY

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
SEMAPHORE_TIMEOUT_SUPPORTED = True
SEMAPHORE_VALUE_SUPPORTED = True
SEMAPHORE_VALUE_MAX = 2**31 - 1
MESSAGE_QUEUES_SUPPORTED = True
QUEUE_MESSAGES_MAX_DEFAULT = 10
QUEUE_MESSAGE_SIZE_MAX_DEFAULT = 8192
QUEUE_PRIORITY_MAX = 32767
USER_SIGNAL_MIN = int(signal.SIGRTMIN)
USER_SIGNAL_MAX = int(signal.SIGRTMAX)

VERSION = "1.3.2"
"""Of posix_ipc, which this stands in for; programs compare it."""

DEFAULT_MODE = 0o600
UINT_BITS = 0xFFFFFFFF
