"""What the caller gets when something goes wrong: errno -> exception, in one table.

The kernel's refusals stay the built-in ``OSError`` subclasses, with errno, the object's name as
``filename`` and a note that says which call failed and what it means here. Five classes of our own
exist, each where errno alone does not say who is to blame:

=================== ============================ ==================================================
class               base                         whose fault, and what now
=================== ============================ ==================================================
`ClosedError`       ``ValueError``               yours: the handle was closed in this process
`PeerGone`          ``ConnectionError``          the other side left or died; errno is kept
`OwnerDied`         ``OSError`` (EOWNERDEAD)     a lock's holder died: you hold it, state is suspect
`ObjectRemoved`     ``OSError`` (EIDRM)          somebody removed the object while you used it
`LayoutError`       ``ValueError``               bytes from elsewhere are foreign or damaged
=================== ============================ ==================================================

"Not now" is no error for ``try_`` methods (None or False) and the built-in ``TimeoutError`` for
waiting ones. The end of a stream is ``b""`` for bytes and ``EOFError`` for messages.
"""

from __future__ import annotations

import errno

__all__ = ["ClosedError", "LayoutError", "ObjectRemoved", "OwnerDied", "PeerGone"]


class ClosedError(ValueError):
    """You used a handle after closing it, or closed it while another thread was waiting on it."""


class PeerGone(ConnectionError):
    """The other side closed its end or died. `errno` is the kernel's; `pid` is set when it is known."""

    pid: int | None = None


class OwnerDied(OSError):
    """The last holder of this lock died while holding it, and the state is suspect.

    From `acquire` you hold it now; a ``with`` that raises this has released it again, and the next one is told too.
    `pid` is the process that died, None if that is unknown.
    """

    pid: int | None = None


class ObjectRemoved(OSError):
    """The object, or its name, was removed or replaced while you were using it (EIDRM)."""


class LayoutError(ValueError):
    """Bytes that another program wrote are foreign or damaged: which field, expected, found."""

    def __init__(self, field: str, expected: object, found: object) -> None:
        super().__init__(f"{field}: expected {expected}, found {found}")
        self.field, self.expected, self.found = field, expected, found

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.field, self.expected, self.found)


CLASS_OF_ERRNO: dict[int, type[OSError]] = {
    errno.EPIPE: PeerGone,
    errno.ECONNRESET: PeerGone,
    errno.EOWNERDEAD: OwnerDied,
    errno.EIDRM: ObjectRemoved,
}
"""Every other errno is the built-in subclass that ``OSError(errno, ...)`` chooses."""

_NO_DESCRIPTOR = "this process has no free descriptor: close some, or raise RLIMIT_NOFILE (`ulimit -n`)"

MEANING: dict[tuple[str, int], str] = {
    ("", errno.EMFILE): _NO_DESCRIPTOR,
    ("", errno.ENFILE): "the machine has no free file entry: sysctl fs.file-max",
    ("", errno.ENOENT): "nothing has this name, or a folder on the way to it is missing",
    ("", errno.ENOTDIR): "something on the way to it is no folder",
    ("", errno.EISDIR): "it is a folder",
    ("", errno.EEXIST): "something has this name already",
    ("", errno.EACCES): "permissions do not allow it: its own, or those of a folder on the way",
    ("", errno.EPERM): "this needs a right that this process does not have",
    ("", errno.ELOOP): "a symbolic link is in its place, or too many are on the way",
    ("", errno.ENAMETOOLONG): "a file's name has at most 255 bytes, a path 4095",
    ("", errno.EROFS): "its file system is mounted read-only",
    ("", errno.ENOSPC): "its file system is full: df",
    ("", errno.EDQUOT): "this user's share of the file system is used up: quota",
    ("", errno.EFBIG): "longer than a file may be: RLIMIT_FSIZE (`ulimit -f`), or the file system",
    ("", errno.EBADF): "the descriptor is not open, or not for this",
    ("", errno.ENOMEM): "the kernel has too little memory for it, or a limit on it is reached",
    ("", errno.EINVAL): "the kernel does not take these values",
    ("", errno.ESRCH): "no process has this id (any more)",
    ("", errno.ENODEV): "this kind of file cannot do it",
    ("", errno.EOPNOTSUPP): "this kind of file, or its file system, cannot do it",
    ("", errno.ENOTTY): "this kind of file does not have this operation",
    ("", errno.ESTALE): "the server has removed the file meanwhile",
    ("", errno.EIO): "the device, or the server of the file system, failed",
    ("ftok(3)", errno.ENOENT): "the file must be there, and stay: a key is made from its inode number",
    ("", errno.ENOSYS): "this kernel does not have the call; `unixipc.features` says what it has",
    ("write(2)", errno.EPIPE): "every reader of this pipe has closed its end or died",
    ("sendmsg(2)", errno.EPIPE): "the peer has closed its end or died (or this end was shut down for writing)",
    ("sendmsg(2)", errno.ECONNRESET): "the peer closed its end with your data unread",
    ("recvmsg(2)", errno.ECONNRESET): "the peer closed its end with your data unread",
    ("sendmsg(2)", errno.EMSGSIZE): "the message is larger than the socket's send buffer (SO_SNDBUF); "
    "sysctl net.core.wmem_max limits it",
    ("sendmsg(2)", errno.EPERM): "only a privileged process may send credentials that are not its own",
    ("sendmsg(2)", errno.ETOOMANYREFS): "too many passed descriptors are in flight unreceived (limit: RLIMIT_NOFILE)",
    ("sendmsg(2)", errno.EBADF): "one of the descriptors to pass is not open",
    ("sendmsg(2)", errno.ECONNREFUSED): "the name exists but nobody is bound to it (a stale socket file)",
    ("sendmsg(2)", errno.ENOENT): "no socket has this name: is the receiver running?",
    ("sendmsg(2)", errno.EPROTOTYPE): "the socket behind this name is of another kind (stream, seqpacket)",
    ("sendmsg(2)", errno.EACCES): "sending needs write permission on the socket file and search on its folders",
    ("connect(2)", errno.ECONNREFUSED): "the name exists but nobody listens behind it (a stale socket file); "
    "listen(..., takeover=True) replaces it",
    ("connect(2)", errno.ENOENT): "no socket has this name: is the server running?",
    ("connect(2)", errno.EPROTOTYPE): "the socket behind this name is of another kind (stream, seqpacket, dgram)",
    ("connect(2)", errno.EACCES): "connecting needs write permission on the socket file and search on its folders",
    ("bind(2)", errno.EADDRINUSE): "somebody is bound to this name",
    ("execve(2)", errno.ENOENT): "no such program (in the folders of PATH, if its name has no slash)",
    ("execve(2)", errno.EACCES): "the program, or a folder on the way to it, may not be executed",
    ("execve(2)", errno.ENOEXEC): "the file is no program: a script needs #! in its first line",
    ("execve(2)", errno.E2BIG): "arguments and environment are too long: getconf ARG_MAX, and RLIMIT_STACK / 4",
    ("mkfifo(3)", errno.EEXIST): "something has this name already: open() takes a FIFO that exists, ensure() either",
    ("open(2)", errno.ENXIO): "nobody has the other side of this FIFO open (or the path is a socket)",
    ("fcntl(F_SETPIPE_SZ)", errno.EBUSY): "the pipe holds more bytes than the new capacity",
    ("fcntl(F_SETPIPE_SZ)", errno.EPERM): "beyond /proc/sys/fs/pipe-max-size, or the user's pipe pages are used up "
    "(sysctl fs.pipe-user-pages-soft)",
    ("pidfd_getfd(2)", errno.EPERM): "taking a descriptor needs the right to ptrace the process",
    ("pidfd_send_signal(2)", errno.ESRCH): "the process has ended",
    ("waitid(2)", errno.ECHILD): "no such child, or its status was taken: SIGCHLD is ignored, "
    "or somebody else waited for it",
    ("timer_create(2)", errno.EAGAIN): "too many timers and queued signals: RLIMIT_SIGPENDING (`ulimit -i`)",
    ("splice(2)", errno.EINVAL): "one side must be a pipe, and the two sides must not be the same pipe",
    ("tee(2)", errno.EINVAL): "both sides must be pipes, and not the same one",
    ("vmsplice(2)", errno.EBADF): "vmsplice needs a pipe",
    ("mmap(2)", errno.EACCES): "the file must be open for reading, and for reading and writing where the mapping is to "
    'change it (mode "rw")',
    ("mmap(2)", errno.EPERM): "the file is sealed against writing, or on a file system mounted noexec",
    ("mmap(2)", errno.ENODEV): "only files, and devices that have memory, can be mapped",
    ("mmap(2)", errno.ENOMEM): "too little memory or address space (RLIMIT_AS), too few huge pages (sysctl "
    "vm.nr_hugepages), or too many mappings (sysctl vm.max_map_count)",
    ("mmap(2)", errno.EAGAIN): "the pages would be locked in memory, beyond RLIMIT_MEMLOCK (`ulimit -l`)",
    ("mlock(2)", errno.ENOMEM): "beyond what may be locked in memory: RLIMIT_MEMLOCK (`ulimit -l`)",
    ("mlock(2)", errno.EAGAIN): "some of the pages could not be read",
    ("mlock(2)", errno.EPERM): "nothing may be locked in memory: RLIMIT_MEMLOCK is 0 (`ulimit -l`)",
    ("mremap(2)", errno.EFAULT): "the file was made shorter while it was mapped: map it anew",
    ("mremap(2)", errno.EAGAIN): "it is locked in memory, and would be beyond RLIMIT_MEMLOCK (`ulimit -l`)",
    ("unlink(2)", errno.EBUSY): "this file is a mount (findmnt shows it; containers mount single files), so its name "
    "cannot be taken away: unmount it, or mount the folder instead",
    ("msync(2)", errno.EBUSY): "invalidate=True while pages are locked in memory",
    ("madvise(2)", errno.EINVAL): "this kind of mapping, or this kernel, cannot be told so",
    ("madvise(2)", errno.EFAULT): "some of the pages are not in the file (any more), or its disk is full",
    ("madvise(2)", errno.EACCES): '"remove" needs a shared mapping that may be written',
    ("memfd_create(2)", errno.EINVAL): "a name has at most 249 bytes",
    ("ftruncate(2)", errno.EPERM): 'the file is sealed against it ("grow", "shrink", or "write")',
    ("posix_fallocate(3)", errno.EPERM): 'the file is sealed against it ("grow" or "write")',
    ("posix_fallocate(3)", errno.EFBIG): "longer than a file may be: RLIMIT_FSIZE (`ulimit -f`), or the file system",
    ("fcntl(F_ADD_SEALS)", errno.EBUSY): 'somebody has it mapped "rw": that must be unmapped before "write" is sealed',
    ("fcntl(F_ADD_SEALS)", errno.EPERM): 'no more seals: it has "seal" already (or was made with sealable=False), or '
    "this descriptor may not write",
    ("fcntl(F_GET_SEALS)", errno.EINVAL): "only files in memory (memfd) have seals",
    ("fcntl(F_ADD_SEALS)", errno.EINVAL): "only files in memory (memfd) have seals",
    ("shm_open(3)", errno.EEXIST): "something has this name already: open() takes what exists, ensure() either",
    ("shm_open(3)", errno.ENOENT): "no object has this name: create() makes one, ensure() either",
    ("shm_open(3)", errno.EACCES): "the object's permissions do not allow it (its mode: ls -l /dev/shm)",
    ("shm_open(3)", errno.ENAMETOOLONG): "a name has at most 255 bytes with its slash",
    ("shm_unlink(3)", errno.ENOENT): "no object has this name (any more)",
    ("shm_unlink(3)", errno.EACCES): "only its owner may take a name away",
}
"""(call, errno) -> what it means here and what to do; ("", errno) holds for every call."""


def meaning(call: str, code: int) -> str | None:
    """What `errno` means for this call, as a sentence, or None if the kernel's own text says it all."""
    return MEANING.get((call, code)) or MEANING.get(("", code))
