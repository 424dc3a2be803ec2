"""What a POSIX call's refusal means: the limit that was hit with its value, or what the handle may not do."""

from __future__ import annotations

import errno

from .._call import failure

__all__ = ["refusal"]

_NAME = 'a name is "/" and one word'
_WORD_LENGTH = "a name is at most 255 bytes (a semaphore's 251 with its slash)"

HINTS: dict[tuple[str, int], str] = {
    ("mq_open(3)", errno.EEXIST): "a queue has this name already: open() takes it, ensure() either",
    ("mq_open(3)", errno.ENOENT): "no queue has this name in this IPC namespace",
    ("mq_open(3)", errno.EACCES): "the queue exists, and its permissions grant neither sending nor receiving",
    ("mq_open(3)", errno.ENAMETOOLONG): _WORD_LENGTH,
    ("mq_open(3)", errno.ENOMEM): "the kernel has no memory for a queue of this size (it is set aside at once)",
    ("mq_send(3)", errno.EMSGSIZE): "the message is longer than this queue's max_message_bytes",
    ("mq_send(3)", errno.EBADF): "this handle may only receive: when it was opened the queue's permissions "
    "did not grant sending",
    ("mq_receive(3)", errno.EBADF): "this handle may only send: when it was opened the queue's permissions "
    "did not grant receiving",
    ("mq_notify(3)", errno.EBUSY): "a process is registered already, and a queue has room for one: "
    "it is free again after the notification, or when that process withdraws or ends",
    ("mq_notify(3)", errno.EINVAL): "no signal has this number",
    ("mq_getattr(3)", errno.EBADF): "this descriptor is not a queue's",
    ("mq_unlink(3)", errno.ENOENT): "no queue has this name in this IPC namespace",
    ("mq_unlink(3)", errno.EACCES): "only the queue's owner or root may remove it",
    ("mq_unlink(3)", errno.ENAMETOOLONG): _WORD_LENGTH,
    ("sem_open(3)", errno.EEXIST): "a semaphore has this name already: open() takes it, ensure() either",
    ("sem_open(3)", errno.ENOENT): "no semaphore has this name",
    ("sem_open(3)", errno.EACCES): "using a semaphore needs read and write permission on it",
    ("sem_open(3)", errno.EINVAL): "what has this name in /dev/shm is no semaphore",
    ("shm_open(3)", errno.EINVAL): "what has this name in /dev/shm is no shared memory object",
    ("sem_open(3)", errno.ELOOP): "what has this name in /dev/shm is a symbolic link",
    ("sem_open(3)", errno.ENOSPC): "/dev/shm is full: df /dev/shm",
    ("sem_open(3)", errno.ENAMETOOLONG): _WORD_LENGTH,
    ("sem_post(3)", errno.EOVERFLOW): "the value is at its maximum, 2147483647 (SEM_VALUE_MAX)",
    ("sem_unlink(3)", errno.ENOENT): "no semaphore has this name",
    ("sem_unlink(3)", errno.EPERM): "only the semaphore's owner or root may remove it",
    ("sem_unlink(3)", errno.EACCES): "only the semaphore's owner or root may remove it",
    ("sem_unlink(3)", errno.ENAMETOOLONG): _WORD_LENGTH,
}
"""(call, errno) -> what it means here; limits go first, with the value that the kernel has now."""

LIMITS: dict[tuple[str, int], tuple[tuple[str, str], ...]] = {
    ("mq_open(3)", errno.EINVAL): (
        ("fs.mqueue.msg_max", "messages in a queue, which has room for at least 1"),
        ("fs.mqueue.msgsize_max", "bytes in a message, which may have at least 1"),
    ),
    ("mq_open(3)", errno.ENOSPC): (("fs.mqueue.queues_max", "queues in this IPC namespace"),),
}
"""(call, errno) -> the limits that may be meant: (sysctl, of what)."""


def refusal(code: int, call: str, name: object = None) -> OSError:
    """The exception for a refused POSIX call."""
    return failure(code, call, name, _limit_text(call, code) or HINTS.get((call, code)))


def bad_name(call: str, name: object) -> OSError:
    """EINVAL for what can be no name."""
    return failure(errno.EINVAL, call, name, _NAME)


def _limit_text(call: str, code: int) -> str | None:
    if (call, code) == ("mq_open(3)", errno.EMFILE):
        return _reserved_text()
    limits = LIMITS.get((call, code))
    if limits is None:
        return None
    known = ", ".join(f"{sysctl} = {_value(sysctl)} ({what})" for sysctl, what in limits)
    return f"a limit was passed: {known}; `sysctl -w` raises it"


def _value(sysctl: str) -> str:
    try:
        with open(f"/proc/sys/{sysctl.replace('.', '/')}") as number:
            return number.read().strip()
    except OSError:
        return "unknown"


def _reserved_text() -> str:
    """EMFILE, which is about descriptors everywhere else."""
    try:
        with open("/proc/self/limits") as lines:
            (line,) = [line for line in lines if line.startswith("Max msgqueue size")]
        most = line.split()[3]
    except (OSError, ValueError):
        most = "unknown"
    return (
        f"a queue's whole size is reserved when it is made, and all queues of a user may have RLIMIT_MSGQUEUE = {most} "
        "bytes (`ulimit -q`): ask for fewer or smaller messages, or remove queues; "
        "or this process has no free descriptor: RLIMIT_NOFILE (`ulimit -n`)"
    )
