# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""System V objects: one thin function a call, and handles whose tries never leave the interpreter's lock.

A try (IPC_NOWAIT) of a small message or of a semaphore takes less time than handing the interpreter to another thread
and back, so it keeps it. What sleeps (``..._in_kernel``) gives it up, makes one system call and raises InterruptedError
when a signal ended it: `unixipc._wait.in_kernel` repeats it.

The kernel copies messages into memory of ours only: a bad buffer would destroy the message (EFAULT).
"""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release
from cpython.buffer cimport PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLong, PyLong_CheckExact
from cpython.number cimport PyNumber_Index
from cpython.ref cimport PyObject
from libc.errno cimport E2BIG, EACCES, EAGAIN, EFAULT, EFBIG, EIDRM, EINTR, EINVAL, EMSGSIZE, ENOMEM, ENOMSG, ERANGE
from libc.errno cimport errno
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from weakref import ref

from unixipc._generic import Alias
from unixipc.errors import ClosedError, ObjectRemoved
from unixipc._native.descriptor import waiting_module
from unixipc._native.within cimport close_surely

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)

cdef extern from *:
    """
    #include "uipc.h"
    #include <sched.h>
    #include <sys/mman.h>
    #include <sys/ipc.h>
    #include <sys/msg.h>
    #include <sys/sem.h>
    #include <sys/shm.h>

    /* Newer than some C libraries; the kernel's numbers. */
    #ifndef MSG_COPY
    #define MSG_COPY 040000
    #endif
    #ifndef MSG_STAT_ANY
    #define MSG_STAT_ANY 13
    #endif
    #ifndef SEM_STAT_ANY
    #define SEM_STAT_ANY 20
    #endif
    #ifndef SHM_STAT_ANY
    #define SHM_STAT_ANY 15
    #endif
    #ifndef SHM_EXEC
    #define SHM_EXEC 0100000
    #endif

    #define UIPC_QUICK 16384 /* beyond it a copy takes longer than giving the interpreter away and back */

    /* Room for `n` values and one more. The kernel copies as many as the set has, not as many as we have asked about a
     * moment ago: behind the room is a page that nobody may touch, so that it gets EFAULT there. */
    static unsigned short *uipc_room_for_values(size_t n)
    {
        static unsigned short *room; /* one for all: the calls keep the interpreter's lock */
        static size_t bytes;
        size_t page = (size_t)sysconf(_SC_PAGESIZE), wanted = ((n + 1) * sizeof *room + page - 1) / page * page;
        if (room == NULL || wanted > bytes) {
            void *new = mmap(NULL, wanted + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (new == MAP_FAILED)
                return NULL;
            if (mprotect((char *)new + wanted, page, PROT_NONE) < 0) {
                munmap(new, wanted + page);
                return NULL;
            }
            if (room)
                munmap(room, bytes + page);
            room = new;
            bytes = wanted;
        }
        return room;
    }

    union uipc_semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };
    struct uipc_message { long type; char body[UIPC_QUICK + 1]; };
    """
    ctypedef long time_t
    struct ipc_perm:
        int key "__key"
        unsigned int uid, gid, cuid, cgid
        unsigned int mode
    struct msqid_ds:
        ipc_perm msg_perm
        unsigned long used "__msg_cbytes"
        unsigned long msg_qnum, msg_qbytes
        int msg_lspid, msg_lrpid
        time_t msg_stime, msg_rtime, msg_ctime
    struct msginfo:
        int msgpool, msgmap, msgmax, msgmnb, msgmni, msgtql
    struct semid_ds:
        ipc_perm sem_perm
        time_t sem_otime, sem_ctime
        unsigned long sem_nsems
    struct seminfo:
        int semmni, semmns, semmsl, semopm, semvmx, semaem, semusz
    struct shmid_ds:
        ipc_perm shm_perm
        size_t shm_segsz
        time_t shm_atime, shm_dtime, shm_ctime
        int shm_cpid, shm_lpid
        unsigned long shm_nattch
    struct shminfo:
        unsigned long shmmax, shmmni, shmall
    struct shm_info:
        int used_ids
        unsigned long shm_tot, shm_rss, shm_swp
    struct sembuf:
        unsigned short sem_num
        short sem_op, sem_flg
    union uipc_semun:
        int val
        semid_ds *buf
        unsigned short *array
        seminfo *info
    struct uipc_message:
        long type
        char *body
    unsigned short *uipc_room_for_values(size_t) nogil
    int msgget(int, int) nogil
    int msgsnd(int, const void *, size_t, int) nogil
    ssize_t msgrcv(int, void *, size_t, long, int) nogil
    int msgctl(int, int, msqid_ds *) nogil
    int semget(int, int, int) nogil
    int semop(int, sembuf *, size_t) nogil
    int semctl(int, int, int, ...) nogil
    int shmget(int, size_t, int) nogil
    void *shmat(int, const void *, int) nogil
    int shmdt(const void *) nogil
    int shmctl(int, int, shmid_ds *) nogil
    int unshare(int) nogil
    time_t time(time_t *) nogil
    int getpid() nogil
    enum:
        UIPC_QUICK
        IPC_NOWAIT, IPC_EXCL, IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO
        MSG_NOERROR, MSG_EXCEPT, MSG_COPY, MSG_STAT_ANY, MSG_INFO
        SEM_UNDO, GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL, SEM_STAT_ANY, SEM_INFO
        SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC, SHM_LOCK, SHM_UNLOCK, SHM_STAT_ANY, SHM_INFO
        CLONE_NEWIPC, CLONE_NEWUSER
        SHRT_MAX, SHRT_MIN

cdef enum:
    MOST_ON_STACK = 32    # operations of one semop
    QUICK_PAGES = 1 << 20  # bytes whose pages are let go in less time than giving the interpreter away and back takes
    MOST_VALUE = 32767    # SEMVMX
    REFUSED_VALUE = 65535  # behind our values: a set that is larger than ours is refused (ERANGE), and nothing is set
    LONGEST_NAMED = 65535

cdef inline long whole(number) except? -1:
    """An int, and nothing that would have to be cut to be one."""
    if number is ONE:
        return 1
    return PyLong_AsLong(number if PyLong_CheckExact(number) else PyNumber_Index(number))


cdef object ONE = 1
_refusal = None  # unixipc.sysv._refusal, imported at the first refusal: it imports us


cdef object refused(int code, str call, Handle handle):
    """The exception for errno, with the object's name, the meaning and the limit that was hit."""
    global _refusal
    if code == EINTR:
        return InterruptedError(code, "interrupted")
    if _refusal is None:
        from unixipc.sysv import _refusal as module
        _refusal = module
    if handle.id >= 0 and not handle.open:  # closed under the call: that comes first
        return handle.closed_error()
    gone = code == EIDRM or (code in (EINVAL, EFAULT, EFBIG, ERANGE) and handle.open and handle.is_gone())
    return _refusal.refusal(code, call, handle.name, gone)


@cython.no_gc_clear
cdef class Handle:
    """A System V object by its id, as this process uses it. Closing it changes nothing in the kernel.

    A temporary object is removed when the handle is closed or forgotten, by the process that made it.
    """

    cdef readonly int id
    cdef int key_number
    cdef bint open
    cdef int maker           # of a temporary object: the process that removes it
    cdef list sleepers
    cdef int sleeping_in     # the process whose threads those are: a forked one starts anew
    cdef object __weakref__

    def __cinit__(self, *args, **kwargs):
        self.id = -1

    cdef void fill(self, int number, int key, bint temporary) noexcept:
        """No Python code runs, so that no signal handler can come between making an object and owning it."""
        self.id, self.key_number, self.open = number, key, True
        self.maker = getpid() if temporary else 0

    cdef int number(self) except -1:
        if not self.open:
            raise self.closed_error()
        return self.id

    cdef object closed_error(self):
        return ClosedError(f"{type(self).__name__} {self.name} is closed")

    cdef int remove_id(self) noexcept nogil:
        return EINVAL

    cdef bint is_gone(self) noexcept nogil:
        return False

    @property
    def name(self):
        """What errors call it: the key, or the id of an object without one."""
        which = f"key 0x{<unsigned int>self.key_number:08x}" if self.key_number else "private"
        return which if self.id < 0 else f"{which} (id {self.id})"

    @property
    def key_value(self):
        """The key as the kernel has it, a signed C int; 0 for a private object."""
        return self.key_number

    @property
    def closed(self):
        """Whether this handle was closed; the object may live on."""
        return not self.open

    def check_open(self):
        """`ClosedError` once this handle is closed."""
        self.number()

    def close(self):
        """Forget the object; a temporary one is removed by the process that made it. Twice is fine.

        Threads that wait in this handle wake up with `ClosedError`.
        """
        if not self.open:
            return
        self.open = False
        try:
            for wake in tuple(self.sleepers or ()) if self.sleeping_in == getpid() else ():
                wake()
        finally:
            self.remove_if_temporary()

    def remove_if_temporary(self):
        """What happens at the end, at the latest when the interpreter ends."""
        if self.maker == getpid():
            self.remove_id()
        self.maker = 0

    def add_sleeper(self, wake):
        """Note what to call when this handle closes."""
        if self.sleepers is None or self.sleeping_in != getpid():
            self.sleepers, self.sleeping_in = [], getpid()
        self.sleepers.append(wake)

    def remove_sleeper(self, wake):
        """It looks after itself again."""
        if self.sleepers and wake in self.sleepers:
            self.sleepers.remove(wake)

    def __enter__(self):
        self.number()
        return self

    def __exit__(self, *exception):
        close_surely(self)

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}{'' if self.open else ' closed'}>"

    def __dealloc__(self):
        if self.maker and self.maker == getpid():
            self.remove_id()


# queues ---------------------------------------------------------------------------------------------------------------

@cython.no_gc
@cython.final
@cython.freelist(64)
cdef class Message:
    """What one receive brought: `type` (from 1 up), `body` (bytes, or what the codec made), `truncated`."""

    cdef readonly long type
    cdef readonly object body
    cdef readonly bint truncated

    __match_args__ = ("type", "body", "truncated")
    __class_getitem__ = classmethod(Alias)

    def __init__(self, long type, body, bint truncated=False):
        self.type, self.body, self.truncated = type, body, truncated

    def __eq__(self, other):
        if not isinstance(other, Message):
            return NotImplemented
        cdef Message that = other
        return self.type == that.type and self.truncated == that.truncated and self.body == that.body

    def __hash__(self):
        return hash((self.type, self.body, self.truncated))

    def __reduce__(self):
        return Message, (self.type, self.body, self.truncated)

    def __repr__(self):
        return f"Message(type={self.type}, body={self.body!r}{', truncated=True' if self.truncated else ''})"


cdef inline Message message_of(long type, object body, bint truncated):
    cdef Message result = Message.__new__(Message)
    result.type, result.body, result.truncated = type, body, truncated
    return result


cdef struct Selection:
    long type     # what msgrcv(2) takes: 0 any, t that type, -t the lowest type up to t
    int flags
    Py_ssize_t most
    bint truncate


cdef inline Message brought(uipc_message *message, ssize_t got, Selection *what):
    """One byte more than asked for tells that the message was longer."""
    cdef bint truncated = what.truncate and got > what.most
    return message_of(message.type, PyBytes_FromStringAndSize(message.body, what.most if truncated else got), truncated)


cdef bint fits(long type, Selection *what) noexcept:
    """Whether msgrcv(2) would choose among messages of this type."""
    if what.type == 0:
        return True
    if what.type < 0:
        return type <= -what.type
    return (type != what.type) == (what.flags & MSG_EXCEPT != 0)


cdef enum:
    MOST_LOOKED_AT = 1000


cdef class QueueCalls(Handle):
    """A queue's tries and waits."""

    cdef public object codec
    cdef Py_ssize_t room     # how long a message we are ready for; grows when a longer one is met
    cdef list kept           # empty messages that came too late for a cancelled receive, and found no room again

    __class_getitem__ = classmethod(Alias)

    def __cinit__(self, *args, **kwargs):
        self.room = 8192

    cdef int remove_id(self) noexcept nogil:
        return 0 if msgctl(self.id, IPC_RMID, NULL) == 0 else errno

    cdef bint is_gone(self) noexcept nogil:
        cdef msqid_ds now
        return msgctl(self.id, IPC_STAT, &now) < 0 and (errno == EINVAL or errno == EIDRM)

    cdef inline object encoded(self, body):
        return body if self.codec is None else self.codec.encode(body)

    cdef int put(self, object body, long type, int flags) except -1:
        """0, or the errno that says "not now"."""
        cdef Py_buffer view
        if isinstance(body, bytes):
            return self.put_bytes(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), type, flags)
        PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
        try:
            return self.put_bytes(<char *>view.buf, view.len, type, flags)
        finally:
            PyBuffer_Release(&view)

    cdef int put_bytes(self, const char *body, Py_ssize_t n, long type, int flags) except -1:
        cdef uipc_message small
        cdef uipc_message *message = &small
        cdef int number = self.number(), rc, code
        if n > UIPC_QUICK:
            message = <uipc_message *>malloc(sizeof(long) + n)
            if message == NULL:
                raise MemoryError()
        message.type = type
        memcpy(message.body, body, n)
        if flags & IPC_NOWAIT and n <= UIPC_QUICK:
            rc = msgsnd(number, message, n, flags)
            code = errno
        else:
            with nogil:
                rc = msgsnd(number, message, n, flags)
                code = errno
        if message != &small:
            free(message)
        if rc == 0:
            return 0
        if code == EAGAIN and flags & IPC_NOWAIT:
            self.refuse_for_ever(number, n)
            return code
        if code == EINVAL and type < 1:
            raise wrong_type("msgsnd(2)", type)
        raise refused(code, "msgsnd(2)", self)

    cdef int refuse_for_ever(self, int number, Py_ssize_t n) except -1:
        """Who waits for room for what is longer than the whole queue waits for ever."""
        cdef msqid_ds now
        if msgctl(number, IPC_STAT, &now) < 0 and msgctl(slot_of(number), MSG_STAT_ANY, &now) != number:
            return 0
        if <size_t>n > now.msg_qbytes:
            from unixipc._call import failure
            raise failure(EMSGSIZE, "msgsnd(2)", self.name, f"a message of {n} bytes never fits into this queue, which "
                          f"holds {now.msg_qbytes}: resize(capacity_bytes=) it, or send less at once")
        return 0

    def try_send(self, body, type=1):
        """Put one message into the queue; False while there is no room. -- msgsnd(2)"""
        return self.put(self.encoded(body), whole(type), IPC_NOWAIT) == 0

    def send(self, body, type=1, timeout=None):
        """Put one message into the queue, waiting for room. -- msgsnd(2)"""
        raw = self.encoded(body)
        if self.put(raw, whole(type), IPC_NOWAIT):
            waiting_module().in_kernel(self.send_in_kernel, raw, type, timeout=timeout, name=self.name, on=self)

    def send_in_kernel(self, raw, long type):
        """One sleeping msgsnd; True."""
        return self.put(raw, type, 0) == 0

    cdef Message take(self, Selection *what, int flags):
        """The message, None for not now."""
        cdef uipc_message small
        cdef uipc_message *message
        cdef Py_ssize_t most
        cdef ssize_t got
        cdef int number, code, cut    # cut: our buffer is shorter than asked for, so nothing may be cut to fit into it
        while True:  # ends: each turn takes a longer message than the one before
            number = self.number()
            most = self.room
            cut = MSG_NOERROR
            if 0 <= what.most < most:
                most = what.most + what.truncate
                cut = 0
            message = &small
            if most > UIPC_QUICK:
                message = <uipc_message *>malloc(sizeof(long) + most)
                if message == NULL:
                    raise MemoryError()
            if flags & IPC_NOWAIT and most <= UIPC_QUICK:
                got = msgrcv(number, message, most, what.type, (what.flags | flags) & ~cut)
                code = errno
            else:
                with nogil:
                    got = msgrcv(number, message, most, what.type, (what.flags | flags) & ~cut)
                    code = errno
            if message == &small:
                if got >= 0:
                    return brought(message, got, what)
            else:
                try:
                    if got >= 0:
                        return brought(message, got, what)
                finally:
                    free(message)
            if code == ENOMSG and flags & IPC_NOWAIT:
                return None
            if code == E2BIG and not cut:
                raise self.too_long(what)
            if code != E2BIG:
                raise refused(code, "msgrcv(2)", self)
            self.room *= 2

    cdef object too_long(self, Selection *what):
        """The refusal of the message that is longer than was asked for, with its length, if it is still there."""
        error = refused(E2BIG, "msgrcv(2)", self)
        cdef Selection at
        cdef Message each, found = None
        try:
            for i in range(MOST_LOOKED_AT):
                at = Selection(i, MSG_COPY, -1, False)
                each = self.take(&at, IPC_NOWAIT)
                if each is None or (found is not None and what.type >= 0):
                    break
                if fits(each.type, what) and (found is None or each.type < found.type):
                    found = each
        except OSError:  # this kernel does not copy messages, or it was removed
            return error
        if found is not None and len(found.body) > what.most:
            error.add_note(f"the message that waits has {len(found.body)} bytes, max_bytes is {what.most}")
        return error

    def decoded(self, Message message):
        """The same with its body as the codec reads it; if that fails, the error has the `message`: it is not lost."""
        if message is None or self.codec is None:
            return message
        try:
            message.body = self.codec.decode(message.body)
        except BaseException as error:
            error.message = message
            error.add_note("the message as it came is this exception's `message`")
            raise
        return message

    cdef Message first_kept(self, Selection *what):
        cdef Message each, found = None
        for each in self.kept:
            if not fits(each.type, what):
                continue
            if found is None or (what.type < 0 and each.type < found.type):
                found = each
        if found is not None:
            self.kept = [each for each in self.kept if each is not found]
        return found

    cdef inline Message take_now(self, Selection *what):
        if self.kept is not None and self.kept:
            self.number()
            found = self.first_kept(what)
            if found is not None:
                return found
        return self.take(what, IPC_NOWAIT)

    def try_receive(self, type=None, up_to=None, other_than=None, max_bytes=None, bint truncate=False):
        """The message that `receive` would give, None if none is there. -- msgrcv(2)"""
        cdef Selection what
        select(&what, type, up_to, other_than, max_bytes, truncate)
        cdef Message message = self.take_now(&what)
        return message if self.codec is None else self.decoded(message)

    def receive(self, type=None, up_to=None, other_than=None, max_bytes=None, bint truncate=False, timeout=None):
        """Wait for a message and take it. -- msgrcv(2)"""
        cdef Selection what
        select(&what, type, up_to, other_than, max_bytes, truncate)
        cdef Message message = self.take_now(&what)
        if message is None:
            waits = waiting_module().in_kernel
            args = (what.type, what.flags, what.most, what.truncate)
            message = waits(self.receive_in_kernel, *args, timeout=timeout, name=self.name, on=self)
        return message if self.codec is None else self.decoded(message)

    def receive_in_kernel(self, long type, int flags, Py_ssize_t most, bint truncate):
        """One sleeping msgrcv; the raw message."""
        cdef Selection what = Selection(type, flags, most, truncate)
        return self.take(&what, 0)

    def wait_until_there(self, type=None, up_to=None, other_than=None, timeout=None):
        """Wait until such a message is there, and leave it there: True. An empty message cannot be left: it comes back.

        A message that is longer than the buffer stays (E2BIG), and every message but an empty one is longer than 0.
        """
        cdef Selection what = selection(type, up_to, other_than, None, False)
        waits = waiting_module().in_kernel
        return waits(self.look_in_kernel, what.type, what.flags, timeout=timeout, name=self.name, on=self)

    def look_in_kernel(self, long type, int flags):
        """One sleeping msgrcv into no room at all."""
        cdef uipc_message small
        cdef int number = self.number(), code
        cdef ssize_t got
        with nogil:
            got = msgrcv(number, &small, 0, type, flags)
            code = errno
        if got >= 0:
            return message_of(small.type, b"", False)
        if code == E2BIG:
            return True
        raise refused(code, "msgrcv(2)", self)

    def give_back(self, message):
        """Undo the receiving of a raw message: to the end of the queue, or if it is full, to our next receive."""
        try:
            if self.open and self.put(message.body, message.type, IPC_NOWAIT) == 0:
                return
        except ObjectRemoved:
            return  # it would have gone with the queue
        except OSError:
            pass  # we may receive, and not send
        self.kept = (self.kept or []) + [message]

    def close(self):
        """Forget the queue; a temporary one is removed. Threads that wait in this handle get `ClosedError`."""
        kept, self.kept = self.kept, None
        for message in kept or ():
            try:
                self.give_back(message)
            except OSError:
                break  # the queue is gone, and they would be gone with it
        Handle.close(self)

    def peek(self, Py_ssize_t index=0):
        """A copy of the message at `index` in the order of arrival, None past the end. -- msgrcv(2), MSG_COPY"""
        if index < 0:
            raise ValueError(f"a message's index is at least 0, not {index}")
        cdef Selection what = Selection(index, MSG_COPY, -1, False)
        cdef Message message = self.take(&what, IPC_NOWAIT)
        return message if self.codec is None else self.decoded(message)

    def status(self):
        """What IPC_STAT gives, as a tuple."""
        cdef msqid_ds now
        cdef int number = self.number()
        if msgctl(number, IPC_STAT, &now) < 0:
            raise refused(errno, "msgctl(IPC_STAT)", self)
        return queue_fields(number, &now)

    def change(self, long uid=-1, long gid=-1, int mode=-1, long capacity_bytes=-1):
        """Change the fields that are not -1. -- msgctl(2), IPC_SET"""
        cdef msqid_ds now
        cdef int number = self.number()
        if msgctl(number, IPC_STAT, &now) < 0 and (
                errno != EACCES or msgctl(slot_of(number), MSG_STAT_ANY, &now) != number):
            raise refused(errno, "msgctl(IPC_STAT)", self)
        change_permissions(&now.msg_perm, uid, gid, mode)
        if capacity_bytes >= 0:
            now.msg_qbytes = capacity_bytes
        if msgctl(number, IPC_SET, &now) < 0:
            raise refused(errno, "msgctl(IPC_SET)", self)

    def remove(self):
        """Remove the queue and every message in it; who waits there gets `ObjectRemoved`. -- msgctl(2), IPC_RMID"""
        self.number()
        cdef int code = self.remove_id()
        self.maker = 0
        if code:
            raise refused(code, "msgctl(IPC_RMID)", self)


cdef inline int select(Selection *what, type, up_to, other_than, max_bytes, bint truncate) except -1:
    """What msgrcv(2) wants to know. Most want the next message, whatever it is."""
    what.type, what.flags, what.most, what.truncate = 0, 0, -1, False
    if type is not None or up_to is not None or other_than is not None or max_bytes is not None or truncate:
        what[0] = selection(type, up_to, other_than, max_bytes, truncate)
    return 0


cdef Selection selection(type, up_to, other_than, max_bytes, bint truncate) except *:
    """The same where something was asked for."""
    cdef Selection what = Selection(0, MSG_NOERROR if truncate else 0, -1, truncate)
    if type is not None:
        what.type = checked_type(type)
    if up_to is not None:
        what.type = -checked_type(up_to)
    if other_than is not None:
        what.type = checked_type(other_than)
        what.flags |= MSG_EXCEPT
    if (type is not None) + (up_to is not None) + (other_than is not None) > 1:
        raise ValueError("choose by type, by up_to or by other_than, not by several of them")
    if max_bytes is not None:
        what.most = max_bytes
        if what.most < 0:
            raise ValueError(f"max_bytes must be at least 0, not {max_bytes}")
    elif truncate:
        raise ValueError("truncate needs max_bytes: how much to keep")
    return what


cdef long checked_type(type) except -1:
    cdef long number = whole(type)
    if number < 1:
        raise wrong_type("msgrcv(2)", number)
    return number


def wrong_type(str call, number):
    """What the kernel says of a type below 1, in words."""
    from unixipc._call import failure
    hint = f"message types start at 1, this is {number}"
    if call == "msgrcv(2)":
        hint += f"; up_to={-number} takes the lowest type up to that" if number else "; without `type` it is the first"
    return failure(EINVAL, call, None, hint)


cdef int slot_of(int number) noexcept:
    """Where the kernel's table has this id: an owner without read permission may still change what he owns."""
    return number & 0x7FFF


cdef void change_permissions(ipc_perm *perm, long uid, long gid, int mode) noexcept:
    if uid >= 0:
        perm.uid = uid
    if gid >= 0:
        perm.gid = gid
    if mode >= 0:
        perm.mode = mode


cdef tuple permissions(ipc_perm *perm):
    return perm.key, perm.mode, perm.uid, perm.gid, perm.cuid, perm.cgid


cdef tuple queue_fields(int number, msqid_ds *now):
    return (number, permissions(&now.msg_perm), now.msg_qnum, now.used, now.msg_qbytes, now.msg_lspid, now.msg_lrpid,
            now.msg_stime, now.msg_rtime, now.msg_ctime)


def get_queue(cls, int key, int flags, bint temporary=False):
    """The queue of this key as an object of class `cls`. -- msgget(2)"""
    cdef QueueCalls queue = cls.__new__(cls)
    queue.key_number = key
    cdef int number = msgget(key, flags)
    if number < 0:
        raise refused(errno, "msgget(2)", queue)
    queue.fill(number, key, temporary)
    return queue


def adopt(Handle handle not None, int number):
    """Make a new handle stand for an id; its key becomes known if we may read it."""
    if handle.open:
        raise RuntimeError(f"{handle!r} is open already")
    if number < 0:
        raise ValueError(f"an id is a number from 0 up, not {number}")
    handle.fill(number, 0, False)


def know_key(Handle handle not None, int key):
    """The key of an adopted id."""
    handle.key_number = key


# semaphore sets -------------------------------------------------------------------------------------------------------

@cython.no_gc_clear
cdef class Operations:
    """The operations of one semop(2), checked and packed; `waiting` has the IPC_NOWAIT flags the caller asked for."""

    cdef sembuf few[MOST_ON_STACK]
    cdef sembuf *each
    cdef Py_ssize_t count

    def __cinit__(self, ops, bint undo, bint twice=False):
        """`twice`: there is room behind them for `append_inverse`."""
        cdef tuple given = tuple(ops)  # what it says of its length may be untrue, or change
        cdef Py_ssize_t i
        self.each = self.few
        if len(given) * (1 + twice) > MOST_ON_STACK:
            self.each = <sembuf *>malloc(len(given) * (1 + twice) * sizeof(sembuf))
            if self.each == NULL:
                raise MemoryError()
        for i in range(len(given)):
            self.pack(&self.each[i], given[i], undo)
        self.count = len(given)

    def __dealloc__(self):
        if self.each != self.few:
            free(self.each)

    cdef int pack(self, sembuf *one, op, bint undo) except -1:
        if isinstance(op, tuple) and len(op) == 2:
            index, change = op
            own_undo, nowait = undo, False
        elif not hasattr(op, "change"):
            raise TypeError(f"operations are (index, change) or Operation, each an argument: op((0, -1)); not {op!r}")
        else:
            index, change, nowait = op.index, op.change, op.nowait
            own_undo = undo if op.undo is None else op.undo
        one.sem_num = index_of(index)
        one.sem_op = change_of(change)
        one.sem_flg = (SEM_UNDO if own_undo else 0) | (IPC_NOWAIT if nowait else 0)
        return 0

    cdef void append_inverse(self) noexcept:
        """Behind the operations, what takes them back: together they wait for the same and change nothing."""
        cdef Py_ssize_t i
        for i in range(self.count):
            self.each[self.count + i] = self.each[self.count - 1 - i]
            self.each[self.count + i].sem_op = -self.each[self.count + i].sem_op
        self.count *= 2


cdef unsigned short index_of(index) except? 65535:
    index = PyNumber_Index(index)
    if not 0 <= index <= LONGEST_NAMED:
        raise semaphore_refusal(EFBIG, f"no set has a semaphore {index}")
    return index


cdef short change_of(change) except? -1:
    change = PyNumber_Index(change)
    if not SHRT_MIN <= change <= SHRT_MAX:
        raise semaphore_refusal(ERANGE, f"a semaphore changes by at most {MOST_VALUE} at once, not by {change}")
    return change


def semaphore_refusal(int code, str why):
    """What the kernel would say of a number that does not fit into its own types."""
    from unixipc._call import failure
    return failure(code, "semop(2)", None, why)


cdef class SetCalls(Handle):
    """A set's tries and waits."""

    cdef int count    # semaphores in the set; 0: not known yet

    cdef int remove_id(self) noexcept nogil:
        if self.is_another():
            return EIDRM
        return 0 if semctl(self.id, 0, IPC_RMID) == 0 else errno

    cdef bint is_gone(self) noexcept nogil:
        cdef semid_ds now
        cdef uipc_semun where
        where.buf = &now
        if semctl(self.id, 0, IPC_STAT, where) < 0:
            return errno == EINVAL or errno == EIDRM
        return self.differs(&now)

    cdef bint differs(self, semid_ds *now) noexcept nogil:
        return self.count != 0 and self.count != <int>now.sem_nsems

    cdef bint is_another(self) noexcept nogil:
        """Whether the id is another set's by now, as far as that can be told."""
        cdef semid_ds now
        cdef uipc_semun where
        where.buf = &now
        return semctl(self.id, 0, IPC_STAT, where) == 0 and self.differs(&now)

    cdef inline int change_one(self, unsigned short index, int by, bint undo) except -1:
        """Try one operation now: 0, or EAGAIN."""
        cdef sembuf one
        one.sem_num, one.sem_op, one.sem_flg = index, by, IPC_NOWAIT | (SEM_UNDO if undo else 0)
        if self.open and semop(self.id, &one, 1) == 0:
            return 0
        return self.not_changed(errno)

    cdef int not_changed(self, int code) except -1:
        self.number()
        if code == EAGAIN:
            return code
        raise refused(code, "semop(2)", self)

    cdef object wait_one(self, unsigned short index, int by, bint undo, timeout):
        waits = waiting_module().in_kernel
        waits(self.one_in_kernel, index, by, undo, timeout=timeout, name=self.name, on=self)

    def one_in_kernel(self, unsigned short index, short by, bint undo):
        """One sleeping semop of one operation; True."""
        cdef sembuf one
        cdef int number = self.number(), rc, code
        one.sem_num, one.sem_op, one.sem_flg = index, by, SEM_UNDO if undo else 0
        with nogil:
            rc = semop(number, &one, 1)
            code = errno
        if rc == 0:
            return True
        raise refused(code, "semop(2)", self)

    cdef int operate(self, Operations ops, bint now) except -1:
        """One semop: 0, or EAGAIN when every operation had IPC_NOWAIT."""
        cdef int number = self.number(), rc, code
        cdef sembuf many[MOST_ON_STACK]
        cdef sembuf *each = ops.each
        cdef Py_ssize_t i
        if now and ops.count <= MOST_ON_STACK:
            memcpy(many, ops.each, ops.count * sizeof(sembuf))
            each = many
            for i in range(ops.count):
                each[i].sem_flg |= IPC_NOWAIT
            rc = semop(number, each, ops.count)
            code = errno
        else:
            rc, code = self.operate_long(number, ops, now)
        if rc == 0:
            return 0
        if code == EAGAIN and now:
            return code
        raise refused(code, "semop(2)", self)

    cdef (int, int) operate_long(self, int number, Operations ops, bint now) noexcept:
        cdef Py_ssize_t i
        cdef int rc, code
        cdef sembuf *each = ops.each
        if now:
            each = <sembuf *>malloc(ops.count * sizeof(sembuf))
            if each == NULL:
                return -1, ENOMEM
            memcpy(each, ops.each, ops.count * sizeof(sembuf))
            for i in range(ops.count):
                each[i].sem_flg |= IPC_NOWAIT
        with nogil:
            rc = semop(number, each, ops.count)
            code = errno
        if now:
            free(each)
        return rc, code

    def try_op(self, *ops, bint undo=False):
        """All operations at once, or none: False if that is not possible now. -- semop(2)"""
        return self.operate(Operations(ops, undo), True) == 0

    def op(self, *ops, bint undo=False, timeout=None):
        """All operations at once, in their order, waiting until that is possible. -- semop(2)"""
        cdef Operations packed = Operations(ops, undo)
        if self.operate(packed, True):
            waiting_module().in_kernel(self.op_in_kernel, packed, timeout=timeout, name=self.name, on=self)

    def op_in_kernel(self, Operations packed not None):
        """One sleeping semop; True."""
        return self.operate(packed, False) == 0

    def wait_until_possible(self, ops, timeout=None):
        """Wait until these operations could be done, without doing them; True.

        They are done and taken back in one atomic step.
        """
        cdef Operations packed = Operations(ops, False, True)
        packed.append_inverse()
        return waiting_module().in_kernel(self.op_in_kernel, packed, timeout=timeout, name=self.name, on=self)

    def meet(self, arrive, complete, leave, withdraw, timeout=None):
        """Arrive, then wait until we can leave; whether `complete` was possible in between. None: we could not arrive.

        A wait that fails is withdrawn. Where that is not possible any more, everything has come together meanwhile:
        then we leave, and a time-out was none. No Python code runs between the steps, so no signal handler does.
        """
        cdef Operations first = Operations(arrive, False), out = Operations(leave, False)
        cdef Operations back = Operations(withdraw, False)
        cdef Operations all_here = None if complete is None else Operations(complete, False)
        if self.operate(first, True):
            return None
        done = False
        try:
            done = all_here is not None and self.operate(all_here, True) == 0
            if self.operate(out, True):
                waiting_module().in_kernel(self.op_in_kernel, out, timeout=timeout, name=self.name, on=self)
        except BaseException as error:
            if self.operate_on_id(back):
                raise
            if not self.operate_on_id(out) or not isinstance(error, TimeoutError):
                raise
        return done

    def take_or_meet(self, now, arrive, leave, withdraw, timeout=None):
        """`now` if that can be done at once; else arrive, and wait until we can leave."""
        if not self.try_op(*now):
            self.meet(arrive, None, leave, withdraw, timeout)

    def take_back(self, int index, str who):
        """Undo one that was added with undo; RuntimeError if there is none."""
        if not self.try_op((index, -1), undo=True):
            raise RuntimeError(f"{who} is not held")

    cdef bint operate_on_id(self, Operations ops) noexcept:
        """Without waiting, whether or not this handle is still open; whether it was done."""
        cdef sembuf many[MOST_ON_STACK]
        cdef Py_ssize_t i
        for i in range(min(ops.count, MOST_ON_STACK)):
            many[i] = ops.each[i]
            many[i].sem_flg |= IPC_NOWAIT
        return ops.count <= MOST_ON_STACK and semop(self.id, many, ops.count) == 0

    cdef int control(self, int index, int command, uipc_semun argument, str call) except -1:
        cdef int result = semctl(self.number(), index, command, argument)
        if result < 0:
            raise refused(errno, call, self)
        return result

    def get(self, int index, str what):
        """`what` of one semaphore: value, last_pid, waiters, zero_waiters. -- semctl(2)"""
        cdef uipc_semun nothing
        nothing.val = 0
        command = {"value": GETVAL, "last_pid": GETPID, "waiters": GETNCNT, "zero_waiters": GETZCNT}[what]
        return self.control(index, command, nothing, "semctl(2)")

    def set_value(self, int index, value):
        """Reset one semaphore; every process's undo of it is forgotten. -- semctl(2), SETVAL"""
        cdef uipc_semun argument
        argument.val = checked_value(value)
        self.control(index, SETVAL, argument, "semctl(SETVAL)")

    def get_all(self):
        """Every value at one moment. -- semctl(2), GETALL"""
        cdef int n = self.size(), i
        cdef uipc_semun argument
        argument.array = room_for(n)
        self.control(0, GETALL, argument, "semctl(GETALL)")
        values = tuple([argument.array[i] for i in range(n)])
        self.size()  # else they would be those of a set that has come in its place meanwhile
        return values

    def set_all(self, values):
        """Reset every value at once; every undo is forgotten. -- semctl(2), SETALL"""
        cdef list wanted = [checked_value(value) for value in values]
        cdef int n = self.size(), i
        cdef uipc_semun argument
        if len(wanted) != n:
            raise ValueError(f"the set has {n} semaphores, {len(wanted)} values were given")
        argument.array = room_for(n)
        for i in range(n):
            argument.array[i] = wanted[i]
        argument.array[n] = REFUSED_VALUE
        self.control(0, SETALL, argument, "semctl(SETALL)")

    cpdef int size(self) except -1:
        """How many semaphores the set has. That never changes: with another number it is another set. -- semctl(2)"""
        cdef semid_ds now
        self.ask(&now, self.count > 0)
        return self.count

    cdef int ask(self, semid_ds *now, bint unread) except -1:
        """IPC_STAT, `unread`: also without read permission. The kernel gives the id of a removed set again: what has
        another size than ours had is not ours.
        """
        cdef uipc_semun argument
        cdef int number = self.number()
        argument.buf = now
        if semctl(number, 0, IPC_STAT, argument) < 0 and (
                errno != EACCES or not unread or semctl(slot_of(number), 0, SEM_STAT_ANY, argument) != number):
            raise refused(errno, "semctl(IPC_STAT)", self)
        if self.differs(now):
            raise refused(EIDRM, "semctl(IPC_STAT)", self)
        self.count = now.sem_nsems
        return 0

    def status(self):
        """What IPC_STAT gives, as a tuple."""
        cdef semid_ds now
        cdef uipc_semun argument
        argument.buf = &now
        self.control(0, IPC_STAT, argument, "semctl(IPC_STAT)")
        if self.differs(&now):
            raise refused(EIDRM, "semctl(IPC_STAT)", self)
        return set_fields(self.id, &now)

    def change(self, long uid=-1, long gid=-1, int mode=-1):
        """Change the fields that are not -1. -- semctl(2), IPC_SET"""
        cdef semid_ds now
        cdef uipc_semun argument
        self.ask(&now, True)
        argument.buf = &now
        change_permissions(&now.sem_perm, uid, gid, mode)
        self.control(0, IPC_SET, argument, "semctl(IPC_SET)")

    def remove(self):
        """Remove the set at once; who waits in it gets `ObjectRemoved`. -- semctl(2), IPC_RMID"""
        self.number()
        cdef int code = self.remove_id()
        self.maker = 0
        if code:
            raise refused(code, "semctl(IPC_RMID)", self)


cdef unsigned short *room_for(int n) except NULL:
    cdef unsigned short *room = uipc_room_for_values(n)
    if room == NULL:
        raise MemoryError()
    return room


cdef int checked_value(value) except -1:
    value = PyNumber_Index(value)
    if not 0 <= value <= MOST_VALUE:
        raise semaphore_refusal(ERANGE, f"a semaphore's value is 0..{MOST_VALUE} (SEMVMX), not {value}")
    return value


cdef tuple set_fields(int number, semid_ds *now):
    return number, permissions(&now.sem_perm), now.sem_nsems, now.sem_otime, now.sem_ctime


def get_set(cls, int key, int count, int flags, bint temporary=False):
    """The set of this key as an object of class `cls`. -- semget(2)"""
    cdef SetCalls made = cls.__new__(cls)
    made.key_number = key
    cdef int number = semget(key, count, flags)
    if number < 0:
        raise refused(errno, "semget(2)", made)
    made.fill(number, key, temporary)
    made.count = count if flags & IPC_EXCL or not key else 0  # a set that was there may have more
    return made


cdef class OneSemaphore:
    """One semaphore of a set."""

    cdef readonly SetCalls set
    cdef readonly int index

    def __cinit__(self, *args, **kwargs):
        self.index = -1

    def __init__(self, SetCalls owner, index):
        self.set, self.index = owner, index_of(index)

    cdef inline SetCalls owner(self):
        if self.set is None:
            raise RuntimeError("this semaphore was made without a set")
        return self.set

    def acquire(self, n=1, bint undo=False, timeout=None):
        """Take `n` from the value, waiting until it is that large. -- semop(2)

        `undo`: given back when this process ends, however it does (SEM_UNDO).
        """
        cdef long by = whole(n)
        if by < 1 or by > MOST_VALUE:
            raise wrong_step("acquire", by)
        if self.owner().change_one(self.index, -by, undo):
            self.set.wait_one(self.index, -by, undo, timeout)

    def try_acquire(self, n=1, bint undo=False):
        """Take `n` from the value now; False if it is smaller. -- semop(2)"""
        cdef long by = whole(n)
        if by < 1 or by > MOST_VALUE:
            raise wrong_step("acquire", by)
        return self.owner().change_one(self.index, -by, undo) == 0

    def release(self, n=1, bint undo=False):
        """Add `n` to the value. With `undo` it cancels the undo of an acquire (SEM_UNDO). -- semop(2)"""
        cdef long by = whole(n)
        if by < 1 or by > MOST_VALUE:
            raise wrong_step("release", by)
        self.owner().change_one(self.index, by, undo)

    def try_wait_zero(self):
        """Whether the value is 0 now. -- semop(2)"""
        return self.owner().change_one(self.index, 0, False) == 0

    def wait_zero(self, timeout=None):
        """Wait until the value is 0. -- semop(2)"""
        if self.owner().change_one(self.index, 0, False):
            self.set.wait_one(self.index, 0, False, timeout)

    def __enter__(self):
        if not self._owns:
            raise TypeError("use ``with semaphore.hold():`` to acquire and release")
        self.set.check_open()
        return self

    def __exit__(self, kind, error, where):
        close_surely(self)


cdef class Hold:
    """Between ``with`` and its end, `n` of the semaphore are ours. No Python code runs between acquiring and that."""

    cdef readonly OneSemaphore semaphore
    cdef object n, timeout
    cdef bint undo

    def __init__(self, OneSemaphore semaphore, n, bint undo, timeout):
        self.semaphore, self.n, self.undo, self.timeout = semaphore, n, undo, timeout

    def __enter__(self):
        self.semaphore.acquire(self.n, self.undo, self.timeout)
        return self.semaphore

    def __exit__(self, *exception):
        self.semaphore.release(self.n, self.undo)


cdef object wrong_step(str what, long n):
    if n > MOST_VALUE:
        return semaphore_refusal(ERANGE, f"a semaphore's value is at most {MOST_VALUE} (SEMVMX): cannot {what} {n}")
    return ValueError(f"cannot {what} {n}: at least 1")


# shared memory --------------------------------------------------------------------------------------------------------

@cython.no_gc_clear
cdef class MemoryCalls(Handle):
    """A shared memory segment in the kernel; what a process sees of it is a `Segment`.

    A temporary one is marked for removal at birth and held by an attachment of the handle's own: the kernel removes
    it when the last process that has it attached ends, however it ends.
    """

    cdef void *anchor
    cdef Py_ssize_t length    # of the segment; it never changes; -1: not known yet

    def __cinit__(self, *args, **kwargs):
        self.length = -1

    cdef Py_ssize_t size(self) except -1:
        """The kernel gives the id of a removed segment again: what has another size than ours had is not ours."""
        cdef shmid_ds now
        if shmctl(self.number(), IPC_STAT, &now) < 0:
            raise refused(errno, "shmctl(IPC_STAT)", self)
        if self.differs(&now):
            raise refused(EIDRM, "shmctl(IPC_STAT)", self)
        self.length = now.shm_segsz
        return self.length

    cdef int hold(self) noexcept:
        self.anchor = shmat(self.id, NULL, SHM_RDONLY)
        cdef int code = errno if <Py_ssize_t>self.anchor == -1 else 0
        if code:
            self.anchor = NULL
        self.remove_id()
        return code

    def close(self):
        """Forget the segment. A temporary one is gone when nobody has it attached any more."""
        Handle.close(self)
        self.let_go()

    cdef void let_go(self) noexcept:
        cdef void *anchor = self.anchor
        self.anchor = NULL
        if anchor != NULL:
            shmdt(anchor)

    def __dealloc__(self):
        self.let_go()

    cdef int remove_id(self) noexcept nogil:
        if self.is_another():
            return EIDRM
        return 0 if shmctl(self.id, IPC_RMID, NULL) == 0 else errno

    cdef bint is_gone(self) noexcept nogil:
        cdef shmid_ds now
        if shmctl(self.id, IPC_STAT, &now) < 0:
            return errno == EINVAL or errno == EIDRM
        return self.differs(&now)

    cdef bint differs(self, shmid_ds *now) noexcept nogil:
        return self.length >= 0 and self.length != <Py_ssize_t>now.shm_segsz

    cdef bint is_another(self) noexcept nogil:
        """Whether the id is another segment's by now, as far as that can be told."""
        cdef shmid_ds now
        return shmctl(self.id, IPC_STAT, &now) == 0 and self.differs(&now)

    def attach(self, bint readonly=False, at=None, *, bint round_down=False, bint execute=False, Segment replace=None):
        """Make its bytes appear in this process, where the kernel likes or at address `at`. -- shmat(2)

        `round_down` lets the kernel round `at` down to SHMLBA; `execute` allows running code in it; `replace` puts it
        in the place of an attached segment of the same number of pages, in one step (SHM_REMAP), which is detached.
        Other processes, and other attachments, have other addresses: store offsets in shared memory, never pointers.
        """
        cdef int flags = 0
        cdef size_t where = 0
        if readonly:
            flags |= SHM_RDONLY
        if round_down:
            flags |= SHM_RND
        if execute:
            flags |= SHM_EXEC
        if at is not None:
            if replace is not None or at <= 0:
                raise ValueError("an address is a positive number, and goes without `replace`")
            where = at
        if replace is None:
            return self.map_at(<void *>where, flags)
        return self.map_over(replace, flags | SHM_REMAP)

    cdef Segment map_at(self, void *at, int flags):
        """The kernel only notes where it is: that is shorter than giving the interpreter away and back."""
        cdef Segment made = Segment.__new__(Segment)
        cdef Attached attached = Attached.__new__(Attached)
        cdef void *where = shmat(self.number(), at, flags)
        if <Py_ssize_t>where == -1:
            raise refused(errno, "shmat(2)", self)
        made.where, made.readonly, made.source, made.attached = where, flags & SHM_RDONLY != 0, self, attached
        attached.where, attached.readonly = where, made.readonly
        # Asked now: what is attached keeps its id. If it is not ours, `attached` lets it go.
        made.size_bytes = attached.length = self.size()
        return made

    cdef Segment map_over(self, Segment replaced, int flags):
        """In the place of another one. Ours is held meanwhile: a longer one would cover what lies behind that."""
        cdef Segment pin = self.map_at(NULL, SHM_RDONLY)
        replaced.forget_buffer()
        cdef Segment made = self.map_at(<void *>replaced.give_way(pin.size_bytes), flags)
        replaced.where = replaced.attached.where = NULL
        pin.detach()
        return made

    def lock(self):
        """Keep it in memory: its pages are not swapped out once they were touched. -- shmctl(2), SHM_LOCK"""
        if shmctl(self.number(), SHM_LOCK, NULL) < 0:
            raise refused(errno, "shmctl(SHM_LOCK)", self)

    def unlock(self):
        """Let it be swapped out again. -- shmctl(2), SHM_UNLOCK"""
        if shmctl(self.number(), SHM_UNLOCK, NULL) < 0:
            raise refused(errno, "shmctl(SHM_UNLOCK)", self)

    def status(self):
        """What IPC_STAT gives, as a tuple."""
        cdef shmid_ds now
        cdef int number = self.number()
        if shmctl(number, IPC_STAT, &now) < 0:
            raise refused(errno, "shmctl(IPC_STAT)", self)
        if self.differs(&now):
            raise refused(EIDRM, "shmctl(IPC_STAT)", self)
        return memory_fields(number, &now)

    def change(self, long uid=-1, long gid=-1, int mode=-1):
        """Change the fields that are not -1. -- shmctl(2), IPC_SET"""
        cdef shmid_ds now
        cdef int number = self.number()
        if shmctl(number, IPC_STAT, &now) < 0 and (
                errno != EACCES or shmctl(slot_of(number), SHM_STAT_ANY, &now) != number):
            raise refused(errno, "shmctl(IPC_STAT)", self)
        change_permissions(&now.shm_perm, uid, gid, mode)
        if shmctl(number, IPC_SET, &now) < 0:
            raise refused(errno, "shmctl(IPC_SET)", self)

    def remove(self):
        """Mark it for removal: the key is free at once, the memory when the last process detaches. -- shmctl(2)"""
        self.number()
        cdef int code = self.remove_id()
        self.maker = 0
        if code:
            raise refused(code, "shmctl(IPC_RMID)", self)


cdef tuple memory_fields(int number, shmid_ds *now):
    return (number, permissions(&now.shm_perm), now.shm_segsz, now.shm_nattch, now.shm_cpid, now.shm_lpid,
            now.shm_atime, now.shm_dtime, now.shm_ctime)


def get_memory(cls, int key, size_t size, int flags, bint temporary=False):
    """The segment of this key as an object of class `cls`. -- shmget(2)"""
    cdef MemoryCalls made = cls.__new__(cls)
    made.key_number = key
    cdef int number = shmget(key, size, flags)
    if number < 0:
        raise refused(errno, "shmget(2)", made)
    made.fill(number, key, False)
    made.length = <Py_ssize_t>size if flags & IPC_EXCL or not key else -1
    cdef int code = made.hold() if temporary else 0
    if code:
        raise refused(code, "shmat(2)", made)
    return made


@cython.no_gc
@cython.final
@cython.freelist(8)
cdef class Attached:
    """What detaches a segment: all that can reach its bytes refer to this. Views are counted in it."""

    cdef void *where
    cdef Py_ssize_t length
    cdef bint readonly
    cdef readonly Py_ssize_t exports

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self.where == NULL:
            raise ClosedError("this segment is detached")
        PyBuffer_FillInfo(view, self, self.where, self.length, self.readonly, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.exports -= 1

    def __dealloc__(self):
        if self.where != NULL:
            shmdt(self.where)


@cython.no_gc_clear
@cython.freelist(8)
cdef class Segment:
    """An attached segment: a buffer of `size_bytes`, as long as was asked for. Made by `SharedMemory.attach`.

    `detach` (also at the end of ``with``) takes it out of this process; BufferError while arrays, structures or slices
    of it are in use. A read-only one refuses writing with TypeError.
    """

    cdef object lent    # weakly, our own view: it holds us, so we must not hold it

    cdef void *where
    cdef readonly Py_ssize_t size_bytes
    cdef readonly bint readonly
    cdef readonly object source    # the handle it was attached from
    cdef Attached attached         # detaches, when nobody refers to it any more
    cdef object __weakref__

    cdef void *here(self) except NULL:
        if self.where == NULL:
            raise ClosedError(f"this segment is detached: {self.source.name if self.source is not None else 'nothing'}")
        return self.where

    @property
    def address(self):
        """Where it is in this process; another process may have it elsewhere."""
        return <size_t>self.here()

    @property
    def closed(self):
        """Whether it was detached."""
        return self.where == NULL

    def __getbuffer__(self, Py_buffer *view, int flags):
        self.here()
        PyObject_GetBuffer(self.attached, view, flags)

    def __releasebuffer__(self, Py_buffer *view):
        """Never called: the view is one of `attached`. But numpy holds no buffer of what has no such method."""

    @property
    def exports(self):
        """How many views of it are in use."""
        return 0 if self.attached is None else self.attached.exports

    cdef size_t give_way(self, Py_ssize_t size) except? 0:
        """Our address for a mapping that replaces us: nobody may be looking, and it must cover the same pages."""
        if self.exports:
            raise BufferError(f"{self.exports} views of the segment to replace are in use")
        if self.attached is not None and Py_REFCNT(<PyObject *>self.attached) > 1:
            raise BufferError("somebody has an array in the segment to replace; delete it first")
        if (size + 4095) // 4096 != (self.size_bytes + 4095) // 4096:
            raise ValueError(f"a segment of {size} bytes cannot replace one of {self.size_bytes}: other pages")
        return <size_t>self.here()

    @property
    def buffer(self):
        """Its bytes, as a memoryview: the same one as long as somebody has it. After `detach` it refuses to be used."""
        view = None if self.lent is None else self.lent()
        if view is None:
            view = memoryview(self)
            self.lent = ref(view)
        return view

    cdef int forget_buffer(self) except -1:
        """Give up our own view of it, so that only views of others count."""
        view = None if self.lent is None else self.lent()
        if view is not None:
            try:
                view.release()
            except BufferError:
                return 0  # somebody made something of it: that counts
        self.lent = None
        return 0

    def detach(self):
        """Take it out of this process; nothing is lost. BufferError while views of it are in use. -- shmdt(2)

        Who has kept no view but the address, as ``numpy.ndarray(buffer=segment.buffer)`` does, keeps it attached: it is
        detached when that is gone.
        """
        cdef void *where = self.where
        cdef int rc
        if where == NULL:
            return
        self.forget_buffer()
        if self.exports:
            raise BufferError(f"cannot detach: {self.exports} views of this segment are in use (memoryviews, arrays, "
                              "structures); delete or release them first")
        cdef Attached attached = self.attached
        self.where, self.attached = NULL, None
        if Py_REFCNT(<PyObject *>attached) > 1:
            return
        attached.where = NULL
        if self.size_bytes <= QUICK_PAGES:
            rc = shmdt(where)
        else:
            with nogil:
                rc = shmdt(where)
        if rc < 0:
            raise refused(errno, "shmdt(2)", self.source)

    def close(self):
        """The same as `detach`."""
        self.detach()

    def view(self, structure, Py_ssize_t offset_bytes=0):
        """A `ctypes` structure (or array) in these bytes: its fields are the shared memory's."""
        if self.readonly:
            word = getattr(structure, "__name__", "it")
            raise TypeError("ctypes cannot look at read-only memory without a copy: attach it writable, or copy it: "
                            f"{word}.from_buffer_copy(segment, {offset_bytes})")
        return structure.from_buffer(self, offset_bytes)

    def array(self, dtype, shape=None, offset_bytes=0):
        """A numpy array in these bytes; as many items as fit, unless `shape` says otherwise. Needs numpy."""
        from unixipc._view import array_in
        return array_in(self, dtype, shape, offset_bytes)

    def __enter__(self):
        self.here()
        return self

    def __exit__(self, *exception):
        self.detach()

    def __repr__(self):
        if self.where == NULL:
            return "<Segment detached>"
        kind = " read-only" if self.readonly else ""
        return f"<Segment {self.size_bytes} bytes{kind} at 0x{<size_t>self.where:x}>"

    def __reduce__(self):
        raise TypeError("an address means nothing in another process: pickle the SharedMemory and attach it there")


# the whole machine ----------------------------------------------------------------------------------------------------

cdef class Nobody(Handle):
    """Stands where no object is meant."""

    @property
    def name(self):
        return None


cdef Nobody NOBODY = Nobody()


def queue_table():
    """The status of every queue, also of those we may not read. -- msgctl(2), MSG_STAT_ANY"""
    cdef msqid_ds now
    cdef int slot, number
    found = []
    for slot in range(msgctl(0, MSG_INFO, &now) + 1):
        number = msgctl(slot, MSG_STAT_ANY, &now)
        if number >= 0:  # else: nothing in this slot
            found.append(queue_fields(number, &now))
    return found


def set_table():
    """The status of every set, also of those we may not read. -- semctl(2), SEM_STAT_ANY"""
    cdef semid_ds now
    cdef seminfo info
    cdef uipc_semun argument
    cdef int slot, number
    argument.info = &info
    cdef int highest = semctl(0, 0, SEM_INFO, argument)
    found = []
    argument.buf = &now
    for slot in range(highest + 1):
        number = semctl(slot, 0, SEM_STAT_ANY, argument)
        if number >= 0:
            found.append(set_fields(number, &now))
    return found


def memory_table():
    """The status of every segment, also of those we may not read. -- shmctl(2), SHM_STAT_ANY"""
    cdef shmid_ds now
    cdef shm_info info
    cdef int slot, number
    found = []
    for slot in range(shmctl(0, SHM_INFO, <shmid_ds *>&info) + 1):
        number = shmctl(slot, SHM_STAT_ANY, &now)
        if number >= 0:
            found.append(memory_fields(number, &now))
    return found


def queue_info():
    """((msgmni, msgmax, msgmnb), (queues, messages, bytes)). -- msgctl(2), IPC_INFO and MSG_INFO"""
    cdef msginfo limits, used
    if msgctl(0, IPC_INFO, <msqid_ds *>&limits) < 0 or msgctl(0, MSG_INFO, <msqid_ds *>&used) < 0:
        raise refused(errno, "msgctl(IPC_INFO)", NOBODY)
    return (limits.msgmni, limits.msgmax, limits.msgmnb), (used.msgpool, used.msgmap, used.msgtql)


def set_info():
    """((semmni, semmns, semmsl, semopm, semvmx), (sets, semaphores)). -- semctl(2), IPC_INFO and SEM_INFO"""
    cdef seminfo limits, used
    cdef uipc_semun argument
    argument.info = &limits
    if semctl(0, 0, IPC_INFO, argument) < 0:
        raise refused(errno, "semctl(IPC_INFO)", NOBODY)
    argument.info = &used
    if semctl(0, 0, SEM_INFO, argument) < 0:
        raise refused(errno, "semctl(SEM_INFO)", NOBODY)
    return ((limits.semmni, limits.semmns, limits.semmsl, limits.semopm, limits.semvmx), (used.semusz, used.semaem))


def memory_info():
    """((shmmni, shmmax, shmall), (segments, pages, resident pages, swapped pages)). -- shmctl(2), SHM_INFO"""
    cdef shminfo limits
    cdef shm_info used
    if shmctl(0, IPC_INFO, <shmid_ds *>&limits) < 0 or shmctl(0, SHM_INFO, <shmid_ds *>&used) < 0:
        raise refused(errno, "shmctl(IPC_INFO)", NOBODY)
    return (limits.shmmni, limits.shmmax, limits.shmall), (used.used_ids, used.shm_tot, used.shm_rss, used.shm_swp)


def seconds_now():
    """What the kernel's times of objects are compared with. -- time(2)"""
    return time(NULL)


def new_ipc_namespace(bint new_user_namespace):
    """Give this thread, and what it makes, System V objects of its own. -- unshare(2), CLONE_NEWIPC"""
    if unshare(CLONE_NEWIPC | (CLONE_NEWUSER if new_user_namespace else 0)) < 0:
        raise refused(errno, "unshare(2)", NOBODY)
