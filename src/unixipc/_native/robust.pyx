# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Robust locks in shared memory: their tries and sleeps. The bytes are in robust/layout.h, the rest in its neighbours.

Trying and releasing a lock that nobody contends for takes less time than handing the interpreter to another thread and
back, and keeps it.
"""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EBUSY, EPERM
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from unixipc._call import failure, name_holders
from unixipc._native.descriptor import waiting_module
from unixipc._native.wait cimport plain_timeout
from unixipc.errors import ClosedError, LayoutError, OwnerDied

cdef extern from "robust/spin.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    struct uipc_owner:
        uint32_t word, pid
    struct uipc_hold:
        uipc_owner *lock
        uint32_t id, pid, dead
    struct uipc_slot:
        uipc_owner owner
    struct uipc_robust:
        uipc_owner owner
        uint32_t changed, writing
        uipc_slot *slot
    enum uipc_spin_for:
        UIPC_SPIN_OWNER
        UIPC_SPIN_PERMIT
        UIPC_SPIN_READ
        UIPC_SPIN_WRITE
    enum:
        UIPC_MUTEX
        UIPC_SEMAPHORE
        UIPC_RWLOCK
        UIPC_CONDITION
        UIPC_ROBUST_MAGIC
        UIPC_ROBUST_VERSION
        UIPC_ROBUST_BYTES
        UIPC_ROBUST_MOST_SLOTS
        EDEADLK
        EEXIST
        EILSEQ
        EOWNERDEAD
        INT_MAX
        FUTEX_TID_MASK
    size_t uipc_robust_size(uint32_t)
    uint64_t uipc_robust_found(const uipc_robust *)
    uint64_t uipc_robust_identity(uint32_t, uint32_t)
    int uipc_robust_create(uipc_robust *, uint32_t, uint32_t)
    uint64_t uipc_robust_mark(const uipc_robust *)
    int uipc_owner_try(uipc_owner *, uipc_hold *, int)
    int uipc_owner_release(uipc_hold *)
    int uipc_owner_wait(uipc_owner *, const timespec *)
    void uipc_owner_pass_on(uipc_owner *)
    int uipc_owner_is_mine(const uipc_hold *)
    int uipc_owner_is_in_use(const uipc_hold *)
    int uipc_owner_held(const uipc_owner *, uint32_t *)
    int uipc_slots_try(uipc_robust *, uipc_hold *, uint32_t, uint32_t *)
    uint32_t uipc_slots_free(const uipc_robust *, uint32_t)
    int uipc_slots_mine(const uipc_hold *, uint32_t, uint32_t)
    int uipc_permits_sleep(uipc_robust *, uipc_hold *, uint32_t, uint32_t *, const timespec *)
    void uipc_permits_pass_on(uipc_robust *, uint32_t)
    int uipc_permits_release(uipc_robust *, uipc_hold *)
    int uipc_rwlock_try_read(uipc_robust *, uipc_hold *, uint32_t, uint32_t *, int)
    int uipc_rwlock_release_read(uipc_robust *, uipc_hold *)
    int uipc_rwlock_try_claim(uipc_robust *, uipc_hold *, int)
    int uipc_rwlock_sleep_claim(uipc_robust *, uipc_hold *, const timespec *)
    int uipc_rwlock_try_write(uipc_robust *, uint32_t)
    int uipc_rwlock_release(uipc_robust *, uipc_hold *)
    int uipc_rwlock_state(const uipc_robust *)
    int uipc_rwlock_wait(uipc_robust *, uint32_t, int, const timespec *)
    int uipc_spin(const uipc_robust *, uint32_t, uipc_spin_for, int64_t)
    timespec uipc_timespec(int64_t)
    int64_t uipc_now_ns()
    int uipc_processors()
    uint32_t uipc_load_acquire(const uint32_t *)
    uint32_t uipc_load_relaxed(const uint32_t *)
    void uipc_store_release(uint32_t *, uint32_t)
    int uipc_futex_wait(uint32_t *, uint32_t, const timespec *)
    int uipc_futex_wake(uint32_t *, int)
    int getpid()

cdef extern from "robust/mutex.h" nogil:
    int uipc_mutex_try(uipc_robust *, uipc_hold *, int)
    int uipc_mutex_sleep(uipc_robust *, uipc_hold *, const timespec *)
    void uipc_mutex_recover(uipc_robust *)
    int uipc_mutex_release(uipc_hold *)

MUTEX, SEMAPHORE, RWLOCK, CONDITION = UIPC_MUTEX, UIPC_SEMAPHORE, UIPC_RWLOCK, UIPC_CONDITION
BLOCK_BYTES, MOST_SLOTS = UIPC_ROBUST_BYTES, UIPC_ROBUST_MOST_SLOTS

cdef enum:
    LOOK_NS = 400000000        # a wake-up may die with who was to pass it on: nobody sleeps longer without a look
    WITH_INTERPRETER_NS = 2000
    SHORTEST_SPIN_NS = 2000
    LONGEST_SPIN_NS = 50000

cdef bint MANY_PROCESSORS = uipc_processors() > 1
cdef dict KINDS = {UIPC_MUTEX: "mutex", UIPC_SEMAPHORE: "semaphore", UIPC_RWLOCK: "reader-writer lock",
                   UIPC_CONDITION: "condition"}
cdef str NOT_THE_OWNER = "another thread has it: who acquired it releases it, as the kernel knows it by its thread"
cdef str TOO_MANY = "a thread can hold 2000 robust locks: the kernel looks at no more when it ends"
cdef dict HINTS = {
    EDEADLK: "this thread holds it already, and would wait for itself for ever",
    EPERM: NOT_THE_OWNER,
    37: TOO_MANY,  # ENOLCK
    38: "the C library's list of robust locks is unknown: this needs glibc on a 64-bit machine",  # ENOSYS
}


cdef timespec next_look() noexcept nogil:
    return uipc_timespec(uipc_now_ns() + LOOK_NS)


cdef struct Left:
    # What a handle had when it was forgotten while another thread held the lock: it is in that thread's list until the
    # thread releases it or ends, and the kernel must be able to read it then.
    uipc_hold *holds
    uint32_t slots
    Py_buffer view
    Left *next

cdef Left *all_left = NULL


cdef bint in_any_list(uipc_hold *holds, uint32_t slots) noexcept:
    cdef uint32_t i
    for i in range(slots + 1):
        if uipc_owner_is_in_use(&holds[i]):
            return True
    return False


cdef void give_back_what_is_left() noexcept:
    global all_left
    cdef Left **at = &all_left
    cdef Left *each
    while at[0] != NULL:
        each = at[0]
        if in_any_list(each.holds, each.slots):
            at = &each.next
            continue
        at[0] = each.next
        free(each.holds)
        PyBuffer_Release(&each.view)
        free(each)


@cython.no_gc_clear
cdef class RobustCalls:
    """What all have: their memory, the holds of this process, closing."""

    cdef uipc_robust *lock       # NULL once it is closed
    cdef uipc_robust *mapped     # the same until the memory is given back
    cdef uipc_hold *holds        # the owner's, then one for each slot; private memory, where nobody else can write
    cdef uint32_t slots, last    # `last`: the slot that was taken last
    cdef Py_buffer view
    cdef bint has_view
    cdef readonly object name
    cdef public object file      # (device, inode) of one that has a name
    cdef bint waits_to_write     # a thread that has claimed it sleeps until nobody reads
    cdef int users               # calls under way without the interpreter's lock: the memory stays for them
    cdef int users_in            # the process whose calls and sleepers those are: a forked one starts anew
    cdef list sleepers
    cdef int spin_ns             # adapts: twice as long after it was worth it, half as long when it was not
    cdef object __weakref__

    def __cinit__(self, *args, **kwargs):
        self.spin_ns = 10000

    cdef int attach(self, memory, Py_ssize_t offset_bytes, object name) except -1:
        """Hold the memory from here on."""
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE)
        self.has_view = True
        self.name = name
        self.check_fits(offset_bytes, 0)
        self.lock = self.mapped = <uipc_robust *>(<char *>self.view.buf + offset_bytes)
        if <uintptr_t>self.lock % UIPC_ROBUST_BYTES:
            self.lock = NULL
            raise ValueError(f"a robust lock must be aligned to {UIPC_ROBUST_BYTES} bytes in memory")
        return 0

    cdef int check_fits(self, Py_ssize_t offset, uint32_t slots) except -1:
        cdef Py_ssize_t needed = uipc_robust_size(slots), there = self.view.len
        if offset < 0 or needed > there or offset > there - needed:
            self.lock = NULL
            raise ValueError(f"{needed} bytes at offset {offset} do not fit into {there}")
        return 0

    cdef int make(self, int kind, uint32_t slots, Py_ssize_t offset) except -1:
        """0, or EEXIST: something is there already."""
        self.check_fits(offset, slots)
        cdef int result = uipc_robust_create(self.lock, kind, slots)
        if result == EILSEQ:
            self.lock = NULL
            raise LayoutError("memory for a robust lock", "zeros", "other bytes")
        if result:
            return result
        return self.become(slots)

    cdef int adopt(self, int kind, Py_ssize_t offset) except -1:
        """What is there must be one of these."""
        cdef uint64_t found = uipc_robust_found(self.lock)
        cdef uint32_t slots = found >> 48
        cdef bint has_slots = kind == UIPC_SEMAPHORE or kind == UIPC_RWLOCK
        wrong = wrong_identity(kind, found)
        if wrong is None and (not 1 <= slots <= UIPC_ROBUST_MOST_SLOTS if has_slots else slots != 0):
            right = f"1..{UIPC_ROBUST_MOST_SLOTS}" if has_slots else 0
            wrong = LayoutError(f"slots of the {KINDS[kind]}", right, slots)
        if wrong is not None:
            self.lock = NULL
            raise wrong
        if <Py_ssize_t>uipc_robust_size(slots) > self.view.len - offset:
            self.lock = NULL
            needed = f"{uipc_robust_size(slots)} bytes"
            raise LayoutError(f"memory of the {KINDS[kind]}", needed, self.view.len - offset)
        return self.become(slots)

    cdef int become(self, uint32_t slots) except -1:
        self.holds = <uipc_hold *>calloc(1 + slots, sizeof(uipc_hold))
        if self.holds == NULL:
            self.lock = NULL
            raise MemoryError()
        self.slots = slots
        self.last = <uint32_t>getpid() % slots if slots else 0
        return 0

    cdef uipc_robust *at(self) except NULL:
        if self.lock == NULL:
            raise ClosedError(f"{type(self).__name__} {self.name or ''} is closed".replace("  ", " "))
        return self.lock

    @property
    def closed(self):
        """Whether this handle was closed; the lock may live on."""
        return self.lock == NULL

    def check_open(self):
        """`ClosedError` once this handle is closed."""
        self.at()

    @property
    def slot_count(self):
        """How many slots it has."""
        self.at()
        return self.slots

    cdef void enter(self) noexcept:
        cdef int me = getpid()
        if self.users_in != me:
            self.users_in, self.users, self.sleepers = me, 0, None
        self.users += 1

    cdef void leave(self) noexcept:
        if self.users_in == getpid():
            self.users -= 1
        if self.lock == NULL and not self.users:
            self.unmap()

    cdef bint spin(self, uipc_spin_for what) noexcept:
        """Whether it became possible within the time that a sleep would cost."""
        cdef uipc_robust *lock = self.lock
        cdef uint32_t pid = 0
        cdef int64_t ns = self.spin_ns
        cdef bint may = False
        if not MANY_PROCESSORS or lock == NULL:  # closed by what the timeout is: the next step says it
            return False
        if not uipc_owner_held(&lock.owner, &pid) or pid != <uint32_t>getpid():
            may = uipc_spin(lock, self.slots, what, WITH_INTERPRETER_NS)
        if not may and ns > WITH_INTERPRETER_NS:
            self.enter()
            with nogil:
                may = uipc_spin(lock, self.slots, what, ns)
            self.leave()
        self.spin_ns = min(2 * ns, LONGEST_SPIN_NS) if may else max(ns // 2, SHORTEST_SPIN_NS)
        return may

    cdef object refused(self, int code, str call):
        return failure(code, call, self.name, HINTS.get(code))

    cdef object owner_died(self, uint32_t pid, str hint):
        error = failure(EOWNERDEAD, "set_robust_list(2)", self.name, f"{described(pid, 'died holding it')}; {hint}")
        error.pid = pid or None
        return error

    cdef int drop(self, uint32_t i) noexcept:
        """Release what this thread holds by this hold."""
        return uipc_mutex_release(&self.holds[i])

    cdef bint others_hold(self) noexcept:
        """Whether another thread of this process has something by this handle."""
        cdef uint32_t i
        for i in range(self.waits_to_write, self.slots + 1):
            if uipc_owner_is_in_use(&self.holds[i]) and not uipc_owner_is_mine(&self.holds[i]):
                return True
        return False

    cdef void drop_mine(self) noexcept:
        cdef uint32_t i
        for i in range(self.slots + 1):
            if uipc_owner_is_mine(&self.holds[i]):
                self.drop(i)

    def close(self):
        """Forget it. What this thread holds is released; who waits in other threads gets `ClosedError`.

        PermissionError while another thread of this process holds it by this handle: only that can release it.
        """
        if self.lock == NULL:
            return
        if self.users_in != getpid():
            self.waits_to_write = False
        if self.others_hold():
            raise self.refused(EPERM, "futex(2)")
        self.drop_mine()
        self.lock = NULL
        try:
            for wake in tuple(self.sleepers or ()) if self.users_in == getpid() else ():
                wake()
        finally:
            self.sleepers = None
            if not self.users or self.users_in != getpid():
                self.unmap()

    cdef void unmap(self) noexcept:
        """Give the memory back, unless a thread still has a lock in it: it is in that thread's list then."""
        if all_left != NULL:
            give_back_what_is_left()
        if self.holds != NULL and not in_any_list(self.holds, self.slots):
            free(self.holds)
            self.holds = NULL
        if self.has_view and self.holds == NULL:
            self.has_view = False
            PyBuffer_Release(&self.view)

    def __dealloc__(self):
        if self.lock != NULL and self.holds != NULL:
            self.drop_mine()
        self.unmap()
        if self.holds != NULL:
            self.leave_behind()

    cdef void leave_behind(self) noexcept:
        global all_left
        cdef Left *left = <Left *>malloc(sizeof(Left))
        if left != NULL:  # else it stays for ever
            left.holds, left.slots, left.view, left.next = self.holds, self.slots, self.view, all_left
            all_left = left

    def add_sleeper(self, wake):
        """Note what to call when this handle closes."""
        if self.users_in != getpid():
            self.users_in, self.users, self.sleepers = getpid(), 0, None
        if self.sleepers is None:
            self.sleepers = []
        self.sleepers.append(wake)

    def remove_sleeper(self, wake):
        """It looks after itself again."""
        if self.sleepers and wake in self.sleepers:
            self.sleepers.remove(wake)


def given_back(RobustCalls lock not None, error):
    """The OwnerDied for who does not have the lock: a ``with`` that raises it has released it, suspect as it is."""
    hint = ("it is released again, and what it guards may be half changed: hold(repair=...) or writing(repair=...) "
            "acquires, repairs and recovers it")
    return lock.owner_died(error.pid or 0, hint)


cdef object wrong_identity(int kind, uint64_t found):
    """None, or the error that says what is wrong with it."""
    cdef uint32_t magic = <uint32_t>found
    cdef int version = (found >> 32) & 0xFF, other = (found >> 40) & 0xFF
    if magic != UIPC_ROBUST_MAGIC:
        return LayoutError("magic of a robust lock", hex(UIPC_ROBUST_MAGIC), hex(magic))
    if version != UIPC_ROBUST_VERSION:
        return LayoutError("version of a robust lock", UIPC_ROBUST_VERSION, version)
    if other != kind:
        return LayoutError("kind of a robust lock", KINDS[kind], KINDS.get(other, other))
    return None


cdef str described(uint32_t pid, str what):
    return f"process {pid} {what}" if pid else f"a process whose id is unknown {what}"


cdef str place(int kind, Py_ssize_t offset):
    return f"{KINDS[kind]} in memory at {offset}"


def create_in(cls, int kind, uint32_t slots, memory, Py_ssize_t offset_bytes=0, name=None, bint or_attach=False):
    """Make one in zeroed memory, as an object of class `cls`; EEXIST if one is there, unless `or_attach`."""
    cdef RobustCalls made = cls.__new__(cls)
    made.attach(memory, offset_bytes, name or place(kind, offset_bytes))
    if made.make(kind, slots, offset_bytes):
        if not or_attach:
            made.lock = NULL
            hint = "a robust lock is there already: attach() or open() uses it, ensure() either"
            raise failure(EEXIST, "futex(2)", made.name, hint)
        made.adopt(kind, offset_bytes)
    return made


def attach_to(cls, int kind, memory, Py_ssize_t offset_bytes=0, name=None):
    """The one that is there, as an object of class `cls`."""
    cdef RobustCalls made = cls.__new__(cls)
    made.attach(memory, offset_bytes, name or place(kind, offset_bytes))
    made.adopt(kind, offset_bytes)
    return made


def probe():
    """OSError(ENOSYS) if there can be no robust locks here. -- get_robust_list(2)"""
    cdef uipc_owner *word = <uipc_owner *>calloc(1, sizeof(uipc_owner))
    cdef uipc_hold hold
    memset(&hold, 0, sizeof(hold))
    if word == NULL:
        raise MemoryError()
    cdef int code = uipc_owner_try(word, &hold, 0)
    if code == 0:
        uipc_owner_release(&hold)
    free(word)
    if code:
        raise failure(code, "get_robust_list(2)", None, HINTS.get(code))


def size_bytes(uint32_t slots):
    """How much memory one with so many slots needs."""
    return uipc_robust_size(slots)


cdef class OwnedCalls(RobustCalls):
    """A lock with one owner word: waiting for that word without taking it, which is how tasks wait."""

    def wait_until_possible(self, timeout=None):
        """Wait until it could be acquired, and take nothing: True. -- futex(2)"""
        return waiting_module().in_kernel(self.look_in_kernel, timeout=timeout, name=self.name, on=self)

    def look_in_kernel(self):
        """One sleep that takes nothing; True: it may be free."""
        cdef uipc_robust *lock = self.at()
        cdef timespec until = next_look()
        cdef int result
        self.enter()
        with nogil:
            result = uipc_owner_wait(&lock.owner, &until)
        self.leave()
        self.at()
        return True if result == 0 else None

    def pass_on(self):
        """Who was woken for it and will not try wakes the next."""
        if self.lock != NULL:
            uipc_owner_pass_on(&self.lock.owner)


# mutexes --------------------------------------------------------------------------------------------------------------

cdef class MutexCalls(OwnedCalls):
    """A mutex's tries and waits; the owner is the thread."""

    def try_acquire(self):
        """Hold it now; False if somebody has it, this thread too. OwnerDied: held, and its last holder was killed."""
        cdef int result = uipc_mutex_try(self.at(), self.holds, 0)
        return result == 0 or self.judge(result)

    def acquire(self, timeout=None):
        """Wait until it is ours. OwnerDied: it is ours, and its last holder was killed. -- futex(2)

        TimeoutError names the holder. OSError(EDEADLK): this thread holds it already.
        """
        cdef uipc_robust *lock = self.lock
        if lock == NULL:
            self.at()
        cdef int result = uipc_mutex_try(lock, self.holds, 0)
        if result:
            self.acquire_slowly(result, timeout)

    def release(self):
        """Hold it no longer. RuntimeError: it is not held; PermissionError: by another thread. -- futex(2)"""
        if self.lock == NULL or uipc_mutex_release(self.holds):
            self.refuse_release()

    cdef int refuse_release(self) except -1:
        self.at()
        if uipc_owner_is_in_use(self.holds):
            raise self.refused(EPERM, "futex(2)")
        raise RuntimeError(f"{self!r} is not held")

    def __enter__(self):
        """OwnerDied: its last holder was killed. Nothing holds it then: the block was not entered."""
        cdef uipc_robust *lock = self.lock
        if lock == NULL:
            self.at()
        cdef int result = uipc_mutex_try(lock, self.holds, 0)
        if result:
            self.enter_slowly(result)
        return self

    cdef int enter_slowly(self, int result) except -1:
        """Who is told by an exception has no block at whose end it would be released."""
        try:
            self.acquire_slowly(result, None)
        except BaseException as error:
            if result == EDEADLK or self.lock == NULL or uipc_mutex_release(self.holds):
                raise  # it is not ours, or was before
            if isinstance(error, OwnerDied):
                raise given_back(self, error) from None
            raise
        return 0

    def __exit__(self, kind, error, where):
        if self.lock == NULL or uipc_mutex_release(self.holds):
            if error is None:  # else that is the error to see
                self.refuse_release()

    cdef bint judge(self, int result) except -1:
        """True: held. False: not now."""
        if result == 0:
            return True
        if result == EBUSY or result == EDEADLK:
            return False
        if result == EOWNERDEAD:
            hint = "you hold it now, and what it guards may be half changed: repair it, then recover()"
            raise self.owner_died(<uint32_t>uipc_robust_mark(self.at()), hint)
        raise self.refused(result, "set_robust_list(2)")

    cdef int acquire_slowly(self, int result, object timeout) except -1:
        timeout = plain_timeout(timeout)
        if result == EBUSY and worth_spinning(timeout) and self.spin(UIPC_SPIN_OWNER):
            result = uipc_mutex_try(self.at(), self.holds, 0)
        if result == EDEADLK:
            raise self.refused(result, "futex(2)")
        if self.judge(result):
            return 0
        try:
            waiting_module().in_kernel(self.sleep_in_kernel, timeout=timeout, name=self.name, on=self)
        except TimeoutError as error:
            name_holders(error, self.held_by())
            raise
        return 0

    def sleep_in_kernel(self):
        """One sleep; True: it is held."""
        cdef uipc_robust *lock = self.at()
        cdef timespec until = next_look()
        cdef int result
        self.enter()
        with nogil:
            result = uipc_mutex_sleep(lock, self.holds, &until)
        if self.lock == NULL and uipc_owner_is_mine(self.holds):
            uipc_mutex_release(self.holds)  # it came together with close()
        self.leave()
        self.at()
        return self.judge(result) or None

    def try_for_task(self, bint waited):
        """The same as `try_acquire`, None for not now. `waited`: others may sleep for it too."""
        return self.judge(uipc_mutex_try(self.at(), self.holds, waited)) or None

    def recover(self):
        """Say that what it guards is sound again; the next holder gets no OwnerDied. RuntimeError: it is not held."""
        self.at()
        if not uipc_owner_is_mine(self.holds):
            self.refuse_release()
        uipc_mutex_recover(self.lock)

    @property
    def suspect(self):
        """Whether a holder was killed, and nobody has called `recover` since."""
        return uipc_robust_mark(self.at()) != 0

    @property
    def held(self):
        """Whether this thread holds it, by this handle."""
        self.at()
        return bool(uipc_owner_is_mine(self.holds))

    @property
    def holder(self):
        """The process that holds it, None for nobody (or one that is just taking it). It may have changed by now."""
        cdef uint32_t pid = 0
        return (pid or None) if uipc_owner_held(&self.at().owner, &pid) else None

    def held_by(self):
        """Who holds it, as a sentence and pids, for errors."""
        cdef uint32_t pid = 0
        if self.lock == NULL or not uipc_owner_held(&self.lock.owner, &pid):
            return "nobody holds it any more", []
        return described(pid, "holds it"), [pid] if pid else []


cdef bint worth_spinning(timeout) except -1:
    return timeout is None or timeout > 0.001


# conditions -----------------------------------------------------------------------------------------------------------

cdef class ConditionCalls(MutexCalls):
    """A mutex, and a number that changes with each notification."""

    def sleep_until_notified(self, uint32_t seen):
        """One sleep; True: there was a notification since `seen`."""
        cdef uipc_robust *lock = self.at()
        cdef timespec until = next_look()
        cdef bint changed
        self.enter()
        with nogil:
            uipc_futex_wait(&lock.changed, seen, &until)
            changed = uipc_load_acquire(&lock.changed) != seen
        self.leave()
        self.at()
        return True if changed else None

    def wait_for_notification(self, uint32_t seen, timeout=None):
        """Wait for the first notification after `seen`, without holding the mutex: True. -- futex(2)"""
        return waiting_module().in_kernel(self.sleep_until_notified, seen, timeout=timeout, name=self.name, on=self)

    @property
    def notification(self):
        """The number of the last notification."""
        return uipc_load_acquire(&self.at().changed)

    def notify(self, int n=1):
        """Wake `n` of those who wait. RuntimeError: it is not held. -- futex(2)"""
        self.at()
        if not uipc_owner_is_mine(self.holds):
            self.refuse_release()
        if n < 1:
            raise ValueError(f"at least one is notified, not {n}")
        uipc_store_release(&self.lock.changed, uipc_load_relaxed(&self.lock.changed) + 1)
        uipc_futex_wake(&self.lock.changed, n)

    def notify_all(self):
        """Wake all who wait. RuntimeError: it is not held. -- futex(2)"""
        self.notify(INT_MAX)


# semaphores -----------------------------------------------------------------------------------------------------------

cdef class SemaphoreCalls(RobustCalls):
    """A semaphore's tries and waits; each permit's owner is a thread."""

    cdef int drop(self, uint32_t i) noexcept:
        return uipc_permits_release(self.lock, &self.holds[i]) if i else EPERM

    def try_acquire(self):
        """Take a permit now; False if there is none. -- futex(2)"""
        return self.judge(uipc_slots_try(self.at(), self.holds + 1, self.slots, &self.last))

    cdef bint judge(self, int result) except -1:
        if result == 0:
            return True
        if result == EBUSY:
            return False
        raise self.refused(result, "set_robust_list(2)")

    def acquire(self, timeout=None):
        """Take a permit, waiting until there is one. TimeoutError names the holders. -- futex(2)"""
        if not self.judge(uipc_slots_try(self.at(), self.holds + 1, self.slots, &self.last)):
            self.acquire_slowly(timeout)

    cdef int acquire_slowly(self, object timeout) except -1:
        timeout = plain_timeout(timeout)
        if worth_spinning(timeout) and self.spin(UIPC_SPIN_PERMIT):
            if self.judge(uipc_slots_try(self.at(), self.holds + 1, self.slots, &self.last)):
                return 0
        try:
            waiting_module().in_kernel(self.sleep_in_kernel, timeout=timeout, name=self.name, on=self)
        except TimeoutError as error:
            name_holders(error, self.held_by())
            raise
        return 0

    def held_by(self):
        """Who has its permits, as a sentence and pids, for errors."""
        return holders_note(self.holders, "have its permits")

    def sleep_in_kernel(self):
        """One sleep; True: it has a permit."""
        cdef uipc_robust *lock = self.at()
        cdef timespec until = next_look()
        cdef uint32_t at = self.last
        cdef int result
        self.enter()
        with nogil:
            result = uipc_permits_sleep(lock, self.holds + 1, self.slots, &at, &until)
        self.last = at
        if self.lock == NULL and result == 0:
            uipc_permits_release(lock, &self.holds[1 + at])  # it came together with close()
        self.leave()
        self.at()
        return self.judge(result) or None

    def wait_until_possible(self, timeout=None):
        """Wait until a permit could be taken, and take none: True. -- futex(2)"""
        return waiting_module().in_kernel(self.look_in_kernel, timeout=timeout, name=self.name, on=self)

    def look_in_kernel(self):
        """One sleep that takes nothing; True: there may be a permit."""
        cdef uipc_robust *lock = self.at()
        cdef timespec until = next_look()
        cdef int result
        self.enter()
        with nogil:
            result = uipc_permits_sleep(lock, NULL, self.slots, NULL, &until)
        self.leave()
        self.at()
        return True if result == 0 else None

    def pass_on(self):
        """Who was woken wakes the next, if there is more to take."""
        if self.lock != NULL:
            uipc_permits_pass_on(self.lock, self.slots)

    def release(self):
        """Give a permit back. RuntimeError: this thread has none by this handle. -- futex(2)"""
        cdef uipc_robust *lock = self.at()
        cdef int which = uipc_slots_mine(self.holds + 1, self.slots, self.last)
        if which < 0:
            raise self.not_held()
        uipc_permits_release(lock, &self.holds[1 + which])
        self.last = which

    cdef object not_held(self):
        if self.others_hold():
            return self.refused(EPERM, "futex(2)")
        return RuntimeError(f"{self!r} is not held")

    def hold(self, timeout=None):
        """For ``with``: acquire at the start, release at the end."""
        cdef Hold made = Hold.__new__(Hold)
        made.semaphore, made.timeout = self, timeout
        return made

    @property
    def value(self):
        """How many permits are free at this moment."""
        return uipc_slots_free(self.at(), self.slots)

    @property
    def held(self):
        """How many permits this thread has by this handle."""
        self.at()
        return sum([uipc_owner_is_mine(&self.holds[1 + i]) for i in range(self.slots)])

    @property
    def holders(self):
        """The processes that have permits, one entry for each permit. They may have changed by now."""
        return slot_holders(self.at(), self.slots)


cdef list slot_holders(uipc_robust *lock, uint32_t slots):
    cdef list found = []
    cdef uint32_t i, pid = 0
    for i in range(slots):
        if uipc_owner_held(&lock.slot[i].owner, &pid) and pid:
            found.append(pid)
    return found


cdef tuple holders_note(list pids, str what):
    if not pids:
        return "nobody holds it any more", []
    pids = sorted(set(pids))
    return f"processes {', '.join([str(pid) for pid in pids])} {what}", pids


@cython.final
@cython.freelist(8)
cdef class Hold:
    """A permit for the time of a ``with``."""

    cdef SemaphoreCalls semaphore
    cdef object timeout

    cdef SemaphoreCalls whose(self):
        if self.semaphore is None:
            raise RuntimeError("hold() of a semaphore makes these")
        return self.semaphore

    def __enter__(self):
        self.whose().acquire(self.timeout)
        return self.semaphore

    def __exit__(self, kind, error, where):
        if self.whose().lock != NULL or error is None:
            self.semaphore.release()


cdef class OwnerHold:
    """A lock for the time of a ``with``, and what to do when its last holder was killed."""

    cdef OwnedCalls lock
    cdef object acquire, release, timeout, repair

    @classmethod
    def __class_getitem__(cls, lock):
        return cls

    def __init__(self, OwnedCalls lock not None, acquire, release, timeout, repair):
        self.lock, self.acquire, self.release, self.timeout, self.repair = lock, acquire, release, timeout, repair

    def __enter__(self):
        if self.lock is None:
            raise RuntimeError("hold(), reading() and writing() of a lock make these")
        try:
            self.acquire(self.timeout)
        except OwnerDied as death:
            if self.repair is None:
                if not self.lock.closed:
                    self.release()
                raise given_back(self.lock, death) from None
            self.mend(death)
        return self.lock

    cdef int mend(self, death) except -1:
        """If that fails the lock is released unmended, and the next one is told again."""
        try:
            self.repair(death)
            self.lock.recover()
        except BaseException:
            self.release()
            raise
        return 0

    def __exit__(self, kind, error, where):
        if error is None or not self.lock.closed:
            self.release()


# reader-writer locks --------------------------------------------------------------------------------------------------

cdef class RWLockCalls(OwnedCalls):
    """A reader-writer lock's tries and waits. Writing is two steps: to claim it, and to wait until nobody reads."""

    cdef int drop(self, uint32_t i) noexcept:
        if i:
            return uipc_rwlock_release_read(self.lock, &self.holds[i])
        return uipc_rwlock_release(self.lock, self.holds)

    cdef bint judge(self, int result, bint shared=False) except -1:
        """True: held, or claimed. False: not now."""
        cdef uint32_t pid
        if result == 0:
            return True
        if result == EBUSY or result == EDEADLK:
            return False
        if result != EOWNERDEAD:
            raise self.refused(result, "set_robust_list(2)")
        mark = uipc_robust_mark(self.at())
        pid = <uint32_t>mark if mark else uipc_load_relaxed(&self.lock.owner.pid)
        if shared:
            hint = "you read, and what it guards may be half changed: release_shared(), acquire(), repair it, recover()"
        else:
            hint = "you write, and what it guards may be half changed: repair it, then recover()"
        raise self.owner_died(pid, hint)

    # reading

    def try_acquire_shared(self):
        """Read now; False if somebody writes or waits to, or all slots are taken. -- futex(2)"""
        return self.judge(self.read(False), True)

    cdef int read(self, bint anyway) except -1:
        return uipc_rwlock_try_read(self.at(), self.holds + 1, self.slots, &self.last, anyway)

    def acquire_shared(self, timeout=None):
        """Wait until nobody writes or waits to, and read. OwnerDied: reads; a writer was killed. -- futex(2)

        OSError(EDEADLK): this thread writes. One that reads already may read once more, whoever waits.
        """
        cdef int result = self.read(False)
        if result:
            self.acquire_shared_slowly(result, timeout)

    cdef int acquire_shared_slowly(self, int result, object timeout) except -1:
        timeout = plain_timeout(timeout)
        self.at()
        if result == EBUSY:
            if uipc_owner_is_mine(self.holds):
                raise self.refused(EDEADLK, "futex(2)")
            if uipc_slots_mine(self.holds + 1, self.slots, self.last) >= 0:
                result = self.read(True)
            elif worth_spinning(timeout) and self.spin(UIPC_SPIN_READ):
                result = self.read(False)
        if self.judge(result, True):
            return 0
        try:
            waiting_module().in_kernel(self.sleep_to_read, timeout=timeout, name=self.name, on=self)
        except TimeoutError as error:
            name_holders(error, self.kept_out_by(False))
            raise
        return 0

    def sleep_to_read(self):
        """One sleep, and a try; True: reads."""
        self.sleep(True)
        return self.judge(self.read(False), True) or None

    cdef bint sleep(self, bint read) except -1:
        """Whether it may be possible now."""
        cdef uipc_robust *lock = self.at()
        cdef timespec until = next_look()
        cdef int result
        self.enter()
        with nogil:
            result = uipc_rwlock_wait(lock, self.slots, read, &until)
        self.leave()
        self.at()
        return result == 0

    def release_shared(self):
        """Read no longer. RuntimeError: this thread does not read by this handle. -- futex(2)"""
        cdef uipc_robust *lock = self.at()
        cdef int which = uipc_slots_mine(self.holds + 1, self.slots, self.last)
        if which < 0:
            raise self.not_held()
        uipc_rwlock_release_read(lock, &self.holds[1 + which])
        self.last = which

    cdef object not_held(self):
        if self.others_hold():
            return self.refused(EPERM, "futex(2)")
        return RuntimeError(f"{self!r} is not held so")

    # writing

    def try_acquire(self):
        """Write now; False if somebody has it. OwnerDied: writes, and a writer was killed. -- futex(2)"""
        if not self.try_claim(False):
            return False
        if self.try_write():
            return True
        self.withdraw()
        return False

    def try_claim(self, bint waited=False):
        """The first step: be the next to write; None for not now."""
        return self.judge(uipc_rwlock_try_claim(self.at(), self.holds, waited)) or None

    def try_write(self):
        """The second step, by who has claimed it: write if nobody reads; None for not now."""
        return self.judge(uipc_rwlock_try_write(self.at(), self.slots)) or None

    def withdraw(self):
        """Claim it no longer."""
        if self.holds != NULL:
            uipc_rwlock_release(self.mapped, self.holds)
            if self.lock == NULL and not self.users:
                self.unmap()

    def acquire(self, timeout=None):
        """Wait until nobody has it, and write. OwnerDied: writes, and a writer was killed. -- futex(2)

        New readers stay out from here on. OSError(EDEADLK): this thread has it already, or reads.
        """
        cdef int result = uipc_rwlock_try_claim(self.at(), self.holds, 0)
        cdef bint claimed = result == 0
        if claimed:
            result = uipc_rwlock_try_write(self.lock, self.slots)
            if result == 0:
                return
        if result == EDEADLK:
            if claimed:
                self.withdraw()
            raise self.refused(EDEADLK, "futex(2)")
        if result == EBUSY:
            self.acquire_slowly(claimed, timeout)
        else:
            self.judge(result)

    cdef int acquire_slowly(self, bint claimed, object timeout) except -1:
        waiting = waiting_module()
        try:
            deadline = waiting.Deadline(timeout)
        except BaseException:  # no timeout at all
            if claimed:
                self.withdraw()
            raise
        self.at()
        try:
            if not claimed:
                self.claim_slowly(waiting, deadline)
            self.write_slowly(waiting, deadline)
        except TimeoutError:
            error = waiting.timed_out(self.name, "wait", deadline.timeout)
            name_holders(error, self.kept_out_by(True))
            raise error from None
        return 0

    cdef int claim_slowly(self, object waiting, object deadline) except -1:
        if worth_spinning(deadline.timeout) and self.spin(UIPC_SPIN_OWNER) and self.try_claim():
            return 0
        waiting.in_kernel(self.sleep_to_claim, timeout=deadline.left(), name=self.name, on=self)
        return 0

    cdef int write_slowly(self, object waiting, object deadline) except -1:
        """It is claimed: whatever happens, it is written or given up."""
        cdef int result
        try:
            if worth_spinning(deadline.timeout):
                self.spin(UIPC_SPIN_WRITE)
            result = uipc_rwlock_try_write(self.at(), self.slots)
            if result == EDEADLK:
                raise self.refused(EDEADLK, "futex(2)")
            if result == EBUSY:
                self.waits_to_write = True
                waiting.in_kernel(self.sleep_to_write, timeout=deadline.left(), name=self.name, on=self)
        except BaseException:
            self.waits_to_write = False
            self.withdraw()
            raise
        self.waits_to_write = False
        self.judge(EOWNERDEAD if uipc_robust_mark(self.at()) else 0)
        return 0

    def sleep_to_claim(self):
        """One sleep; True: it is claimed."""
        cdef uipc_robust *lock = self.at()
        cdef timespec until = next_look()
        cdef int result
        self.enter()
        with nogil:
            result = uipc_rwlock_sleep_claim(lock, self.holds, &until)
        if self.lock == NULL and uipc_owner_is_mine(self.holds):
            uipc_rwlock_release(lock, self.holds)
        self.leave()
        self.at()
        return self.judge(result) or None

    def sleep_to_write(self):
        """One sleep, and a look; True: writes."""
        self.sleep(False)
        cdef int result = uipc_rwlock_try_write(self.at(), self.slots)
        return True if result == 0 or result == EOWNERDEAD else None

    def release(self):
        """Write no longer. RuntimeError: this thread does not write by this handle. -- futex(2)"""
        if uipc_rwlock_release(self.at(), self.holds):
            raise self.not_held()

    # for tasks

    def try_read_for_task(self, bint again):
        """The same as `try_acquire_shared`, None for not now. `again`: the task reads already."""
        return self.judge(self.read(again), True) or None

    def wait_until_readable(self, timeout=None):
        """Wait until reading could be possible: True. -- futex(2)"""
        return waiting_module().in_kernel(self.look, True, timeout=timeout, name=self.name, on=self)

    def wait_until_unread(self, timeout=None):
        """Wait until nobody reads: True. -- futex(2)"""
        return waiting_module().in_kernel(self.look, False, timeout=timeout, name=self.name, on=self)

    def look(self, bint read):
        """One sleep; True: it may be possible."""
        return self.sleep(read) or None

    # its state

    def recover(self):
        """Say that what it guards is sound again. RuntimeError: this thread does not write by this handle."""
        self.at()
        if not uipc_owner_is_mine(self.holds):
            raise self.not_held()
        uipc_mutex_recover(self.lock)

    @property
    def suspect(self):
        """Whether a writer was killed, and nobody has called `recover` since."""
        return uipc_rwlock_state(self.at()) == EOWNERDEAD

    @property
    def held(self):
        """Whether this thread writes, by this handle."""
        self.at()
        return bool(uipc_owner_is_mine(self.holds))

    @property
    def held_shared(self):
        """Whether this thread reads, by this handle."""
        self.at()
        return uipc_slots_mine(self.holds + 1, self.slots, self.last) >= 0

    @property
    def writer(self):
        """The process that writes or waits until nobody reads, None for nobody. It may have changed by now."""
        cdef uint32_t pid = 0
        return (pid or None) if uipc_owner_held(&self.at().owner, &pid) else None

    @property
    def readers(self):
        """The processes that read, one entry for each reader. They may have changed by now."""
        return slot_holders(self.at(), self.slots)

    def kept_out_by(self, bint readers_too):
        """Who has it, as a sentence and pids, for errors."""
        if self.lock == NULL:
            return "it was closed", []
        pid, reading = self.writer, self.readers
        if pid is not None:
            return described(pid, "writes or waits to"), [pid]
        if readers_too or len(reading) == self.slots:
            return holders_note(reading, "read")
        return "nobody holds it any more", []
