# cython: language_level=3
"""Calls on names and files that may sleep in the kernel: one try each, InterruptedError when a signal came."""

from libc.errno cimport EINTR, EAGAIN, errno

from unixipc._native.descriptor cimport FLAGGED, Descriptor

from unixipc._call import failure

import os

cdef extern from "uipc.h" nogil:
    int open(const char *, int, ...)
    int fcntl(int, int, ...)
    enum:
        O_CLOEXEC
        O_NONBLOCK
        F_GETFL
        F_SETFL

cdef extern from *:
    struct flock_range "flock":
        short l_type, l_whence
        long l_start, l_len
        int l_pid
    int ofd_lock "fcntl"(int, int, flock_range *) nogil
    enum:
        F_OFD_SETLK
        F_OFD_SETLKW
        EACCES
        F_RDLCK
        F_WRLCK
        F_UNLCK

cdef extern from "<sys/file.h>" nogil:
    int flock(int, int)
    enum:
        LOCK_NB


cdef object outcome(int code, str call, object name):
    if code == EINTR:
        return InterruptedError(code, "interrupted")
    return failure(code, call, name)


cdef int opened(path, int flags) except -1:
    cdef bytes name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError(f"a path has no NUL in it: {path!r}")
    cdef const char *raw = name
    cdef int fd, code
    with nogil:
        fd = open(raw, flags | O_CLOEXEC)
        code = errno
    if fd < 0:
        raise outcome(code, "open(2)", path)
    return fd


def open_once(path, int flags):
    """The new descriptor's number, close-on-exec. Sleeps while a FIFO's other side is missing. -- open(2)"""
    return opened(path, flags)


def open_end_once(cls, path, int flags):
    """The same as an object of class `cls`, set to O_NONBLOCK once it is open. -- open(2)"""
    cdef Descriptor end = cls.__new__(cls)
    end.fill(opened(path, flags), path, FLAGGED)
    fcntl(end.fd, F_SETFL, fcntl(end.fd, F_GETFL) | O_NONBLOCK)
    return end


def flock_once(int fd, int operation, name=None):
    """True when the lock is ours, None for not now (LOCK_NB). -- flock(2)"""
    cdef int rc, code
    with nogil:
        rc = flock(fd, operation)
        code = errno
    if rc == 0:
        return True
    if code == EAGAIN and operation & LOCK_NB:
        return None
    raise outcome(code, "flock(2)", name)


def record_lock_once(int fd, int kind, long start, long length, bint sleep, name=None):
    """Lock (0 shared, 1 alone) or unlock (2) a range of bytes for this opening; None for not now. -- fcntl(2)"""
    cdef flock_range wanted
    cdef int rc, code
    wanted.l_type = (F_RDLCK, F_WRLCK, F_UNLCK)[kind]
    wanted.l_whence, wanted.l_start, wanted.l_len, wanted.l_pid = 0, start, length, 0
    with nogil:
        rc = ofd_lock(fd, F_OFD_SETLKW if sleep else F_OFD_SETLK, &wanted)
        code = errno
    if rc == 0:
        return True
    if (code == EAGAIN or code == EACCES) and not sleep:
        return None
    raise outcome(code, "fcntl(F_OFD_SETLK)", name)
