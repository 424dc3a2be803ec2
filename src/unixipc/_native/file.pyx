# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Calls on names and files that may sleep in the kernel: one try each, InterruptedError when a signal came."""

from libc.errno cimport EAGAIN, errno

from unixipc._native.descriptor cimport GUARDED, Descriptor, outcome

import os

from unixipc._call import failure

cdef extern from "uipc.h" nogil:
    int open(const char *, int, ...)
    int fcntl(int, int, ...)
    enum:
        F_SETFL
        O_CLOEXEC
        O_NONBLOCK

cdef extern from "<sys/file.h>" nogil:
    int flock(int, int)
    enum:
        LOCK_NB


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


def open_owned(path, int flags, int mode=0o777, dir_fd=None, name=None):
    """`os.open` whose number has its owner at once, a `Descriptor`: no signal handler comes in between. -- open(2)"""
    return Descriptor(os.open(path, flags, mode, dir_fd=dir_fd), path if name is None else name)


def open_end_once(cls, path, int flags):
    """The same as an object of class `cls`; O_NONBLOCK is for the opening, and taken off then. -- open(2)"""
    cdef Descriptor end = cls.__new__(cls)
    end.fill(opened(path, flags), path, GUARDED)
    try:
        if flags & O_NONBLOCK and fcntl(end.fd, F_SETFL, flags & ~O_NONBLOCK) < 0:
            raise failure(errno, "fcntl(F_SETFL)", path)
        end.use_fifo()
    except BaseException:
        end.close()
        raise
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
