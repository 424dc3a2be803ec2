# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""pipe2(2), its size and fill, and the calls that move pages: splice(2), tee(2), vmsplice(2)."""

from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, EINTR, errno

from unixipc._native.descriptor cimport PER_CALL, Descriptor

from unixipc._call import failure

cdef extern from "uipc.h" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len
    int pipe2(int *, int)
    int fcntl(int, int, ...)
    int ioctl(int, unsigned long, ...)
    ssize_t c_splice "splice"(int, long long *, int, long long *, size_t, unsigned int)
    ssize_t c_tee "tee"(int, int, size_t, unsigned int)
    ssize_t c_vmsplice "vmsplice"(int, const iovec *, size_t, unsigned int)
    enum:
        O_CLOEXEC
        O_DIRECT
        F_GETPIPE_SZ
        F_SETPIPE_SZ
        FIONREAD
        SPLICE_F_NONBLOCK
        SPLICE_F_MOVE


def new_pipe(bint packet, reader_class, writer_class):
    """(reader, writer) of these classes, both close-on-exec. -- pipe2(2)"""
    cdef int fds[2]
    cdef Descriptor reader = reader_class.__new__(reader_class), writer = writer_class.__new__(writer_class)
    if pipe2(fds, O_CLOEXEC | (O_DIRECT if packet else 0)) < 0:
        raise failure(errno, "pipe2(2)", None)
    reader.fill(fds[0], "pipe reader", PER_CALL)
    writer.fill(fds[1], "pipe writer", PER_CALL)
    return reader, writer


def capacity(int fd, name):
    """How many bytes the pipe holds at most. -- fcntl(2), F_GETPIPE_SZ"""
    cdef int size = fcntl(fd, F_GETPIPE_SZ)
    if size < 0:
        raise failure(errno, "fcntl(F_GETPIPE_SZ)", name)
    return size


def set_capacity(int fd, int size, name):
    """Change it; the kernel rounds up to a power of two of pages; the capacity it chose. -- fcntl(2), F_SETPIPE_SZ"""
    cdef int chosen = fcntl(fd, F_SETPIPE_SZ, size)
    if chosen < 0:
        raise failure(errno, "fcntl(F_SETPIPE_SZ)", name)
    return chosen


def pending(int fd, name):
    """How many bytes wait to be read. -- ioctl(2), FIONREAD"""
    cdef int count = 0
    if ioctl(fd, FIONREAD, &count) < 0:
        raise failure(errno, "ioctl(FIONREAD)", name)
    return count


cdef object moved(ssize_t n, int code, str call, name):
    if n >= 0:
        return n
    if code in (EAGAIN, EINTR):  # EINTR: a pending signal ends even a non-blocking tee
        return None
    raise failure(code, call, name)


cdef int number_of(end) except -1:
    """For a call without the GIL: one of ours keeps its number until `left`, even if another thread closes it."""
    return (<Descriptor>end).enter() if isinstance(end, Descriptor) else end


cdef void left(end) noexcept:
    if isinstance(end, Descriptor):
        (<Descriptor>end).leave()


def splice(source, target, Py_ssize_t n, name):
    """Move at most n bytes without copying through this process; 0 at the end, None for not now. -- splice(2)"""
    cdef ssize_t done
    cdef int code, out, into = number_of(source)
    try:
        out = number_of(target)
    except BaseException:
        left(source)
        raise
    with nogil:
        done = c_splice(into, NULL, out, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE)
        code = errno
    left(source)
    left(target)
    return moved(done, code, "splice(2)", name)


def tee(source, target, Py_ssize_t n, name):
    """Duplicate at most n bytes from pipe to pipe, leaving them in the first. -- tee(2)"""
    cdef ssize_t done
    cdef int code, out, into = number_of(source)
    try:
        out = number_of(target)
    except BaseException:
        left(source)
        raise
    with nogil:
        done = c_tee(into, out, n, SPLICE_F_NONBLOCK)
        code = errno
    left(source)
    left(target)
    return moved(done, code, "tee(2)", name)


def vmsplice(target, data, name):
    """Map the pages of `data` into the pipe. -- vmsplice(2)"""
    cdef Py_buffer view
    cdef iovec piece
    cdef ssize_t done
    cdef int code, fd
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        piece.iov_base, piece.iov_len = view.buf, view.len
        fd = number_of(target)
        with nogil:
            done = c_vmsplice(fd, &piece, 1, SPLICE_F_NONBLOCK)
            code = errno
        left(target)
    finally:
        PyBuffer_Release(&view)
    return moved(done, code, "vmsplice(2)", name)
