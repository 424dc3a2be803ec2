# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Timers: timerfd(2), which is read, and timer_create(2), which sends a signal."""

cimport cython
from libc.errno cimport EAGAIN, EINTR, EINVAL, EOPNOTSUPP, EPERM, errno
from libc.stdint cimport int64_t, intptr_t, uint64_t

from unixipc._call import failure
from unixipc._native.descriptor cimport GUARDED, NO_ALARM, Descriptor, try_read
from unixipc.errors import ClosedError

cdef extern from *:
    """
    #include "uipc.h"
    #include <sys/timerfd.h>
    #ifndef sigev_notify_thread_id
    #define sigev_notify_thread_id _sigev_un._tid
    #endif
    #ifndef TFD_TIMER_CANCEL_ON_SET
    #define TFD_TIMER_CANCEL_ON_SET (1 << 1)
    #endif
    static int uipc_timer_create(clockid_t clock, int number, int value, int thread, timer_t *made)
    {
        struct sigevent event;
        memset(&event, 0, sizeof event);
        event.sigev_signo = number;
        event.sigev_value.sival_int = value;
        event.sigev_notify = thread ? SIGEV_THREAD_ID : SIGEV_SIGNAL;
        if (thread)
            event.sigev_notify_thread_id = thread;
        return timer_create(clock, &event, made);
    }
    """
    ctypedef void *timer_t
    struct timespec:
        long tv_sec, tv_nsec
    struct itimerspec:
        timespec it_interval, it_value
    int timerfd_create(int, int)
    int timerfd_settime(int, int, const itimerspec *, itimerspec *)
    int timerfd_gettime(int, itimerspec *)
    int uipc_timer_create(int, int, int, int, timer_t *)
    int timer_settime(timer_t, int, const itimerspec *, itimerspec *)
    int timer_gettime(timer_t, itimerspec *)
    int timer_getoverrun(timer_t)
    int timer_delete(timer_t)
    int getpid()
    enum:
        TFD_CLOEXEC, TFD_NONBLOCK, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, TIMER_ABSTIME
        CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM
        CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID
        ECANCELED

CLOCKS = {"monotonic": CLOCK_MONOTONIC, "realtime": CLOCK_REALTIME, "boottime": CLOCK_BOOTTIME,
          "realtime_alarm": CLOCK_REALTIME_ALARM, "boottime_alarm": CLOCK_BOOTTIME_ALARM}
CPU_CLOCKS = {"process_cpu": CLOCK_PROCESS_CPUTIME_ID, "thread_cpu": CLOCK_THREAD_CPUTIME_ID}

cdef str MAY_NOT_WAKE = "a timer that wakes the machine from its sleep needs the privilege CAP_WAKE_ALARM"
cdef str CANNOT_WAKE = "this machine has no clock that could wake it from its sleep"
cdef str WAS_SET = "the clock was set while the timer ran: it runs on, but is its moment still the one that you mean?"


cdef itimerspec specified(int64_t first_ns, int64_t every_ns) noexcept:
    cdef itimerspec when
    when.it_value.tv_sec, when.it_value.tv_nsec = first_ns // 1000000000, first_ns % 1000000000
    when.it_interval.tv_sec, when.it_interval.tv_nsec = every_ns // 1000000000, every_ns % 1000000000
    return when


cdef object nanoseconds(itimerspec *when):
    """(until the next expiration, 0 for never; the period, 0 for none)."""
    return (when.it_value.tv_sec * 1000000000 + when.it_value.tv_nsec,
            when.it_interval.tv_sec * 1000000000 + when.it_interval.tv_nsec)


cdef class TimerDescriptor(Descriptor):
    """A descriptor that is readable when a time has come. -- timerfd_create(2)"""

    cdef object arm(self, int64_t first_ns, int64_t every_ns, int flags):
        cdef itimerspec wanted = specified(first_ns, every_ns), before
        if timerfd_settime(self.number(), flags, &wanted, &before) < 0:
            raise failure(errno, "timerfd_settime(2)", self.name)
        return nanoseconds(&before)

    def set_ns(self, int64_t first_ns, int64_t every_ns, bint absolute, bint cancelled_by_setting):
        """Set it (0: off); what it was, as `left_ns`. -- timerfd_settime(2)"""
        return self.arm(first_ns, every_ns, TFD_TIMER_ABSTIME * absolute
                        | TFD_TIMER_CANCEL_ON_SET * cancelled_by_setting)

    def left_ns(self):
        """(until the next expiration, 0 for never; the period, 0 for none). -- timerfd_gettime(2)"""
        cdef itimerspec now
        if timerfd_gettime(self.number(), &now) < 0:
            raise failure(errno, "timerfd_gettime(2)", self.name)
        return nanoseconds(&now)

    def try_wait(self):
        """How often it has expired since the last time, None for not yet. OSError(ECANCELED): the clock was set."""
        cdef uint64_t count = 0
        cdef ssize_t got = try_read(self.number(), &count, sizeof(count))
        if got == sizeof(count) and count:
            return count
        if got == NO_ALARM:
            raise failure(errno, "timer_create(2)", self.name)
        if got >= 0 or errno == EAGAIN or errno == EINTR:
            return None
        raise failure(errno, "read(2)", self.name, WAS_SET if errno == ECANCELED else None)


def open_timer(cls, str clock, str name):
    """A timer of class `cls`, not set. -- timerfd_create(2)"""
    cdef TimerDescriptor made = TimerDescriptor.__new__(cls)
    cdef int fd = timerfd_create(CLOCKS[clock], TFD_CLOEXEC | TFD_NONBLOCK)
    if fd < 0:
        raise failure(errno, "timerfd_create(2)", name, MAY_NOT_WAKE if errno == EPERM else None)
    made.fill(fd, name, GUARDED)
    return made


@cython.no_gc_clear
cdef class PosixTimer:
    """A timer of this process that sends it a signal. -- timer_create(2)"""

    cdef timer_t timer
    cdef int owner  # the process that has it: a forked child has none

    def __cinit__(self, *args, **named):
        self.owner = 0

    def create(self, str clock, int number, int value, int thread):
        """Make it, not set. -- timer_create(2)"""
        if self.owner:
            raise RuntimeError("it is made already")
        if uipc_timer_create({**CLOCKS, **CPU_CLOCKS}[clock], number, value, thread, &self.timer) < 0:
            code = errno
            hint = {EPERM: MAY_NOT_WAKE, EINVAL: NO_SUCH, EOPNOTSUPP: CANNOT_WAKE}.get(code)
            raise failure(code, "timer_create(2)", f"signal {number}", hint)
        self.owner = getpid()

    cdef timer_t own(self) except *:
        if not self.owner:
            raise ClosedError("the timer is closed")
        if self.owner != getpid():
            raise ClosedError("a forked child has no timer of its parent: it makes its own")
        return self.timer

    @property
    def id(self):
        """Its number: what `SignalInfo.timer` says."""
        return <int><intptr_t>self.own()

    def set_ns(self, int64_t first_ns, int64_t every_ns, bint absolute):
        """Set it (0: off); what it was, as `left_ns`. -- timer_settime(2)"""
        cdef itimerspec wanted = specified(first_ns, every_ns), before
        if timer_settime(self.own(), TIMER_ABSTIME * absolute, &wanted, &before) < 0:
            raise failure(errno, "timer_settime(2)", self.name)
        return nanoseconds(&before)

    def left_ns(self):
        """(until the next expiration, 0 for never; the period, 0 for none). -- timer_gettime(2)"""
        cdef itimerspec now
        if timer_gettime(self.own(), &now) < 0:
            raise failure(errno, "timer_gettime(2)", self.name)
        return nanoseconds(&now)

    @property
    def overrun(self):
        """How many expirations the last signal stood for beyond its own. -- timer_getoverrun(2)"""
        cdef int more = timer_getoverrun(self.own())
        if more < 0:
            raise failure(errno, "timer_getoverrun(2)", self.name)
        return more

    @property
    def closed(self):
        """Whether it was closed, or is the parent's."""
        return self.owner != getpid()

    def check_open(self):
        """`ClosedError` once it is closed."""
        self.own()

    def close(self):
        """Delete it. The kernel may drop a signal of it that nobody has taken yet. -- timer_delete(2)"""
        cdef int owner = self.owner
        self.owner = 0
        if owner and owner == getpid():
            timer_delete(self.timer)

    def __dealloc__(self):
        if self.owner and self.owner == getpid():
            timer_delete(self.timer)


cdef str NO_SUCH = "no such signal, no such thread in this process, or a clock that cannot have timers"
