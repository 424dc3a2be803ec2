# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Children and other processes: spawn, waitid(2) with usage, pidfds, prctl(2)."""

cimport cython
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.errno cimport EAGAIN, EINTR, EINVAL, ENOSYS, EPERM, ESRCH, errno
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import os
import sys
from os import fork as os_fork, read as os_read

from unixipc._native.descriptor cimport Descriptor, in_main_thread

from unixipc._call import failure

cdef extern from "Python.h":
    PyObject *PySys_GetObject(const char *)  # borrowed: in a child, each object whose count changes is a page copied

cdef extern from "uipc.h" nogil:
    struct timeval:
        long tv_sec
        long tv_usec
    struct rusage:
        timeval ru_utime
        timeval ru_stime
        long ru_maxrss
    union sigval:
        int sival_int
    ctypedef struct siginfo_t:
        int si_signo
        int si_code
        int si_pid
        unsigned int si_uid
        int si_status
        sigval si_value
    struct c_sigaction "sigaction":
        void *sa_handler
        int sa_flags
    int sigaction(int, const c_sigaction *, c_sigaction *)
    int getpid()
    int setpgid(int, int)
    int setsid()
    int kill(int, int)
    void c_exit "_exit"(int)
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *, unsigned long, int)
    int pipe2(int *, int)
    int close(int)
    ssize_t write(int, const void *, size_t)
    unsigned int getuid()
    int prctl(int, ...)
    long syscall(long, ...)
    int ioctl(int, unsigned long, ...)
    enum:
        SYS_waitid
        SYS_pidfd_open
        SYS_pidfd_getfd
        SYS_pidfd_send_signal
        SI_QUEUE
        SIGCHLD
        SIGKILL
        SA_NOCLDWAIT
        SA_NOCLDSTOP
        PR_SET_CHILD_SUBREAPER
        PR_GET_CHILD_SUBREAPER
        PR_SET_PDEATHSIG
        PR_GET_PDEATHSIG
        O_NONBLOCK
        O_CLOEXEC
        POLLIN
        P_PIDFD
        WEXITED
        WNOHANG
        CLD_EXITED

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from *:
    """
    /* PIDFD_GET_INFO (Linux 6.13) with PIDFD_INFO_EXIT (6.15); older headers do not have it. */
    struct uipc_pidfd_info {
        uint64_t mask, cgroupid;
        uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
        int32_t exit_code;
    };
    #define UIPC_PIDFD_GET_INFO _IOWR(0xFF, 11, struct uipc_pidfd_info)
    #define UIPC_PIDFD_INFO_EXIT (1UL << 3)
    #define UIPC_WHOLE_GROUP (1U << 2) /* PIDFD_SIGNAL_PROCESS_GROUP (Linux 6.9) */
    """
    unsigned WHOLE_GROUP "UIPC_WHOLE_GROUP"
    struct uipc_pidfd_info:
        uint64_t mask
        int32_t exit_code
    enum:
        UIPC_PIDFD_INFO_EXIT
    unsigned long UIPC_PIDFD_GET_INFO

cdef struct uipc_parent:
    int pid
    int pidfd   # where the child has a death signal, for a parent outside of its pid namespace

cdef extern from "spawn.h" nogil:
    ctypedef struct uipc_mask_correction:
        pass
    struct uipc_spawn_plan "uipc_spawn":
        char **candidates
        char **argv
        char **envp
        const char *folder
        int (*moves)[2]
        int move_count
        int death_signal
        int lasting
        int new_group
        int new_session
        uipc_mask_correction *leave_out
        int error
        const char *step
    int uipc_spawn(uipc_spawn_plan *, int *, int *)
    int uipc_parent_has_ended(int, int)


cdef char **as_vector(list words) except NULL:
    cdef char **vector = <char **>calloc(len(words) + 1, sizeof(char *))
    if vector == NULL:
        raise MemoryError()
    for i, word in enumerate(words):
        vector[i] = <bytes>word  # borrowed: the list outlives the call
    return vector


def spawn(list candidates, list argv, list envp, bytes folder, list moves, int death_signal, bint group, bint session,
          make):
    """A new program's handle, of class `make`; the kernel makes pid and pidfd in one step. -- clone(2), CLONE_PIDFD

    Signals that came meanwhile run their handlers when this returns: by then the handle owns the child.
    """
    cdef ChildHandle child = make.__new__(make)
    cdef uipc_spawn_plan plan
    cdef int pid = -1, pidfd = -1, error, i
    memset(&plan, 0, sizeof(plan))
    try:
        plan.candidates, plan.argv, plan.envp = as_vector(candidates), as_vector(argv), as_vector(envp)
        plan.moves = <int (*)[2]>calloc(len(moves) + 1, 2 * sizeof(int))
        if plan.moves == NULL:
            raise MemoryError()
        for i, (source, target) in enumerate(moves):
            plan.moves[i][0], plan.moves[i][1] = source, target
        plan.move_count, plan.death_signal = len(moves), death_signal
        plan.lasting = death_signal and not in_main_thread()
        plan.new_group, plan.new_session = group, session
        plan.folder = NULL if folder is None else <char *>folder
        plan.leave_out = correction_of_masks()
        with nogil:
            error = uipc_spawn(&plan, &pid, &pidfd)
        if error:
            step = plan.step.decode()
            raise failure(error, step, os.fsdecode(folder if step == "chdir(2)" else argv[0]))
        child.own(pid, pidfd)
        child.group = pid if group or session else 0
        return child
    finally:
        free(plan.candidates)
        free(plan.argv)
        free(plan.envp)
        free(plan.moves)


cdef uipc_mask_correction *correction_of_masks() except? NULL:
    """What takes the signals that are blocked for a stream's sake out of a mask: of the chapter of signals, if it is
    in use. (A chapter does not import another.)"""
    correction = getattr(sys.modules.get("unixipc._native.signals"), "FOR_PROGRAMS", None)
    if correction is None:
        return NULL
    return <uipc_mask_correction *>PyCapsule_GetPointer(correction, "unixipc.for_programs")


cdef class ProcessHandle(Descriptor):
    """A pidfd with the pid it stands for."""

    cdef readonly int pid

    def __init__(self, int pid, int pidfd):
        Descriptor.__init__(self, pidfd)
        self.pid = pid

    @property
    def name(self):
        """What errors call it."""
        return f"process {self.pid}"


_status_of = _success = None


def use_status_class(status_of, success):
    """How a status is made of waitid(2)'s two numbers, and the one that is made most often."""
    global _status_of, _success
    _status_of, _success = status_of, success


@cython.no_gc_clear
cdef class ChildHandle(ProcessHandle):
    """The compiled part of `unixipc.process.Child`: the ways that every child goes.

    A parent that touches a page between fork and the child's end pays a page fault for it, so these touch little: in
    the ordinary case fork, wait and close run here, without a Python object for registers and results.
    """

    cdef readonly int owner       # the process that may wait for it
    cdef public int group         # the process group that it leads since it was started, 0 for none
    cdef public object status     # once it was taken
    cdef int end_code, end_status  # what waitid(2) said then,
    cdef long user_us, system_us, peak_kib  # and what it cost
    cdef bint has_info
    cdef bint listed
    cdef void *older              # all handles without a status are a list: who takes a status tells its handle
    cdef void *newer

    def __init__(self, int pid, int pidfd):
        ProcessHandle.__init__(self, pid, pidfd)
        self.owner = getpid()
        enlist(self)

    cdef void own(self, int pid, int pidfd) noexcept:
        """What the constructor does, without Python code in which a signal handler could raise."""
        self.fd, self.pid, self.owner = pidfd, pid, getpid()
        enlist(self)

    def __dealloc__(self):
        delist(self)

    def wait(self, timeout=None, *, bint stopped=False, bint continued=False):
        """Wait for it to end and take its status; again at will. With `stopped`/`continued` wait for those too.

        ChildProcessError (ECHILD) if somebody else took the status (SIGCHLD ignored, another waitpid) and the kernel
        cannot tell it any more (before Linux 6.15). -- waitid(2), P_PIDFD
        """
        if self.status is not None:
            return self.status
        if timeout is None and not stopped and not continued:
            self.doze()
            if self.take_end():
                return self.status
        return self._wait_long(timeout, stopped, continued)

    cdef int doze(self) except -1:
        """Sleep up to 10 ms until it has ended. No loop and no promise: the caller looks at what is true afterwards."""
        cdef pollfd one
        one.fd, one.events, one.revents = self.number(), POLLIN, 0
        with nogil:
            poll(&one, 1, 10)
        return 0

    cdef bint take_end(self) except -1:
        """Whether it has ended and the status was there to take; if not, who asks properly will hear why."""
        cdef siginfo_t info
        cdef rusage usage
        memset(&info, 0, sizeof(info))
        if syscall(SYS_waitid, P_PIDFD, self.fd, &info, WEXITED | WNOHANG, &usage) < 0 or not info.si_pid:
            return False
        self.has_info, self.end_code, self.end_status = True, info.si_code, info.si_status
        self.user_us, self.system_us = microseconds(usage.ru_utime), microseconds(usage.ru_stime)
        self.peak_kib = usage.ru_maxrss
        delist(self)
        if self.end_code == CLD_EXITED and self.end_status == 0:
            self.status = _success
        else:
            self.status = _status_of(self.end_code, self.end_status)
        return True

    def ended(self, status, found):
        """Somebody took its status: this one, with what waitid(2) said if it was that."""
        self.status = status
        self.has_info = found is not None
        if found is not None:
            _pid, self.end_code, self.end_status, self.user_us, self.system_us, self.peak_kib = found
        delist(self)

    @property
    def waited(self):
        """What `waitid_once` would have given, or None."""
        if not self.has_info:
            return None
        return self.pid, self.end_code, self.end_status, self.user_us, self.system_us, self.peak_kib

    def close(self):
        """Give up the handle. A child that still runs goes on, and is reaped once it has ended."""
        if self.status is None and self.fd >= 0 and self.owner == getpid() and not self.take_end():
            self.abandon()
        delist(self)
        Descriptor.close(self)

    cdef int abandon(self) except -1:
        """Move the pidfd to a handle that `collect` reaps by; no Python code, so no signal handler can lose it."""
        cls = type(self)
        cdef ChildHandle heir = cls.__new__(cls)
        heir.own(self.pid, self.fd)
        self.fd = -1
        abandoned.append(heir)
        self.wake_sleepers()
        return 0

    def __exit__(self, kind, error, where):
        try:
            if self.fd >= 0 and self.owner == getpid() and (self.status is None or (self.group and kind is not None)):
                self._leave(kind is not None)
        finally:
            self.close()


abandoned = []  # children whose handle was closed while they ran: reaped when they have ended and we pass by

cdef void *newest = NULL


cdef void enlist(ChildHandle child) noexcept:
    global newest
    if child.listed:
        return
    child.older, child.newer, child.listed = newest, NULL, True
    if newest != NULL:
        (<ChildHandle>newest).newer = <void *>child
    newest = <void *>child


cdef void delist(ChildHandle child) noexcept:
    global newest
    if not child.listed:
        return
    child.listed = False
    if child.newer != NULL:
        (<ChildHandle>child.newer).older = child.older
    else:
        newest = child.older
    if child.older != NULL:
        (<ChildHandle>child.older).newer = child.newer


def living(int pid):
    """The handles without a status that stand for this child of ours. (A forked process has its parent's list too.)"""
    found = []
    cdef void *each = newest
    while each != NULL:
        child = <ChildHandle>each
        each = child.older
        # Signal 0: a handle whose process was reaped by somebody else has the same pid as a new one, and is not meant.
        if child.pid == pid and child.owner == getpid() and (
                syscall(SYS_pidfd_send_signal, child.fd, 0, NULL, 0) == 0 or errno != ESRCH):
            found.append(child)
    return found


def fork_run(target, tuple args, int death_signal, bint group, bint session, int armed, make):
    """fork(2) in which the child runs ``target(*args)`` and ends; its handle, of class `make`, in the parent.

    The child waits at a gate until its pidfd is open here: nobody can reap it before, and if it cannot be had, nothing
    has run.
    `armed`: where the child says that its death signal is set (-1: nowhere).
    Compiled, because what parent and child touch between fork and exit is what it costs: a page fault for each page.
    """
    cdef int pid
    cdef int gate[2]
    cdef uipc_parent parent
    cdef ChildHandle child = make.__new__(make)  # before the fork, as all that can be
    cdef bint looping = "asyncio" in sys.modules or "trio" in sys.modules
    flush_output()
    parent.pid, parent.pidfd = getpid(), -1
    if death_signal:
        parent.pidfd = pidfd_open(parent.pid, False)
    if pipe2(gate, O_CLOEXEC) < 0:
        code = errno
        close_if_open(parent.pidfd)
        raise failure(code, "pipe2(2)", None)
    try:
        pid = os_fork()
        if pid == 0:
            run_child(target, args, gate, &parent, death_signal, group, session, armed, looping)
        if group and not session:
            setpgid(pid, pid)  # child and parent both do it, so that the group exists whoever comes first
        adopt(child, pid)
        child.group = pid if group or session else 0
        while write(gate[1], b"!", 1) < 0:  # a byte, not just a close: without it the child ends and has run nothing
            if errno != EINTR:
                code = errno
                Descriptor.close(child)
                give_up(pid)
                raise failure(code, "write(2)", f"process {pid}")
        sched_yield()  # let the child go first: what we touch while it lives is copied for it
    finally:
        close_if_open(parent.pidfd)
        close(gate[0])
        close(gate[1])
    return child


cdef void close_if_open(int fd) noexcept:
    if fd >= 0:
        close(fd)


cdef int adopt(ChildHandle child, int pid) except -1:
    """Fill in the handle of a new child; without a pidfd (no free descriptor) there shall be no child either."""
    cdef int pidfd = syscall(SYS_pidfd_open, pid, 0), code = errno
    if pidfd >= 0:
        child.own(pid, pidfd)
        return 0
    give_up(pid)
    raise failure(code, "pidfd_open(2)", f"process {pid}", REFUSED if code == EPERM or code == ENOSYS else None)


cdef int give_up(int pid) except -1:
    """End a child that waits at the gate: it has run nothing, and is unreaped as long as it waits."""
    kill(pid, SIGKILL)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # somebody else has reaped it
    return 0


cdef str REFUSED = "a sandbox (seccomp) or an old kernel refuses it: no child can be held, so none was started"


def forget_event_loop():
    """In a child: signals must not wake the parent's event loop, nor run the handlers that it keeps in Python."""
    import _signal
    _signal.set_wakeup_fd(-1)  # Python 3.12's asyncio has done this itself, but leaves its empty handlers in place
    noop = getattr(getattr(sys.modules.get("asyncio"), "unix_events", None), "_sighandler_noop", None)
    for number in _signal.valid_signals() if noop is not None else ():
        if _signal.getsignal(number) is noop:
            _signal.signal(number, _signal.SIG_DFL)
    events = getattr(sys.modules.get("asyncio"), "events", None)
    if events is not None:
        events._set_running_loop(None)


cdef int run_child(target, tuple args, int *gate, uipc_parent *parent, int death_signal, bint group, bint session,
                   int armed, bint looping) except -1:
    """Never returns: whatever happens, the child ends here and not in the caller's code."""
    cdef int code = 1
    try:
        if looping:
            forget_event_loop()
        join_family(parent, death_signal, group, session)
        if armed >= 0:
            write(armed, b"!", 1)
            close(armed)
        close(gate[1])
        if not os_read(gate[0], 1):
            c_exit(1)  # the parent has no handle for us, or has died
        close(gate[0])
        result = target(*args)
        code = result & 0xFF if isinstance(result, int) else 0
    except SystemExit as leaving:
        code = exit_code(leaving.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        code = flushed(code)
        c_exit(code)


cdef int join_family(uipc_parent *parent, int death_signal, bint group, bint session) except -1:
    if session and setsid() < 0:
        raise failure(errno, "setsid(2)", None)
    if group and not session and setpgid(0, 0) < 0:
        raise failure(errno, "setpgid(2)", None)
    if death_signal:
        set_death_signal(death_signal)
        if uipc_parent_has_ended(parent.pid, parent.pidfd):  # before the prctl: the signal would never come
            kill(getpid(), death_signal)
        close(parent.pidfd)
    return 0


cdef int exit_code(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


cdef int flushed(int code) noexcept:
    """Output goes out once, here; if it cannot, the status tells, as the interpreter's own does (120)."""
    try:
        flush_output()
    except BaseException:
        return code or 120
    return code


cdef int flush_output() except -1:
    """Empty Python's buffers of stdout and stderr, as far as they are open."""
    flush_stream(PySys_GetObject("stdout"))
    flush_stream(PySys_GetObject("stderr"))
    return 0


cdef int flush_stream(PyObject *stream) except -1:
    if stream == NULL or stream == <PyObject *>None:
        return 0
    held = <object>stream  # its flush may put another in its place
    try:
        held.flush()
    except ValueError:
        pass  # closed
    return 0


cdef long microseconds(timeval spent) noexcept:
    return spent.tv_sec * 1000000 + spent.tv_usec


def waitid_once(int which, int who, int options):
    """(pid, code, status, user and system microseconds, peak KiB); None for not now. -- waitid(2)

    The raw call: it gives the resource usage too. ECHILD is ChildProcessError, a signal InterruptedError.
    """
    cdef siginfo_t info
    cdef rusage usage
    cdef long rc
    cdef int code
    memset(&info, 0, sizeof(info))
    memset(&usage, 0, sizeof(usage))
    with nogil:
        rc = syscall(SYS_waitid, which, who, &info, options, &usage)
        code = errno
    if rc == 0:
        if info.si_pid == 0:
            return None
        user_us, system_us = microseconds(usage.ru_utime), microseconds(usage.ru_stime)
        return info.si_pid, info.si_code, info.si_status, user_us, system_us, usage.ru_maxrss
    if code == EAGAIN:  # a pidfd opened with PIDFD_NONBLOCK
        return None
    if code == EINTR:
        raise InterruptedError(code, "interrupted")
    raise failure(code, "waitid(2)", f"process {who}" if which == 1 else None)


def exit_status(int pidfd):
    """The wait status of a process that was reaped by somebody else, or None. -- ioctl(2), PIDFD_GET_INFO"""
    cdef uipc_pidfd_info info
    memset(&info, 0, sizeof(info))
    info.mask = UIPC_PIDFD_INFO_EXIT
    if ioctl(pidfd, UIPC_PIDFD_GET_INFO, &info) < 0 or not info.mask & UIPC_PIDFD_INFO_EXIT:
        return None
    return info.exit_code


def pidfd_open(int pid, bint nonblocking):
    """A descriptor for a process, close-on-exec. -- pidfd_open(2)"""
    cdef long fd = syscall(SYS_pidfd_open, pid, O_NONBLOCK if nonblocking else 0)
    if fd < 0:
        raise failure(errno, "pidfd_open(2)", f"process {pid}")
    return fd


def pidfd_getfd(int pidfd, int number, name):
    """A duplicate of another process's descriptor. -- pidfd_getfd(2)"""
    cdef long fd = syscall(SYS_pidfd_getfd, pidfd, number, 0)
    if fd < 0:
        raise failure(errno, "pidfd_getfd(2)", name)
    return fd


def pidfd_send_signal(int pidfd, int signal, value, name):
    """Send a signal, with an int value as sigqueue(3) does if `value` is not None. -- pidfd_send_signal(2)"""
    cdef siginfo_t info
    cdef long rc
    memset(&info, 0, sizeof(info))
    if value is not None:
        info.si_signo, info.si_code = signal, SI_QUEUE
        info.si_pid, info.si_uid = getpid(), getuid()
        info.si_value.sival_int = value
    rc = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL if value is None else &info, 0)
    if rc < 0:
        raise failure(errno, "pidfd_send_signal(2)", name)


def signal_group(int pidfd, int group, int signal, name):
    """Send it to all of the group that this process has led, True if anybody is left. -- pidfd_send_signal(2), kill(2)

    The number `group` is used before Linux 6.9: 0 where it may be another one's by now.
    """
    cdef long rc = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, WHOLE_GROUP)
    if rc < 0 and errno == EINVAL:
        if not group:
            return False
        rc = kill(-group, signal)
    if rc < 0 and errno != ESRCH:
        raise failure(errno, "pidfd_send_signal(2)", name)
    return rc == 0


def set_subreaper(bint on):
    """Orphaned descendants become our children. -- prctl(2), PR_SET_CHILD_SUBREAPER"""
    if prctl(PR_SET_CHILD_SUBREAPER, <unsigned long>on, 0, 0, 0) < 0:
        raise failure(errno, "prctl(PR_SET_CHILD_SUBREAPER)", None)


def get_subreaper():
    """Whether orphaned descendants become our children. -- prctl(2), PR_GET_CHILD_SUBREAPER"""
    cdef int on = 0
    if prctl(PR_GET_CHILD_SUBREAPER, &on, 0, 0, 0) < 0:
        raise failure(errno, "prctl(PR_GET_CHILD_SUBREAPER)", None)
    return bool(on)


def set_death_signal(int signal):
    """The signal we get when the thread that forked us ends (0: none). -- prctl(2), PR_SET_PDEATHSIG"""
    if prctl(PR_SET_PDEATHSIG, <unsigned long>signal, 0, 0, 0) < 0:
        raise failure(errno, "prctl(PR_SET_PDEATHSIG)", f"signal {signal}")


def get_death_signal():
    """The signal we get when our parent ends, or 0. -- prctl(2), PR_GET_PDEATHSIG"""
    cdef int signal = 0
    if prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) < 0:
        raise failure(errno, "prctl(PR_GET_PDEATHSIG)", None)
    return signal


def child_flags(object flags=None):
    """SIGCHLD's sa_flags; given a number, set them (disposition: default). -- sigaction(2)"""
    cdef c_sigaction now, wanted
    if sigaction(SIGCHLD, NULL, &now) < 0:
        raise failure(errno, "sigaction(2)", "SIGCHLD")
    if flags is not None:
        memset(&wanted, 0, sizeof(wanted))
        wanted.sa_flags = flags
        if sigaction(SIGCHLD, &wanted, NULL) < 0:
            raise failure(errno, "sigaction(2)", "SIGCHLD")
    return now.sa_flags, now.sa_handler == NULL


NOCLDWAIT = SA_NOCLDWAIT
NOCLDSTOP = SA_NOCLDSTOP
