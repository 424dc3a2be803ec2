"""The numbers of sysv_ipc, as the kernel and that library define them on Linux."""

from os import sysconf

IPC_CREAT = 0o1000
IPC_EXCL = 0o2000
IPC_CREX = IPC_CREAT | IPC_EXCL
IPC_PRIVATE = 0

KEY_MIN, KEY_MAX = -(1 << 63), (1 << 63) - 1
"""What is accepted as a key; the kernel gets the lowest 32 bits."""
RANDOM_KEY_MAX = 32767
"""A key that is chosen for the caller is 1 to this: it fits into any C integer."""

SEMAPHORE_TIMEOUT_SUPPORTED = True
SEMAPHORE_VALUE_MAX = 32767
PAGE_SIZE = sysconf("SC_PAGE_SIZE")

SHM_RDONLY = 0o10000
SHM_RND = 0o20000
SHM_REMAP = 0o40000
SHM_EXEC = 0o100000
"""Not a name of sysv_ipc; its number is passed to the kernel there too."""
SHM_HUGETLB = 0o4000
SHM_NORESERVE = 0o10000

VERSION = "1.2.0"
"""Of sysv_ipc, which this stands in for; programs compare it."""

DEFAULT_MESSAGE_BYTES = 2048
MODE_BITS = 0o777
OWNER_MAY_WRITE = 0o200
