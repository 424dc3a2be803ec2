# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""An owned descriptor, and ends of byte streams that read and write what can be had now."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, PyObject
from libc.errno cimport EAGAIN, EINTR, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, errno
from libc.stdint cimport uint64_t

import sys
import warnings

from unixipc._call import failure
from unixipc._native.within cimport close_surely
from unixipc.errors import ClosedError

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **, Py_ssize_t)
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    char *bytes_text "PyBytes_AS_STRING"(PyObject *) nogil
    Py_ssize_t Py_SIZE(PyObject *)
    void Py_CLEAR(PyObject *)

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int, int)
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK
        EFD_SEMAPHORE

cdef extern from *:
    """
    #include "uipc.h"
    static unsigned int uipc_generation; /* how many forks lie between the first process and this one */
    static void uipc_next_generation(void) { uipc_generation++; }
    static int uipc_count_generations(void) { return pthread_atfork(NULL, NULL, uipc_next_generation); }
    """
    unsigned int uipc_generation
    int uipc_count_generations()

cdef extern from "uipc.h" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len
    int close(int)
    ssize_t preadv2(int, const iovec *, int, long long, int)
    ssize_t pwritev2(int, const iovec *, int, long long, int)
    int fcntl(int, int, ...)
    enum:
        F_GETFL
        F_SETFL
        F_DUPFD_CLOEXEC
        O_ACCMODE
        O_DIRECT
        O_NONBLOCK
        O_RDONLY
        O_CLOEXEC
        POLLIN
        POLLOUT
        RWF_NOWAIT
        SPLICE_F_NONBLOCK
    ssize_t vmsplice(int, const iovec *, size_t, unsigned int)
    int dup3(int, int, int)

cdef extern from "trying.h" nogil:
    ssize_t uipc_try_read(int, void *, size_t)
    ssize_t uipc_guarded_read(int, void *, size_t)
    ssize_t uipc_guarded_write(int, const void *, size_t)
    ssize_t uipc_try_add(int, uint64_t)
    int uipc_try_accept(int)

cdef extern from "interrupt.h" nogil:
    int uipc_wake_signal(int *)
    int uipc_alarm_create(alarm_t *)
    int uipc_alarm_at(alarm_t, long long)
    void uipc_alarm_delete(alarm_t)
    int uipc_is_main_thread()

# Below this size a copy in or out of the kernel is shorter than handing the interpreter to another thread and back.
cdef Py_ssize_t QUICK = 16384

_wait = None  # unixipc._wait, imported at the first wait: it imports us


cdef object waiting():
    global _wait
    if _wait is None:
        from unixipc import _wait as module
        _wait = module
    return _wait


def waiting_module():
    """unixipc._wait, for the other native modules."""
    return waiting()


cdef object refused(int code, str call, object name):
    return failure(code, call, name)


cdef object outcome(int code, str call, object name):
    """The same for a call that sleeps: InterruptedError when a signal ended it, for `unixipc._wait.in_kernel`."""
    return InterruptedError(code, "interrupted") if code == EINTR else failure(code, call, name)


# What other modules link with: there is one alarm signal a process, so one module has it.

cdef ssize_t try_read(int fd, void *into, size_t n) noexcept nogil:
    return uipc_try_read(fd, into, n)


cdef int try_accept(int fd) noexcept nogil:
    return uipc_try_accept(fd)


cdef int choose_wake_signal(int *number) noexcept nogil:
    return uipc_wake_signal(number)


cdef int create_alarm(alarm_t *alarm) noexcept nogil:
    return uipc_alarm_create(alarm)


cdef int set_alarm(alarm_t alarm, long long until_ns) noexcept nogil:
    return uipc_alarm_at(alarm, until_ns)


cdef void delete_alarm(alarm_t alarm) noexcept nogil:
    uipc_alarm_delete(alarm)


cdef int in_main_thread() noexcept nogil:
    return uipc_is_main_thread()


@cython.no_gc_clear
cdef class Descriptor:
    """One open file descriptor that this object owns: close-on-exec from birth, -1 after close.

    It closes itself when the last reference goes (with a ResourceWarning: better to close it). Closing it while
    another thread waits on it wakes that thread, which gets `ClosedError`: the number is never used again.
    """

    def __cinit__(self, *args, **kwargs):
        self.fd = self.doomed = -1
        self.how = GUARDED
        self.generation = uipc_generation

    def __init__(self, int fd, object name=None):
        if fd < 0:
            raise ValueError(f"a descriptor is a number from 0 up, not {fd}")
        if self.fd >= 0:
            raise RuntimeError(f"{self!r} is open already")
        self.fill(fd, name, self.how)

    cdef void fill(self, int fd, object label, How how) noexcept:
        """Own this number from now on; no Python code runs, so that no signal handler can come in between."""
        self.fd, self.label, self.how = fd, label, how

    cdef void forget_if_forked(self) noexcept:
        """In a forked process: the calls under way and the sleepers were our parent's."""
        if self.generation != uipc_generation:
            self.generation, self.users, self.sleepers = uipc_generation, 0, None

    cdef int number(self) except -1:
        if self.fd < 0:
            raise ClosedError(f"{type(self).__name__} {self.name or ''} is closed".replace("  ", " "))
        return self.fd

    cdef int enter(self) except -1:
        """The number, for a call without the GIL: until `leave` it stays this file's, even if a thread closes us."""
        cdef int fd = self.number()
        self.forget_if_forked()
        self.users += 1
        return fd

    cdef void leave(self) noexcept:
        cdef int fd = self.doomed
        if self.generation != uipc_generation or not self.users:
            return
        self.users -= 1
        if not self.users and fd >= 0:
            self.doomed = -1
            close(fd)

    def fileno(self):
        """The descriptor's number; it stays ours to close."""
        return self.number()

    def check_open(self):
        """`ClosedError` once this handle is closed."""
        self.number()

    @property
    def name(self):
        """What errors call it."""
        return self.label

    @property
    def closed(self):
        """Whether this handle was closed (by us; the other side is another matter)."""
        return self.fd < 0

    def close(self):
        """Close this handle. Twice is fine. Threads that wait on it wake up with `ClosedError`. -- close(2)"""
        cdef int fd = self.fd
        if fd < 0:
            return
        self.fd = -1
        try:
            if self.sleepers is not None or self.users:
                self.wake_sleepers()
        finally:
            if self.users:
                self.doomed = fd
            else:
                with nogil:  # Linux frees the number even when close reports EINTR: never retry it
                    close(fd)

    def detach(self):
        """Give the number away: the caller owns it now, this handle is closed."""
        cdef int fd = self.number()
        self.fd = -1
        try:
            self.wake_sleepers()
        except BaseException:
            close(fd)  # or it would be nobody's
            raise
        return fd

    def add_sleeper(self, sleeper):
        """Note who must be woken when this handle closes: a thread by its kernel id, or a function to call."""
        self.forget_if_forked()
        if self.sleepers is None:
            self.sleepers = []
        self.sleepers.append(sleeper)

    def remove_sleeper(self, sleeper):
        """It looks after itself again."""
        self.forget_if_forked()
        if self.sleepers and sleeper in self.sleepers:
            self.sleepers.remove(sleeper)

    def wake_sleepers(self):
        """Make everybody who sleeps on this descriptor look again."""
        self.forget_if_forked()
        failed = None
        for sleeper in tuple(self.sleepers or ()):
            try:
                if isinstance(sleeper, int):
                    waiting().wake_thread(sleeper)
                else:
                    sleeper()
            except BaseException as error:  # the others are woken all the same
                failed = error
        if failed is not None:
            raise failed

    def dup(self, int lowest=0):
        """A second number for the same open file description, the lowest free one from `lowest` up. -- dup(2)"""
        if lowest < 0:
            raise ValueError(f"lowest must be at least 0, not {lowest}")
        cdef int copy = fcntl(self.number(), F_DUPFD_CLOEXEC, lowest)
        if copy < 0:
            raise failure(errno, "dup(2)", self.name)
        return Descriptor(copy, self.name)

    def dup2(self, int target, *, bint inheritable=True):
        """Make number `target` refer to this description, closing what it was in the same step. -- dup3(2)"""
        if target < 0:
            raise ValueError(f"a descriptor is a number from 0 up, not {target}")
        if target == self.number():
            raise ValueError(f"descriptor {target} is already this one")
        if dup3(self.fd, target, 0 if inheritable else O_CLOEXEC) < 0:
            raise failure(errno, "dup2(2)", self.name)
        return target

    def use_flag(self):
        """Try without waiting by O_NONBLOCK on the description: for descriptions that are ours alone."""
        set_nonblocking(self.number(), self.name)

    def use_per_call(self):
        """Try without waiting call by call (RWF_NOWAIT), so that a child that inherits it sees it blocking."""
        self.how = PER_CALL

    def use_fifo(self):
        """Try without waiting where the kernel knows no RWF_NOWAIT: FIFOs, spliced pipes, old kernels."""
        cdef int flags = fcntl(self.number(), F_GETFL)
        if flags < 0:
            raise failure(errno, "fcntl(F_GETFL)", self.name)
        # Packets have borders, and vmsplice knows none.
        self.how = COPIED if flags & O_ACCMODE == O_RDONLY and not flags & O_DIRECT else GUARDED

    def __enter__(self):
        self.number()
        return self

    def __exit__(self, kind, error, where):
        close_surely(self)

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} cannot be pickled: send the descriptor over a Unix socket instead")

    def __repr__(self):
        state = "closed" if self.fd < 0 else f"fd {self.fd}"
        return f"<{type(self).__name__}{'' if self.name is None else f' {self.name!r}'} {state}>"

    def __del__(self):
        if self.fd >= 0 and not sys.is_finalizing():  # the interpreter's end closes everything, in no order to rely on
            try:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            finally:
                self.close()

    def __dealloc__(self):
        if self.fd >= 0:
            close(self.fd)


cdef int set_nonblocking(int fd, object name) except -1:
    cdef int flags = fcntl(fd, F_GETFL)
    if flags < 0 or (not flags & O_NONBLOCK and fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0):
        raise failure(errno, "fcntl(F_SETFL)", name)
    return 0


cdef inline ssize_t read_once(int fd, How how, void *into, size_t n) noexcept nogil:
    cdef iovec piece
    if how == GUARDED:
        return uipc_guarded_read(fd, into, n)
    piece.iov_base = into
    piece.iov_len = n
    if how == COPIED:
        return vmsplice(fd, &piece, 1, SPLICE_F_NONBLOCK)
    return preadv2(fd, &piece, 1, -1, RWF_NOWAIT)


cdef inline ssize_t write_once(int fd, How how, const void *data, size_t n) noexcept nogil:
    cdef iovec piece
    if how == GUARDED:
        return uipc_guarded_write(fd, data, n)
    piece.iov_base = <void *>data
    piece.iov_len = n
    return pwritev2(fd, &piece, 1, -1, RWF_NOWAIT)


cdef object read_now(Descriptor end, Py_ssize_t n):
    """bytes, b"" at the end of the stream, None for not now."""
    cdef int fd = end.fd, code
    cdef ssize_t got
    cdef PyObject *data
    if fd < 0 or n <= 0:
        end.number()
        if n < 0:
            raise ValueError(f"cannot read {n} bytes")
        return b""
    data = new_bytes(NULL, n)
    if n <= QUICK:
        got = read_once(fd, end.how, bytes_text(data), n)
        code = errno
    else:
        end.enter()
        with nogil:
            got = read_once(fd, end.how, bytes_text(data), n)
            code = errno
        end.leave()
    if got < 0:
        Py_CLEAR(data)
        if got == NO_ALARM:
            raise failure(code, "timer_create(2)", end.name)
        if code == EAGAIN or code == EINTR:
            return None
        if code == EOPNOTSUPP and end.how == PER_CALL:  # before Linux 6.5
            end.use_fifo()
            return read_now(end, n)
        if end.how == COPIED and (code == ENOSYS or code == EPERM or code == EINVAL):  # a sandbox without vmsplice
            end.how = GUARDED
            return read_now(end, n)
        raise failure(code, "read(2)", end.name)
    return filled(data, got)


cdef object filled(PyObject *data, Py_ssize_t got):
    """These bytes, of which only the first `got` are filled; takes over the reference.

    Made smaller in place: after a short read of a large block a copy would cost as much as the read did.
    """
    if got != Py_SIZE(data) and _PyBytes_Resize(&data, got) < 0:
        raise MemoryError()
    result = <object>data
    Py_DECREF(result)
    return result


cdef object write_now(Descriptor end, object data):
    """How many bytes went, None for not now."""
    cdef int fd = end.fd, code
    cdef ssize_t put
    cdef Py_buffer view
    cdef const void *what
    cdef Py_ssize_t n
    cdef bint borrowed = not isinstance(data, bytes)
    if borrowed:
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        what, n = view.buf, view.len
        fd = end.fd  # taking the buffer may have run code that closed us
    else:
        what, n = PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
    if fd < 0:
        if borrowed:
            PyBuffer_Release(&view)
        end.number()
    if n <= QUICK:
        put = write_once(fd, end.how, what, n)
        code = errno
    else:
        end.enter()
        with nogil:
            put = write_once(fd, end.how, what, n)
            code = errno
        end.leave()
    if borrowed:
        PyBuffer_Release(&view)
    if put >= 0:
        return put
    if put == NO_ALARM:
        raise failure(code, "timer_create(2)", end.name)
    if code == EAGAIN or code == EINTR:
        return None
    if code == EOPNOTSUPP and end.how == PER_CALL:
        end.how = GUARDED
        return write_now(end, data)
    raise failure(code, "write(2)", end.name)


cdef object split(bytes kept, Py_ssize_t n):
    """(the first n bytes, the rest or None)."""
    if n < 0:
        raise ValueError(f"cannot read {n} bytes")
    return kept[:n], kept[n:] or None


cdef class ReadEnd(Descriptor):
    """An end that bytes come out of."""

    cdef inline object take(self, Py_ssize_t n):
        if self.kept is not None:
            self.number()
            data, self.kept = split(self.kept, n)
            return data
        return read_now(self, n)

    def try_read(self, Py_ssize_t n):
        """Up to `n` bytes that are here now; b"" when every writer has closed; None for not now. -- read(2)"""
        return self.take(n)

    def read(self, Py_ssize_t n, timeout=None):
        """Wait for up to `n` bytes; b"" when every writer has closed its end. -- read(2)"""
        data = read_now(self, n) if self.kept is None else self.take(n)
        if data is None:
            return waiting().on_descriptor(self, POLLIN, self.try_read, n, timeout=timeout, tried=True)
        return data

    def keep(self, bytes data):
        """Put bytes back in front of the stream: the next read gets them first."""
        if data:
            self.kept = data if self.kept is None else data + self.kept

    @property
    def kept_bytes(self):
        """How many bytes a timed-out or cancelled read left here for the next one."""
        return 0 if self.kept is None else len(self.kept)


cdef class WriteEnd(Descriptor):
    """An end that bytes go into."""

    cdef object put(self, object data):
        return write_now(self, data)

    def try_write(self, data):
        """Write what fits now and say how many bytes that was; None for not now. -- write(2)"""
        return write_now(self, data)

    def write(self, data, timeout=None):
        """Wait until at least one byte fits; how many bytes were taken (may be fewer than given). -- write(2)"""
        done = write_now(self, data)
        if done is None:
            return waiting().on_descriptor(self, POLLOUT, self.try_write, data, timeout=timeout, tried=True)
        return done


cdef class Counter(Descriptor):
    """An event counter's descriptor: 8 bytes in the machine's order, a number here. -- eventfd(2)"""

    def __init__(self, unsigned int initial, bint semaphore):
        cdef int fd = eventfd(initial, EFD_CLOEXEC | EFD_NONBLOCK | (EFD_SEMAPHORE if semaphore else 0))
        if fd < 0:
            raise failure(errno, "eventfd(2)", None)
        Descriptor.__init__(self, fd, "event")

    def try_add(self, n=1):
        """Raise the count by `n` (at least 1); False if it would pass the limit now. -- write(2)"""
        if not 1 <= n <= MOST:
            raise ValueError(f"an event counter is raised by 1..2**64-2, not {n}")
        cdef uint64_t count = n
        cdef int fd = self.enter(), code
        cdef ssize_t done
        with nogil:
            done = uipc_try_add(fd, count)
            code = errno
        self.leave()
        if done == NO_ALARM:
            raise failure(code, "timer_create(2)", self.name)
        if done < 0 and code != EAGAIN and code != EINTR:
            raise failure(code, "write(2)", self.name)
        return done == sizeof(count)

    def try_take(self):
        """The count (1 for a semaphore), None while it is 0. -- read(2)"""
        cdef uint64_t count = 0
        cdef int fd = self.enter(), code
        cdef ssize_t done
        with nogil:
            done = uipc_try_read(fd, &count, sizeof(count))
            code = errno
        self.leave()
        if done == NO_ALARM:
            raise failure(code, "timer_create(2)", self.name)
        if done < 0 and code != EAGAIN and code != EINTR:
            raise failure(code, "read(2)", self.name)
        return count if done == sizeof(count) else None


MOST = 2**64 - 2


uipc_count_generations()
