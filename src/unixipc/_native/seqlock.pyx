# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""A sequence lock in a shared buffer; the protocol is in seqlock.h."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uintptr_t

from _thread import allocate_lock

from unixipc._native.descriptor import waiting_module
from unixipc.errors import ClosedError, LayoutError

cdef extern from "seqlock.h" nogil:
    struct uipc_seqlock:
        uint32_t magic, version, sequence, writer
        char *body
    void uipc_seqlock_begin(uipc_seqlock *)
    void uipc_seqlock_end(uipc_seqlock *)
    int uipc_seqlock_read(const uipc_seqlock *, size_t, char *, size_t)
    void uipc_copy_in(char *, const char *, size_t)
    int uipc_compare_exchange(uint32_t *, uint32_t, uint32_t)
    uint32_t uipc_load_acquire(const uint32_t *)
    void uipc_store_release(uint32_t *, uint32_t)
    enum:
        UIPC_SEQLOCK_MAGIC
        UIPC_SEQLOCK_VERSION

HEADER_BYTES = 64
SEQUENCE_OFFSET = 8


@cython.no_gc_clear
cdef class SeqLock:
    """The lock at the start of a buffer, and the body behind it. Holds the buffer until it is closed."""

    cdef Py_buffer view
    cdef uipc_seqlock *lock
    cdef readonly Py_ssize_t body_bytes
    cdef readonly bint writable
    cdef readonly uint32_t claimed  # by which process, through this object
    cdef readonly object turn       # of that process's threads
    cdef bint held

    def __cinit__(self, memory, bint writable):
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.held = True
        self.writable = writable
        if self.view.len < HEADER_BYTES:
            raise ValueError(f"a sequence lock needs {HEADER_BYTES} bytes before its body, here are {self.view.len}")
        if <uintptr_t>self.view.buf % 8:
            raise ValueError("a sequence lock must be aligned to 8 bytes")
        self.lock = <uipc_seqlock *>self.view.buf
        self.body_bytes = self.view.len - HEADER_BYTES
        self.check_header()

    cdef int check_header(self) except -1:
        """Fresh memory (all zero) becomes a lock; anything else must be one."""
        if self.writable and uipc_compare_exchange(&self.lock.magic, 0, UIPC_SEQLOCK_MAGIC):
            uipc_store_release(&self.lock.version, UIPC_SEQLOCK_VERSION)
        cdef uint32_t magic = uipc_load_acquire(&self.lock.magic), version = uipc_load_acquire(&self.lock.version)
        if magic != UIPC_SEQLOCK_MAGIC and not (magic == 0 and not self.writable):
            raise LayoutError("magic of the sequence lock", hex(UIPC_SEQLOCK_MAGIC), hex(magic))
        if version not in (0, UIPC_SEQLOCK_VERSION):  # 0: somebody is just making it
            raise LayoutError("version of the sequence lock", UIPC_SEQLOCK_VERSION, version)
        return 0

    cdef uipc_seqlock *at(self) except NULL:
        if self.lock == NULL:
            raise ClosedError("the sequence lock was closed")
        return self.lock

    @property
    def sequence(self):
        """Even: the body is whole; odd: it is being written, or its writer died."""
        return uipc_load_acquire(&self.at().sequence)

    @property
    def writer(self):
        """The pid of the writer, 0 for nobody."""
        return uipc_load_acquire(&self.at().writer)

    def claim(self, uint32_t old, uint32_t new):
        """Become the writer in the place of `old`; False if it is somebody else's by now."""
        self.check_writable()
        turn = allocate_lock()  # a new one: in a forked child the parent's may have been taken
        if not uipc_compare_exchange(&self.at().writer, old, new):
            return False
        self.claimed, self.turn = new, turn
        return True

    cdef int check_writable(self) except -1:
        if not self.writable:
            raise TypeError("this segment is attached read-only")
        return 0

    cdef int check_range(self, Py_ssize_t offset, Py_ssize_t n) except -1:
        if offset < 0 or n < 0 or offset > self.body_bytes - n:
            raise ValueError(f"bytes {offset}..{<object>offset + n} are not within the body's {self.body_bytes}")
        return 0

    def begin(self):
        """From here on readers wait."""
        self.check_writable()
        uipc_seqlock_begin(self.at())

    def end(self):
        """The body is whole again. Wake the readers after it."""
        self.check_writable()
        uipc_seqlock_end(self.at())

    def put(self, data, Py_ssize_t offset):
        """Write into the body, between `begin` and `end`."""
        cdef Py_buffer source
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            self.check_writable()
            self.check_range(offset, source.len)
            uipc_copy_in(self.at().body + offset, <char *>source.buf, source.len)
        finally:
            PyBuffer_Release(&source)

    def try_read(self, Py_ssize_t n, Py_ssize_t offset):
        """A whole copy of `n` bytes, None while a write is under way."""
        self.check_range(offset, n)
        self.at()
        copy = PyBytes_FromStringAndSize(NULL, n)
        cdef int _turn
        for _turn in range(3):  # a short write is over sooner than any sleep
            if uipc_seqlock_read(self.lock, offset, PyBytes_AS_STRING(copy), n):
                return copy
        return None

    def close(self):
        """Let go of the buffer."""
        self.lock = NULL
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    def __dealloc__(self):
        self.close()


cdef class Writing:
    """For ``with``: between the odd number and the even one; the threads of the writing process take turns.

    `claim` gives the turn that they take, `word` wakes the readers.
    """

    cdef SeqLock lock
    cdef object claim, word, timeout, name, turn

    def __init__(self, SeqLock lock not None, claim, word, timeout, name):
        self.lock, self.claim, self.word, self.timeout, self.name = lock, claim, word, timeout, name

    def __enter__(self):
        turn = self.claim()
        if not turn.acquire(True, -1 if self.timeout is None else self.timeout):
            raise waiting_module().timed_out(self.name(), "write", self.timeout)
        try:
            self.lock.begin()
        except BaseException:
            turn.release()
            raise
        self.turn = turn

    def __exit__(self, kind, error, where):
        try:
            self.lock.end()
            self.word.wake()
        finally:
            self.turn.release()
