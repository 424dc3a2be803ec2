# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Looking at what is not ours, without a trace: files by their paths, other namespaces, other threads' lists."""

from libc.errno cimport errno
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

from unixipc._native.descriptor cimport outcome

import os

cdef extern from "glance.h" nogil:
    struct uipc_glance:
        const char *path
        char *bytes
        size_t most
        ssize_t count
        long queue[4]
        int seals
    int uipc_glance_at(uipc_glance *, size_t)
    int uipc_netlink_in(int, int)
    long syscall(long, ...)
    enum:
        SYS_get_robust_list


def glance(paths, size_t most):
    """For each path (first bytes, a queue's limits and messages, a memory file's seals); None: not to be opened.

    Only regular files are opened, and by another process: our locks and registrations on them stay. -- clone(2)
    """
    cdef list names = [os.fsencode(path) for path in paths]
    cdef size_t i, n = len(names)
    if n == 0:
        return []
    if most > 1 << 30:
        raise ValueError("at most 1 GiB of each file")
    cdef uipc_glance *files = <uipc_glance *>calloc(n, sizeof(uipc_glance))
    cdef char *room = <char *>calloc(n, most + 1)
    cdef int code
    try:
        if files == NULL or room == NULL:
            raise MemoryError()
        for i in range(n):
            files[i].path = <bytes>names[i]
            files[i].bytes = room + i * (most + 1)
            files[i].most = most
        with nogil:
            code = uipc_glance_at(files, n)
        if code:
            raise outcome(code, "clone(2)", "a process to look with")
        return [found(&files[i]) for i in range(n)]
    finally:
        free(files)
        free(room)


cdef object found(uipc_glance *file):
    if file.count < 0:
        return None
    queue = None if file.queue[0] < 0 else (file.queue[1], file.queue[2], file.queue[3])
    return file.bytes[:file.count], queue, None if file.seals < 0 else file.seals


def netlink_in(int space, int protocol):
    """A netlink socket of another network namespace. PermissionError without CAP_SYS_ADMIN there. -- setns(2)"""
    cdef int fd, code
    with nogil:
        fd = uipc_netlink_in(space, protocol)
        code = errno
    if fd < 0:
        raise outcome(code, "setns(2)", "a network namespace")
    return fd


def robust_list_of(int tid):
    """Where a thread's list of robust locks is, there. PermissionError, ProcessLookupError. -- get_robust_list(2)"""
    cdef uintptr_t head = 0
    cdef size_t length = 0
    if syscall(SYS_get_robust_list, tid, &head, &length) < 0:
        raise outcome(errno, "get_robust_list(2)", f"thread {tid}")
    return head
