# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Mapped memory: mmap(2) and what goes with it, and memory files with seals."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBuffer_FillInfo, PyObject_GetBuffer
from cpython.long cimport PyLong_AsLongAndOverflow
from cpython.ref cimport PyObject
from libc.errno cimport ENODEV, EPERM, errno
from libc.limits cimport LONG_MAX, LONG_MIN
from libc.stdint cimport uintptr_t
from posix.stat cimport S_ISBLK, S_ISCHR, S_ISREG, fstat, struct_stat
from weakref import ref

import os

from unixipc._native.descriptor cimport FLAGGED, Descriptor, new_object, outcome
from unixipc.errors import ClosedError

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX
    Py_ssize_t Py_REFCNT(PyObject *)

cdef extern from "sigbus.h":
    struct uipc_guard:
        pass
    int uipc_guard_install()
    uipc_guard *uipc_guard_add(void *, size_t, size_t, int)
    void uipc_guard_protect(uipc_guard *, int)
    void uipc_guard_remove(uipc_guard *)
    unsigned uipc_guard_damaged(uipc_guard *)

cdef extern from *:
    """
    #include "uipc.h"
    #include <sys/mman.h>
    #include <sys/vfs.h>
    static size_t uipc_page_size_of_file(int fd, size_t block, size_t usual)
    {
        struct statfs found;
        if (block <= usual) /* hugetlbfs has blocks of a huge page, and few others have such blocks: they are asked */
            return usual;
        int huge = fstatfs(fd, &found) == 0 && (unsigned)found.f_type == 0x958458f6u; /* hugetlbfs */
        return huge ? (size_t)found.f_bsize : usual;
    }
    static void uipc_look_at(const volatile char *byte) { (void)*byte; }
    """
    size_t uipc_page_size_of_file(int, size_t, size_t) nogil
    void uipc_look_at(const char *) nogil
    void *mmap_call "mmap"(void *, size_t, int, int, int, long) nogil
    int munmap_call "munmap"(void *, size_t) nogil
    void *mremap_call "mremap"(void *, size_t, size_t, int, ...) nogil
    int msync_call "msync"(void *, size_t, int) nogil
    int madvise_call "madvise"(void *, size_t, int) nogil
    int mlock_call "mlock"(const void *, size_t) nogil
    int munlock_call "munlock"(const void *, size_t) nogil
    int mprotect_call "mprotect"(void *, size_t, int) nogil
    int memfd_create(const char *, unsigned) nogil
    int posix_fallocate(int, long, long) nogil
    int ftruncate(int, long) nogil
    int fcntl(int, int, ...) nogil
    long sysconf(int) nogil
    enum:
        PROT_NONE, PROT_READ, PROT_WRITE
        MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE, MAP_FIXED, MAP_NORESERVE
        MREMAP_MAYMOVE
        MS_SYNC, MS_ASYNC, MS_INVALIDATE
        MFD_CLOEXEC, MFD_ALLOW_SEALING
        F_ADD_SEALS, F_GET_SEALS
        _SC_PAGESIZE

PAGE_SIZE = sysconf(_SC_PAGESIZE)
cdef size_t PAGE = PAGE_SIZE


@cython.no_gc
@cython.final
cdef class Pages:
    """What a mapping's memory is unmapped with: all that can reach it refer to this. Views are counted in it, too.

    A view may be given back while somebody goes on with the address (``numpy.ndarray(buffer=...)`` does): who does so
    refers to this, and the memory stays until nobody does.
    """

    cdef char *base
    cdef char *start          # of the bytes that were asked for
    cdef size_t whole
    cdef Py_ssize_t length
    cdef readonly Py_ssize_t exports
    cdef bint readonly
    cdef uipc_guard *guard

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self.base == NULL:
            raise ClosedError("this memory is not mapped any more")
        PyBuffer_FillInfo(view, self, self.start, self.length, self.readonly, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.exports -= 1

    cdef void unmap(self) noexcept:
        cdef char *base = self.base
        cdef size_t whole = self.whole
        self.base = NULL
        if base == NULL:
            return
        if self.guard != NULL:
            uipc_guard_remove(self.guard)  # first: what comes to these addresses next is not ours
            self.guard = NULL
        with nogil:
            munmap_call(base, whole)

    def __dealloc__(self):
        self.unmap()


@cython.no_gc_clear
cdef class Mapped:
    """Mapped memory: a buffer. It cannot be unmapped while somebody uses its memory.

    `guarded`: pages that a shortened file takes away become zeros instead of a SIGBUS, and `damaged_pages` tells.
    """

    cdef char *base           # page aligned
    cdef size_t whole         # whole pages
    cdef size_t page_size
    cdef size_t most          # it cannot be longer than this; 0: no such limit
    cdef Py_ssize_t offset    # of our first byte in it
    cdef readonly Py_ssize_t length
    cdef readonly bint readonly
    cdef readonly object name
    cdef Pages pages          # unmaps, when nobody refers to it any more
    cdef Py_ssize_t in_use    # by calls of our own
    cdef uipc_guard *guard
    cdef unsigned damaged_before
    cdef object lent          # weakly, our own view: it holds us, so we must not hold it
    cdef object __weakref__

    cdef char *here(self) except NULL:
        if self.base == NULL:
            raise ClosedError(f"{type(self).__name__} {self.name or ''} is closed".replace("  ", " "))
        return self.base + self.offset

    @property
    def address(self):
        """Where it is in this process; another process may have it elsewhere."""
        return <size_t>self.here()

    @property
    def closed(self):
        """Whether it was unmapped."""
        return self.base == NULL

    @property
    def damaged_pages(self):
        """How many pages somebody took away by making the file shorter: they read as zeros and are not the file's."""
        return self.damaged_before + (uipc_guard_damaged(self.guard) if self.guard != NULL else 0)

    def __getbuffer__(self, Py_buffer *view, int flags):
        self.here()
        if self.guard != NULL:
            uipc_guard_install()  # somebody may have taken the signal since
        PyObject_GetBuffer(self.pages, view, flags)

    def __releasebuffer__(self, Py_buffer *view):
        """Never called: the view is one of `pages`. But numpy holds no buffer of what has no such method."""

    @property
    def exports(self):
        """How many views of it are in use."""
        return self.in_use + (0 if self.pages is None else self.pages.exports)

    def __len__(self):
        return self.length

    @property
    def buffer(self):
        """Its bytes, as a memoryview: the same one as long as somebody has it. After `close` it refuses to be used."""
        view = None if self.lent is None else self.lent()
        if view is None:
            view = memoryview(self)
            self.lent = ref(view)
        return view

    cdef int forget_buffer(self) except -1:
        view = self.lent()
        if view is not None:
            try:
                view.release()
            except BufferError:
                return 0
        self.lent = None
        return 0

    cdef int check_unused(self, str what) except -1:
        if self.lent is not None:
            self.forget_buffer()
        if self.exports:
            raise BufferError(f"cannot {what}: {self.exports} views of this memory are in use (memoryviews, arrays, "
                              "structures); delete or release them first")
        return 0

    cdef int check_unknown(self, str what) except -1:
        """The same, and nobody may have the address of what was a view."""
        self.check_unused(what)
        if self.base != NULL and Py_REFCNT(<PyObject *>self.pages) > 1:
            raise BufferError(f"cannot {what}: somebody has an array in this memory; delete it first")
        return 0

    cdef void own(self) noexcept:
        """`pages` looks after what is mapped now."""
        cdef Pages pages = self.pages
        pages.base, pages.whole, pages.length, pages.guard = self.base, self.whole, self.length, self.guard
        pages.readonly = self.readonly
        pages.start = self.base + self.offset

    cdef int span(self, Py_ssize_t offset, length, char **at, size_t *n, bint inside=False) except -1:
        """The pages of a range: those that it touches, or only those that are `inside` it."""
        cdef char *start = self.here()
        cdef Py_ssize_t size = 0
        if length is not None:
            size = length
        elif 0 <= offset <= self.length:
            size = self.length - offset
        if offset < 0 or size < 0 or offset > self.length - size:
            raise ValueError(f"bytes {offset}..{<object>offset + size} are not within {self.length}")
        cdef uintptr_t begin = <uintptr_t>start + offset, end = begin + size, mask = self.page_size - 1
        if inside and offset + size == self.length and self.guard == NULL:
            end = <uintptr_t>self.base + self.whole  # nobody has bytes behind ours
        begin = (begin + mask) & ~mask if inside else begin & ~mask
        end = end & ~mask if inside else (end + mask) & ~mask
        at[0] = <char *>begin
        n[0] = end - begin if size and end > begin else 0
        return 0

    def close(self):
        """Unmap it. BufferError while views of it are in use. -- munmap(2)

        Who has kept no view but the address, as ``numpy.ndarray(buffer=mapping.buffer)`` does, keeps the memory: it is
        unmapped when that is gone.
        """
        if self.base == NULL:
            return
        self.check_unused("unmap")
        self.unmap()

    cdef void unmap(self) noexcept:
        if self.base == NULL:
            return
        if self.guard != NULL:
            self.damaged_before += uipc_guard_damaged(self.guard)
        self.base, self.guard, self.pages = NULL, NULL, None

    def flush(self, Py_ssize_t offset_bytes=0, length_bytes=None, bint wait=True, bint invalidate=False):
        """Write changes to the file: now, or with ``wait=False`` soon. -- msync(2)

        `invalidate`: other mappings of the file are made to look again (MS_INVALIDATE); on Linux they see changes
        anyway. OSError(EIO) if the disk fails.
        """
        cdef char *at
        cdef size_t n
        cdef int rc, code
        self.span(offset_bytes, length_bytes, &at, &n)
        cdef int flags = (MS_SYNC, MS_ASYNC)[not wait] | (MS_INVALIDATE if invalidate else 0)
        self.in_use += 1  # nobody unmaps it meanwhile
        with nogil:
            rc = msync_call(at, n, flags)
            code = errno
        self.in_use -= 1
        if rc < 0:
            raise outcome(code, "msync(2)", self.name)

    def give_advice(self, int advice, Py_ssize_t offset_bytes=0, length_bytes=None, bint inside=False):
        """Tell the kernel how it will be used; `inside`: only whole pages of ours. -- madvise(2)"""
        cdef char *at
        cdef size_t n
        cdef int rc, code
        self.span(offset_bytes, length_bytes, &at, &n, inside)
        self.in_use += 1
        with nogil:
            rc = madvise_call(at, n, advice) if n else 0
            code = errno
        self.in_use -= 1
        if rc < 0:
            raise outcome(code, "madvise(2)", self.name)

    def lock(self, Py_ssize_t offset_bytes=0, length_bytes=None):
        """Keep it in memory: it is never swapped out. -- mlock(2)

        OSError(ENOMEM) beyond RLIMIT_MEMLOCK; PermissionError if that is 0.
        """
        cdef char *at
        cdef size_t n
        cdef int rc, code
        self.span(offset_bytes, length_bytes, &at, &n)
        self.in_use += 1
        with nogil:
            rc = mlock_call(at, n)
            code = errno
        self.in_use -= 1
        if rc < 0:
            raise outcome(code, "mlock(2)", self.name)

    def unlock(self, Py_ssize_t offset_bytes=0, length_bytes=None):
        """Let it be swapped out again: the pages that these bytes are in. -- munlock(2)"""
        cdef char *at
        cdef size_t n
        self.span(offset_bytes, length_bytes, &at, &n)
        if munlock_call(at, n) < 0:
            raise outcome(errno, "munlock(2)", self.name)

    def protect(self):
        """From now on nobody writes through this mapping. BufferError while views of it are in use. -- mprotect(2)"""
        self.here()
        self.check_unknown("protect")
        if mprotect_call(self.base, self.whole, PROT_READ) < 0:
            raise outcome(errno, "mprotect(2)", self.name)
        self.readonly = self.pages.readonly = True
        if self.guard != NULL:
            uipc_guard_protect(self.guard, PROT_READ)

    def remap(self, Py_ssize_t length):
        """Change its length; it may move. BufferError while views of it are in use. -- mremap(2)"""
        self.here()
        if length < 1:
            raise ValueError(f"a mapping has at least 1 byte, not {length}")
        self.check_unknown("resize")
        cdef size_t whole = pages(<size_t>self.offset + length, self.page_size)
        if self.most and whole > self.most:
            raise ValueError(f"shared memory without a file has its size from birth: {length} bytes are too many")
        cdef unsigned damaged = self.damaged_pages
        cdef Py_ssize_t before = self.length
        self.move(whole, length)
        if self.guard == NULL or length <= before:
            return
        self.look_at_end()
        if self.damaged_pages != damaged:
            self.move(pages(self.offset + before, self.page_size), before)
            self.damaged_before = damaged
            raise ValueError(f"the file {self.name} is too short: make it longer first")

    cdef int move(self, size_t whole, Py_ssize_t length) except -1:
        cdef bint watched = self.guard != NULL
        cdef void *moved
        self.unwatch()
        moved = mremap_call(self.base, self.whole, whole, MREMAP_MAYMOVE)
        cdef int code = errno
        if <Py_ssize_t>moved != -1:
            self.base, self.whole, self.length = <char *>moved, whole, length
        if watched:
            self.watch()
        self.own()
        if <Py_ssize_t>moved == -1:
            raise outcome(code, "mremap(2)", self.name)
        return 0

    def look_at_end(self):
        """Touch the last byte: if the file has lost its last page, that shows now."""
        cdef const char *last = self.here() + self.length - 1
        if self.guard == NULL:
            return
        uipc_guard_install()
        self.in_use += 1
        with nogil:
            uipc_look_at(last)
        self.in_use -= 1

    cdef int bring(self, int fd, Py_ssize_t length, long offset, int flags) noexcept nogil:
        """Map the pages that these bytes are in; 0 or errno."""
        cdef int protection = PROT_READ if self.readonly else PROT_READ | PROT_WRITE
        cdef long into_page = offset & <long>(self.page_size - 1)
        cdef size_t whole = pages(<size_t>length + into_page, self.page_size)
        cdef void *where = mmap_call(NULL, whole, protection, flags, fd, offset - into_page)
        if <Py_ssize_t>where == -1:
            return errno
        self.base, self.whole, self.offset, self.length = <char *>where, whole, into_page, length
        return 0

    cdef void unwatch(self) noexcept:
        if self.guard != NULL:
            self.damaged_before += uipc_guard_damaged(self.guard)
            uipc_guard_remove(self.guard)
            self.guard = NULL

    cdef int watch(self) except -1:
        self.guard = uipc_guard_add(self.base, self.whole, self.page_size,
                                    PROT_READ if self.readonly else PROT_READ | PROT_WRITE)
        if self.guard == NULL:
            raise MemoryError("no room to note a mapping")
        self.own()
        return 0

    def __enter__(self):
        self.here()
        return self

    def __exit__(self, kind, error, where):
        if self.base != NULL:
            self.check_unused("unmap")
            self.unmap()


cdef size_t pages(size_t size, size_t page_size) noexcept nogil:
    """Whole pages for so many bytes."""
    return (size + page_size - 1) & ~(page_size - 1)


_Mapping = None  # unixipc.mapping.Mapping, imported at the first map: it is made of us


cdef Mapped new_mapping():
    global _Mapping
    if _Mapping is None:
        from unixipc.mapping import Mapping
        _Mapping = Mapping
    cdef Mapped made = new_object(_Mapping, ())
    made.pages = Pages.__new__(Pages)
    return made


def map_file(int fd, object name, object mode, object offset_bytes, object length_bytes, bint populate):
    """Map an open file's bytes, from any offset. -- mmap(2)"""
    return mapped_file(fd, name, mode, offset_bytes, length_bytes, populate)


cdef class Mappable(Descriptor):
    """A file in memory: its bytes can be mapped."""

    def map(self, mode="rw", offset_bytes=0, length_bytes=None):
        """Make its bytes appear in this process: `mode` "r", "rw" or "copy", as with `map_file`. -- mmap(2)

        PermissionError for "rw" if it was opened for reading only, or is sealed against writing.
        """
        cdef int fd = self.enter()
        try:
            return mapped_file(fd, self.label, mode, offset_bytes, length_bytes, False)
        finally:
            self.leave()


cdef object mapped_file(int fd, object name, object mode, object offset_bytes, object length_bytes, bint populate):
    cdef bint both = mode == "rw", copied = not both and mode == "copy", readonly = not both and not copied
    cdef bint to_the_end = length_bytes is None
    cdef long offset = clipped(offset_bytes), length = 0 if to_the_end else clipped(length_bytes)
    cdef int code, flags = (MAP_PRIVATE if copied else MAP_SHARED) | (MAP_POPULATE if populate else 0)
    cdef struct_stat found
    if readonly and mode != "r":
        raise ValueError(f"mode must be 'r', 'rw' or 'copy', not {mode!r}")
    cdef Mapped made = new_mapping()
    made.readonly, made.name = readonly, name
    with nogil:
        code = errno if fstat(fd, &found) < 0 else 0
        if not code:
            if to_the_end and S_ISREG(found.st_mode) and offset >= 0:
                length = found.st_size - offset
            if has_bytes(&found, offset, length):
                made.page_size = uipc_page_size_of_file(fd, found.st_blksize, PAGE)
                code = made.bring(fd, length, offset, flags)
                if code == EPERM and readonly:
                    # Before Linux 6.7 what is sealed against writing cannot be mapped shared.
                    # Nobody changes it: private is the same.
                    code = made.bring(fd, length, offset, flags & ~MAP_SHARED | MAP_PRIVATE)
    if code:
        raise outcome(code, "mmap(2)", name)
    if made.base != NULL:
        made.own()
    else:
        raise no_bytes(&found, name, offset_bytes, length_bytes)
    made.watch()
    return made


cdef long clipped(number) except? -1:
    """The number, or the greatest or least that there is: no file reaches so far."""
    cdef int beyond
    cdef long value = PyLong_AsLongAndOverflow(number, &beyond)
    return value if not beyond else (LONG_MAX if beyond > 0 else LONG_MIN)


cdef bint has_bytes(struct_stat *found, long offset, long length) noexcept nogil:
    """Whether they are there; the kernel would map pages that are not in the file, and end who touches them."""
    if offset < 0 or length < 1:
        return False
    if S_ISREG(found.st_mode):
        return length <= found.st_size and offset <= found.st_size - length
    return S_ISCHR(found.st_mode) or S_ISBLK(found.st_mode)


cdef object no_bytes(struct_stat *found, object name, object offset, object length):
    """Why not."""
    if S_ISREG(found.st_mode):
        if not found.st_size:
            return ValueError(f"{name} is empty: no byte of it can be mapped")
        end = found.st_size if length is None else offset + length
        return ValueError(f"bytes {offset}..{end} are not in {name}, which has {found.st_size}")
    if not S_ISCHR(found.st_mode) and not S_ISBLK(found.st_mode):
        return outcome(ENODEV, "mmap(2)", name)
    if length is None:
        return ValueError(f"{name} is a device: it has no length of its own, say length_bytes")
    return ValueError(f"a mapping has at least 1 byte and an offset from 0 up, not {length} at {offset}")


def map_anonymous(Py_ssize_t length, int flags, bint guarded, size_t page_size):
    """Map memory without a file. -- mmap(2), MAP_ANONYMOUS"""
    cdef Mapped made = new_mapping()
    cdef int code
    if length < 1:
        raise ValueError(f"a mapping has at least 1 byte, not {length}")
    if page_size < PAGE or page_size & (page_size - 1):
        raise ValueError(f"{page_size} bytes are no size of a page")
    made.page_size, made.name = page_size, "anonymous"
    with nogil:
        code = made.bring(-1, length, 0, flags | MAP_ANONYMOUS)
    if code:
        raise outcome(code, "mmap(2)", made.name)
    made.own()
    if flags & MAP_SHARED:
        made.most = made.whole
    if guarded:
        made.watch()
    return made


def map_twice(cls, int fd, Py_ssize_t header, Py_ssize_t body, object name):
    """A file's first `header` bytes, and the `body` bytes behind them twice in a row: whole pages. -- mmap(2)

    So what lies across the end of the body is in one piece.
    """
    cdef Mapped made = cls.__new__(cls)
    cdef Pages pages_of = Pages.__new__(Pages)
    cdef size_t whole
    cdef int code = 0
    cdef char *where
    if header < 1 or body < 1 or (header | body) & (PAGE - 1):
        raise ValueError(f"a header of {header} and a body of {body} bytes are not whole pages")
    if body > (PY_SSIZE_T_MAX - header) // 2:
        raise OverflowError(f"a body of {body} bytes cannot be mapped twice: no process has so many addresses")
    whole = header + 2 * body
    with nogil:
        where = <char *>mmap_call(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if <Py_ssize_t>where == -1:
            code = errno
        elif (<Py_ssize_t>mmap_call(where, header + body, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == -1
              or <Py_ssize_t>mmap_call(where + header + body, body, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                                       header) == -1):
            code = errno
            munmap_call(where, whole)
    if code:
        raise outcome(code, "mmap(2)", name)
    made.base, made.whole, made.offset, made.length = where, whole, 0, whole
    made.page_size, made.readonly, made.name, made.pages = PAGE, False, name, pages_of
    made.own()
    made.watch()
    return made


cdef void *guard_memory(void *base, size_t length) except NULL:
    cdef uipc_guard *guard = uipc_guard_add(base, pages(length, PAGE), PAGE, PROT_READ | PROT_WRITE)
    if guard == NULL:
        raise MemoryError("no room to note a mapping")
    return guard


cdef void unguard_memory(void *guard) noexcept:
    uipc_guard_remove(<uipc_guard *>guard)


def new_memory_file(cls, str name, bint sealable, int extra):
    """A file without a name on the disk, as a descriptor of class `cls`. -- memfd_create(2)"""
    cdef Descriptor made = cls.__new__(cls)
    cdef bytes raw = os.fsencode(name)
    if b"\0" in raw:
        raise ValueError(f"a name has no NUL in it: {name!r}")
    cdef int fd = memfd_create(raw, MFD_CLOEXEC | (MFD_ALLOW_SEALING if sealable else 0) | extra)
    if fd < 0:
        raise outcome(errno, "memfd_create(2)", name)
    made.fill(fd, name, FLAGGED)
    return made


def reserve(int fd, long offset, long length, object name=None):
    """Set memory or disk aside for these bytes: ENOSPC now instead of a SIGBUS later. -- posix_fallocate(3)"""
    cdef int code
    if length <= 0:
        return
    with nogil:
        code = posix_fallocate(fd, offset, length)
    if code:
        raise outcome(code, "posix_fallocate(3)", name)


def set_length(int fd, long length, object name=None):
    """Make the file this long. -- ftruncate(2)"""
    cdef int rc
    with nogil:
        rc = ftruncate(fd, length)
    if rc < 0:
        raise outcome(errno, "ftruncate(2)", name)


def add_seals(int fd, int seals, object name=None):
    """Forbid for ever. -- fcntl(2), F_ADD_SEALS"""
    if fcntl(fd, F_ADD_SEALS, seals) < 0:
        raise outcome(errno, "fcntl(F_ADD_SEALS)", name)


def get_seals(int fd, object name=None):
    """What is forbidden. -- fcntl(2), F_GET_SEALS"""
    cdef int seals = fcntl(fd, F_GET_SEALS)
    if seals < 0:
        raise outcome(errno, "fcntl(F_GET_SEALS)", name)
    return seals
