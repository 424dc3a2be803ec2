# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Signals: actions with all their flags, masks, waiting with values, signalfd, and counting in the C handler."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_New
from libc.errno cimport EAGAIN, EBUSY, EINTR, EINVAL, ENOMEM, EPERM, ESRCH, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t

from _signal import getsignal, signal as set_handler
from operator import index
from os import sysconf
from signal import Signals

from unixipc._call import failure
from unixipc._native.descriptor cimport GUARDED, NO_ALARM, Descriptor, outcome, try_read
from unixipc._native.descriptor import waiting_module
from unixipc._native.wait import monotonic_ns, wake_signal_number

cdef extern from *:
    """
    #include "uipc.h"
    #include <sys/mman.h>
    #include <sys/signalfd.h>
    static int uipc_is_plain(const struct sigaction *a, void (*what)(int))
    { return !(a->sa_flags & SA_SIGINFO) && a->sa_handler == what; }
    static void *uipc_handler_of(const struct sigaction *a)
    { return a->sa_flags & SA_SIGINFO ? (void *)a->sa_sigaction : (void *)a->sa_handler; }
    static int uipc_queue(int pid, int number, int value)
    { union sigval v; v.sival_int = value; return sigqueue(pid, number, v); }
    #ifndef SYS_rt_sigtimedwait
    #define SYS_rt_sigtimedwait SYS_rt_sigtimedwait_time64
    #endif
    /* The C library's says SI_USER for SI_TKILL; a stream says what is true. No time at all is zeros in any layout. */
    static int uipc_take_now(const sigset_t *set, siginfo_t *info)
    {
        struct timespec none[2] = {{0, 0}, {0, 0}};
        return (int)syscall(SYS_rt_sigtimedwait, set, info, none, _NSIG / 8);
    }
    """
    ctypedef struct sigset_t:
        pass
    ctypedef void (*plain_handler)(int)
    ctypedef struct siginfo_t:
        int number "si_signo"
        int code "si_code"
    struct sigaction_of "sigaction":
        int sa_flags
        sigset_t sa_mask
    struct timespec:
        long tv_sec, tv_nsec
    struct pollfd:
        int fd
        short events, revents
    struct signalfd_siginfo:
        uint32_t number "ssi_signo"
        int code "ssi_code"
        uint32_t pid "ssi_pid"
        uint64_t pointer "ssi_ptr"
    int sigaction_call "sigaction"(int, const sigaction_of *, sigaction_of *) nogil
    int sigemptyset(sigset_t *) nogil
    int sigaddset(sigset_t *, int) nogil
    int sigismember(const sigset_t *, int) nogil
    ctypedef unsigned long pthread_t
    pthread_t pthread_self() nogil
    int pthread_equal(pthread_t, pthread_t) nogil
    int pthread_sigmask(int, const sigset_t *, sigset_t *) nogil
    int sigpending(sigset_t *) nogil
    int uipc_take_now(const sigset_t *, siginfo_t *) nogil
    int ppoll(pollfd *, unsigned long, const timespec *, const sigset_t *) nogil
    int poll(pollfd *, unsigned long, int) nogil
    int signalfd(int, const sigset_t *, int) nogil
    int kill_call "kill"(int, int) nogil
    int uipc_queue(int, int, int) nogil
    int getpid()
    int close(int)
    int fcntl(int, int, ...)
    struct f_owner_ex:
        int type
        int pid
    ctypedef struct stack_t:
        void *ss_sp
        int ss_flags
        size_t ss_size
    int sigaltstack(const stack_t *, stack_t *)
    void *mmap(void *, size_t, int, int, int, long)
    int munmap(void *, size_t)
    int mprotect(void *, size_t, int)
    void *MAP_FAILED
    int uipc_is_plain(const sigaction_of *, plain_handler)
    void *uipc_handler_of(const sigaction_of *)
    plain_handler DEFAULT "SIG_DFL"
    plain_handler IGNORE "SIG_IGN"
    enum:
        SA_RESTART, SA_NODEFER, SA_RESETHAND, SA_NOCLDWAIT, SA_NOCLDSTOP, SA_ONSTACK, SA_SIGINFO
        SIG_BLOCK, SIG_SETMASK
        SFD_CLOEXEC, SFD_NONBLOCK
        POLLIN
        F_GETFL, F_SETFL, F_GETSIG, F_SETSIG, F_GETOWN_EX, F_SETOWN_EX, F_DUPFD_CLOEXEC
        F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP
        O_ASYNC
        SS_ONSTACK
        PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_STACK

cdef extern from "origin.h":
    struct uipc_origin:
        int number, code, pid, status, value, fd, timer, overrun
        unsigned uid
        long band
    void uipc_origin_of_info(uipc_origin *, const siginfo_t *)
    void uipc_origin_of_read(uipc_origin *, const signalfd_siginfo *)

cdef extern from "latch.h":
    struct uipc_latch:
        pass
    int uipc_latch_start(int, int, uipc_latch **)
    void uipc_latch_stop(uipc_latch *)
    uint64_t uipc_latch_count(uipc_latch *)
    uint64_t uipc_latch_take(uipc_latch *)
    int uipc_latch_value(uipc_latch *)

cdef extern from "forward.h":
    int uipc_forward_start(int)
    void uipc_forward_stop(int)
    void uipc_forward_note(int)
    int uipc_forward_kept(int, siginfo_t *)
    int uipc_forward_is_mark(int, int, int, uint64_t)
    int uipc_forward_own_signal()
    void uipc_forward_leave_out(sigset_t *, sigset_t *)

FLAGS = {"restart": SA_RESTART, "nodefer": SA_NODEFER, "reset": SA_RESETHAND, "no_child_wait": SA_NOCLDWAIT,
         "no_child_stop": SA_NOCLDSTOP, "on_stack": SA_ONSTACK, "siginfo": SA_SIGINFO}
cdef dict NAMES = {each.value: each for each in Signals}
# For `spawn`: a new program's mask, without what is blocked for a stream's sake.
FOR_PROGRAMS = PyCapsule_New(<void *>uipc_forward_leave_out, "unixipc.for_programs", NULL)
cdef object _info = None  # the class, set by unixipc.signals
cdef tuple FIELDS = ("signal", "pid", "uid", "code", "value", "status", "fd", "band", "timer", "overrun")


def use_info_class(cls):
    """What is made of each signal: the chapter's class, a `SignalRecord`."""
    global _info
    _info = cls


cdef class SignalRecord:
    """A frozen record of what the kernel says about one signal. Compiled: one is made for each."""

    cdef uipc_origin origin
    __match_args__ = FIELDS

    def __init__(self, int signal, int pid, unsigned int uid, int code, int value, int status, fd=None, long band=0,
                 timer=None, int overrun=0):
        cdef uipc_origin given
        given.number, given.pid, given.uid, given.code, given.value = signal, pid, uid, code, value
        given.status, given.band, given.overrun = status, band, overrun
        given.fd = -1 if fd is None else fd
        given.timer = -1 if timer is None else timer
        self.origin = given

    @property
    def signal(self):
        """Its number, by name if it has one."""
        return NAMES.get(self.origin.number, self.origin.number)

    @property
    def pid(self):
        """Who sent it: a process, 0 for the kernel and from outside of our pid namespace."""
        return self.origin.pid

    @property
    def uid(self):
        """The sender's user."""
        return self.origin.uid

    @property
    def code(self):
        """How it came: si_code."""
        return self.origin.code

    @property
    def value(self):
        """The value that came with it, else 0."""
        return self.origin.value

    @property
    def status(self):
        """Of SIGCHLD: the child's exit status, or the signal that ended or stopped it; else 0."""
        return self.origin.status

    @property
    def fd(self):
        """Of `on_ready`: the descriptor that is ready; else None."""
        return None if self.origin.fd < 0 else self.origin.fd

    @property
    def band(self):
        """Of `on_ready`: for what it is ready, as of poll(2); else 0."""
        return self.origin.band

    @property
    def timer(self):
        """Of a `SignalTimer`: its id; else None."""
        return None if self.origin.timer < 0 else self.origin.timer

    @property
    def overrun(self):
        """Of a `SignalTimer`: how many more expirations this signal stands for; else 0."""
        return self.origin.overrun

    def _values(self):
        return tuple([getattr(self, name) for name in FIELDS])

    def _asdict(self):
        return dict(zip(FIELDS, self._values()))

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__} is a frozen record: {name} cannot be changed")

    def __delattr__(self, name):
        raise AttributeError(f"{type(self).__name__} is a frozen record: {name} cannot be changed")

    def __repr__(self):
        return f"{type(self).__name__}({', '.join([f'{key}={value!r}' for key, value in self._asdict().items()])})"

    def __eq__(self, other):
        return self._values() == (<SignalRecord>other)._values() if type(other) is type(self) else NotImplemented

    def __hash__(self):
        return hash((type(self), self._values()))

    def __reduce__(self):
        return type(self), self._values()


cdef inline SignalRecord new_record():
    return SignalRecord.__new__(_info)


cdef sigset_t set_of(signals) except *:
    cdef sigset_t wanted
    sigemptyset(&wanted)
    for number in map(index, signals):
        if not 0 < number < 65 or sigaddset(&wanted, number) < 0:
            raise ValueError(f"there is no signal {number}")
    return wanted


cdef object members(sigset_t *which):
    """No Python code runs in here: no handler can come between a change of the mask and who must know of it."""
    cdef int number
    return frozenset([NAMES.get(number, number) for number in range(1, 65) if sigismember(which, number) == 1])


def named(signals):
    """With the names of those that have one."""
    return frozenset([NAMES.get(number, number) for number in signals])


def refuse_own(signals):
    """OSError(EBUSY) for the real-time signals that this library needs for itself."""
    for number in signals:
        if number == uipc_forward_own_signal() or number == wake_signal_number():
            raise failure(EBUSY, "sigaction(2)", f"signal {number}",
                          "the library wakes its own threads with this signal: choose a lower one")


cdef void *of_python = NULL  # the C handler behind every handler of Python's, once seen


def action(int number):
    """("default", "ignore", "python" or "foreign", flags, mask) as the kernel has it. -- sigaction(2)"""
    cdef sigaction_of now
    if sigaction_call(number, NULL, &now) < 0:
        raise outcome(errno, "sigaction(2)", f"signal {number}")
    if uipc_is_plain(&now, DEFAULT):
        kind = "default"
    elif uipc_is_plain(&now, IGNORE):
        kind = "ignore"
    else:
        kind = "foreign" if of_python != NULL and uipc_handler_of(&now) != of_python else "python"
    return kind, now.sa_flags, members(&now.sa_mask)


def adjust(int number, int flags, mask, bint python):
    """Give the action that is there other flags and another mask. `python`: it is a handler of Python's."""
    global of_python
    cdef sigaction_of now
    cdef sigset_t wanted = set_of(mask)
    if sigaction_call(number, NULL, &now) < 0:
        raise outcome(errno, "sigaction(2)", f"signal {number}")
    if python:
        of_python = uipc_handler_of(&now)
    now.sa_flags = flags & ~SA_SIGINFO | now.sa_flags & SA_SIGINFO
    now.sa_mask = wanted
    if sigaction_call(number, &now, NULL) < 0:
        raise outcome(errno, "sigaction(2)", f"signal {number}")


cdef class SavedAction:
    """An action as the kernel had it, to be put back."""

    cdef sigaction_of was
    cdef readonly int number

    def __init__(self, int number):
        self.number = number
        if sigaction_call(number, NULL, &self.was) < 0:
            raise outcome(errno, "sigaction(2)", f"signal {number}")

    def put_back(self):
        """As it was."""
        if sigaction_call(self.number, &self.was, NULL) < 0:
            raise outcome(errno, "sigaction(2)", f"signal {self.number}")


cdef class Handling:
    """For ``with``: the action that `begin` makes; afterwards what the kernel and Python had for this signal."""

    cdef object number, begin, before
    cdef SavedAction saved

    def __init__(self, number, begin):
        self.number, self.begin = number, begin

    def __enter__(self):
        if self.saved is not None:
            raise RuntimeError("this block is entered already: make another one")
        before = getsignal(self.number)
        saved = SavedAction(self.number)
        try:  # from here on the new handler may already raise
            self.begin()
        except BaseException:
            self.restore(before, saved)
            raise
        self.before, self.saved = before, saved

    def __exit__(self, *exception):
        saved, self.saved = self.saved, None
        if saved is None:
            raise RuntimeError("this block was not entered")
        self.restore(self.before, saved)

    cdef int restore(self, before, SavedAction saved) except -1:
        try:
            if before is not None:
                self.put_back(before)
        finally:
            saved.put_back()
        return 0

    cdef int put_back(self, before) except -1:
        """Python looks for signals before it changes a handler: what was pending may raise, and is then gone."""
        try:
            set_handler(self.number, before)
        except BaseException:
            set_handler(self.number, before)
            raise
        return 0


def mask_now():
    """The calling thread's mask. -- pthread_sigmask(3)"""
    cdef sigset_t now
    pthread_sigmask(SIG_BLOCK, NULL, &now)
    return members(&now)


cdef class Blocking:
    """For ``with``: these signals wait too, in this thread. Compiled: nothing can come between blocking and noting
    what was blocked before. -- pthread_sigmask(3)"""

    cdef sigset_t wanted, before
    cdef pthread_t thread
    cdef bint entered, running_handlers

    def __init__(self, signals, bint running_handlers=True):
        self.wanted = set_of(signals)
        self.running_handlers = running_handlers

    def __enter__(self):
        if self.entered:
            raise RuntimeError("this block is entered already: make another one")
        PyErr_CheckSignals()  # what came before is handled before
        pthread_sigmask(SIG_BLOCK, &self.wanted, &self.before)
        self.entered, self.thread = True, pthread_self()
        return members(&self.before)

    def __exit__(self, *exception):
        if not self.entered:
            raise RuntimeError("this block was not entered")
        if not pthread_equal(self.thread, pthread_self()):
            raise RuntimeError("signals are blocked thread by thread: this is another thread than entered the block")
        self.entered = False
        pthread_sigmask(SIG_SETMASK, &self.before, NULL)
        if self.running_handlers:
            PyErr_CheckSignals()


def pending_signals():
    """What waits for this thread or process because it is blocked. -- sigpending(2)"""
    cdef sigset_t found
    if sigpending(&found) < 0:
        raise outcome(errno, "sigpending(2)", None)
    return members(&found)


cdef object info_of(siginfo_t *info):
    cdef SignalRecord made = new_record()
    uipc_origin_of_info(&made.origin, info)
    return made


def take_now(signals):
    """One that is pending, with its value; None if there is none. -- sigtimedwait(2)"""
    cdef sigset_t wanted = set_of(signals)
    cdef siginfo_t info
    if uipc_take_now(&wanted, &info) > 0:
        return info_of(&info)
    if errno != EAGAIN and errno != EINTR:
        raise outcome(errno, "sigtimedwait(2)", None)
    return None


def poll_with_mask(list numbers, list events, int64_t until_ns, mask):
    """What is ready, with another signal mask while asleep; None when a handler ran. -- ppoll(2)

    Until CLOCK_MONOTONIC passes `until_ns`; -1: for ever.
    """
    cdef pollfd fds[64]
    cdef sigset_t asleep = set_of(mask)
    cdef timespec limit
    cdef int i, n = len(numbers), rc, code
    if n > 64:
        raise ValueError("at most 64 descriptors at once")
    for i in range(n):
        fds[i].fd, fds[i].events, fds[i].revents = numbers[i], events[i], 0
    cdef int64_t left = max(0, until_ns - <int64_t>monotonic_ns())
    limit.tv_sec, limit.tv_nsec = left // 1000000000, left % 1000000000
    with nogil:
        rc = ppoll(fds, n, NULL if until_ns < 0 else &limit, &asleep)
        code = errno
    PyErr_CheckSignals()
    if rc >= 0:
        return [fds[i].revents for i in range(n)]
    if code == EINTR:
        return None
    raise outcome(code, "ppoll(2)", None)


QUEUE_FULL = "the receiver has too many signals pending: RLIMIT_SIGPENDING of the sender (`ulimit -i`)"


def send_plain(int pid, int number):
    """-- kill(2)"""
    if kill_call(pid, number) < 0:
        raise failure(errno, "kill(2)", f"process {pid}")


def send_value(int pid, int number, int value):
    """-- sigqueue(3)"""
    if uipc_queue(pid, number, value) < 0:
        raise failure(errno, "sigqueue(3)", f"process {pid}", QUEUE_FULL if errno == EAGAIN else None)


@cython.no_gc_clear
cdef class SignalDescriptor(Descriptor):
    """A descriptor that signals are read from. -- signalfd(2)"""

    cdef sigset_t wanted
    cdef bint forwarding

    cdef void stop(self) noexcept:
        cdef int number
        if self.forwarding:
            self.forwarding = False
            for number in range(1, 65):
                if sigismember(&self.wanted, number) == 1:
                    uipc_forward_stop(number)

    cdef object take(self):
        """The next signal, None for not now. It never waits, so the interpreter lock is kept."""
        cdef signalfd_siginfo info
        cdef siginfo_t kept
        cdef SignalRecord made
        cdef ssize_t got = try_read(self.number(), &info, sizeof(info))
        if got == sizeof(info):
            if uipc_forward_is_mark(info.number, info.code, info.pid, info.pointer):
                return info_of(&kept) if uipc_forward_kept(info.number, &kept) else None
            made = new_record()
            uipc_origin_of_read(&made.origin, &info)
            return made
        if got == NO_ALARM:
            raise failure(errno, "timer_create(2)", self.name)
        if got >= 0 or errno == EAGAIN or errno == EINTR:
            return None
        raise outcome(errno, "read(2)", self.name)

    cdef int doze(self, double most_s) except -1:
        """Sleep up to 10 ms until there is one. No loop and no promise: the caller looks afterwards.

        It is what the corridor's sleep is without its wake-up: a `close` in another thread is seen at its end.
        """
        cdef pollfd one
        cdef int most_ms = min(10, <int>(most_s * 1000))
        one.fd, one.events, one.revents = self.enter(), POLLIN, 0
        with nogil:
            poll(&one, 1, most_ms)
        self.leave()
        PyErr_CheckSignals()
        return 0

    def try_receive(self):
        """The next signal, None for not now. -- read(2)"""
        return self.take()

    def receive(self, timeout=None):
        """Wait for the next signal. -- read(2)"""
        module = waiting_module()
        deadline = module.Deadline(timeout)
        found = self.take()
        if found is None:
            self.doze(1 if timeout is None else deadline.left())
            found = self.take()
        if found is None:
            asleep = module.OnDescriptor(((self, POLLIN),), self.try_receive, ())
            found = module.wait(asleep.attempt, asleep.sleep, deadline, self.name, True)
        return found

    def close(self):
        """Close it, and let its signals through again: what is pending is the old action's. Any thread may do it."""
        try:
            Descriptor.close(self)
        finally:
            self.stop()

    def detach(self):
        """Refused: the number alone would read nothing, once the signals are no longer kept for it."""
        raise TypeError("a signal stream cannot be detached from its signals")

    def __dealloc__(self):
        self.stop()


cdef int start(SignalDescriptor made) except -1:
    """Keep these signals for it from now on; all of them or none."""
    cdef int number, code
    cdef sigset_t before
    for number in range(1, 65):
        if sigismember(&made.wanted, number) != 1:
            continue
        code = uipc_forward_start(number)
        if code:
            for earlier in range(1, number):
                if sigismember(&made.wanted, earlier) == 1:
                    uipc_forward_stop(earlier)
            raise failure(code, "sigaction(2)", f"signal {number}", COUNTED if code == EBUSY else None)
    made.forwarding = True
    pthread_sigmask(SIG_BLOCK, &made.wanted, &before)
    for number in range(1, 65):
        if sigismember(&made.wanted, number) == 1 and sigismember(&before, number) != 1:
            uipc_forward_note(number)
    return 0


COUNTED = "a Counter, Latch or SignalStream of this signal is open in this process"


def open_signals(cls, signals, str name):
    """A descriptor of class `cls` for these signals, which are blocked in this thread from now on. -- signalfd(2)"""
    cdef SignalDescriptor made = SignalDescriptor.__new__(cls)
    cdef int fd
    made.wanted = set_of(signals)
    refuse_own(signals)
    fd = signalfd(-1, &made.wanted, SFD_CLOEXEC | SFD_NONBLOCK)
    if fd < 0:
        raise outcome(errno, "signalfd(2)", name)
    made.fill(fd, name, GUARDED)
    try:
        start(made)
    except BaseException:
        Descriptor.close(made)
        raise
    return made


@cython.no_gc_clear
cdef class Counting:
    """A signal that is counted in the C handler, as long as this object is open."""

    cdef uipc_latch *latch
    cdef readonly int number

    def __init__(self, int number, int fd):
        cdef int code
        if self.latch != NULL:
            raise RuntimeError("it counts already")
        refuse_own([number])
        code = uipc_latch_start(number, fd, &self.latch)
        if code:
            raise failure(code, "sigaction(2)", f"signal {number}", COUNTED if code == EBUSY else None)
        self.number = number

    @property
    def closed(self):
        """Whether it was closed."""
        return self.latch == NULL

    def count(self):
        """How often the handler has run."""
        return 0 if self.latch == NULL else uipc_latch_count(self.latch)

    def take(self):
        """The count, which is 0 afterwards."""
        return 0 if self.latch == NULL else uipc_latch_take(self.latch)

    def last_value(self):
        """The value of the last one that was sent with a value; else 0."""
        return 0 if self.latch == NULL else uipc_latch_value(self.latch)

    def stop(self):
        """Put the action back that was there."""
        cdef uipc_latch *latch = self.latch
        if latch != NULL:
            self.latch = NULL
            uipc_latch_stop(latch)

    def __dealloc__(self):
        self.stop()


@cython.no_gc_clear
cdef class Announcing:
    """For ``with``: this open file sends a signal when it gets ready. -- fcntl(2)"""

    cdef int fd, own, number, signal_before, flags_before, entered_by
    cdef f_owner_ex owner, owner_before

    def __cinit__(self, *args, **named):
        self.own = -1

    def __init__(self, int fd, int number, int target, int thread):
        if self.own >= 0:
            raise RuntimeError("this block is entered already: make another one")
        refuse_own([number])
        if not 0 < number < 65:
            raise ValueError(f"there is no signal {number}")
        self.fd, self.number = fd, number
        self.owner.type = F_OWNER_TID if thread else F_OWNER_PGRP if target < 0 else F_OWNER_PID
        self.owner.pid = thread or abs(target)

    def __enter__(self):
        if self.own >= 0:
            raise RuntimeError("this block is entered already: make another one")
        # A number of our own: at the end it means the same file, whatever was closed meanwhile.
        self.own = fcntl(self.fd, F_DUPFD_CLOEXEC, 0)
        if self.own < 0:
            raise failure(errno, "fcntl(F_DUPFD_CLOEXEC)", f"fd {self.fd}")
        self.entered_by = getpid()
        self.owner.pid = self.owner.pid or self.entered_by
        self.flags_before = fcntl(self.own, F_GETFL)
        self.signal_before = fcntl(self.own, F_GETSIG)
        fcntl(self.own, F_GETOWN_EX, &self.owner_before)
        try:
            self.start()
        except BaseException:
            self.restore()
            raise

    cdef int start(self) except -1:
        if fcntl(self.own, F_SETOWN_EX, &self.owner) < 0:
            raise failure(errno, "fcntl(F_SETOWN_EX)", f"fd {self.fd}", NOBODY if errno == ESRCH else None)
        if fcntl(self.own, F_SETSIG, self.number) < 0:
            raise failure(errno, "fcntl(F_SETSIG)", f"signal {self.number}")
        # Through the number that the caller knows: it is the one that the signal will name.
        if self.flags_before & O_ASYNC:
            fcntl(self.fd, F_SETFL, self.flags_before & ~O_ASYNC)
        if fcntl(self.fd, F_SETFL, self.flags_before | O_ASYNC) < 0:
            raise failure(errno, "fcntl(F_SETFL)", f"fd {self.fd}")
        if not fcntl(self.own, F_GETFL) & O_ASYNC:
            raise failure(EINVAL, "fcntl(F_SETFL)", f"fd {self.fd}", SENDS_NONE)
        return 0

    cdef void restore(self) noexcept:
        cdef int own = self.own, now = fcntl(own, F_GETFL)
        cdef f_owner_ex nobody
        self.own = -1
        if self.entered_by == getpid():  # in a forked child it is the parent's block, and the same open file
            if not self.flags_before & O_ASYNC:
                fcntl(own, F_SETFL, now & ~O_ASYNC)
            fcntl(own, F_SETSIG, self.signal_before)
            if fcntl(own, F_SETOWN_EX, &self.owner_before) < 0:  # who had it is gone
                nobody.type, nobody.pid = F_OWNER_PID, 0
                fcntl(own, F_SETOWN_EX, &nobody)
        close(own)

    def __exit__(self, *exception):
        if self.own < 0:
            raise RuntimeError("this block was not entered")
        self.restore()
        PyErr_CheckSignals()

    def __dealloc__(self):
        if self.own >= 0:
            self.restore()


NOBODY = "there is no such process, group or thread"
SENDS_NONE = "this kind of file sends no signals: pipes, FIFOs, sockets and terminals do"


cdef class AlternateStack:
    """For ``with``: a stack of their own for this thread's C handlers. -- sigaltstack(2)"""

    cdef stack_t ours, before
    cdef char *memory
    cdef pthread_t thread
    cdef readonly size_t size_bytes

    def __init__(self, size_t size_bytes):
        if self.memory != NULL:
            raise RuntimeError("this block is entered already: make another one")
        self.size_bytes = (size_bytes + PAGE - 1) // PAGE * PAGE

    @property
    def address(self):
        """Where it begins, while the block is entered."""
        return <size_t>self.ours.ss_sp if self.memory != NULL else None

    def __enter__(self):
        if self.memory != NULL:
            raise RuntimeError("this block is entered already: make another one")
        cdef void *memory = mmap(NULL, PAGE + self.size_bytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)
        if memory == MAP_FAILED:
            raise failure(errno, "mmap(2)", f"{self.size_bytes} bytes of stack")
        mprotect(memory, PAGE, PROT_NONE)  # who needs more gets a fault, not somebody's memory
        self.ours.ss_sp, self.ours.ss_size, self.ours.ss_flags = <char *>memory + PAGE, self.size_bytes, 0
        if sigaltstack(&self.ours, &self.before) < 0:
            code = errno
            munmap(memory, PAGE + self.size_bytes)
            hint = TOO_SMALL if code == ENOMEM else IN_USE if code == EPERM else None
            raise failure(code, "sigaltstack(2)", f"{self.size_bytes} bytes of stack", hint)
        self.memory, self.thread = <char *>memory, pthread_self()
        return self

    def __exit__(self, *exception):
        cdef stack_t now
        if self.memory == NULL:
            raise RuntimeError("this block was not entered")
        if not pthread_equal(self.thread, pthread_self()):
            raise RuntimeError("each thread has its own alternate stack: this is another thread than entered the block")
        sigaltstack(NULL, &now)
        if now.ss_sp != self.ours.ss_sp:
            raise RuntimeError("somebody has put another alternate stack over this one: take that away first")
        self.before.ss_flags &= ~SS_ONSTACK
        if sigaltstack(&self.before, NULL) < 0:
            raise failure(errno, "sigaltstack(2)", "alternate stack", IN_USE if errno == EPERM else None)
        memory, self.memory = self.memory, NULL
        munmap(memory, PAGE + self.size_bytes)


cdef size_t PAGE = sysconf("SC_PAGESIZE")
TOO_SMALL = "too small for the state of this processor: `os.sysconf('SC_SIGSTKSZ')` or more"
IN_USE = "a handler of this thread runs on it just now"
