# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""POSIX queues, semaphores and shared memory objects: one thin function a call.

A small message, and a semaphore that nobody contends for, take less time than handing the interpreter to another
thread and back: those calls keep it.
"""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLong, PyLong_CheckExact
from cpython.number cimport PyNumber_Index
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_FindChar, PyUnicode_GetLength, PyUnicode_ReadChar
from libc.errno cimport EAGAIN, EINTR, EINVAL, errno
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr

import os

from unixipc._native.descriptor cimport FLAGGED, Descriptor, new_object
from unixipc._native.descriptor import waiting_module
from unixipc._native.mapping cimport guard_memory, unguard_memory
from unixipc._native.within cimport close_surely
from unixipc.errors import ClosedError, LayoutError

cdef extern from "Python.h":
    bytes PyUnicode_EncodeFSDefault(object)

cdef extern from *:
    """
    #include "uipc.h"
    #include <mqueue.h>
    #include <semaphore.h>
    #include <stdio.h>
    #include <sys/mman.h>
    #include <sys/stat.h>

    #ifdef __GLIBC__ /* where the C library keeps what sem_open(3) makes */
    #define UIPC_SEM_FILES "/dev/shm/sem."
    #else
    #define UIPC_SEM_FILES "/dev/shm/"
    #endif

    static int uipc_mq_open(const char *name, int flags, unsigned mode, struct mq_attr *attr)
    { return flags & O_CREAT ? mq_open(name, flags, (mode_t)mode, attr) : mq_open(name, flags); }
    static int uipc_mq_notify(int queue, int how, int number, int value)
    {
        struct sigevent event;
        memset(&event, 0, sizeof event);
        event.sigev_notify = how;
        event.sigev_signo = number;
        event.sigev_value.sival_int = value;
        return mq_notify(queue, how < 0 ? NULL : &event);
    }

    /* The tries. With a deadline that is long past none waits, even where somebody who shares the open file description
       (a child, a program that was given the descriptor) has taken O_NONBLOCK off it. */
    static const struct timespec uipc_long_past = {0, 0};
    static int uipc_mq_try_send(int queue, const char *body, size_t n, unsigned priority)
    { return mq_timedsend(queue, body, n, priority, &uipc_long_past); }
    static ssize_t uipc_mq_try_receive(int queue, char *body, size_t n, unsigned *priority)
    { return mq_timedreceive(queue, body, n, priority, &uipc_long_past); }
    /* A mount of our own, seen by nobody else, gone with its descriptor: the queues of this IPC namespace, whatever
       is mounted on /dev/mqueue. The numbers are the same on every machine (Linux 5.2). */
    static int uipc_mount_queues(void)
    {
        int system = (int)syscall(430 /* fsopen */, "mqueue", 1), mount = -1, code;
        if (system < 0)
            return -1;
        if (!syscall(431 /* fsconfig */, system, 6 /* create */, NULL, NULL, 0))
            mount = (int)syscall(432 /* fsmount */, system, 1, 0);
        code = errno;
        close(system);
        errno = code;
        return mount;
    }
    static int uipc_not_now(int code) { return code == EAGAIN || code == ETIMEDOUT || code == EINTR; }

    /* The file that sem_open(3) would make, whole before anybody can see it, with exactly these permissions: by name
       alone one cannot tell later whether it is still the same. */
    static int uipc_sem_make(const char *path, unsigned mode, unsigned value)
    {
        sem_t first;
        char here[40];
        int code, fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
            return -1;
        memset(&first, 0, sizeof first);
        snprintf(here, sizeof here, "/proc/self/fd/%d", fd);
        if (sem_init(&first, 1, value) == 0 && write(fd, &first, sizeof first) == (ssize_t)sizeof first &&
            fchmod(fd, (mode_t)mode) == 0 && linkat(AT_FDCWD, here, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
            return fd;
        code = errno;
        close(fd);
        errno = code;
        return -1;
    }

    static sem_t *uipc_map(int flags, int fd)
    {
        void *where = mmap(NULL, sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
        return where == MAP_FAILED ? NULL : (sem_t *)where;
    }

    /* Whether it is one that processes share. The C library hands this word to futex(2) as it finds it, and ends the
       process (abort) when the kernel does not know it: glibc and musl for 64 bits both have it at byte 8. */
    static int uipc_mark_of_shared;
    static void uipc_learn_mark_of_shared(void)
    {
        sem_t fresh;
        sem_init(&fresh, 1, 0);
        uipc_mark_of_shared = ((const int *)&fresh)[2];
    }
    static int uipc_sem_is_shared(const sem_t *word)
    {
    #if UINTPTR_MAX > 0xffffffffu
        return ((const volatile int *)word)[2] == uipc_mark_of_shared;
    #else
        (void)word;
        return 1;
    #endif
    }

    /* Maps it and closes the descriptor; a shorter file would be SIGBUS at the first use. */
    static sem_t *uipc_sem_map(int fd)
    {
        struct stat file;
        sem_t *where = NULL;
        int code;
        if (fd < 0)
            return NULL;
        if (fstat(fd, &file) == 0) {
            if (S_ISREG(file.st_mode) && file.st_size >= (off_t)sizeof(sem_t))
                where = uipc_map(0, fd);
            else
                errno = EINVAL;
        }
        code = errno;
        close(fd);
        errno = code;
        return where;
    }

    /* 0, or an errno: EINVAL for what is no file. */
    static int uipc_refuse_others(int fd)
    {
        struct stat file;
        if (fstat(fd, &file) < 0)
            return errno;
        return S_ISREG(file.st_mode) ? 0 : EINVAL;
    }

    static sem_t *uipc_sem_open(const char *path)
    { return uipc_sem_map(open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)); }

    static sem_t *uipc_sem_create(const char *path, unsigned mode, unsigned value)
    { return uipc_sem_map(uipc_sem_make(path, mode, value)); }

    static sem_t *uipc_sem_unnamed(unsigned value)
    {
        sem_t *where = uipc_map(MAP_ANONYMOUS, -1);
        int code;
        if (where == NULL || sem_init(where, 1, value) == 0)
            return where;
        code = errno;
        munmap(where, sizeof(sem_t));
        errno = code;
        return NULL;
    }

    /* Takes one and gives it back: nothing but a kill in between can lose it. */
    static int uipc_sem_look(sem_t *word)
    {
        int rc = sem_wait(word);
        if (rc == 0)
            sem_post(word);
        return rc;
    }
    """
    struct mq_attr:
        long mq_flags, mq_maxmsg, mq_msgsize, mq_curmsgs
    ctypedef struct sem_t:
        pass
    int uipc_mq_open(const char *, int, unsigned, mq_attr *) nogil
    int uipc_mq_try_send(int, const char *, size_t, unsigned) nogil
    ssize_t uipc_mq_try_receive(int, char *, size_t, unsigned *) nogil
    bint uipc_not_now(int) nogil
    int uipc_mount_queues() nogil
    int mq_getattr(int, mq_attr *) nogil
    int uipc_mq_notify(int, int, int, int) nogil
    int mq_unlink(const char *) nogil
    sem_t *uipc_sem_open(const char *) nogil
    sem_t *uipc_sem_create(const char *, unsigned, unsigned) nogil
    sem_t *uipc_sem_unnamed(unsigned) nogil
    int uipc_sem_look(sem_t *) nogil
    void uipc_learn_mark_of_shared()
    int uipc_sem_is_shared(const sem_t *) nogil
    int sem_init(sem_t *, int, unsigned) nogil
    int sem_trywait(sem_t *) nogil
    int sem_wait(sem_t *) nogil
    int sem_post(sem_t *) nogil
    int sem_getvalue(sem_t *, int *) nogil
    int munmap(void *, size_t) nogil
    int unlink(const char *) nogil
    int getpid() nogil
    int uipc_refuse_others(int) nogil
    int shm_open(const char *, int, unsigned) nogil
    int shm_unlink(const char *) nogil
    int fchmod(int, unsigned) nogil
    int linkat(int, const char *, int, const char *, int) nogil
    const char *UIPC_SEM_FILES
    enum:
        AT_FDCWD, AT_SYMLINK_FOLLOW
        O_CREAT, O_EXCL, O_RDWR, O_RDONLY, O_WRONLY, O_NONBLOCK, O_CLOEXEC
        SIGEV_SIGNAL, SIGEV_NONE
        POLLIN, POLLOUT

cdef enum:
    LONGEST_ON_STACK = 16384   # beyond it a copy takes longer than giving the interpreter away and back
    MOST_PRIORITY = 32767      # MQ_PRIO_MAX - 1
    MOST_VALUE = 0x7FFFFFFF    # SEM_VALUE_MAX

uipc_learn_mark_of_shared()

_refusal = None  # unixipc.posix._refusal, imported at the first refusal: it is no part of what a start must load


cdef object refused(int code, str call, object name):
    """The exception for errno, with the object's name, the meaning and the limit that was hit."""
    global _refusal
    if code == EINTR:
        return InterruptedError(code, "interrupted")
    if _refusal is None:
        from unixipc.posix import _refusal as module
        _refusal = module
    return _refusal.refusal(code, call, name)


cdef inline long whole(number) except? -1:
    """An int, and nothing that would have to be cut to be one."""
    return PyLong_AsLong(number if PyLong_CheckExact(number) else PyNumber_Index(number))


cdef bytes raw_name(name):
    cdef bytes raw = PyUnicode_EncodeFSDefault(name) if PyUnicode_CheckExact(name) else os.fsencode(name)
    if memchr(PyBytes_AS_STRING(raw), 0, PyBytes_GET_SIZE(raw)) != NULL:
        raise ValueError(f"a name has no NUL in it: {name!r}")
    return raw


cdef int check_name(name, str call) except -1:
    cdef Py_ssize_t n
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    n = PyUnicode_GetLength(name)
    if (n < 2 or PyUnicode_ReadChar(name, 0) != u"/" or PyUnicode_FindChar(name, u"/", 1, n, 1) >= 0
            or PyUnicode_FindChar(name, 0, 1, n, 1) >= 0 or name == "/." or name == "/.."):
        from unixipc.posix._refusal import bad_name
        raise bad_name(call, name)
    return 0


def checked_name(name, str call not None):
    """The name, if it is "/" and one word; else OSError(EINVAL)."""
    check_name(name, call)
    return name


# queues ---------------------------------------------------------------------------------------------------------------

@cython.no_gc
@cython.final
@cython.freelist(64)
cdef class Message:
    """What one receive brought: `priority` (the highest comes first) and `body`."""

    cdef readonly unsigned int priority
    cdef readonly bytes body

    __match_args__ = ("priority", "body")

    def __init__(self, unsigned int priority, bytes body not None):
        self.priority, self.body = priority, body

    def __eq__(self, other):
        if not isinstance(other, Message):
            return NotImplemented
        cdef Message that = other
        return self.priority == that.priority and self.body == that.body

    def __hash__(self):
        return hash((self.priority, self.body))

    def __reduce__(self):
        return Message, (self.priority, self.body)

    def __repr__(self):
        return f"Message(priority={self.priority}, body={self.body!r})"


cdef class QueueCalls(Descriptor):
    """A queue's tries and waits. A try never waits, whoever changes O_NONBLOCK on the open file description."""

    cdef readonly Py_ssize_t max_message_bytes
    cdef readonly bint temporary_one    # its name was taken away at birth

    def __init__(self, int fd, object name=None):
        cdef mq_attr now
        if self.fd < 0 and mq_getattr(fd, &now) < 0:
            raise refused(errno, "mq_getattr(3)", name)
        Descriptor.__init__(self, fd, name)
        self.max_message_bytes, self.temporary_one = now.mq_msgsize, name is None
        self.use_flag()

    cdef int put(self, object body, object priority) except -1:
        """0, or EAGAIN."""
        cdef Py_buffer view
        cdef long level = 0 if priority is ZERO else whole(priority)
        if level < 0 or level > MOST_PRIORITY:
            raise wrong_priority(level, self.name)
        if isinstance(body, bytes):
            return self.put_bytes(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), level)
        PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
        try:
            return self.put_bytes(<char *>view.buf, view.len, level)
        finally:
            PyBuffer_Release(&view)

    cdef int put_bytes(self, const char *body, Py_ssize_t n, unsigned int priority) except -1:
        cdef int rc, code, fd
        if n <= LONGEST_ON_STACK:
            rc = uipc_mq_try_send(self.number(), body, n, priority)
            code = errno
        else:
            fd = self.enter()
            with nogil:
                rc = uipc_mq_try_send(fd, body, n, priority)
                code = errno
            self.leave()
        if rc == 0:
            return 0
        if uipc_not_now(code):
            return EAGAIN
        raise refused(code, "mq_send(3)", self.name)

    def try_send(self, body, priority=0):
        """Put one message into the queue; False while it is full. -- mq_send(3)"""
        return self.put(body, priority) == 0

    def send(self, body, priority=0, timeout=None):
        """Put one message into the queue, waiting for room; a higher priority is received earlier. -- mq_send(3)"""
        if self.put(body, priority):
            attempt = self.send_or_none
            waiting_module().on_descriptor(self, POLLOUT, attempt, body, priority, timeout=timeout, tried=True)

    def send_or_none(self, body, priority):
        """True, or None for not now."""
        return True if self.put(body, priority) == 0 else None

    cdef Message take(self):
        """The message, None for not now. It is received into memory of ours: a bad buffer would destroy it."""
        cdef char small[LONGEST_ON_STACK]
        cdef unsigned int priority = 0
        cdef ssize_t got
        cdef int code
        if self.max_message_bytes > LONGEST_ON_STACK:
            return self.take_large()
        got = uipc_mq_try_receive(self.number(), small, sizeof(small), &priority)
        if got >= 0:
            return message_of(priority, small, got)
        code = errno
        if uipc_not_now(code):
            return None
        raise refused(code, "mq_receive(3)", self.name)

    cdef Message take_large(self):
        cdef unsigned int priority = 0
        cdef ssize_t got
        cdef int code, fd = self.number()
        cdef char *large = <char *>malloc(self.max_message_bytes)
        if large == NULL:
            raise MemoryError()
        try:
            fd = self.enter()
            with nogil:
                got = uipc_mq_try_receive(fd, large, self.max_message_bytes, &priority)
                code = errno
            self.leave()
            if got >= 0:
                return message_of(priority, large, got)
        finally:
            free(large)
        if uipc_not_now(code):
            return None
        raise refused(code, "mq_receive(3)", self.name)

    def try_receive(self):
        """The first message of the highest priority, None if there is none. -- mq_receive(3)"""
        return self.take()

    def receive(self, timeout=None):
        """Wait for a message and take it: the first of the highest priority. -- mq_receive(3)"""
        cdef Message message = self.take()
        if message is None:
            return waiting_module().on_descriptor(self, POLLIN, self.try_receive, timeout=timeout, tried=True)
        return message

    def attributes(self):
        """(most messages, most bytes in one, messages now). -- mq_getattr(3)"""
        cdef mq_attr now
        if mq_getattr(self.number(), &now) < 0:
            raise refused(errno, "mq_getattr(3)", self.name)
        return now.mq_maxmsg, now.mq_msgsize, now.mq_curmsgs

    def register(self, int number, int value):
        """One notification when a message comes into the empty queue: by signal; 0: by nothing. -- mq_notify(3)"""
        if uipc_mq_notify(self.number(), SIGEV_SIGNAL if number else SIGEV_NONE, number, value) < 0:
            raise refused(errno, "mq_notify(3)", self.name)

    def unregister(self):
        """Withdraw it."""
        if uipc_mq_notify(self.number(), -1, 0, 0) < 0:
            raise refused(errno, "mq_notify(3)", self.name)


cdef object ZERO = 0


cdef Message message_of(unsigned int priority, const char *body, Py_ssize_t n):
    cdef Message made = Message.__new__(Message)
    made.priority, made.body = priority, PyBytes_FromStringAndSize(body, n)
    return made


cdef object wrong_priority(long level, object name):
    from unixipc._call import failure
    return failure(EINVAL, "mq_send(3)", name, f"a priority is 0..{MOST_PRIORITY}, not {level}")


def open_queue(cls, name, int flags, unsigned int mode=0, long max_messages=0, long max_message_bytes=0,
               bint temporary=False):
    """The queue of this name as an object of class `cls`; a new one has exactly these permissions. -- mq_open(3)

    `temporary`: the name is taken away at once. No Python code runs before that and before the number has its owner.
    """
    cdef QueueCalls queue = cls.__new__(cls)
    cdef mq_attr attr
    cdef bytes raw = raw_name(name)
    cdef mq_attr *wanted = NULL
    cdef object label = "temporary queue" if temporary else name
    if max_messages or max_message_bytes:
        attr.mq_flags, attr.mq_maxmsg, attr.mq_msgsize, attr.mq_curmsgs = 0, max_messages, max_message_bytes, 0
        wanted = &attr
    cdef int fd = uipc_mq_open(raw, flags | O_NONBLOCK | O_CLOEXEC, mode, wanted)
    if fd < 0:
        raise refused(errno, "mq_open(3)", name)
    queue.fill(fd, label, FLAGGED)
    cdef int code
    if temporary and mq_unlink(raw) < 0:
        code = errno
        Descriptor.close(queue)
        raise refused(code, "mq_unlink(3)", name)
    queue.temporary_one = temporary
    if flags & O_CREAT and flags & O_EXCL:
        fchmod(fd, mode)  # the umask took some
    if mq_getattr(fd, &attr) < 0:
        code = errno
        Descriptor.close(queue)
        raise refused(code, "mq_getattr(3)", name)
    queue.max_message_bytes = attr.mq_msgsize
    return queue


def unlink_queue(name):
    """Take the name away. -- mq_unlink(3)"""
    if mq_unlink(raw_name(name)) < 0:
        raise refused(errno, "mq_unlink(3)", name)


def mount_queues():
    """A descriptor of the folder with all queues of this IPC namespace; PermissionError unless root. -- fsmount(2)"""
    cdef int fd = uipc_mount_queues()
    if fd < 0:
        raise refused(errno, "fsmount(2)", "mqueue")
    return Descriptor(fd, "mqueue")


# semaphores -----------------------------------------------------------------------------------------------------------

@cython.no_gc_clear
cdef class SemaphoreCalls:
    """A semaphore's tries and waits. It is a word in shared memory: without contention no system call is made."""

    cdef sem_t *word
    cdef readonly object name
    cdef readonly bint temporary_one    # it never had a name
    cdef Py_buffer memory  # whose bytes the word is, if `lent`: they stay as long as we have them
    cdef bint lent
    cdef void *guard       # of a named one: whoever may write to its file can make it shorter
    cdef int users         # calls under way without the interpreter's lock: the word stays mapped for them
    cdef int users_in      # the process whose calls and sleepers those are: a forked one starts anew
    cdef bint doomed
    cdef list sleepers
    cdef object __weakref__

    cdef sem_t *open_word(self) except NULL:
        if self.word == NULL or self.doomed:
            raise ClosedError(f"{type(self).__name__} {self.name or ''} is closed".replace("  ", " "))
        return self.word

    cdef sem_t *at(self) except NULL:
        """The word, to be used now: its bytes are a semaphore's. (It is zeros once its file is made shorter.)"""
        cdef sem_t *word = self.open_word()
        if not uipc_sem_is_shared(word):
            raise LayoutError(str(self.name), "a semaphore that processes share", "other bytes")
        return word

    @property
    def closed(self):
        """Whether this handle was closed; the semaphore may live on."""
        return self.word == NULL or self.doomed

    def check_open(self):
        """`ClosedError` once this handle is closed."""
        self.open_word()

    def try_acquire(self):
        """Take one from the value now; False if it is 0. -- sem_trywait(3)"""
        if sem_trywait(self.at()) == 0:
            return True
        cdef int code = errno
        if code == EAGAIN or code == EINTR:
            return False
        raise refused(code, "sem_trywait(3)", self.name)

    def acquire(self, timeout=None):
        """Take one from the value, waiting until it is above 0. -- sem_wait(3)"""
        if sem_trywait(self.at()) != 0:
            waiting_module().in_kernel(self.acquire_in_kernel, timeout=timeout, name=self.name, on=self)

    def acquire_in_kernel(self):
        """One sleeping sem_wait; True."""
        return self.sleep(False)

    def wait_until_possible(self, timeout=None):
        """Wait until one could be acquired, and take none: True. -- sem_wait(3)"""
        return waiting_module().in_kernel(self.look_in_kernel, timeout=timeout, name=self.name, on=self)

    def look_in_kernel(self):
        """One sleeping sem_wait, given back in the same step; True."""
        return self.sleep(True)

    cdef bint sleep(self, bint only_look) except -1:
        """A post that comes together with an interruption is not lost: the value has it, and the next try takes it."""
        cdef sem_t *word = self.at()
        cdef int rc, code, me = getpid()
        self.forget_if_forked(me)
        self.users += 1
        with nogil:
            rc = uipc_sem_look(word) if only_look else sem_wait(word)
            code = errno
        if self.users_in == me:
            self.users -= 1
        if self.doomed and not self.users:
            self.unmap()
        if rc == 0:
            return True
        raise refused(code, "sem_wait(3)", self.name)

    cdef void forget_if_forked(self, int me) noexcept:
        if self.users_in != me:
            self.users_in, self.users, self.sleepers = me, 0, None

    def release(self):
        """Add one to the value. OSError(EOVERFLOW) at its maximum, 2147483647. -- sem_post(3)"""
        if sem_post(self.at()) != 0:
            raise refused(errno, "sem_post(3)", self.name)

    def hold(self, timeout=None):
        """For ``with``: acquire at the start, release at the end."""
        cdef Hold made = Hold.__new__(Hold)
        made.semaphore, made.timeout = self, timeout
        return made

    @property
    def value(self):
        """How many could be acquired at this moment. -- sem_getvalue(3)"""
        cdef int value = 0
        if sem_getvalue(self.at(), &value) < 0:
            raise refused(errno, "sem_getvalue(3)", self.name)
        return value

    cdef void unmap(self) noexcept:
        cdef sem_t *word = self.word
        self.word = NULL
        if self.guard != NULL:
            unguard_memory(self.guard)
            self.guard = NULL
        if self.lent:
            self.lent = False
            PyBuffer_Release(&self.memory)
        elif word != NULL:
            munmap(word, sizeof(sem_t))

    def close(self):
        """Forget the semaphore; its value lives on. Twice is fine. Threads that wait in it get `ClosedError`."""
        if self.word == NULL or self.doomed:
            return
        self.doomed = True
        self.forget_if_forked(getpid())
        try:
            for wake in tuple(self.sleepers or ()):
                wake()
        finally:
            if not self.users:
                self.unmap()

    def add_sleeper(self, wake):
        """Note what to call when this handle closes."""
        self.forget_if_forked(getpid())
        if self.sleepers is None:
            self.sleepers = []
        self.sleepers.append(wake)

    def remove_sleeper(self, wake):
        """It looks after itself again."""
        if self.sleepers and wake in self.sleepers:
            self.sleepers.remove(wake)

    def __enter__(self):
        self.open_word()
        return self

    def __exit__(self, *exception):
        close_surely(self)

    def __dealloc__(self):
        self.unmap()


@cython.final
@cython.freelist(8)
cdef class Hold:
    """Between ``with`` and its end, one of the semaphore is ours. No Python code runs between acquiring and that."""

    cdef readonly SemaphoreCalls semaphore
    cdef object timeout

    def __init__(self, SemaphoreCalls semaphore not None, timeout):
        self.semaphore, self.timeout = semaphore, timeout

    def __enter__(self):
        if sem_trywait(self.at()) != 0:
            self.semaphore.acquire(self.timeout)
        return self.semaphore

    def __exit__(self, kind, error, where):
        if sem_post(self.at()) != 0:
            self.semaphore.release()

    cdef sem_t *at(self) except NULL:
        if self.semaphore is None:
            raise RuntimeError("hold() of a semaphore makes these")
        return self.semaphore.at()


cdef bytes semaphore_path(name):
    return UIPC_SEM_FILES + raw_name(name).removeprefix(b"/")


cdef unsigned int checked_value(value, name) except? 0:
    number = PyNumber_Index(value)
    if not 0 <= number <= MOST_VALUE:
        from unixipc._call import failure
        hint = f"a semaphore's value is 0..{MOST_VALUE} (SEM_VALUE_MAX), not {number}"
        raise failure(EINVAL, "sem_open(3)", name, hint)
    return number


def open_semaphore(cls, name, int flags=0, unsigned int mode=0, value=0):
    """The semaphore of this name as an object of class `cls`. -- sem_open(3)

    With O_CREAT it must not exist; the new one has exactly these permissions.
    """
    cdef SemaphoreCalls made = cls.__new__(cls)
    cdef bytes path = semaphore_path(name)
    cdef unsigned int initial = checked_value(value, name)
    made.name = name
    made.word = uipc_sem_create(path, mode, initial) if flags & O_CREAT else uipc_sem_open(path)
    if made.word == NULL:
        raise refused(errno, "sem_open(3)", name)
    made.guard = guard_memory(made.word, sizeof(sem_t))
    if not uipc_sem_is_shared(made.word):
        raise refused(EINVAL, "sem_open(3)", name)
    return made


def unnamed_semaphore(cls, value):
    """A semaphore in memory that only this process and those it forks have. -- sem_init(3)"""
    cdef SemaphoreCalls made = cls.__new__(cls)
    cdef unsigned int initial = checked_value(value, None)
    made.name, made.temporary_one = "temporary semaphore", True
    made.word = uipc_sem_unnamed(initial)
    if made.word == NULL:
        raise refused(errno, "sem_init(3)", None)
    return made


SEMAPHORE_BYTES = sizeof(sem_t)


def semaphore_in(cls, memory, Py_ssize_t offset, value=None):
    """The semaphore in these bytes, made there if it has a `value`, as an object of class `cls`. -- sem_init(3)"""
    cdef SemaphoreCalls made = cls.__new__(cls)
    cdef unsigned int initial = 0 if value is None else checked_value(value, None)
    cdef char *where
    PyObject_GetBuffer(memory, &made.memory, PyBUF_WRITABLE)
    made.lent = True
    if offset < 0 or offset > made.memory.len - <Py_ssize_t>sizeof(sem_t):
        raise ValueError(f"a semaphore's {SEMAPHORE_BYTES} bytes from {offset} on are not within {made.memory.len}")
    where = <char *>made.memory.buf + offset
    if <uintptr_t>where % sizeof(long):
        raise ValueError(f"a semaphore lies at a multiple of {sizeof(long)} bytes")
    made.name, made.temporary_one = f"semaphore at {offset} of {getattr(memory, 'name', None) or 'memory'}", True
    if value is not None and sem_init(<sem_t *>where, 1, initial) != 0:
        raise refused(errno, "sem_init(3)", made.name)
    made.word = <sem_t *>where
    made.at()
    return made


def unlink_semaphore(name):
    """Take the name away. -- sem_unlink(3)"""
    if unlink(semaphore_path(name)) < 0:
        raise refused(errno, "sem_unlink(3)", name)


# shared memory --------------------------------------------------------------------------------------------------------

def open_memory(cls, name, bint readonly):
    """The object of this name as a descriptor of class `cls`; OSError(EINVAL) for what is no name. -- shm_open(3)"""
    cdef Descriptor made
    check_name(name, "shm_open(3)")
    made = opened_memory(cls, name, (O_RDONLY if readonly else O_RDWR) | O_NONBLOCK, 0)  # a FIFO would wait for others
    cdef int code = uipc_refuse_others(made.fd)
    if code:
        made.close()
        raise refused(code, "shm_open(3)", name)
    return made


def open_any_memory(cls, name, int flags, unsigned int mode=0):
    """The same with the C library's flags, and with names as it takes them; a new one has exactly this mode."""
    return opened_memory(cls, name, flags, mode)


cdef object opened_memory(cls, name, int flags, unsigned int mode):
    cdef Descriptor made = new_object(cls, ())
    cdef bytes raw = raw_name(name)
    cdef int fd = shm_open(raw, flags | O_CLOEXEC, mode)
    if fd < 0:
        raise refused(errno, "shm_open(3)", name)
    made.fill(fd, name, FLAGGED)
    if flags & O_CREAT and flags & O_EXCL:
        fchmod(fd, mode)
    return made


def give_name(Descriptor memory not None, path, name):
    """Give an object that has no name its first, as a whole: FileExistsError if the name is in use. -- linkat(2)"""
    cdef bytes raw = os.fsencode(path), here = b"/proc/self/fd/%d" % memory.number()
    if linkat(AT_FDCWD, here, AT_FDCWD, raw, AT_SYMLINK_FOLLOW) < 0:
        raise refused(errno, "shm_open(3)", name)


def unlink_memory(name):
    """Take the name away. -- shm_unlink(3)"""
    if shm_unlink(raw_name(name)) < 0:
        raise refused(errno, "shm_unlink(3)", name)
