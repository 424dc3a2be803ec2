"""What a System V call's refusal means: the limit that was hit with its value and its sysctl, or the object's fate."""

from __future__ import annotations

import errno

from .._call import failure
from .._text import text_of
from ..errors import ObjectRemoved

__all__ = ["refusal"]

HINTS: dict[tuple[str, int], str] = {
    ("msgget(2)", errno.EEXIST): "a queue has this key already: open() takes it, ensure() either",
    ("semget(2)", errno.EEXIST): "a semaphore set has this key already: open() takes it, ensure() either",
    ("shmget(2)", errno.EEXIST): "a segment has this key already: open() takes it, ensure() either",
    ("msgget(2)", errno.ENOENT): "no queue has this key in this IPC namespace",
    ("semget(2)", errno.ENOENT): "no semaphore set has this key in this IPC namespace",
    ("shmget(2)", errno.ENOENT): "no segment has this key in this IPC namespace",
    ("msgsnd(2)", errno.EACCES): "sending needs write permission on the queue",
    ("msgrcv(2)", errno.EACCES): "receiving needs read permission on the queue",
    ("msgrcv(2)", errno.E2BIG): "the message is longer than max_bytes, and stays in the queue; "
    "truncate=True takes its beginning and drops the rest",
    ("msgrcv(2)", errno.EINVAL): "the message to look at is longer than kernel.msgmax is now",
    ("msgrcv(2)", errno.ENOSYS): "this kernel was built without MSG_COPY (CONFIG_CHECKPOINT_RESTORE): no peek",
    ("msgctl(IPC_SET)", errno.EPERM): "only the owner, the creator or root may change it; "
    "a capacity beyond kernel.msgmnb needs CAP_SYS_RESOURCE",
    (
        "semop(2)",
        errno.EACCES,
    ): "changing a semaphore needs write permission on the set, waiting for zero read permission",
    ("semop(2)", errno.EINVAL): "one call needs at least one operation",
    ("semop(2)", errno.EAGAIN): "an operation with nowait=True was not possible",
    ("semop(2)", errno.EFBIG): "the set has no semaphore with this index",
    (
        "semop(2)",
        errno.ERANGE,
    ): "a value would pass 32767 (SEMVMX), or an undo adjustment its limit; nothing was changed",
    ("semop(2)", errno.ENOSPC): "the kernel has no room for another undo list (SEMMNU)",
    ("semop(2)", errno.ENOMEM): "the kernel has no memory for the undo list",
    ("semctl(SETVAL)", errno.ERANGE): "a semaphore's value is 0..32767 (SEMVMX)",
    ("semctl(SETALL)", errno.ERANGE): "a semaphore's value is 0..32767 (SEMVMX)",
    (
        "shmat(2)",
        errno.EINVAL,
    ): "the address is in use, not aligned (round_down=True rounds it) or not one of user space",
    ("shmat(2)", errno.EACCES): "attaching needs read permission, and write permission unless readonly=True",
    ("shmat(2)", errno.ENOMEM): "the process has no room for it in its address space: RLIMIT_AS (`ulimit -v`)",
    ("shmget(2)", errno.ENOMEM): "no memory for a segment of this size; "
    "huge pages must have been reserved: sysctl vm.nr_hugepages",
    ("shmget(2)", errno.EPERM): "huge pages need CAP_IPC_LOCK, or the group of sysctl vm.hugetlb_shm_group",
    (
        "shmctl(SHM_LOCK)",
        errno.EPERM,
    ): "locking needs to be owner or creator with RLIMIT_MEMLOCK above 0, or CAP_IPC_LOCK",
    ("shmctl(SHM_UNLOCK)", errno.EPERM): "unlocking needs to be owner or creator, or CAP_IPC_LOCK",
    ("shmctl(SHM_LOCK)", errno.ENOMEM): "beyond this user's RLIMIT_MEMLOCK (`ulimit -l`)",
}
"""(call, errno) -> what it means here; `LIMITS` goes first, with the value that the kernel has now."""

LIMITS: dict[tuple[str, int], tuple[tuple[str, int, str], ...]] = {
    ("msgget(2)", errno.ENOSPC): (("kernel.msgmni", 0, "number of queues"),),
    ("msgsnd(2)", errno.EINVAL): (("kernel.msgmax", 0, "bytes in one message"),),
    ("semget(2)", errno.ENOSPC): (("kernel.sem", 3, "number of sets"), ("kernel.sem", 1, "semaphores in all sets")),
    ("semget(2)", errno.EINVAL): (
        (
            "kernel.sem",
            0,
            "semaphores in one set, which has at least 1; or the set of this key has fewer",
        ),
    ),
    ("semop(2)", errno.E2BIG): (("kernel.sem", 2, "operations in one call"),),
    ("shmget(2)", errno.ENOSPC): (
        ("kernel.shmmni", 0, "number of segments"),
        ("kernel.shmall", 0, "pages in all segments"),
    ),
    ("shmget(2)", errno.EINVAL): (
        (
            "kernel.shmmax",
            0,
            "bytes in one segment, which has at least 1; or the segment of this key is smaller",
        ),
    ),
}
"""(call, errno) -> the limits that may be meant: (sysctl, which of its numbers, of what)."""


def refusal(code: int, call: str, name: object = None, gone: bool = False) -> OSError:
    """The exception for a refused System V call. `gone`: the object was removed, whatever the errno says."""
    if gone:
        return _removed(code, call, name)
    hint = _limit_text(call, code) or HINTS.get((call, code)) or _common(call, code)
    return failure(code, call, name, _with_owner(hint, call, name) if code in (errno.EACCES, errno.EPERM) else hint)


def _removed(code: int, call: str, name: object) -> OSError:
    error = ObjectRemoved(code, "it was removed", name)
    error.add_note(f"{call}: nothing has this id any more in this IPC namespace: somebody removed it (IPC_RMID)")
    return error


def _common(call: str, code: int) -> str | None:
    if code == errno.EACCES:
        return "the object exists, and its permissions do not grant what was asked"
    if code == errno.EPERM:
        return "only the owner, the creator or root may do this"
    return None


def _with_owner(hint: str | None, call: str, name: object) -> str | None:
    """With whose it is and its mode, which the kernel shows to everybody. -- proc_sysvipc(5)"""
    words = [*str(name).split(), "", ""]
    try:
        names, *rows = [line.split() for line in text_of(f"/proc/sysvipc/{call[:3]}").splitlines()]
    except (OSError, ValueError):
        return hint
    for row in (dict(zip(names, each, strict=False)) for each in rows):
        is_key = words[0] == "key" and f"0x{int(row['key']) & 0xFFFFFFFF:08x}" == words[1]
        if is_key or f"(id {row[names[1]]})" in str(name):
            owner = f"owner uid {row['uid']}, gid {row['gid']}, mode 0{int(row['perms'], 8) & 0o777:03o}"
            return f"{hint} ({owner})"
    return hint


def _limit_text(call: str, code: int) -> str | None:
    limits = LIMITS.get((call, code))
    if limits is None:
        return None
    known = ", ".join(f"{sysctl} = {_value(sysctl, place)} ({what})" for sysctl, place, what in limits)
    return f"a limit was reached or passed: {known}; `sysctl -w` raises it"


def _value(sysctl: str, place: int) -> str:
    try:
        with open(f"/proc/sys/{sysctl.replace('.', '/')}") as numbers:
            words = numbers.read().split()
    except OSError:
        return "unknown"
    return words[place] if len(words) == 1 else f"{words[place]} (number {place + 1} of 4)"
