# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""The three sleeps: on descriptors (ppoll), on a word (futex), and the alarm that ends a sleep in the kernel."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.float cimport PyFloat_AsDouble
from libc.errno cimport EAGAIN, EINTR, EINVAL, ETIMEDOUT, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc

from unixipc._native.descriptor cimport (
    Descriptor,
    choose_wake_signal,
    create_alarm,
    delete_alarm,
    in_main_thread,
    refused,
    set_alarm,
)

cdef extern from "uipc.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    struct pollfd:
        int fd
        short events
        short revents
    ctypedef struct sigset_t:
        pass
    ctypedef void *timer_t
    int ppoll(pollfd *, unsigned long, const timespec *, const sigset_t *)
    int sigemptyset(sigset_t *)
    int sigaddset(sigset_t *, int)
    int sigdelset(sigset_t *, int)
    int sigismember(const sigset_t *, int)
    int pthread_sigmask(int, const sigset_t *, sigset_t *)
    long syscall(long, ...)
    int getpid()
    enum:
        SIG_BLOCK
        SIG_UNBLOCK
        SYS_tgkill
        SYS_gettid
        INT_MAX

cdef extern from "clock.h" nogil:
    int64_t now_ns "uipc_now_ns"()
    timespec as_timespec "uipc_timespec"(int64_t)

cdef extern from "futex.h" nogil:
    int uipc_futex_wait(uint32_t *, uint32_t, const timespec *)
    int uipc_futex_wake(uint32_t *, int)
    struct uipc_waited:
        uint64_t expected, word
        uint32_t flags, zero
    int uipc_futex_wait_any(uipc_waited *, unsigned, const timespec *)
    enum:
        UIPC_MOST_WAITED
        UIPC_WAITED_32

cdef extern from "atomics.h" nogil:
    uint32_t uipc_load_acquire(const uint32_t *)
    void uipc_store_release(uint32_t *, uint32_t)


cdef int64_t LONGEST_NS = 3_000_000_000 * 1_000_000_000  # ninety years: infinity, for all we know


cdef int64_t timeout_ns(object timeout) except -2:
    """`timeout` seconds in nanoseconds, -1 for None. ValueError if it is negative or not a number."""
    if timeout is None:
        return -1
    cdef double seconds = as_double(timeout)
    if not seconds >= 0:
        raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout}")
    return LONGEST_NS if seconds >= 3e9 else <int64_t>(seconds * 1e9)


cdef double as_double(object number) except? -1:
    try:
        return PyFloat_AsDouble(number)
    except OverflowError:
        return INFINITY if number > 0 else -INFINITY


cdef object plain_timeout(object timeout):
    """The same number, checked, and without code of its own: comparing it runs no Python."""
    timeout_ns(timeout)
    return timeout if timeout is None or type(timeout) in (int, float) else as_double(timeout)


def checked_ns(timeout not None):
    """`timeout` seconds as nanoseconds; infinity is ninety years, a negative or missing number is an error."""
    return timeout_ns(timeout)


cdef int wake_signal() except -1:
    cdef int number = 0
    cdef int error = choose_wake_signal(&number)
    if error:
        raise refused(error, "sigaction(2)", "wake-up signal")
    return number


def is_main_thread():
    """Whether this is the thread that runs Python's signal handlers. (Importing threading to ask would cost 4 ms.)"""
    return bool(in_main_thread())


def monotonic_ns():
    """CLOCK_MONOTONIC, what every deadline of ours is measured on. -- clock_gettime(2)"""
    return now_ns()


def wake_signal_number():
    """The real-time signal that interrupts our own waits; its handler does nothing."""
    return wake_signal()


def wake_thread(int thread):
    """End the sleep of a thread of ours, by its kernel id, that is in `sleep_on_descriptors`. -- tgkill(2)"""
    syscall(SYS_tgkill, getpid(), thread, wake_signal())


def sleep_on_descriptors(tuple watched, int64_t until_ns):
    """Sleep until one of ((descriptor, events), ...) is ready, woken, or CLOCK_MONOTONIC passes `until_ns` (-1: never).

    Returns the tuple of ready events, all 0 after a time-out or a wake-up. Closing one of the descriptors ends the
    sleep: the wake-up signal is blocked from before we look whether it is open until ppoll lets it in, so a
    wake-up that comes earlier is delivered then. Runs Python's signal handlers; what they raise passes through.
    """
    cdef Py_ssize_t n = len(watched), i
    cdef int number = wake_signal(), rc, code
    cdef sigset_t wake, before, asleep
    cdef timespec left
    cdef pollfd *fds = <pollfd *>malloc(n * sizeof(pollfd) + 1)
    cdef Descriptor each
    me = syscall(SYS_gettid)
    if fds == NULL:
        raise MemoryError()
    sigemptyset(&wake)
    sigaddset(&wake, number)
    pthread_sigmask(SIG_BLOCK, &wake, &before)
    asleep = before
    sigdelset(&asleep, number)
    try:
        for i in range(n):
            each = <Descriptor?>watched[i][0]
            fds[i].fd, fds[i].events, fds[i].revents = each.number(), watched[i][1], 0
        for i in range(n):
            each = <Descriptor?>watched[i][0]
            each.add_sleeper(me)
        try:
            with nogil:
                if until_ns >= 0:
                    left = as_timespec(until_ns - now_ns())
                rc = ppoll(fds, n, &left if until_ns >= 0 else NULL, &asleep)
                code = errno
        finally:
            for i in range(n):
                (<Descriptor>watched[i][0]).remove_sleeper(me)
        ready = tuple([fds[i].revents for i in range(n)])
    finally:
        free(fds)
        if not sigismember(&before, number):  # only ours: a handler may have changed the rest of the mask
            pthread_sigmask(SIG_UNBLOCK, &wake, NULL)
    PyErr_CheckSignals()
    if rc < 0 and code != EINTR:
        raise refused(code, "ppoll(2)", watched[0][0].name)
    return ready


def ready_now(Descriptor descriptor not None, short events):
    """Which of `events` (and POLLHUP, POLLERR) hold now. -- poll(2)"""
    cdef pollfd one
    cdef timespec zero = as_timespec(0)
    one.fd, one.events, one.revents = descriptor.number(), events, 0
    if ppoll(&one, 1, &zero, NULL) < 0 and errno != EINTR:  # a pending signal: nothing was ready
        raise refused(errno, "ppoll(2)", descriptor.name)
    return one.revents


@cython.no_gc_clear
cdef class Word:
    """A 32-bit word in memory that processes share: load it, sleep while it keeps its value, wake who sleeps on it.

    The memory must be at least `offset_bytes` + 4 long, writable unless `readonly` is asked for, and the word aligned
    to 4 bytes.
    The word holds a buffer export: the mapping cannot go away under it.
    """

    cdef Py_buffer view
    cdef uint32_t *word
    cdef bint held
    cdef readonly bint readonly

    def __cinit__(self, memory, Py_ssize_t offset_bytes=0, bint readonly=False):
        self.readonly = readonly
        PyObject_GetBuffer(memory, &self.view, PyBUF_SIMPLE if readonly else PyBUF_WRITABLE)
        self.held = True
        if offset_bytes < 0 or self.view.len < 4 or offset_bytes > self.view.len - 4:
            raise ValueError(f"a word at offset {offset_bytes} does not fit into {self.view.len} bytes")
        self.word = <uint32_t *>(<char *>self.view.buf + offset_bytes)
        if <uintptr_t>self.word % 4:
            raise ValueError(f"the word at offset {offset_bytes} is not aligned to 4 bytes")

    def close(self):
        """Let go of the memory."""
        self.word = NULL
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    def __dealloc__(self):
        self.close()

    cdef uint32_t *address(self) except NULL:
        if self.word == NULL:
            from unixipc.errors import ClosedError
            raise ClosedError("the word was closed")
        return self.word

    def load(self):
        """The word's value. SYNC word-seen (acquire)."""
        return uipc_load_acquire(self.address())

    def store(self, uint32_t value):
        """Change the word; whoever loads the new value sees what was written before. SYNC word-seen (release)."""
        if self.readonly:
            raise TypeError("this word is in read-only memory")
        uipc_store_release(self.address(), value)

    def wake(self, int most=INT_MAX):
        """Wake at most `most` of those who sleep on the word, in any process; how many. -- futex(2)"""
        return uipc_futex_wake(self.address(), most)

    def sleep(self, uint32_t expected, int64_t until_ns):
        """Sleep while the word is `expected`, at most until `until_ns` (-1: for ever). -- futex(2)

        Returns when woken, when the word had changed, at the deadline, and after any signal's Python handler.
        """
        cdef uint32_t *word = self.address()
        cdef timespec deadline = as_timespec(until_ns)
        cdef int code
        cdef Py_buffer hold
        PyObject_GetBuffer(self.view.obj, &hold, PyBUF_SIMPLE)  # close() from another thread leaves us the memory
        try:
            with nogil:
                code = uipc_futex_wait(word, expected, &deadline if until_ns >= 0 else NULL)
        finally:
            PyBuffer_Release(&hold)
        PyErr_CheckSignals()
        if code not in (0, EAGAIN, EINTR, ETIMEDOUT):
            raise refused(code, "futex(2)", "word")


MOST_WORDS = UIPC_MOST_WAITED


def sleep_on_words(tuple pairs, int64_t until_ns):
    """Sleep while each ``(word, value)`` holds, at most until `until_ns` (-1: for ever). -- futex_waitv(2)

    Returns as `Word.sleep` does. OSError(ENOSYS) before Linux 5.16.
    """
    cdef uipc_waited waited[UIPC_MOST_WAITED]
    cdef Py_ssize_t n = len(pairs), i
    cdef timespec deadline = as_timespec(until_ns)
    cdef int code
    if not 1 <= n <= UIPC_MOST_WAITED:
        raise ValueError(f"1..{UIPC_MOST_WAITED} words, not {n}")
    for i in range(n):
        waited[i].word = <uintptr_t>(<Word?>pairs[i][0]).address()
        waited[i].expected = pairs[i][1]
        waited[i].flags, waited[i].zero = UIPC_WAITED_32, 0
    with nogil:
        code = -uipc_futex_wait_any(waited, n, &deadline if until_ns >= 0 else NULL)
    PyErr_CheckSignals()
    if code > 0 and code not in (EAGAIN, EINTR, ETIMEDOUT):
        raise refused(code, "futex_waitv(2)", None)


def can_sleep_on_words():
    """Whether this kernel has futex_waitv: asked with no words, which it refuses if it knows the call."""
    return uipc_futex_wait_any(NULL, 0, NULL) == -EINVAL


cdef class Interrupt:
    """Ends the wait of one thread inside a system call that has no timed form: at a deadline, or when asked to.

    The waiting thread uses it as a context manager and calls `arm` before every try; any thread may call `set`,
    before, during or after, once or often: the waiting thread notices, whenever it happens to fall asleep.
    """

    cdef timer_t alarm
    cdef bint armed
    cdef readonly bint asked
    cdef sigset_t wake
    cdef bint was_blocked

    def __enter__(self):
        cdef sigset_t before
        cdef int error, number = wake_signal()
        if self.armed:
            raise RuntimeError("this interrupt is in use by another wait")
        sigemptyset(&self.wake)
        sigaddset(&self.wake, number)
        error = create_alarm(&self.alarm)
        if error:
            raise refused(error, "timer_create(2)", None)
        pthread_sigmask(SIG_UNBLOCK, &self.wake, &before)
        self.was_blocked = sigismember(&before, number) == 1
        self.armed = True
        return self

    def __exit__(self, *exception):
        self.armed = False
        delete_alarm(self.alarm)
        if self.was_blocked:
            pthread_sigmask(SIG_BLOCK, &self.wake, NULL)

    def arm(self, int64_t until_ns):
        """From `until_ns` on (-1: never) interrupt this thread every millisecond. False if asked to stop."""
        set_alarm(self.alarm, until_ns)
        # Looked at after arming: a `set` from before is seen here, a later one re-arms the alarm itself.
        return not self.asked

    def set(self):
        """End the wait, now or as soon as it begins."""
        self.asked = True
        if self.armed:
            set_alarm(self.alarm, 0)


def check_signals():
    """Run Python's pending signal handlers; what they raise passes through."""
    PyErr_CheckSignals()
