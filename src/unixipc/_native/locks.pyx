# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""File locks: flock(2) and fcntl(2), and the fast path of a lock that nobody holds.

A lock belongs to an opening of the file (an `Opening`). Who waits has an opening of its own, so threads of one process
exclude each other like strangers do, and everybody waits in the kernel. Where there can be one opening only (a file of
the caller's; POSIX locks, which belong to the process) the threads take turns at it, by a futex.
"""

cimport cython
from libc.errno cimport EACCES, EAGAIN, EINTR, EISDIR, EPERM, EROFS, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t

import os

from unixipc._call import failure, name_holders
from unixipc._native.descriptor import waiting_module
from unixipc.errors import ClosedError

cdef extern from *:
    """
    #include "uipc.h"
    #include "futex.h"
    #include <sys/file.h>
    #include <sys/vfs.h>
    static unsigned long uipc_this_thread(void) { return (unsigned long)pthread_self(); }
    static int64_t uipc_now(clockid_t clock) /* a look at memory, good to a tick of the kernel */
    { struct timespec t; clock_gettime(clock, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
    static int64_t uipc_changed(const struct stat *of)
    { return of->st_ctim.tv_sec * 1000000000LL + of->st_ctim.tv_nsec; }
    static int uipc_fstat(int fd, struct stat *found)
    {
    #if defined(__x86_64__) && !defined(__ILP32__) /* C libraries ask newfstatat for it, which costs a fifth more */
        return (int)syscall(SYS_fstat, fd, found);
    #else
        return fstat(fd, found);
    #endif
    }
    static int uipc_fcntl_lock(int fd, int command, struct flock *range)
    {
    #ifdef __LP64__ /* without the look at what `command` is: the structure is the kernel's */
        return (int)syscall(SYS_fcntl, fd, command, range);
    #else
        return fcntl(fd, command, range);
    #endif
    }
    static int uipc_end_of(int fd, int64_t *end)
    {
        struct stat found;
        if (fstat(fd, &found) < 0)
            return errno;
        *end = found.st_size;
        return 0;
    }
    static int uipc_position_of(int fd, int64_t *at)
    {
        *at = lseek(fd, 0, SEEK_CUR);
        return *at < 0 ? errno : 0;
    }
    """
    struct stat_of "stat":
        uint64_t st_dev, st_ino, st_nlink
    struct flock_range "flock":
        short l_type, l_whence
        long l_start, l_len
        int l_pid
    struct statfs_of "statfs":
        long f_type
    int flock_call "flock"(int, int) nogil
    int fcntl_call "uipc_fcntl_lock"(int, int, flock_range *) nogil
    int uipc_end_of(int, int64_t *) nogil
    int uipc_position_of(int, int64_t *) nogil
    int fstat_call "uipc_fstat"(int, stat_of *) nogil
    int lstat_call "lstat"(const char *, stat_of *) nogil
    int fstatfs_call "fstatfs"(int, statfs_of *) nogil
    int open_call "open"(const char *, int, ...) nogil
    int close_call "close"(int) nogil
    unsigned long uipc_this_thread() nogil
    int64_t uipc_now(int) nogil
    int64_t uipc_changed(const stat_of *) nogil
    int uipc_futex_wait(uint32_t *, uint32_t, void *) nogil
    int uipc_futex_wake(uint32_t *, int) nogil
    enum:
        EBADF, EDEADLK, EINVAL, ELOOP, ENOLCK, ETXTBSY, INT_MAX
        LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB
        F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK, F_SETLK, F_SETLKW, F_GETLK
        F_RDLCK, F_WRLCK, F_UNLCK
        O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_RDWR, O_RDONLY, O_NOCTTY, O_NONBLOCK
        SEEK_SET, SEEK_CUR, SEEK_END
        CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE

cdef enum Kind:
    FLOCK
    OFD
    POSIX

cdef enum Whence:
    START
    CURRENT
    END

cdef dict WHENCES = {"start": START, "current": CURRENT, "end": END}
cdef short[3] SEEKS = [SEEK_SET, SEEK_CUR, SEEK_END]
cdef dict KINDS = {"flock": FLOCK, "ofd": OFD, "posix": POSIX}
cdef dict ACCESSES = {"read": F_RDLCK, "write": F_WRLCK, "unlock": F_UNLCK}


cdef int64_t SETTLED_NS = 50_000_000    # longer than a tick, in which a second change would leave the same ctime
cdef int64_t TRUSTED_NS = 100_000_000   # how long a look at the path is good for, if the file stays as it was
# f_type of file systems where a rename sets the ctime of the file, as links and unlinks do everywhere:
# ext, xfs, btrfs, tmpfs, overlay.
cdef set TELLING = {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630}

cdef dict HINTS = {
    EAGAIN: "somebody has a lease on it, and was asked just now to give way: try again",
    EBADF: "an exclusive record lock needs a file open for writing, a shared one a file open for reading; "
           "or the file was closed, and its number may be another's by now",
    EDEADLK: "whoever holds it waits for what this process holds",
    ELOOP: "the lock file is a symbolic link: it may point anywhere, so it is not followed",
    ENOLCK: "the kernel, or the server of this file system, has no lock to give",
}


cdef object refused(int code, str call, object name):
    if code == EINTR:
        return InterruptedError(code, "interrupted")
    return failure(code, call, name, HINTS.get(code))


@cython.no_gc
cdef class Opening:
    """One open file description that locks belong to; closed with its last reference."""

    cdef int fd
    cdef bint ours, writable
    cdef bint shared           # how it is held
    cdef unsigned long owner   # by which thread, or task
    cdef long start            # the first byte that is asked for, or held
    cdef Opening earlier       # the next of those that hold
    cdef uint64_t device, inode
    cdef int64_t trusted_until_ns   # until then the path means this file if that has kept these:
    cdef int64_t changed_ns         # its ctime
    cdef uint64_t links             # and how many names it has

    def __cinit__(self):
        self.fd = -1

    cdef void shut(self) noexcept:
        """Close it, whoever still refers to it."""
        cdef int fd = self.fd
        self.fd = -1
        if self.ours and fd >= 0:
            close_call(fd)

    def __dealloc__(self):
        if self.ours and self.fd >= 0:
            close_call(self.fd)


cdef class LockCalls:
    """A lock on a file: its tries and waits. `path` is None on a file that the caller has opened."""

    cdef readonly object path, timeout
    cdef readonly bint shared  # what acquire asks for unless it is told
    cdef bytes raw
    cdef Kind kind
    cdef int mode
    cdef Whence whence
    cdef long start, length
    cdef uint64_t asked_device  # the file system that `telling` is about
    cdef bint telling
    cdef bint open
    cdef bint alone            # there is one opening only, and `idle` is it
    cdef Opening idle          # the next acquire's
    cdef Opening latest        # and `earlier`: those that hold. One, or the shared locks of several threads
    cdef list lost             # owners whose lock an upgrade has lost
    cdef list pending          # openings that wait
    cdef bint turn_taken       # one opening only: a thread waits in the kernel with it
    cdef uint32_t turn         # changes, and wakes, when that may have ended
    cdef int turn_waiters
    cdef list sleepers
    cdef object __weakref__

    def __init__(self, path, int fd, str kind, bint shared, long start, long length, int mode, timeout,
                 str whence="start"):
        if self.open:
            raise RuntimeError(f"{self!r} is open already")
        self.whence = WHENCES[whence]
        self.kind, self.shared, self.start, self.length, self.mode = KINDS[kind], shared, start, length, mode
        self.path, self.pending, self.lost = path, [], []
        self.open, self.timeout = True, timeout
        self.alone = path is None or self.kind == POSIX
        if path is None:
            self.idle = Opening.__new__(Opening)
            self.idle.fd, self.idle.writable = fd, True
            self.identify(self.idle)
        else:
            self.raw = os.fsencode(path)
            if b"\0" in self.raw:
                raise ValueError(f"a path has no NUL in it: {path!r}")
            self.idle = self.new_opening(shared)

    @property
    def name(self):
        """What errors call it."""
        return f"fd {self.idle.fd}" if self.path is None and self.idle is not None else self.path

    @property
    def closed(self):
        """Whether this lock was closed."""
        return not self.open

    @property
    def held(self):
        """Whether this object holds the lock, in this process."""
        return self.latest is not None

    @property
    def held_shared(self):
        """Whether it is held, and as one that others may share."""
        return self.latest is not None and self.latest.shared

    def fileno(self):
        """The descriptor of the opening that holds the lock, or would."""
        self.check_open()
        if self.latest is not None:
            return self.latest.fd
        if self.idle is None:
            self.keep(self.new_opening(self.shared))
        return self.idle.fd

    def check_open(self):
        """`ClosedError` once this lock is closed."""
        if not self.open:
            raise ClosedError(f"{type(self).__name__} {self.path or ''} is closed")

    cdef Opening new_opening(self, bint shared):
        """The file, opened anew; made if it is missing. A link in its place is refused."""
        cdef Opening made = Opening.__new__(Opening)
        cdef int code = self.open_as(made, O_RDWR | (O_CREAT if self.mode >= 0 else 0))
        if code == EACCES and self.mode >= 0 and self.open_as(made, O_RDWR) == 0:
            code = 0  # another user's file in a sticky folder: sysctl fs.protected_regular refuses O_CREAT
        made.ours = made.writable = True
        if code in (EACCES, EROFS, EPERM, EISDIR, ETXTBSY) and (shared or self.kind == FLOCK):
            made.writable = False  # a lock that does not need to write: flock, and shared ones
            if self.open_as(made, O_RDONLY) == 0:
                code = 0
        if code:
            raise refused(code, "open(2)", self.path)
        self.identify(made)
        return made

    cdef int open_as(self, Opening made, int flags) noexcept:
        """Fill it: 0, or errno. A FIFO's open does not wait."""
        cdef const char *raw = self.raw
        cdef int mode = self.mode, code
        with nogil:
            made.fd = open_call(raw, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, mode)
            code = errno
        return code if made.fd < 0 else 0

    cdef int identify(self, Opening opening) except -1:
        cdef stat_of found
        if fstat_call(opening.fd, &found) < 0:
            raise refused(errno, "fstat(2)", self.path if self.path is not None else f"fd {opening.fd}")
        opening.device, opening.inode = found.st_dev, found.st_ino
        return 0

    cdef bint is_current(self, Opening opening) noexcept:
        """Whether the path still means the file that we have locked: it may have been removed or replaced.

        Looking up the path costs as much as locking and unlocking. What takes a name from a file changes the file too,
        so for a while after one look an fstat does. (A folder on the way may have been moved unseen: hence a while.)
        """
        cdef stat_of now
        if self.path is None:
            return True
        if opening.trusted_until_ns > uipc_now(CLOCK_MONOTONIC_COARSE):
            if fstat_call(opening.fd, &now) == 0 and uipc_changed(&now) == opening.changed_ns \
                    and now.st_nlink == opening.links:
                return True
        return self.look_up(opening)

    cdef bint look_up(self, Opening opening) noexcept:
        """The same by the path; and what to compare with next time."""
        cdef stat_of found
        cdef int64_t now_ns = uipc_now(CLOCK_MONOTONIC_COARSE)  # before the look: what happens later is later
        cdef int64_t settled_ns = uipc_now(CLOCK_REALTIME_COARSE) - SETTLED_NS
        opening.trusted_until_ns = 0
        if lstat_call(self.raw, &found) < 0 or found.st_ino != opening.inode or found.st_dev != opening.device:
            return False
        opening.changed_ns, opening.links = uipc_changed(&found), found.st_nlink
        if opening.changed_ns < settled_ns and self.tells_renames(opening):
            opening.trusted_until_ns = now_ns + TRUSTED_NS
        return True

    cdef bint tells_renames(self, Opening opening) noexcept:
        """Whether a file on this file system shows that it was renamed; asked once a file system."""
        cdef statfs_of system
        if self.asked_device != opening.device:
            self.telling = fstatfs_call(opening.fd, &system) == 0 and (system.f_type & 0xFFFFFFFF) in TELLING
            self.asked_device = opening.device
        return self.telling

    cdef long beginning(self, Opening opening) except -1:
        """Where the range begins as of now. A hold keeps the answer until its release, wherever the end may go."""
        cdef int64_t base = 0
        cdef int code
        if self.whence == START:
            return self.start
        code = uipc_end_of(opening.fd, &base) if self.whence == END else uipc_position_of(opening.fd, &base)
        if code:
            raise refused(code, "fstat(2)" if self.whence == END else "lseek(2)", self.name)
        base += self.start
        if base < 0 or base + self.length < 0:
            raise failure(EINVAL, self.call_name(), self.name, f"{self.length} bytes from {base} begin before the file")
        return base

    def first_byte(self):
        """Where the range begins: the one that is held, else as of now."""
        self.check_open()
        if self.latest is not None:
            return self.latest.start
        if self.idle is None:
            self.keep(self.new_opening(self.shared))
        return self.beginning(self.idle)

    cdef int request(self, Opening opening, bint shared, bint sleep) noexcept nogil:
        """One system call: 0, or errno."""
        cdef int rc
        cdef int gone = 0 if opening.ours else lost_file(opening)
        if gone:
            return gone
        if self.kind == FLOCK:
            rc = flock_call(opening.fd, (LOCK_SH if shared else LOCK_EX) | (0 if sleep else LOCK_NB))
            return 0 if rc == 0 else errno
        return set_range(opening.fd, self.kind, F_RDLCK if shared else F_WRLCK, opening.start, self.length, sleep)

    cdef int drop(self, Opening opening) noexcept nogil:
        cdef int gone = 0 if opening.ours else lost_file(opening)
        if gone:
            return gone
        if self.kind != FLOCK:
            return set_range(opening.fd, self.kind, F_UNLCK, opening.start, self.length, False)
        return 0 if flock_call(opening.fd, LOCK_UN) == 0 else errno

    cdef str call_name(self):
        return "flock(2)" if self.kind == FLOCK else "fcntl(F_OFD_SETLK)" if self.kind == OFD else "fcntl(F_SETLK)"

    cdef int refuse_deadlock(self, bint shared, unsigned long owner) except -1:
        """Who holds it and asks again, alone, would wait for itself."""
        cdef Opening hold = self.latest
        if not self.open:
            self.check_open()
        while hold is not None:
            if hold.owner == owner and not (shared and hold.shared):
                hint = "this thread or task holds the lock already; upgrade() and downgrade() change how"
                raise failure(EDEADLK, self.call_name(), self.name, hint)
            hold = hold.earlier
        return 0

    cdef Opening take_opening(self, bint shared):
        """One to lock with; of several it is no longer `idle`."""
        cdef Opening opening = self.idle
        if opening is None or not (opening.writable or shared or self.kind == FLOCK):
            opening = self.new_opening(shared)
            if self.alone:
                self.idle = opening
        opening.start = self.beginning(opening)
        if not self.alone:
            self.idle = None
        return opening

    cdef void keep(self, Opening opening) noexcept:
        if self.idle is None and self.open:
            self.idle = opening

    cdef int hold(self, Opening opening, bint shared, unsigned long owner) except -1:
        """We have locked it. One that came after close() is dropped again."""
        if not self.open:
            self.drop(opening)
            self.check_open()
        if self.alone:
            opening = self.another(opening)
        opening.shared, opening.owner = shared, owner
        opening.earlier, self.latest = self.latest, opening
        if self.lost and owner in self.lost:
            self.lost.remove(owner)
        return 0

    cdef Opening another(self, Opening opening):
        """A hold on the only opening."""
        cdef Opening made = Opening.__new__(Opening)
        made.fd, made.writable, made.device, made.inode = opening.fd, opening.writable, opening.device, opening.inode
        made.start = opening.start
        return made

    def try_acquire(self, shared=None):
        """Hold the lock now; False if somebody holds it. -- flock(2), fcntl(2)"""
        return self.attempt(self.shared if shared is None else shared, uipc_this_thread())

    def try_acquire_for(self, unsigned long owner, bint shared):
        """The same for an owner that is no thread: a task."""
        return self.attempt(shared, owner)

    cdef bint attempt(self, bint shared, unsigned long owner) except -1:
        self.refuse_deadlock(shared, owner)
        if self.alone and (self.latest is not None or self.turn_taken):
            return self.join(shared, owner)
        cdef Opening opening = self.take_opening(shared)
        cdef int code
        while True:  # ends: each turn somebody has replaced the file
            code = self.request(opening, shared, False)
            if code:
                self.keep(opening)
                if code == EAGAIN or code == EACCES:
                    return False
                raise refused(code, self.call_name(), self.name)
            if self.is_current(opening):
                self.hold(opening, shared, owner)
                return True
            opening = self.replaced(shared)

    cdef Opening replaced(self, bint shared):
        """The file that has the name now."""
        cdef Opening opening = self.new_opening(shared)
        if self.alone:
            self.idle = opening
        opening.start = self.beginning(opening)
        return opening

    cdef bint join(self, bint shared, unsigned long owner) except -1:
        """Share what another thread of ours holds, where the kernel sees one opening only."""
        if not (shared and self.latest is not None and self.latest.shared):
            return False
        self.hold(self.idle, True, owner)
        return True

    def acquire(self, timeout=None, shared=None):
        """Wait until the lock is ours. TimeoutError tells who holds it. -- flock(2), fcntl(2)

        `timeout` None: as the constructor was told, there None: for as long as it takes. `shared` None: likewise.
        """
        cdef unsigned long owner = uipc_this_thread()
        cdef bint how = self.shared if shared is None else shared
        if not self.attempt(how, owner):
            self.wait_for(owner, how, self.timeout if timeout is None else timeout)

    def acquire_for(self, unsigned long owner, bint shared, timeout=None):
        """The same for an owner that is no thread: a task."""
        if not self.attempt(shared, owner):
            self.wait_for(owner, shared, timeout)
        return self

    cdef wait_for(self, unsigned long owner, bint shared, object timeout):
        call = self.sleep_in_turn if self.alone else self.sleep_in_kernel
        slot = [None]
        try:
            waiting_module().in_kernel(call, slot, shared, owner, timeout=timeout, name=self.name, on=self)
        except TimeoutError as error:
            name_holders(error, self.held_by(shared))
            raise
        finally:
            self.after_wait(slot[0])

    cdef void after_wait(self, Opening opening) noexcept:
        """The wait has ended, one way or another; None: it has nothing to clear up."""
        if opening is None:
            return
        if opening in self.pending:
            self.pending.remove(opening)
        if self.alone:
            self.turn_taken = False
            self.next_turn()
        elif not self.is_hold(opening):
            self.keep(opening)

    cdef bint is_hold(self, Opening opening) noexcept:
        cdef Opening hold = self.latest
        while hold is not None and hold is not opening:
            hold = hold.earlier
        return hold is not None

    @cython.boundscheck(True)
    def sleep_in_kernel(self, list slot not None, bint shared, unsigned long owner):
        """One sleeping call; True when the lock is ours."""
        cdef Opening opening = slot[0]
        cdef int code
        self.check_open()
        if opening is None:
            slot[0] = opening = self.take_opening(shared)
            self.pending.append(opening)
        with nogil:
            code = self.request(opening, shared, True)
        if code:
            raise refused(code, self.call_name(), self.name)
        if not self.is_current(opening):
            self.pending.remove(opening)
            slot[0] = None
            return None
        self.hold(opening, shared, owner)
        return True

    @cython.boundscheck(True)
    def sleep_in_turn(self, list slot not None, bint shared, unsigned long owner):
        """The same with one opening: one thread waits in the kernel, the others for it."""
        self.check_open()
        if slot[0] is None:
            if self.turn_taken or self.latest is not None:
                return self.join(shared, owner) or self.sleep_until_next_turn()
            slot[0] = self.take_opening(shared)
            self.turn_taken = True
        cdef Opening opening = slot[0]
        cdef int code
        with nogil:
            code = self.request(opening, shared, True)
        if code:
            raise refused(code, self.call_name(), self.name)
        if not self.is_current(opening):
            slot[0] = self.replaced(shared)
            return None
        self.hold(opening, shared, owner)
        return True

    cdef object sleep_until_next_turn(self):
        cdef uint32_t seen = self.turn
        cdef int code
        self.turn_waiters += 1
        with nogil:
            code = uipc_futex_wait(&self.turn, seen, NULL)
        self.turn_waiters -= 1
        if code == EINTR:
            raise refused(code, "futex(2)", None)
        return None

    cdef void next_turn(self) noexcept:
        self.turn += 1
        if self.turn_waiters > 0:
            uipc_futex_wake(&self.turn, INT_MAX)

    cdef Opening own_hold(self, unsigned long owner):
        """This owner's, or the latest: they are as good as each other."""
        cdef Opening hold = self.latest
        if not self.open:
            self.check_open()
        while hold is not None:
            if hold.owner == owner:
                return hold
            hold = hold.earlier
        if self.latest is None or owner in self.lost:
            raise RuntimeError(f"{self!r} is not held{' any more' if owner in self.lost else ''}")
        return self.latest

    def release(self):
        """Hold the lock no longer. RuntimeError if this object does not hold it. -- flock(2), fcntl(2)"""
        self.release_as(uipc_this_thread())

    def release_for(self, unsigned long owner):
        """The same for an owner that is no thread: a task."""
        self.release_as(owner)

    cdef int release_as(self, unsigned long owner) except -1:
        cdef int code = self.let_go(self.own_hold(owner), True)
        if code:
            raise refused(code, self.call_name(), self.name)
        return 0

    def leave(self, error, unsigned long owner=0):
        """The end of a ``with``. If an upgrade has lost the lock, that is the error to see, not that it is lost."""
        owner = owner or uipc_this_thread()
        if error is None or owner not in self.lost:
            self.release_as(owner)

    def give_up(self, unsigned long owner=0):
        """Release what `convert` may have left, and note that it is lost."""
        cdef Opening hold
        owner = owner or uipc_this_thread()
        if owner not in self.lost:
            hold = self.own_hold(owner)
            self.let_go(hold, True)
            self.lost.append(owner)

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, kind, error, where):
        self.leave(error)

    cdef int let_go(self, Opening hold, bint unlock) except -1:
        """Forget one hold, and with the last one on an opening unlock it: 0, or errno."""
        cdef int code = 0
        self.unlink(hold)
        if self.alone and self.latest is not None:
            return 0
        if unlock:
            code = self.drop(hold)
        if self.alone:
            self.next_turn()
        else:
            self.keep(hold)
        return code

    cdef void unlink(self, Opening hold) noexcept:
        """It holds no longer."""
        cdef Opening before = self.latest
        if before is hold:
            self.latest = hold.earlier
        while before is not None:
            if before.earlier is hold:
                before.earlier = hold.earlier
            before = before.earlier
        hold.earlier = None

    def convert(self, bint shared, unsigned long owner=0):
        """Change the held lock between shared and alone, now and in one step: whether that was possible."""
        owner = owner or uipc_this_thread()
        cdef Opening hold = self.own_hold(owner)
        if hold.shared == shared:
            return True
        if self.alone and self.latest.earlier is not None:
            return False  # threads of ours share it; the kernel knows one owner and would agree
        cdef int code = self.request(hold, shared, False)
        if code == 0:
            hold.shared = shared
            if self.alone:
                self.next_turn()
            return True
        cdef bint refused_now = code == EAGAIN or code == EACCES
        if self.kind == FLOCK:
            self.let_go(hold, not refused_now)  # flock(2): "not now" comes after the old lock was removed
            self.lost.append(owner)
        if refused_now:
            return False
        raise refused(code, self.call_name(), self.name)

    def held_by(self, shared=None):
        """Who holds it, as a sentence and pids, for errors; the chapter knows."""
        return "somebody else holds it", []

    def close(self):
        """Close the file; a lock that is held is released. Who waits gets `ClosedError`."""
        if not self.open:
            return
        self.open = False
        cdef Opening hold = self.latest
        while hold is not None:
            self.drop(hold)
            hold = hold.earlier
        try:
            for wake in tuple(self.sleepers or ()):
                wake()
        finally:
            self.latest = self.sleepers = None
            if self.path is not None:
                self.idle = None

    def forget(self):
        """Let go of every opening, without unlocking: what a forked child does, whose parent still holds them."""
        cdef Opening opening = self.latest
        while opening is not None:
            opening.shut()
            opening = opening.earlier
        for opening in self.pending:
            opening.shut()
        if self.path is not None and self.idle is not None:
            self.idle.shut()
            self.idle = None
        self.latest, self.pending, self.lost, self.sleepers = None, [], [], None
        self.turn_taken, self.turn_waiters = False, 0

    def add_sleeper(self, wake):
        """Note what to call when this lock closes."""
        if self.sleepers is None:
            self.sleepers = []
        self.sleepers.append(wake)

    def remove_sleeper(self, wake):
        """It looks after itself again."""
        if self.sleepers and wake in self.sleepers:
            self.sleepers.remove(wake)


cdef class Hold:
    """A lock, shared or alone, for the time of a ``with``."""

    cdef LockCalls lock
    cdef bint shared
    cdef object timeout

    @classmethod
    def __class_getitem__(cls, lock):
        return cls

    def __init__(self, LockCalls lock not None, bint shared, timeout):
        self.lock, self.shared, self.timeout = lock, shared, timeout

    cdef LockCalls whose(self):
        if self.lock is None:
            raise RuntimeError("reading() and writing() of a lock make these")
        return self.lock

    def __enter__(self):
        self.whose().acquire(self.timeout, self.shared)
        return self.lock

    def __exit__(self, kind, error, where):
        self.whose().leave(error)


cdef class OpenedHold:
    """A record lock for the time of a ``with``, on a file that `opened` opens and locks for it."""

    cdef object opened, file

    def __init__(self, opened):
        self.opened = opened

    def __enter__(self):
        self.file = self.opened()
        return self.file

    def __exit__(self, kind, error, where):
        file, self.file = self.file, None
        try:  # closing would not unlock: a child forked meanwhile has it open too
            range_now(file.fileno(), "ofd", "unlock", 0, 0, file.name)
        finally:
            file.close()


cdef int lost_file(Opening opening) noexcept nogil:
    """0 if the caller's descriptor is still the file that it was, else errno: closed, the number may be another's."""
    cdef stat_of found
    if fstat_call(opening.fd, &found) < 0:
        return errno
    return 0 if found.st_ino == opening.inode and found.st_dev == opening.device else EBADF


cdef int set_range(int fd, Kind kind, short access, long start, long length, bint sleep) noexcept nogil:
    """One fcntl(2): 0, or errno."""
    cdef flock_range wanted
    cdef int command
    if kind == OFD:
        command = F_OFD_SETLKW if sleep else F_OFD_SETLK
    else:
        command = F_SETLKW if sleep else F_SETLK
    wanted.l_type = access
    wanted.l_whence, wanted.l_start, wanted.l_len, wanted.l_pid = 0, start, length, 0
    return 0 if fcntl_call(fd, command, &wanted) == 0 else errno


def range_now(int fd, str kind, str access, long start, long length, object name=None):
    """Lock ("read", "write") or "unlock" bytes of a file now; False if somebody else has some. -- fcntl(2)"""
    cdef int code = set_range(fd, KINDS[kind], ACCESSES[access], start, length, False)
    if code == EAGAIN or code == EACCES:
        return False
    if code:
        raise refused(code, "fcntl(F_SETLK)", name)
    return True


def range_in_kernel(int fd, str kind, str access, long start, long length, object name=None):
    """The same in one sleeping call. -- fcntl(2)"""
    cdef Kind which = KINDS[kind]
    cdef short how = ACCESSES[access]
    cdef int code
    with nogil:
        code = set_range(fd, which, how, start, length, True)
    if code:
        raise refused(code, "fcntl(F_SETLKW)", name)
    return True


def get_lock(int fd, bint ofd, bint shared, long start, long length, object name=None, str whence="start"):
    """The first lock that keeps ours out: (pid or -1, shared, start, length), or None. -- fcntl(2), F_GETLK"""
    cdef flock_range wanted
    wanted.l_type = F_RDLCK if shared else F_WRLCK
    wanted.l_whence, wanted.l_start, wanted.l_len, wanted.l_pid = SEEKS[WHENCES[whence]], start, length, 0
    if fcntl_call(fd, F_OFD_GETLK if ofd else F_GETLK, &wanted) < 0:
        raise refused(errno, "fcntl(F_GETLK)", name)
    if wanted.l_type == F_UNLCK:
        return None
    return wanted.l_pid, wanted.l_type == F_RDLCK, wanted.l_start, wanted.l_len


def file_system_type(int fd):
    """The magic number of the file system that the file is on. -- fstatfs(2)"""
    cdef statfs_of found
    if fstatfs_call(fd, &found) < 0:
        raise refused(errno, "fstatfs(2)", None)
    return found.f_type & 0xFFFFFFFF
