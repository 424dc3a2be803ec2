# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Leases on files: F_SETLEASE and F_GETLEASE, and the sleep until one is broken.

The kernel tells of a break by a signal to the owner of the opening (F_SETOWN), and nobody but a thread that waits here
is ever that owner. It gets the signal that wakes our own threads, which it blocks from before its look at the lease
until ppoll lets it in: a break in between is not lost, and no other thread and no other signal has a part in it.
"""

from libc.errno cimport EAGAIN, errno

import os

from unixipc._call import failure
from unixipc._native.descriptor cimport GUARDED, Descriptor, outcome
from unixipc._native.wait import wake_signal_number, wake_thread

cdef extern from *:
    """
    #include "uipc.h"
    static void uipc_signal_nobody(int fd) { fcntl(fd, F_SETOWN, 0); }
    static int uipc_signal_this_thread(int fd, int number)
    {
        struct f_owner_ex me = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
        return fcntl(fd, F_SETSIG, number) < 0 || fcntl(fd, F_SETOWN_EX, &me) < 0 ? errno : 0;
    }
    /* The kernel makes an opening without an owner the process's, whose SIGIO would end it: so it has one meanwhile. */
    static int uipc_set_lease(int fd, int type, int number)
    {
        int code = uipc_signal_this_thread(fd, number);
        if (code == 0 && fcntl(fd, F_SETLEASE, type) < 0)
            code = errno;
        uipc_signal_nobody(fd);
        return code;
    }
    /* Until the lease is no longer `type`, or a signal comes: 0, or errno. `now` is what may be kept of it. */
    static int uipc_sleep_on_lease(int fd, int type, int number, int owner, int *now)
    {
        sigset_t wake, before, asleep;
        int code = 0;
        sigemptyset(&wake);
        sigaddset(&wake, number);
        pthread_sigmask(SIG_BLOCK, &wake, &before);
        asleep = before;
        sigdelset(&asleep, number);
        if (owner)
            code = uipc_signal_this_thread(fd, number);
        if (code == 0 && (*now = fcntl(fd, F_GETLEASE)) < 0)
            code = errno;
        if (code == 0 && *now == type && ppoll(NULL, 0, NULL, &asleep) < 0)
            code = errno;
        if (owner)
            uipc_signal_nobody(fd);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return code;
    }
    static int uipc_thread_id(void) { return (int)syscall(SYS_gettid); }
    """
    int fcntl_call "fcntl"(int, int, ...) nogil
    int open_call "open"(const char *, int, ...) nogil
    int close_call "close"(int) nogil
    int uipc_set_lease(int, int, int) nogil
    int uipc_sleep_on_lease(int, int, int, int, int *) nogil
    int uipc_thread_id() nogil
    enum:
        EACCES, EINVAL, ETIMEDOUT
        F_GETLEASE, F_DUPFD_CLOEXEC, F_GETFL, O_ACCMODE
        F_RDLCK, F_WRLCK, F_UNLCK
        O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR

cdef dict HINTS = {
    EACCES: "only the file's owner, and who has CAP_LEASE, gets a lease",
    EINVAL: "a lease is on a regular file; this file system may have none, or /proc/sys/fs/leases-enable is 0",
    EAGAIN: "others have the file open (a read lease: for writing), or hold a lease; nothing tells when they are done",
}
cdef str BUSY = "somebody has a lease on it, and was asked just now to give way: try again"
cdef dict TYPES = {"read": F_RDLCK, "write": F_WRLCK}
cdef dict KINDS = {F_RDLCK: "read", F_WRLCK: "write", F_UNLCK: None}


def break_seconds():
    """How long the kernel waits for who has been asked to give way. -- proc_sys_fs(5)"""
    with open("/proc/sys/fs/lease-break-time") as number:
        return int(number.read())


cdef class LeaseCalls(Descriptor):
    """A lease on an opening of a file, which this object has its own descriptor of."""

    cdef readonly str kind     # what acquire asks for
    cdef readonly str held     # "read", "write", or None
    cdef list waiting          # the threads that sleep until a break, by kernel id
    cdef bint writable         # the opening: then the kernel lets us keep no read lease
    cdef int signalled         # which of them the kernel signals, 0: none

    def __init__(self, file, str kind):
        if self.fd >= 0:
            raise RuntimeError(f"{self!r} is open already")
        self.kind, self.waiting = kind, []
        if isinstance(file, int):
            self.fill_by(fcntl_call(file, F_DUPFD_CLOEXEC, 0), "dup(2)", f"fd {file}")
        else:
            raw = os.fsencode(file)
            if b"\0" in raw:
                raise ValueError(f"a path has no NUL in it: {file!r}")
            self.fill_by(self.opened(raw), "open(2)", file)

    cdef int opened(self, bytes path) noexcept:
        """A FIFO's open does not wait, nor that of a file that somebody else has a lease on: EAGAIN."""
        cdef const char *raw = path
        cdef int flags = O_RDWR if self.kind == "write" else O_RDONLY
        with nogil:
            return open_call(raw, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

    cdef int fill_by(self, int fd, str call, object name) except -1:
        if fd < 0:
            raise failure(errno, call, name, BUSY if errno == EAGAIN else None)
        self.fill(fd, name, GUARDED)
        self.writable = fcntl_call(fd, F_GETFL) & O_ACCMODE != O_RDONLY
        return 0

    cdef int set_to(self, int kind) except -1:
        """One F_SETLEASE: 0, or errno. Who sleeps until a break is signalled no more, and so looks again."""
        cdef int code = uipc_set_lease(self.number(), kind, wake_signal_number())
        if code == 0:
            self.held = KINDS[kind]
        self.wake_waiting()
        return code

    def try_acquire(self):
        """Hold the lease now; False if others have the file open (for "read": for writing). -- fcntl(2), F_SETLEASE"""
        cdef int code
        if self.held is not None:
            raise RuntimeError(f"{self!r} holds its lease already")
        code = self.set_to(TYPES[self.kind])
        if code == EAGAIN:
            return False
        if code:
            raise failure(code, "fcntl(F_SETLEASE)", self.name, HINTS.get(code))
        return True

    def refuse_now(self):
        """The error for a lease that could not be had."""
        raise failure(EAGAIN, "fcntl(F_SETLEASE)", self.name, HINTS[EAGAIN])

    cdef int must_hold(self) except -1:
        self.number()
        if self.held is None:
            raise RuntimeError(f"{self!r} is not held")
        return 0

    def try_wait_for_break(self):
        """What may be kept, "read" or "nothing", if somebody wants to open the file; else None. -- fcntl(2)"""
        self.must_hold()
        cdef int now = fcntl_call(self.fd, F_GETLEASE)
        if now < 0:
            raise failure(errno, "fcntl(F_GETLEASE)", self.name)
        return self.kept(now)

    cdef object kept(self, int now):
        if self.held is None or now == TYPES[self.held]:
            return None
        return "read" if now == F_RDLCK and not self.writable else "nothing"

    def sleep_until_break(self):
        """One sleep; the same answer, None to look again."""
        self.must_hold()
        cdef int number = wake_signal_number(), now = 0, code, held = TYPES[self.held], me = uipc_thread_id()
        cdef int owner = self.signalled == 0, fd = self.enter()
        self.waiting.append(me)
        if owner:
            self.signalled = me
        with nogil:
            code = uipc_sleep_on_lease(fd, held, number, owner, &now)
        self.leave()
        self.waiting.remove(me)
        if owner:
            self.signalled = 0
            self.wake_waiting()  # one of them is signalled from now on
        if code:
            raise outcome(code, "fcntl(F_GETLEASE)", self.name)
        return self.kept(now)

    cdef int wake_waiting(self) except -1:
        for thread in self.waiting:
            wake_thread(thread)
        return 0

    def downgrade(self):
        """Keep a "read" lease of the "write" lease. -- fcntl(2), F_SETLEASE

        RuntimeError if that cannot be. TimeoutError: the kernel has done it already, as it was not done in time.
        """
        cdef int code
        self.must_hold()
        if self.held == "read" or self.writable or self.try_wait_for_break() == "nothing":
            raise RuntimeError(f"{self!r} cannot be downgraded: {self.why_nothing()}")
        cdef bint late = self.is_late()
        code = self.set_to(F_RDLCK)
        if code:
            raise failure(code, "fcntl(F_SETLEASE)", self.name, HINTS.get(code))
        if late:
            raise self.taken()

    cdef bint is_late(self) except -1:
        """Whether the kernel has made it a read lease itself. F_GETLEASE says the same while it only asks for that."""
        if self.held != "write" or fcntl_call(self.fd, F_GETLEASE) != F_RDLCK:
            return False
        with open(f"/proc/self/fdinfo/{self.fd}") as lines:
            return not any("LEASE" in line and "BREAKING" in line for line in lines)

    cdef object taken(self):
        hint = f"it was not given up within {break_seconds()} s of a break (/proc/sys/fs/lease-break-time)"
        return failure(ETIMEDOUT, "fcntl(F_SETLEASE)", self.name, f"the kernel has taken the lease: {hint}")

    cdef str why_nothing(self):
        if self.held == "read":
            return "it is a read lease"
        if self.writable:
            return "the file is open for writing"
        return "who waits wants to write, or the kernel has taken it"

    def release(self):
        """Hold it no longer; who waits for it may open the file. -- fcntl(2), F_SETLEASE

        RuntimeError: it is not held. TimeoutError: the kernel has taken it, as it was not given up in time.
        """
        self.must_hold()
        cdef bint late = self.is_late()
        cdef int code = self.let_go()
        if late or code == EAGAIN:
            raise self.taken()
        if code:
            raise failure(code, "fcntl(F_SETLEASE)", self.name)

    cdef int let_go(self) except -1:
        cdef int code = self.set_to(F_UNLCK)
        self.held = None
        return code

    def close(self):
        """Release it and close the descriptor; who waits for a break gets `ClosedError`. Twice is fine."""
        if self.fd >= 0:
            try:
                if self.held is not None:
                    self.let_go()
            finally:
                Descriptor.close(self)

    def detach(self):
        """Refused: nobody would look after the lease."""
        raise TypeError("a lease cannot be detached from its descriptor")

    def __enter__(self):
        cdef bint before = self.held is not None
        try:
            self.acquire()
        except BaseException:
            if self.held is not None and not before:
                self.let_go()  # a signal handler has raised when it was ours already
            raise
        return self

    def __exit__(self, kind, error, where):
        try:
            if error is None and self.held is not None:
                self.release()
        finally:
            self.close()

    def forget(self):
        """Close the descriptor without giving the lease up: what a forked child does, whose parent still holds it."""
        cdef int fd = self.fd
        self.fd, self.held, self.waiting, self.signalled = -1, None, [], 0
        if fd >= 0:
            close_call(fd)
