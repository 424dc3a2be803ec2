"""The system calls that wait, by number, and which of their arguments say for what. -- syscalls(2)

Programs of another word size than the machine's (32 bits on 64) use other numbers: of them nothing is known.
"""

from __future__ import annotations

import os
from functools import cache

__all__ = ["QUEUE_CALLS", "READS", "WRITES", "has_time_limit", "name_of"]

X86_64 = {
    0: "read", 1: "write", 2: "open", 7: "poll", 17: "pread64", 19: "readv", 20: "writev", 23: "select", 34: "pause",
    35: "nanosleep", 40: "sendfile", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg",
    47: "recvmsg", 61: "wait4", 65: "semop", 69: "msgsnd", 70: "msgrcv", 72: "fcntl", 73: "flock",
    128: "rt_sigtimedwait", 130: "rt_sigsuspend", 202: "futex", 220: "semtimedop", 230: "clock_nanosleep",
    232: "epoll_wait", 242: "mq_timedsend", 243: "mq_timedreceive", 247: "waitid", 257: "openat", 270: "pselect6",
    271: "ppoll", 275: "splice", 276: "tee", 278: "vmsplice", 281: "epoll_pwait", 288: "accept4", 295: "preadv",
    299: "recvmmsg", 307: "sendmmsg", 327: "preadv2", 328: "pwritev2", 441: "epoll_pwait2", 449: "futex_waitv",
}  # fmt: skip
GENERIC = {
    22: "epoll_pwait", 25: "fcntl", 32: "flock", 56: "openat", 63: "read", 64: "write", 65: "readv", 66: "writev",
    67: "pread64", 69: "preadv", 71: "sendfile", 72: "pselect6", 73: "ppoll", 75: "vmsplice", 76: "splice", 77: "tee",
    95: "waitid", 98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 133: "rt_sigsuspend", 137: "rt_sigtimedwait",
    182: "mq_timedsend", 183: "mq_timedreceive", 188: "msgrcv", 189: "msgsnd", 192: "semtimedop", 193: "semop",
    202: "accept", 203: "connect", 206: "sendto", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg", 242: "accept4",
    243: "recvmmsg", 260: "wait4", 269: "sendmmsg", 286: "preadv2", 287: "pwritev2", 441: "epoll_pwait2",
    449: "futex_waitv",
}  # fmt: skip
NAMES = {"x86_64": X86_64, "aarch64": GENERIC, "riscv64": GENERIC, "loongarch64": GENERIC}

QUEUE_CALLS = {
    machine: frozenset(number for number, name in names.items() if name in ("msgsnd", "msgrcv"))
    for machine, names in NAMES.items()
}
"""The numbers of msgsnd(2) and msgrcv(2)."""

READS = frozenset(
    (
        "read", "pread64", "readv", "preadv", "preadv2", "accept", "accept4", "recvfrom", "recvmsg", "recvmmsg",
        "mq_timedreceive", "splice", "tee",
    )
)  # fmt: skip
"""Those that wait until the descriptor that is their first argument has something."""
WRITES = frozenset(
    ("write", "writev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "mq_timedsend", "vmsplice", "connect", "sendfile")
)
"""Those that wait until it takes something."""

LIMIT_ARGUMENT = {
    "ppoll": 2, "select": 4, "pselect6": 4, "epoll_pwait2": 3, "semtimedop": 3, "futex": 3, "futex_waitv": 3,
    "mq_timedsend": 4, "mq_timedreceive": 4, "rt_sigtimedwait": 2, "recvmmsg": 4,
}  # fmt: skip
"""Which argument is the address of a time limit; 0 there: none."""
MILLISECONDS_ARGUMENT = {"poll": 2, "epoll_wait": 3, "epoll_pwait": 3}
"""Which argument is a time limit in ms; negative: none."""


def name_of(number: int) -> str:
    """What the manual calls it; "call N" where it is none of those, or the machine's numbers are not known."""
    return _names().get(number, "a 32-bit call" if number < 0 else f"call {number}")


@cache
def _names() -> dict[int, str]:
    return NAMES.get(os.uname().machine, {})


def has_time_limit(name: str, arguments: tuple[int, ...]) -> bool:
    """Whether the call ends by itself."""
    if name in MILLISECONDS_ARGUMENT:
        return not arguments[MILLISECONDS_ARGUMENT[name]] & 0x80000000
    return name in LIMIT_ARGUMENT and arguments[LIMIT_ARGUMENT[name]] != 0
