# cython: language_level=3
"""Calls on names and files that may sleep in the kernel: one try each, InterruptedError when a signal came."""

from libc.errno cimport EINTR, EAGAIN, errno

from unixipc._call import failure

import os

cdef extern from "uipc.h" nogil:
    int open(const char *, int, ...)
    enum:
        O_CLOEXEC
        RENAME_NOREPLACE "(1 << 0)"

cdef extern from "<sys/file.h>" nogil:
    int flock(int, int)
    enum:
        LOCK_NB

cdef extern from "<stdio.h>" nogil:
    int renameat2(int, const char *, int, const char *, unsigned int)


cdef object outcome(int code, str call, object name):
    if code == EINTR:
        return InterruptedError(code, "interrupted")
    return failure(code, call, name)


def open_once(path, int flags):
    """The new descriptor's number, close-on-exec. Sleeps while a FIFO's other side is missing. -- open(2)"""
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


def rename_new(int folder, old, new):
    """Rename within a folder; the new name must not exist. -- renameat2(2)"""
    cdef bytes a = os.fsencode(old), b = os.fsencode(new)
    if renameat2(folder, a, folder, b, RENAME_NOREPLACE) < 0:
        raise failure(errno, "renameat2(2)", new)
