# cython: language_level=3, binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Other processes' files, without asking the file systems that they are on: those may be dead. -- statx(2)"""

from libc.errno cimport EAGAIN, ENOENT, ENOMEM, ESRCH, errno
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport atoi, strtoull
from libc.string cimport memcmp, memcpy, memset, strlen

import os

from unixipc._call import failure

cdef extern from "uipc.h" nogil:
    enum:
        AT_SYMLINK_NOFOLLOW
        PATH_MAX
        SYS_statx
        O_CLOEXEC
        O_PATH
        O_RDONLY
    struct stat_fields "stat":
        unsigned int st_mode
    int fstatat(int, const char *, stat_fields *, int)
    ssize_t readlinkat(int, const char *, char *, size_t)
    int open(const char *, int, ...)
    int close(int)
    int ioctl(int, unsigned long, ...)
    long syscall(long, ...)

cdef extern from * nogil:
    """
    /* What the headers of older machines do not have: <linux/openat2.h>. */
    #ifndef SYS_openat2
    #define SYS_openat2 437
    #endif
    struct uipc_open_how { unsigned long long flags, mode, resolve; };
    enum { UIPC_RESOLVE_IN_ROOT = 0x10, UIPC_RESOLVE_CACHED = 0x20 };

    /* PROCMAP_QUERY of <linux/fs.h>, since Linux 6.11. */
    struct uipc_map_query {
        unsigned long long size, flags, address, start, end, vma_flags, page_size, offset, inode;
        unsigned int major, minor, name_size, build_id_size;
        unsigned long long name_address, build_id_address;
    };
    #define UIPC_MAP_QUERY _IOWR('f', 17, struct uipc_map_query)
    enum { UIPC_MAP_WRITABLE = 2, UIPC_MAP_SHARED = 8, UIPC_MAP_OR_NEXT = 16 };
    """
    struct open_how "uipc_open_how":
        unsigned long long flags
        unsigned long long mode
        unsigned long long resolve
    struct map_query "uipc_map_query":
        unsigned long long size
        unsigned long long flags
        unsigned long long address
        unsigned long long start
        unsigned long long end
        unsigned long long vma_flags
        unsigned long long offset
        unsigned long long inode
        unsigned int major
        unsigned int minor
        unsigned int name_size
        unsigned int build_id_size
        unsigned long long name_address
    unsigned long UIPC_MAP_QUERY
    enum:
        UIPC_MAP_WRITABLE
        UIPC_MAP_SHARED
        UIPC_MAP_OR_NEXT
        SYS_openat2
        UIPC_RESOLVE_IN_ROOT
        UIPC_RESOLVE_CACHED

cdef extern from "<dirent.h>" nogil:
    ctypedef struct DIR
    struct dirent:
        char *d_name
    DIR *opendir(const char *)
    dirent *readdir(DIR *)
    int closedir(DIR *)
    int dirfd(DIR *)

cdef extern from "<linux/stat.h>" nogil:
    struct statx_timestamp:
        long long tv_sec
    struct statx_fields "statx":
        uint32_t stx_nlink
        uint32_t stx_uid
        uint32_t stx_gid
        unsigned short stx_mode
        uint64_t stx_ino
        uint64_t stx_size
        uint64_t stx_blocks
        statx_timestamp stx_atime
        statx_timestamp stx_mtime
        statx_timestamp stx_ctime
        uint32_t stx_dev_major
        uint32_t stx_dev_minor
    enum:
        AT_EMPTY_PATH
        AT_STATX_DONT_SYNC
        STATX_BASIC_STATS

cdef extern from "Python.h":
    object PyUnicode_DecodeFSDefaultAndSize(const char *, Py_ssize_t)
    void *PyMem_RawRealloc(void *, size_t) nogil
    void PyMem_RawFree(void *) nogil

cdef struct Found:
    int number
    int length  # of the link
    unsigned int mode  # of the link: what it was opened for
    unsigned int room  # of this entry, with the link behind it

cdef struct Arena:
    char *start
    size_t used
    size_t room

cdef enum:
    FIRST_ROOM = 1 << 16
    LOOKS = 20  # a rename anywhere at this moment makes the kernel give up its quick walk


cdef Found *added(Arena *arena, const char *link, int length) noexcept nogil:
    """Room for one more, with its link; NULL without memory."""
    cdef size_t needs = (sizeof(Found) + length + 15) & ~<size_t>15, room = arena.room
    cdef char *moved
    while arena.used + needs > room:
        room = 2 * room if room else FIRST_ROOM
    if room != arena.room:
        moved = <char *>PyMem_RawRealloc(arena.start, room)
        if moved == NULL:
            return NULL
        arena.start, arena.room = moved, room
    cdef Found *one = <Found *>(arena.start + arena.used)
    one.length, one.room = length, <unsigned int>needs
    memcpy(<char *>one + sizeof(Found), link, length)
    arena.used += needs
    return one


cdef inline bint begins(const char *link, ssize_t length, const char *word) noexcept nogil:
    cdef size_t count = strlen(word)
    return <size_t>length >= count and memcmp(link, word, count) == 0


cdef bint is_no_object(const char *link, ssize_t length) noexcept nogil:
    """What many have open and nobody talks through: not looked at more closely."""
    if begins(link, length, b"/dev/"):
        return (
            begins(link, length, b"/dev/null") or begins(link, length, b"/dev/pts/")
            or begins(link, length, b"/dev/tty") or begins(link, length, b"/dev/urandom")
            or begins(link, length, b"/dev/zero")
        )
    return begins(link, length, b"/proc/") or begins(link, length, b"/sys/")


cdef int read_folder(const char *path, Arena *arena) noexcept nogil:
    """Every descriptor in /proc/PID/fd; 0 or an errno. What is closed meanwhile is left out."""
    cdef DIR *folder = opendir(path)
    cdef dirent *entry
    cdef char link[PATH_MAX]
    cdef ssize_t length
    cdef stat_fields fields
    cdef Found *one
    cdef int code = 0
    if folder == NULL:
        return errno
    while True:
        entry = readdir(folder)
        if entry == NULL:  # the end, or that of the process
            break
        if entry.d_name[0] == b".":
            continue
        length = readlinkat(dirfd(folder), entry.d_name, link, sizeof(link))
        if length <= 0 or is_no_object(link, length):
            continue
        fields.st_mode = 0o600  # of those that are open for both always
        if link[0] == b"/" or link[0] == b"p":
            if fstatat(dirfd(folder), entry.d_name, &fields, AT_SYMLINK_NOFOLLOW):
                continue
        one = added(arena, link, <int>length)
        if one == NULL:
            code = ENOMEM
            break
        one.number, one.mode = atoi(entry.d_name), fields.st_mode
    closedir(folder)
    return code


cdef int sort_in(Arena *arena, int pid, dict pipes, dict sockets, dict anonymous, list paths) except -1:
    cdef size_t at = 0
    cdef Found *one
    cdef const char *link
    while at < arena.used:
        one = <Found *>(arena.start + at)
        at += one.room
        link = <const char *>one + sizeof(Found)
        if begins(link, one.length, b"socket:["):
            add(sockets, strtoull(link + 8, NULL, 10), pid, one)
        elif begins(link, one.length, b"pipe:["):
            add(pipes, strtoull(link + 6, NULL, 10), pid, one)
        elif begins(link, one.length, b"anon_inode:"):
            add(anonymous, PyUnicode_DecodeFSDefaultAndSize(link + 11, one.length - 11), pid, one)
        elif link[0] == b"/":
            paths.append((one.number, one.mode, PyUnicode_DecodeFSDefaultAndSize(link, one.length)))
    return 0


cdef int add(dict table, object which, int pid, Found *one) except -1:
    cdef list known = table.get(which)
    if known is None:
        known = table[which] = []
    known.append((pid, one.number, one.mode))
    return 0


def descriptors_of(int pid, dict pipes, dict sockets, dict anonymous):
    """Sort its descriptors into the tables, by inode number or name, as (pid, number, mode of the link).

    Of those that have a path: a list of (number, mode of the link, path). -- proc_pid_fd(5)
    """
    cdef bytes path = b"/proc/%d/fd" % pid
    cdef const char *raw = path
    cdef Arena arena
    cdef int code
    cdef list paths = []
    arena.start, arena.used, arena.room = NULL, 0, 0
    try:
        with nogil:
            code = read_folder(raw, &arena)
        if code:
            raise failure(code, "proc_pid_fd(5)", path.decode())
        sort_in(&arena, pid, pipes, sockets, anonymous, paths)
    finally:
        PyMem_RawFree(arena.start)
    return paths


def shared_mappings_of(int pid):
    """What it has mapped shared: (start, end, offset, writable, major, minor, inode, name). -- proc_pid_maps(5)

    By PROCMAP_QUERY: the kernel skips all the others: text of them is not even made. OSError(ENOTTY) before Linux 6.11.
    """
    cdef bytes path = b"/proc/%d/maps" % pid
    cdef const char *raw = path
    cdef char name[PATH_MAX]
    cdef map_query query
    cdef int fd, code = 0
    cdef list found = []
    with nogil:
        fd = open(raw, O_RDONLY | O_CLOEXEC)
        code = errno
    if fd < 0:
        raise failure(code, "proc_pid_maps(5)", path.decode())
    try:
        memset(&query, 0, sizeof(query))
        query.size, query.flags, query.name_address = sizeof(query), UIPC_MAP_SHARED | UIPC_MAP_OR_NEXT, <size_t>name
        while True:
            query.name_size = sizeof(name)
            with nogil:
                code = errno if ioctl(fd, UIPC_MAP_QUERY, &query) else 0
            if code in (ENOENT, ESRCH):  # no more; the process has ended
                return found
            if code:
                raise failure(code, "proc_pid_maps(5)", path.decode())
            found.append(
                (
                    query.start, query.end, query.offset, bool(query.vma_flags & UIPC_MAP_WRITABLE), query.major,
                    query.minor, query.inode,
                    PyUnicode_DecodeFSDefaultAndSize(name, query.name_size - 1) if query.name_size else "",
                )
            )
            query.address = query.end
    finally:
        close(fd)


cdef object stat_of(int folder, const char *path, int flags, name):
    cdef statx_fields found
    cdef long rc
    cdef int code
    with nogil:
        rc = syscall(SYS_statx, folder, path, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &found)
        code = errno
    if rc:
        raise failure(code, "statx(2)", name)
    return os.stat_result(
        (
            found.stx_mode, found.stx_ino, os.makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_nlink,
            found.stx_uid, found.stx_gid, found.stx_size, found.stx_atime.tv_sec, found.stx_mtime.tv_sec,
            found.stx_ctime.tv_sec,
        ),
        {"st_blocks": found.stx_blocks},
    )


def stat_known(path):
    """What is known here about an open file: NFS and FUSE ask nobody for it. -- statx(2)

    `path`: /proc/PID/fd/N. On the way to a name in a folder they may ask: that is for `stat_cached`.
    """
    cdef bytes name = os.fsencode(path)
    return stat_of(-100, name, 0, path)


def stat_cached(start, name):
    """The same of the file that is called `name` in the folder `start`, if the way is known here. -- openat2(2)

    A name that begins with "/" does so at `start`. BlockingIOError: a file system would have to be asked.
    OSError(ENOSYS or EINVAL): before Linux 5.12.
    """
    cdef bytes way = os.fsencode(start), rest = os.fsencode(name).lstrip(b"/") or b"."
    cdef const char *raw = way
    cdef const char *raw_rest = rest
    cdef open_how how
    cdef int folder, fd = -1, code, _
    how.flags, how.mode = O_PATH | O_CLOEXEC, 0
    how.resolve = UIPC_RESOLVE_CACHED | (UIPC_RESOLVE_IN_ROOT if name[:1] == "/" else 0)
    with nogil:
        folder = open(raw, O_PATH | O_CLOEXEC)
        code = errno
        if folder >= 0:
            for _ in range(LOOKS):
                fd = <int>syscall(SYS_openat2, folder, raw_rest, &how, sizeof(how))
                code = errno
                if fd >= 0 or code != EAGAIN:
                    break
            close(folder)
    if fd < 0:
        raise failure(code, "openat2(2)", name)
    try:
        return stat_of(fd, b"", AT_EMPTY_PATH, name)
    finally:
        close(fd)
