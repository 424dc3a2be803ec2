# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Signals: actions with all their flags, masks, waiting with values, signalfd, and counting in the C handler."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t

from operator import index
from signal import Signals

from unixipc._call import failure
from unixipc._native.descriptor cimport FLAGGED, Descriptor, outcome
from unixipc._native.descriptor import waiting_module
from unixipc._native.wait import monotonic_ns, wake_signal_number

cdef extern from *:
    """
    #include "uipc.h"
    #include <sys/signalfd.h>
    static int uipc_is_plain(const struct sigaction *a, void (*what)(int))
    { return !(a->sa_flags & SA_SIGINFO) && a->sa_handler == what; }
    /* The sender's value, the timer's or the queue's; elsewhere these bytes are something else. */
    static int uipc_has_value(int code) { return code < 0 && code != SI_TKILL; }
    static int uipc_info_value(const siginfo_t *info)
    { return uipc_has_value(info->si_code) ? info->si_value.sival_int : 0; }
    static int uipc_info_pid(const siginfo_t *info) { return info->si_pid; }
    static unsigned uipc_info_uid(const siginfo_t *info) { return info->si_uid; }
    static int uipc_info_status(const siginfo_t *info)
    { return info->si_signo == SIGCHLD && info->si_code > 0 ? info->si_status : 0; }
    static void *uipc_handler_of(const struct sigaction *a)
    { return a->sa_flags & SA_SIGINFO ? (void *)a->sa_sigaction : (void *)a->sa_handler; }
    static int uipc_queue(int pid, int number, int value)
    { union sigval v; v.sival_int = value; return sigqueue(pid, number, v); }
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
        uint32_t uid "ssi_uid"
        int value "ssi_int"
        uint64_t pointer "ssi_ptr"
        int status "ssi_status"
    int sigaction_call "sigaction"(int, const sigaction_of *, sigaction_of *) nogil
    int sigemptyset(sigset_t *) nogil
    int sigaddset(sigset_t *, int) nogil
    int sigismember(const sigset_t *, int) nogil
    ctypedef unsigned long pthread_t
    pthread_t pthread_self() nogil
    int pthread_equal(pthread_t, pthread_t) nogil
    int pthread_sigmask(int, const sigset_t *, sigset_t *) nogil
    int sigpending(sigset_t *) nogil
    int sigtimedwait(const sigset_t *, siginfo_t *, const timespec *) nogil
    int ppoll(pollfd *, unsigned long, const timespec *, const sigset_t *) nogil
    int signalfd(int, const sigset_t *, int) nogil
    ssize_t read(int, void *, size_t) nogil
    int kill_call "kill"(int, int) nogil
    int uipc_queue(int, int, int) nogil
    int uipc_is_plain(const sigaction_of *, plain_handler)
    void *uipc_handler_of(const sigaction_of *)
    int uipc_has_value(int)
    int uipc_info_value(const siginfo_t *)
    int uipc_info_pid(const siginfo_t *)
    unsigned uipc_info_uid(const siginfo_t *)
    int uipc_info_status(const siginfo_t *)
    plain_handler DEFAULT "SIG_DFL"
    plain_handler IGNORE "SIG_IGN"
    enum:
        SA_RESTART, SA_NODEFER, SA_RESETHAND, SA_NOCLDWAIT, SA_NOCLDSTOP, SA_ONSTACK, SA_SIGINFO
        SIG_BLOCK, SIG_SETMASK
        SFD_CLOEXEC, SFD_NONBLOCK
        SIGCHLD
        POLLIN

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

FLAGS = {"restart": SA_RESTART, "nodefer": SA_NODEFER, "reset": SA_RESETHAND, "no_child_wait": SA_NOCLDWAIT,
         "no_child_stop": SA_NOCLDSTOP, "on_stack": SA_ONSTACK, "siginfo": SA_SIGINFO}
cdef dict NAMES = {each.value: each for each in Signals}
_info = None  # the record class, set by unixipc.signals


def use_info_class(cls):
    """What to wrap (signal, pid, uid, code, value, status) in: the chapter's record."""
    global _info
    _info = cls


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


@cython.auto_pickle(False)
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


def mask_now():
    """The calling thread's mask. -- pthread_sigmask(3)"""
    cdef sigset_t now
    pthread_sigmask(SIG_BLOCK, NULL, &now)
    return members(&now)


@cython.auto_pickle(False)
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
    return _info(info.number, uipc_info_pid(info), uipc_info_uid(info), info.code, uipc_info_value(info),
                 uipc_info_status(info))


def take_now(signals):
    """One that is pending, with its value; None if there is none. -- sigtimedwait(2)"""
    cdef sigset_t wanted = set_of(signals)
    cdef siginfo_t info
    cdef timespec none
    none.tv_sec = none.tv_nsec = 0
    if sigtimedwait(&wanted, &info, &none) > 0:
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

    def try_receive(self):
        """The next signal, None for not now. -- read(2)"""
        cdef signalfd_siginfo info
        cdef siginfo_t kept
        cdef bint marked
        cdef int fd = self.enter(), code
        cdef ssize_t got
        with nogil:
            got = read(fd, &info, sizeof(info))
            code = errno
        self.leave()
        if got == sizeof(info):
            marked = uipc_forward_is_mark(info.number, info.code, info.pid, info.pointer)
            if marked:
                return info_of(&kept) if uipc_forward_kept(info.number, &kept) else None
            return _info(info.number, info.pid, info.uid, info.code, info.value if uipc_has_value(info.code) else 0,
                         info.status if info.number == SIGCHLD and info.code > 0 else 0)
        if got >= 0 or code == EAGAIN or code == EINTR:
            return None
        raise outcome(code, "read(2)", self.name)

    def receive(self, timeout=None):
        """Wait for the next signal. -- read(2)"""
        return waiting_module().on_descriptor(self, POLLIN, self.try_receive, timeout=timeout)

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
    made.fill(fd, name, FLAGGED)
    try:
        start(made)
    except BaseException:
        Descriptor.close(made)
        raise
    return made


@cython.auto_pickle(False)
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
