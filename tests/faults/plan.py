"""Which call can fail how, and what must come of it. A new call gets its fault here."""

from __future__ import annotations

import errno
import fcntl
import socket
from errno import (
    EACCES,
    EAGAIN,
    EBADF,
    EBUSY,
    EINTR,
    EINVAL,
    EIO,
    EMFILE,
    ENFILE,
    ENOBUFS,
    ENOLCK,
    ENOMEM,
    ENOSPC,
    EPERM,
)  # fmt: skip

__all__ = [
    "FAULTS",
    "GIVEN_AWAY",
    "HARMLESS",
    "INTERRUPTIBLE",
    "NAMES_OF",
    "NEVER",
    "NOT_TRIED",
    "TOLERATED",
    "base_name",
    "faults_of",
    "full_name",
]

F_OFD = {36: "F_OFD_GETLK", 37: "F_OFD_SETLK", 38: "F_OFD_SETLKW"}
F_MORE = {1026: "F_CANCELLK", 1027: "F_DUPFD_QUERY", 1030: "F_DUPFD_CLOEXEC", 1031: "F_SETPIPE_SZ",
          1032: "F_GETPIPE_SZ", 1033: "F_ADD_SEALS", 1034: "F_GET_SEALS"}  # fmt: skip
USUAL = "F_GETFL F_SETFL F_SETFD F_GETFD F_SETLK F_SETLKW F_GETLK F_SETLEASE F_GETLEASE F_SETSIG F_SETOWN"
F_USUAL = {getattr(fcntl, name): name for name in USUAL.split()}
IPC = {0: "IPC_RMID", 1: "IPC_SET", 2: "IPC_STAT", 3: "IPC_INFO"}

NAMES_OF = {
    "fcntl": F_USUAL | F_OFD | F_MORE,
    "ioctl": {0x541B: "FIONREAD"},
    "prctl": {1: "PR_SET_PDEATHSIG", 2: "PR_GET_PDEATHSIG", 36: "PR_SET_CHILD_SUBREAPER", 37: "PR_GET_CHILD_SUBREAPER"},
    "msgctl": IPC | {11: "MSG_STAT", 12: "MSG_INFO", 13: "MSG_STAT_ANY"},
    "shmctl": IPC | {11: "SHM_LOCK", 12: "SHM_UNLOCK", 13: "SHM_STAT", 14: "SHM_INFO", 15: "SHM_STAT_ANY"},
    "semctl": IPC
    | {11: "GETPID", 12: "GETVAL", 13: "GETALL", 14: "GETNCNT", 15: "GETZCNT", 16: "SETVAL", 17: "SETALL"}
    | {18: "SEM_STAT", 19: "SEM_INFO", 20: "SEM_STAT_ANY"},
    "getsockopt": {socket.SO_PEERCRED: "SO_PEERCRED", 59: "SO_PEERGROUPS", 77: "SO_PEERPIDFD"},
    "setsockopt": {socket.SO_PASSCRED: "SO_PASSCRED", 76: "SO_PASSPIDFD"},
}
"""What the argument that says what a call does is called."""

AT_ONCE = 0x10000
"""faults.c sets it for a call that may not wait."""

FAULTS: dict[str, tuple[int, ...]] = {
    "open": (EMFILE, ENFILE, ENOMEM, EACCES), "openat": (EMFILE,), "pipe2": (EMFILE, ENFILE), "dup2": (EMFILE,),
    "dup3": (EMFILE,), "eventfd": (EMFILE, ENOMEM), "signalfd": (EMFILE, ENOMEM), "memfd_create": (EMFILE, ENOMEM),
    "socket": (EMFILE, ENOBUFS), "socketpair": (EMFILE, ENFILE), "accept4": (EMFILE, ENFILE, ENOMEM),
    "fcntl(F_DUPFD_CLOEXEC)": (EMFILE,), "fcntl(F_DUPFD_QUERY)": (EINVAL,), "fcntl(F_GETFD)": (errno.EBADF,),
    "fcntl(F_GETFL)": (EIO,), "fcntl(F_SETFL)": (EPERM,),
    "fcntl(F_SETPIPE_SZ)": (EBUSY, EPERM, ENOMEM), "fcntl(F_GETPIPE_SZ)": (EBADF,),
    "fcntl(F_ADD_SEALS)": (EBUSY, EPERM), "fcntl(F_GET_SEALS)": (EINVAL,), "fcntl(F_SETFD)": (EIO,),
    "fcntl(F_SETLK)": (ENOLCK,), "fcntl(F_SETLKW)": (ENOLCK,), "fcntl(F_GETLK)": (ENOLCK,),
    "fcntl(F_OFD_SETLK)": (ENOLCK,), "fcntl(F_OFD_SETLKW)": (ENOLCK,), "fcntl(F_OFD_GETLK)": (ENOLCK,),
    "flock": (ENOLCK,), "fstat": (EIO, ENOMEM), "lstat": (EIO, ENOMEM), "stat": (EIO, ENOMEM), "fstatat": (EIO,),
    "fstatfs": (EIO,), "ftruncate": (EIO, EPERM), "posix_fallocate": (ENOSPC, ENOMEM), "mmap": (ENOMEM, EAGAIN),
    "munmap": (ENOMEM,), "mremap": (ENOMEM,), "mprotect": (ENOMEM,), "madvise": (ENOMEM, EIO), "msync": (EIO,),
    "mlock": (ENOMEM, EPERM), "munlock": (ENOMEM,), "read": (EIO,), "preadv2": (EIO,), "write": (EIO, ENOSPC),
    "pwritev2": (EIO,), "close": (EIO, EINTR), "splice": (ENOMEM,), "tee": (ENOMEM,), "vmsplice": (ENOMEM,),
    "poll": (ENOMEM,), "ppoll": (ENOMEM,), "ioctl(FIONREAD)": (EIO,), "ioctl": (EIO,),
    "bind": (ENOMEM, EACCES), "connect": (EACCES, ENOMEM), "listen": (ENOMEM,), "shutdown": (ENOBUFS,),
    "send": (ENOBUFS, ENOMEM), "sendmsg": (ENOBUFS, ENOMEM), "recv": (ENOMEM,), "recvmsg": (ENOMEM,),
    "getsockname": (ENOBUFS,), "getpeername": (ENOBUFS,), "getsockopt": (ENOBUFS,), "setsockopt": (ENOMEM,),
    "chdir": (EACCES,), "chmod": (EPERM, EIO), "fchmod": (EPERM, EIO), "fchmodat": (EPERM,), "linkat": (ENOSPC,),
    "mkdir": (ENOSPC,), "mkfifo": (ENOSPC, EACCES), "mkfifoat": (ENOSPC,), "readlink": (EACCES,), "rename": (EACCES,),
    "renameat": (EACCES,), "rmdir": (EBUSY,), "unlink": (EACCES,), "unlinkat": (EACCES,),
    "fork": (EAGAIN, ENOMEM), "clone": (EAGAIN, ENOMEM), "execve": (ENOMEM, EACCES), "kill": (EPERM,),
    "setpgid": (EPERM,), "setsid": (EPERM,), "prctl": (EINVAL,), "sigpending": (ENOMEM,),
    "sigqueue": (EAGAIN,), "syscall(rt_sigtimedwait)": (EINVAL,), "timer_create": (EAGAIN, ENOMEM),
    "mq_open": (EMFILE, ENOSPC, ENOMEM), "mq_getattr": (EBADF,), "mq_notify": (ENOMEM,),
    "mq_timedreceive": (EBADF,), "mq_timedsend": (ENOMEM,), "lseek": (errno.ESPIPE,),
    "timerfd_create": (EMFILE, ENOMEM), "mq_unlink": (EACCES,), "shm_open": (EMFILE, ENOMEM),
    "pthread_create": (EAGAIN,),
    "shm_unlink": (EACCES,), "sem_init": (EINVAL,), "sem_post": (errno.EOVERFLOW,), "sem_getvalue": (EINVAL,),
    "sem_trywait": (EINVAL,), "sem_wait": (EINVAL,), "msgget": (ENOSPC, ENOMEM), "semget": (ENOSPC, ENOMEM),
    "shmget": (ENOSPC, ENOMEM), "msgctl": (EACCES,), "semctl": (EACCES,), "shmctl": (EACCES, ENOMEM),
    "msgctl(IPC_RMID)": (EPERM,), "semctl(IPC_RMID)": (EPERM,), "shmctl(IPC_RMID)": (EPERM,),
    "semctl(SETALL)": (ENOMEM, errno.ERANGE), "msgsnd": (ENOMEM,), "msgrcv": (EACCES,), "semop": (ENOMEM, ENOSPC),
    "shmat": (EMFILE, ENOMEM), "unshare": (EPERM,), "malloc": (ENOMEM,), "calloc": (ENOMEM,),
    "opendir": (EMFILE, ENOMEM, EACCES), "readlinkat": (errno.ENOENT,), "syscall(openat2)": (EMFILE, EAGAIN),
    "pread": (EIO,), "setns": (EPERM,), "syscall(mq_getsetattr)": (errno.EBADF,),
    "syscall(statx)": (EIO, EACCES), "syscall(pidfd_open)": (EMFILE, ENOMEM),
    "syscall(pidfd_getfd)": (EMFILE, EPERM), "syscall(pidfd_send_signal)": (EPERM, EAGAIN),
    "syscall(rt_sigqueueinfo)": (EAGAIN,),
    "syscall(close_range)": (errno.ENOSYS,), "syscall(rt_tgsigqueueinfo)": (EAGAIN,),
}  # fmt: skip
"""Call -> how it fails, as far as its page tells."""

NEVER = {
    "sigaction": "fails only for a number that is no signal of the program's",
    "timer_settime": "fails only for a timer that is none",
    "timer_delete": "fails only for a timer that is none",
    "shmdt": "fails only for an address where nothing is attached",
    "waitpid": "of a child that is there and has ended: it is not interrupted either",
    "syscall(waitid)": "ECHILD and EINVAL are the caller's; a signal interrupts it",
    "syscall(futex)": "a signal interrupts it, and no other failure is possible for a word of ours",
    "syscall(gettid)": "cannot fail",
    "syscall(kcmp)": "refused in a sandbox: the number is left alone",
    "syscall(get_robust_list)": "of the calling thread: cannot fail",
    "syscall(tgkill)": "the thread has ended: nobody is to be woken",
}
"""Calls that do not fail, but for a signal or a program's mistake."""

NOT_TRIED = {
    "kcmp": "before Linux 6.10, by a process that forks while it counts signals",
    "pthread_create": "once a process, for programs with a death signal that a thread starts",
    "unshare": "of the namespaces that the tests run in: without one they are skipped",
    "setns": "of another process's network: tests/inspector/test_other_networks.py has the kernel refuse it",
    "get_robust_list": "of channels, which have no scenario here",
    "futex_waitv": "of awaited channels, which have no scenario here",
}
"""What no scenario calls, and why."""

INTERRUPTIBLE = {
    "accept4", "connect", "fcntl(F_SETLKW)", "fcntl(F_OFD_SETLKW)", "flock", "mq_timedreceive",
    "mq_timedsend", "msgrcv", "msgsnd",
    "poll", "posix_fallocate", "ppoll", "preadv2", "pwritev2", "read", "recv", "recvmsg", "semop", "sem_wait",
    "send", "sendmsg", "splice", "syscall(futex)", "syscall(rt_sigtimedwait)", "syscall(waitid)", "tee",
    "vmsplice", "write",
}  # fmt: skip
"""What a signal may end: nobody may notice. (`open` of a FIFO too: its scenarios say so themselves.)"""

HARMLESS = {
    "getrlimit getrlimit64": "of our own limit on descriptors: cannot fail",
    "_exit raise sched_yield sched_getaffinity __sched_cpucount": "do not return, or cannot fail for what we ask",
    "clock_gettime getpid getppid getuid sysconf time": "cannot fail for what we ask",
    "free memchr memcmp memcpy memmove memset strlen strrchr strtol strtoull snprintf": "memory only",
    "readdir64 readdir closedir dirfd": "of a folder in /proc that is open: its end is the process's",
    "pthread_mutex_lock pthread_mutex_unlock pthread_once pthread_self pthread_equal": "fail only for misuse",
    "pthread_cond_wait pthread_cond_broadcast": "fail only for misuse",
    "pthread_key_create pthread_setspecific": "without memory a thread's alarm is left until its process ends",
    "pthread_sigmask sigaddset sigdelset sigemptyset sigfillset sigismember": "fail only for a wrong number",
    "timer_getoverrun timer_gettime timerfd_gettime": "fail only for a timer that is none",
    "timerfd_settime": "fails only for a time that is none",
    "sigaltstack": "a stack too small, or in use: tests/signals/test_stack.py makes both",
    "__assert_fail __cxa_finalize __errno_location __gmon_start__ __libc_current_sigrtmax __libc_current_sigrtmin "
    "__register_atfork pthread_atfork __stack_chk_fail _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable "
    "__memcpy_chk __memset_chk __snprintf_chk __tls_get_addr": "the compiler's and the loader's own",
}
"""Functions that our modules call and that are no system call, or none that fails: why they need no fault."""

GIVEN_AWAY = {
    ("msgctl(IPC_RMID)", EPERM): "a temporary queue was given to another user: it is his to remove",
    ("semctl(IPC_RMID)", EPERM): "a temporary set was given to another user: it is his to remove",
    ("shmctl(IPC_RMID)", EPERM): "its maker may mark a new segment for removal",
}
"""(call, errno) -> why a System V object may be left, and nobody told. (`remove` tells.)"""


TOLERATED: dict[tuple[str, int | None], str] = {
    ("syscall(close_range)", errno.ENOSYS): "before Linux 5.11 descriptors that others left inheritable stay so",
    ("getsockopt(SO_PEERGROUPS)", None): "an older kernel does not tell them",
    ("getsockopt(SO_PEERPIDFD)", None): "an older kernel has none",
    ("close", None): "the number is free whatever close(2) says, and there is nothing left to do",
    ("munmap", None): "closing cannot be refused; whole mappings are unmapped, which needs no memory",
    **GIVEN_AWAY,
    ("lstat", None): "a lock's file that cannot be looked at is taken for replaced, and opened anew",
    ("readlink", None): "of /proc: without it any file in memory will do",
    ("syscall(rt_sigqueueinfo)", EAGAIN): "the signal is kept here, and the stream told by kill(2)",
    ("syscall(rt_tgsigqueueinfo)", EAGAIN): "a thread of the program keeps the signal blocked: nobody can be told",
    ("poll", ENOMEM): "a first, short sleep, or a first look: the wait, or the call, that follows tells",
    ("execve", EACCES): "the other folders of PATH are looked into, as by execvp(3)",
    ("setpgid", errno.EPERM): "parent and child both do it, so that the group exists whoever comes first",
    ("fcntl(F_DUPFD_QUERY)", EINVAL): "before Linux 6.10: kcmp(2) is asked",
    ("fcntl(F_GETFD)", errno.EBADF): "a number that is free: the message itself is looked at, if there are too few",
    ("fcntl(F_GETFL)", EIO): "an event counter whose flags are unknown is tried under an alarm",
    ("fcntl(F_SETFD)", EIO): "dup2 has taken the flag away already, unless source and target are one",
    ("syscall(pidfd_send_signal)", None): "signal 0 asks whether the process is there: forbidden means yes",
    ("fchmod", None): "of a new object of our own: its maker may, and who may not has the umask's permissions",
    ("setsockopt(SO_PASSCRED)", None): "no kernel refuses it for a Unix socket",
    ("sem_trywait", EINVAL): "the waiting form follows and says it",
    ("sem_post", errno.EOVERFLOW): "the one that was just taken has room; a hold asks again and says it",
    ("sem_init", EINVAL): "the value is checked before",
    ("msgctl(IPC_STAT)", EACCES): "MSG_STAT_ANY needs no permission",
    ("semctl(IPC_STAT)", EACCES): "SEM_STAT_ANY needs no permission",
    ("shmctl(IPC_STAT)", EACCES): "SHM_STAT_ANY needs no permission",
    ("fcntl(F_DUPFD_CLOEXEC)", EMFILE): "where it only protects a waiting task, or looks for room for descriptors",
    ("fstatfs", None): "the pages of a file are taken for ordinary ones",
}
"""(call, errno; None: any) -> why the library may go on as if nothing were."""


def base_name(function: str) -> str:
    """One name for the function with long offsets, the one with checks, and the plain one."""
    plain = function.replace("64v", "").replace("64", "")
    return plain.removeprefix("__").removesuffix("_chk").removesuffix("_2") if plain.startswith("__") else plain


def full_name(function: str, sub: int, syscalls: dict[int, str]) -> str:
    """As the tables here call it."""
    base = base_name(function)
    names = syscalls if base == "syscall" else NAMES_OF.get(base)
    asked = [] if names is None else [str(names.get(sub & ~AT_ONCE, sub & ~AT_ONCE))]
    if sub >= 0 and sub & AT_ONCE and base not in ("ioctl", "setsockopt"):
        asked.append("at once")
    return f"{base}({', '.join(asked)})" if asked else base


def faults_of(call: str) -> tuple[int, ...] | None:
    """How it fails; None if nobody has said so."""
    plain = call.replace(", at once", "").replace("(at once)", "")
    if plain in NEVER or call in NEVER:
        return ()
    return FAULTS.get(call, FAULTS.get(plain, FAULTS.get(call.partition("(")[0])))
