# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Members of a channel's ring: the tries, and what they sleep on. The protocol is in ring/."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release
from cpython.buffer cimport PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EACCES, EAGAIN, EIO, EMSGSIZE, ETIMEDOUT, EUSERS
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from unixipc._native.descriptor cimport Descriptor
from unixipc._native.ring cimport *

from unixipc._call import failure
from unixipc._native.descriptor import waiting_module
from unixipc._native.wait import Word
from unixipc.errors import ClosedError, LayoutError

import os
from operator import index

cdef extern from "clock.h" nogil:
    int64_t now_ns "uipc_now_ns"()
    timespec as_timespec "uipc_timespec"(int64_t)
    enum:
        INT_MAX

cdef extern from "sched.h" nogil:
    int sched_yield()

cdef extern from "Python.h":
    object PyList_New(Py_ssize_t)

HEADER_BYTES = UIPC_RING_HEADER
cdef Py_ssize_t MESSAGES_OFFSET = 192, SPACE_OFFSET = 256
MEMBERS = UIPC_RING_MEMBERS
USERS_AT = UIPC_RING_USERS   # the byte of the file that all who use a temporary ring have locked
WORDS_AT = {64: "senders", 128: "receivers", MESSAGES_OFFSET: "messages", SPACE_OFFSET: "space"}  # slept on
KINDS = {"queue": UIPC_QUEUE, "topic": UIPC_TOPIC}
POLICIES = ("wait", "refuse", "drop_oldest")

cdef Py_ssize_t QUICK = 16384         # up to here a copy is shorter than giving the interpreter away
cdef size_t MOST_BYTES = 1 << 18      # copied in one go while the end is locked
cdef int CLOSE = 3                    # so few looks: we are chasing the other one
cdef int FIRST_DISTANCE = 16, LONGEST_DISTANCE = 64  # pauses
cdef int TRIALS_OFF = 200             # after one that brought nothing
cdef int QUICK_LOOKS = 60             # with the interpreter in our hands
cdef int64_t LONGEST_SPIN = 60000     # ns; what a wake-up costs, about
cdef int64_t SHORTEST_SPIN = 4000
cdef int64_t PER_SPIN = 1 << 18        # bytes that are copied meanwhile, if memory is slow
cdef int64_t PROBE = 150000           # long enough for who sleeps to wake up and answer
cdef int64_t FIRST_REST = 10000000, LONGEST_REST = 320000000  # between two probes: 1.5 % of the time at most
cdef int64_t LONGEST_WAY = 200000     # giving way: who comes back later than that would rather have slept
cdef int64_t FIRST_SLEEP = 10000000   # as `_wait.FIRST_BEAT_NS`: Python's signal handlers do not wait longer
cdef int64_t LOOK_NS = 500000000      # how often who waits looks for members that were killed
cdef int64_t TURN_NS = 10000000       # one sleep for the lock of an end
cdef int MOST_TURNS = 500             # where there is no other limit: its owner was stopped, or its bytes are nonsense


cdef bint several_processors() except -1:
    """Of the machine: who is pinned to one may well talk to somebody on another."""
    return (os.cpu_count() or 1) > 1


def capacity_for(wanted):
    """The capacity that a ring gets: a power of two, of whole pages."""
    wanted = index(wanted)
    if not 1 <= wanted <= 1 << 40:
        raise ValueError(f"a ring has 1..{1 << 40} bytes, not {wanted}")
    return uipc_ring_capacity(wanted)


cdef uint32_t behind(uint32_t published, uint32_t expected) noexcept:
    """How many messages a subscriber has yet to take. A message is there before it is counted."""
    cdef uint32_t lag = published - expected
    return 0 if <int32_t>lag < 0 else lag


cdef object damaged(uipc_ring *ring):
    return LayoutError(ring.what.decode(), ring.expected, ring.found)


def format_ring(memory, str kind, str when_full, bint temporary, uint64_t capacity, uint64_t identity):
    """Write the facts into a new ring's header, the rest of which is zero."""
    cdef Py_buffer view
    cdef uint32_t how = POLICIES.index(when_full) | (UIPC_RING_TEMPORARY if temporary else 0)
    PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
    try:
        if view.len < UIPC_RING_HEADER:
            raise ValueError("a header needs more bytes")
        uipc_ring_format(<uipc_ring_file *>view.buf, KINDS[kind], how, capacity, identity)
    finally:
        PyBuffer_Release(&view)


def read_facts(bytes facts, uint64_t file_bytes):
    """(kind, when_full, temporary, capacity) of a ring by the first bytes of its file; LayoutError if it is none."""
    cdef uipc_ring ring
    if len(facts) < cython.sizeof(uipc_ring_facts):
        raise LayoutError("size of the file", UIPC_RING_HEADER, len(facts))
    if uipc_ring_check(&ring, <uipc_ring_facts *>PyBytes_AS_STRING(facts), file_bytes):
        raise damaged(&ring)
    kind = "queue" if ring.kind == UIPC_QUEUE else "topic"
    return kind, POLICIES[ring.when_full], bool(ring.temporary), ring.capacity


def use(int fd, int alone):
    """Note that a temporary ring is in use (-1: no more); 1: False unless nobody else has it open. -- fcntl(2)"""
    cdef int code = uipc_ring_use(fd, alone)
    if code == EAGAIN or code == EACCES:
        return False
    if code:
        raise failure(code, "fcntl(F_OFD_SETLK)", None)
    return True


@cython.auto_pickle(False)
@cython.no_gc_clear
cdef class Member:
    """One place at a ring, or a look at it from outside: its own opening of the file, and the shared mapping."""

    cdef uipc_ring ring
    cdef Py_buffer memory      # an export of the mapping: it stays as long as we use it
    cdef bint held, open
    cdef int users             # calls under way without the interpreter lock
    cdef int loans             # messages in our hands
    cdef int views             # of them, that are in use
    cdef int copying           # threads that copy from or to the ring: nobody else may have that place meanwhile
    cdef object last_out       # of temporary ones: what the last one does
    cdef Descriptor file
    cdef object mapping
    cdef readonly object name
    cdef object encode, decode
    cdef object size_of, encode_into, decode_view  # of codecs that can work in place
    cdef int64_t spin_ns, next_look_ns
    cdef bint may_spin
    cdef int distance, trials_off  # pauses to keep from who is just before us; not to be tried so soon again
    cdef bint on_trial
    cdef uint32_t passed, passed_then  # messages, now and at the last wait
    cdef int64_t next_probe_ns, rest_ns  # without spinning: when to look longer again, and how long after that
    cdef int64_t next_way_ns, way_rest_ns  # the same of giving way; 0: it has just helped
    cdef bint blocked          # the last try found the end locked by somebody who is not running
    cdef uint32_t forked       # cheap to look at: set in a child
    cdef object __weakref__

    def __cinit__(self, *args, **kwargs):
        self.ring.slot = -1

    def _start(self, mapping, Descriptor file, bytes facts, uint64_t file_bytes, name, codec=None, last_out=None):
        if self.held:
            raise RuntimeError("this member is in use already")
        if uipc_ring_check(&self.ring, <uipc_ring_facts *>PyBytes_AS_STRING(facts), file_bytes):
            raise damaged(&self.ring)
        PyObject_GetBuffer(mapping, &self.memory, PyBUF_WRITABLE)
        self.held = True
        if <uint64_t>self.memory.len < UIPC_RING_HEADER + 2 * self.ring.capacity:
            raise ValueError("the mapping is shorter than the ring")
        uipc_ring_start(&self.ring, self.memory.buf, <char *>self.memory.buf + UIPC_RING_HEADER, file.fileno())
        self.mapping, self.file, self.name = mapping, file, name
        if codec is not None:
            self.encode, self.decode = codec.encode, codec.decode
            self.decode_view = getattr(codec, "decode_view", None)
            self.encode_into = getattr(codec, "encode_into", None)
            self.size_of = None if self.encode_into is None else codec.size_of
        self.last_out = last_out
        self.may_spin = several_processors()
        self.spin_ns, self.rest_ns, self.way_rest_ns = LONGEST_SPIN, FIRST_REST, FIRST_REST
        self.open = True

    def _join(self, int role):
        """Take a place. OSError(EUSERS) if there is none."""
        cdef int rc, _turn
        self.check_open()
        for _turn in range(MOST_TURNS):
            rc = uipc_ring_join(&self.ring, role)
            if rc != UIPC_BUSY:
                break
            self.wait_for_lock()
        if rc == UIPC_FULL:
            hint = f"{MEMBERS} of each role are the most"
            raise failure(EUSERS, "fcntl(F_OFD_SETLK)", self.name, hint)
        if rc:
            raise self.refusal(rc)

    cdef int wait_for_lock(self) except -1:
        self.wait_quietly()
        PyErr_CheckSignals()
        return 0

    cdef void wait_quietly(self) noexcept:
        """The same where an exception would leave a message in our hands: Python's handlers run a little later."""
        cdef timespec soon = as_timespec(now_ns() + TURN_NS)
        self.users += 1
        with nogil:
            uipc_ring_wait_for_lock(&self.ring, &soon)
        self.leave()

    cdef object refusal(self, int rc):
        """The exception for a result that is neither success nor "not now"."""
        if rc == UIPC_DAMAGED:
            return damaged(&self.ring)
        if rc == UIPC_TOO_LONG:
            hint = f"this channel takes messages of {self.ring.longest} bytes at most: its capacity, less 32"
            return failure(EMSGSIZE, "send", self.name, hint)
        if rc == UIPC_ERRNO:
            return failure(self.ring.error, "get_robust_list(2)", self.name)
        if rc == UIPC_BUSY:
            hint = "the lock of one end is held by a process that does not run: is it stopped?"
            return failure(ETIMEDOUT, "futex(2)", self.name, hint)
        if rc == UIPC_NOT_OURS:
            return LayoutError("record of a message in our hands", "unchanged", "changed by somebody else")
        return RuntimeError(f"result {rc}")

    def check_open(self):
        """`ClosedError` once this handle is closed."""
        if not self.open:
            kind = type(self).__name__
            if self.forked:
                raise ClosedError(f"{kind} {self.name or ''} belongs to the parent process: make one of your own here")
            raise ClosedError(f"{kind} {self.name or ''} is closed".replace("  ", " "))

    def check_memory(self):
        """OSError(EIO) if somebody has cut the file off under us."""
        if self.mapping.damaged_pages:
            raise failure(EIO, "mmap(2)", self.name, "somebody has made the channel's file shorter; make a new one")

    cdef void leave(self) noexcept:
        self.users -= 1
        if not self.users and not self.open:
            self.let_go()

    cdef void let_go(self) noexcept:
        if self.held and not self.users and not self.loans:
            self.held = False
            PyBuffer_Release(&self.memory)
            self.mapping = None

    @property
    def closed(self):
        """Whether this handle was closed."""
        return not self.open

    def close(self):
        """Leave the channel; what is leased goes to the next one. BufferError while views of messages are in use."""
        if not self.open:
            return
        if self.views:
            raise BufferError(f"cannot close: {self.views} views of messages are in use; delete or release them first")
        self.open = False
        if self.copying:  # the last one of those leaves; who sleeps shall know
            uipc_bell_ring(&self.ring.file.messages, INT_MAX)
            uipc_bell_ring(&self.ring.file.space, INT_MAX)
        else:
            self.leave_ring()

    cdef int leave_ring(self) except -1:
        self.users += 1
        with nogil:
            uipc_ring_leave(&self.ring)  # wakes everybody, also our own threads
        if self.last_out is not None:
            self.last_out(self.file, self.name)
        self.leave()
        self.file.close()
        return 0

    cdef void begin_copy(self) noexcept:
        self.users += 1
        self.copying += 1

    cdef int end_copy(self) except -1:
        self.copying -= 1
        if not self.open and not self.forked and not self.copying:
            self.leave_ring()
        self.leave()
        return 0

    def forget(self):
        """What a forked child does: the place is its parent's, and must not live on with us."""
        if not self.open:
            return
        self.open, self.forked, self.users, self.copying = False, True, 0, 0
        self.ring.slot = -1  # what is in its hands is its parent's
        self.file.close()
        self.let_go()

    def __dealloc__(self):
        if self.open:
            uipc_ring_leave(&self.ring)
        self.open, self.users, self.loans = False, 0, 0
        self.let_go()

    def __enter__(self):
        self.check_open()
        return self

    def __exit__(self, *exception):
        self.close()

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} cannot be pickled: pickle the channel, and make one over there")

    def __repr__(self):
        state = f"member {self.ring.slot}" if self.open else "of the parent process" if self.forked else "closed"
        return f"<{type(self).__name__}{'' if self.name is None else f' {self.name!r}'} {state}>"

    # ------------------------------------------------------------------------------------------------ waiting

    cdef bint spin(self, bint reading, size_t length, object timeout) except -1:
        """Look whether it can be done now, for about as long as a wake-up would take: whether it can."""
        cdef int turn
        cdef int64_t now
        if self.may_spin:
            self.keep_distance()
        for turn in range(QUICK_LOOKS):
            if self.is_ready(reading, length):
                if turn < CLOSE and not self.distance and self.may_spin:
                    self.try_distance()
                return True
            if turn == 0 and (self.spin_ns < SHORTEST_SPIN or not self.may_spin):
                now = now_ns()
                if now < self.next_probe_ns or not self.may_spin:
                    return now >= self.next_way_ns and self.give_way(reading, length, timeout, now)
            uipc_pause()
        if timeout is not None and timeout < 0.001:
            return False
        return self.spin_longer(reading, length)

    cdef inline void keep_distance(self) noexcept:
        """Who is just behind the other one gets one message for each cache line that it takes away from it. So it stays
        back for a while, if that brings more than one at a time."""
        cdef int _turn
        cdef uint32_t got = self.passed - self.passed_then
        self.passed_then = self.passed
        if not self.distance:
            return
        if self.on_trial:
            self.on_trial = False
        elif got < 2:
            self.distance, self.trials_off = 0, TRIALS_OFF
            return
        else:
            self.distance = min(LONGEST_DISTANCE, 2 * self.distance)
        for _turn in range(self.distance):
            uipc_pause()

    cdef inline void try_distance(self) noexcept:
        if self.trials_off:
            self.trials_off -= 1
        else:
            self.distance, self.on_trial = FIRST_DISTANCE, True

    cdef bint spin_longer(self, bint reading, size_t length) noexcept:
        """The same without the interpreter. It adapts: half as long after it was in vain, and not at all after that a
        few times, but for a longer look now and then, ever more seldom: the others may have become faster."""
        cdef bint probing = self.spin_ns < SHORTEST_SPIN
        cdef int64_t now = now_ns(), spin_ns = PROBE if probing else self.spin_ns, end = now + spin_ns
        cdef int _turn
        cdef bint ready = False, longer = False
        self.users += 1
        with nogil:
            while not ready and self.open:
                if now >= end:
                    if longer:
                        break
                    longer = True  # a large message is just being copied: that may take longer than a wake-up
                    end += spin_ns * uipc_ring_in_work(&self.ring, reading) // PER_SPIN
                for _turn in range(32):
                    if self.is_ready(reading, length):
                        ready = True
                        break
                    uipc_pause()
                now = now_ns()
        self.leave()
        if ready:
            self.spin_ns, self.rest_ns = LONGEST_SPIN, FIRST_REST
        elif probing:
            self.rest_ns = min(LONGEST_REST, self.rest_ns * 2)
        else:
            self.spin_ns //= 2
        self.next_probe_ns = now + self.rest_ns
        return ready

    cdef bint give_way(self, bint reading, size_t length, object timeout, int64_t begun) except -1:
        """Let others have this processor for a moment: where both ends are on one, the other end is who runs then, and
        nobody has to sleep and be woken. It adapts as spinning does. -- sched_yield(2)"""
        cdef bint ready
        cdef int64_t now
        if timeout is not None and timeout < 0.001:
            return False
        self.users += 1
        with nogil:
            sched_yield()
            ready = self.is_ready(reading, length)
            now = now_ns()
        self.leave()
        if ready and now - begun < LONGEST_WAY:
            self.next_way_ns, self.way_rest_ns = 0, FIRST_REST
        else:
            self.next_way_ns = now + self.way_rest_ns
            self.way_rest_ns = min(LONGEST_REST, self.way_rest_ns * 2)
        return ready

    cdef inline bint is_ready(self, bint reading, size_t length) noexcept nogil:
        return uipc_ring_is_ready(&self.ring, reading, length)

    cdef int sleep(self, bint reading, size_t length, int64_t until_ns) except -1:
        """Sleep until somebody has sent (or received) something, or until then, or a while at most."""
        cdef uipc_ring_bell *bell = uipc_ring_bell_for(&self.ring, reading)
        cdef uint32_t seen
        cdef int64_t latest = now_ns() + LOOK_NS
        cdef timespec deadline = as_timespec(latest if until_ns < 0 else min(until_ns, latest))
        if self.blocked:
            self.blocked = False
            return self.wait_for_lock()
        uipc_add64(&self.ring.file.tally.receiver_sleeps if reading else &self.ring.file.tally.sender_sleeps, 1)
        self.users += 1
        with nogil:
            seen = uipc_bell_prepare(bell)
            if self.open and not self.is_ready(reading, length):
                uipc_futex_wait(&bell.word, seen, &deadline)
        self.leave()
        try:
            PyErr_CheckSignals()
        except BaseException:
            if self.open:
                uipc_bell_ring(bell, 1)  # the wake-up may have been meant for what we do not do now
            raise
        return 0

    def _word(self, bint reading):
        """What tasks sleep on: a word of the shared memory."""
        self.check_open()
        return Word(self.mapping, MESSAGES_OFFSET if reading else SPACE_OFFSET)

    def _prepare(self, bint reading):
        """Say that somebody is about to sleep on it, and while it has which value. Then look once more."""
        self.check_open()
        return uipc_bell_prepare(uipc_ring_bell_for(&self.ring, reading))

    def _pass_on(self, bint reading):
        """A wake-up came to somebody who does not want it any more."""
        if self.open:
            uipc_bell_ring(uipc_ring_bell_for(&self.ring, reading), 1)

    def _blocked(self):
        """Whether the last try found the end locked by somebody who is not running; then `_wait_for_lock`."""
        blocked, self.blocked = self.blocked, False
        return blocked

    def _wait_for_lock(self):
        """Until that lock may be free, a hundredth of a second at most."""
        self.wait_for_lock()

    cdef int look(self) except -1:
        """Now and then: are all members alive? Whether we have looked. Also who never waits does so before it takes
        "no room" for an answer: nobody else may be there to find out who was killed."""
        cdef int64_t now = now_ns()
        if now < self.next_look_ns:
            return False
        self.next_look_ns = now + LOOK_NS
        self.check_memory()
        uipc_ring_look(&self.ring)
        return True

    # -------------------------------------------------------------------------------------------------- facts

    def facts(self):
        """What `stat` shows, as a dict. Counters of two ends that go on meanwhile."""
        cdef uipc_ring_file *file = self.ring.file
        cdef uint64_t received, sent
        self.check_open()
        received = file.receivers.count + file.tally.dropped + file.tally.aborted
        sent = file.senders.count
        return {
            "capacity_bytes": self.ring.capacity,
            "used_bytes": uipc_ring_used(&self.ring),
            "depth": max(0, <int64_t>(sent - received)),
            "sent": sent - file.tally.aborted,
            "received": file.receivers.count,
            "dropped": file.tally.dropped,
            "refused": file.tally.refused,
            "sender_sleeps": file.tally.sender_sleeps,
            "receiver_sleeps": file.tally.receiver_sleeps,
            "repairs": file.tally.repairs,
        }

    def topic_facts(self):
        """The same for a topic."""
        cdef uipc_ring_file *file = self.ring.file
        self.check_open()
        return {
            "capacity_bytes": self.ring.capacity,
            "used_bytes": uipc_ring_used(&self.ring),
            "published": file.senders.count - file.tally.aborted,
            "refused": file.tally.refused,
            "publisher_sleeps": file.tally.sender_sleeps,
            "subscriber_sleeps": file.tally.receiver_sleeps,
            "repairs": file.tally.repairs,
        }

    def subscribers(self):
        """[(pid, lag, missed, whether it is waited for), ...] of those who are alive."""
        cdef int slot
        cdef uipc_ring_member *place
        cdef uint32_t count
        alive, found = self.places(UIPC_RECEIVER, True), []
        count = <uint32_t>self.ring.file.senders.count
        for slot in alive:
            place = &self.ring.file.member[UIPC_RECEIVER][slot]
            found.append((place.pid, behind(count, place.expected), place.missed, not place.tells))
        return found

    cdef list places(self, int role, bint alive):
        """The slots with a name in them whose member is alive, or dead."""
        cdef int slot
        self.check_open()
        return [
            slot
            for slot in range(UIPC_RING_MEMBERS)
            if self.ring.file.member[role][slot].state and uipc_ring_is_alive(&self.ring, role, slot) == alive
        ]

    def was_here(self, int role):
        """Whether there has ever been a sender (0), a receiver (1)."""
        self.check_open()
        return bool(uipc_load_acquire(&self.ring.file.tally.ever) >> role & 1)

    def dead_members(self, int role):
        """The pids of members that ended without leaving, and whose places nobody has cleared yet."""
        cdef int slot
        return [self.ring.file.member[role][slot].pid for slot in self.places(role, False)]

    def members(self, int role):
        """[(slot, pid, since in ns), ...] of those who are alive."""
        cdef int slot
        cdef uipc_ring_member *place
        found = []
        for slot in self.places(role, True):
            place = &self.ring.file.member[role][slot]
            found.append((slot, place.pid, place.since))
        return found


cdef bytes as_bytes(object data):
    """For batches: nothing of Python's may run while an end is locked."""
    return data if type(data) is bytes else bytes(memoryview(data).cast("B"))


@cython.auto_pickle(False)
cdef class SenderCalls(Member):
    """The senders' end of a queue."""

    def try_send(self, data):
        """Append a message now; False if there is no room."""
        if self.encode_into is not None:
            return self.put_in_place(data)
        if self.encode is not None:
            data = self.encode(data)
        return self.put(data)

    cdef bint put_in_place(self, object value) except -1:
        """The codec writes straight into the ring."""
        loan = self.try_reserve(self.size_of(value))
        if loan is None:
            return False
        with loan as buffer:
            self.encode_into(value, buffer)
        return True

    cdef bint put(self, object data) except -1:
        cdef Py_buffer view
        if type(data) is bytes:
            return self.put_bytes(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            return self.put_bytes(<char *>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef bint put_bytes(self, const char *what, Py_ssize_t n) except -1:
        cdef int rc
        if not self.open:
            self.check_open()
        if n > QUICK:
            return self.put_large(what, n)
        rc = uipc_queue_send(&self.ring, what, n)
        if rc == UIPC_NOT_NOW and self.look():
            rc = uipc_queue_send(&self.ring, what, n)
        if rc == UIPC_OK:
            self.passed += 1
            return True
        return self.not_put(rc)

    cdef bint not_put(self, int rc) except -1:
        if rc == UIPC_NOT_NOW:
            return False
        if rc == UIPC_BUSY:
            self.blocked = True
            return False
        raise self.refusal(rc)

    cdef bint put_large(self, const char *what, Py_ssize_t n) except -1:
        """Reserve, copy without any lock, commit."""
        cdef uipc_message message
        cdef int rc = uipc_queue_reserve(&self.ring, n, &message)
        if rc == UIPC_NOT_NOW and self.look():
            rc = uipc_queue_reserve(&self.ring, n, &message)
        if rc:
            return self.not_put(rc)
        self.begin_copy()
        with nogil:
            memcpy(message.bytes, what, n)
            rc = uipc_queue_commit(&self.ring, &message, n)
        self.end_copy()
        if rc:
            raise self.refusal(rc)
        return True

    def send(self, data, timeout=None):
        """Append a message; wait for room. TimeoutError: it was not sent."""
        if self.encode_into is not None:
            with self.reserve(self.size_of(data), timeout) as buffer:
                self.encode_into(data, buffer)
            return
        if self.encode is not None:
            data = self.encode(data)
        if not self.put(data):
            self.wait_to_send(data, timeout)

    cdef int wait_to_send(self, object data, object timeout) except -1:
        self.refuse_if_full("send")
        cdef size_t n = memoryview(data).nbytes
        while self.spin(False, n, timeout):  # ends: somebody may be faster each time, but not for ever
            if self.put(data):
                return 0
            if self.blocked:
                break
        turn = Turn.__new__(Turn, self, data, n)
        waiting_module().wait(turn.attempt, turn.sleep, waiting_module().Deadline(timeout), self.name, False)
        return 0

    def send_many(self, messages, timeout=None):
        """Append all of them, in this order; wait for room. TimeoutError (and EAGAIN) has `sent`, how many went."""
        cdef list batch
        cdef Py_ssize_t done, n
        batch = self._batch(messages)
        n, done = len(batch), 0
        deadline = None
        while True:  # ends: each turn sends some, or raises
            done = self.put_many(batch, done)
            if done == n:
                return
            if deadline is None:
                deadline = waiting_module().Deadline(timeout)
            try:
                self.wait_to_send(batch[done], deadline.left())
            except OSError as error:
                error.sent = done
                error.add_note(f"{done} of {n} messages were sent")
                raise
            done += 1

    cdef Py_ssize_t put_many(self, list batch, Py_ssize_t done) except -1:
        """Those from number `done` on that can be sent now: the number of the first that was not."""
        cdef Py_ssize_t n = len(batch), i = done, begun
        cdef size_t copied
        cdef int rc = UIPC_OK
        cdef bytes each
        while i < n and rc == UIPC_OK:
            if not self.open:
                self.check_open()
            if PyBytes_GET_SIZE(batch[i]) > QUICK:
                if not self.put_large(PyBytes_AS_STRING(batch[i]), PyBytes_GET_SIZE(batch[i])):
                    return i
                i += 1
                continue
            rc = uipc_queue_begin(&self.ring)
            if rc:
                break
            begun, copied = i, 0
            while i < n and copied < MOST_BYTES:
                each = <bytes>batch[i]
                if PyBytes_GET_SIZE(each) > QUICK:
                    break
                rc = uipc_queue_put(&self.ring, PyBytes_AS_STRING(each), PyBytes_GET_SIZE(each))
                if rc:
                    break
                copied += PyBytes_GET_SIZE(each)
                i += 1
            uipc_queue_end(&self.ring, min(i - begun, INT_MAX))
            self.passed += i - begun
        if rc == UIPC_NOT_NOW and self.look():
            return self.put_many(batch, i)
        if rc:
            self.not_put(rc)
        return i

    def try_reserve(self, Py_ssize_t length_bytes):
        """Room for a message to be written in place, now; None if there is none."""
        cdef Loan loan
        cdef int rc
        if length_bytes < 0:
            raise ValueError(f"a message has at least 0 bytes, not {length_bytes}")
        self.check_open()
        loan = Loan.__new__(Loan)
        rc = uipc_queue_reserve(&self.ring, length_bytes, &loan.message)
        if rc == UIPC_NOT_NOW and self.look():
            rc = uipc_queue_reserve(&self.ring, length_bytes, &loan.message)
        if rc:
            return None if not self.not_put(rc) else None
        loan.begin(self, False)
        return loan

    def reserve(self, Py_ssize_t length_bytes, timeout=None):
        """Wait for it. For ``with``: the bytes to write; sent at the end, or not at all after an error."""
        loan = self.try_reserve(length_bytes)
        if loan is not None:
            return loan
        self.refuse_if_full("reserve")
        turn = Turn.__new__(Turn, self, None, length_bytes)
        return waiting_module().wait(turn.attempt, turn.sleep, waiting_module().Deadline(timeout), self.name, False)

    def _batch(self, messages):
        """These messages as they go into the ring."""
        encode = self.encode
        batch = [as_bytes(each if encode is None else encode(each)) for each in messages]
        for each in batch:
            if <uint64_t>len(each) > self.ring.longest and self.open:
                raise self.refusal(UIPC_TOO_LONG)  # before the first is sent
        return batch

    def _send_some(self, list batch, Py_ssize_t done):
        """For tasks: send those from number `done` on that fit now; the number of the first that did not."""
        self.check_open()
        self.look()
        return self.put_many(batch, done)

    def _send_or_none(self, bytes data):
        """For tasks: True, or None while there is no room."""
        self.check_open()
        self.look()
        if self.put(data):
            return True
        self.refuse_if_full("send")
        return None

    def _reserve_or_none(self, Py_ssize_t length_bytes):
        """The same for a reservation."""
        self.look()
        loan = self.try_reserve(length_bytes)
        if loan is None:
            self.refuse_if_full("reserve")
        return loan

    cdef int refuse_if_full(self, str call) except -1:
        if self.ring.when_full == UIPC_REFUSE and not self.blocked:
            uipc_add64(&self.ring.file.tally.refused, 1)
            raise failure(EAGAIN, call, self.name, "it is full, and was made with when_full='refuse'")
        return 0

    cdef object attempt(self, object data, size_t length):
        self.check_open()
        self.look()
        result = self.try_reserve(length) if data is None else (self.put(data) or None)
        if result is None:
            self.refuse_if_full("send")
        return result

    cdef int give_up(self, uipc_message *message) noexcept:
        """Our reservation becomes nothing."""
        cdef int rc = UIPC_BUSY, _turn
        for _turn in range(MOST_TURNS):
            rc = uipc_queue_abort(&self.ring, message)
            if rc != UIPC_BUSY:
                break
            self.wait_quietly()
        return rc


@cython.auto_pickle(False)
cdef class Receiving(Member):
    """What receivers and subscribers have in common: everything but how one message is taken."""

    cdef object take(self):
        """The next message as bytes, or None."""
        raise NotImplementedError

    cdef list take_many(self, Py_ssize_t most):
        """Those that are there, `most` at most; None for none."""
        raise NotImplementedError

    cdef object lend(self, bint as_lease):
        """The next message as a `Loan`, or None."""
        raise NotImplementedError

    cdef int finish(self, uipc_message *message, bint accept) except -1:
        """The end of a loan."""
        raise NotImplementedError

    cdef object not_taken(self, int rc):
        if rc == UIPC_NOT_NOW:
            return None
        if rc == UIPC_BUSY:
            self.blocked = True
            return None
        raise self.refusal(rc)

    def try_receive(self):
        """The next message, None for not now. EOFError once all senders have left and nothing is there."""
        data = self.take()
        if data is None:
            if not self.is_over():
                return None
            data = self.take()
            if data is None:
                raise self.end()
        return data if self.decode is None else self.decode(data)

    cdef bint is_over(self) except -1:
        """There were senders, and none is left."""
        cdef bint looked = self.look()  # who was killed while it left has told nobody
        cdef uint32_t changes = uipc_load_acquire(&self.ring.file.tally.changes)
        if looked or changes != self.ring.changes_seen or self.ring.ended:
            self.ring.ended = (self.ring.file.tally.ever & 1) and not uipc_ring_any(&self.ring, UIPC_SENDER)
            self.ring.changes_seen = changes
        return self.ring.ended

    cdef object end(self):
        return EOFError(f"{self.name or 'channel'}: every sender has left, and nothing is there any more")

    def receive(self, timeout=None):
        """Wait for the next message. EOFError once all senders have left and nothing is there."""
        data = self.take()
        if data is None:
            data = self.wait_to_receive(None, timeout)
        return data if self.decode is None else self.decode(data)

    cdef object wait_to_receive(self, object how, object timeout):
        while not self.blocked and self.spin(True, 0, timeout):  # ends: see wait_to_send
            data = self.attempt_now(how)
            if data is not None:
                return data
        if not self.open:
            self.check_open()  # another thread has closed it: its memory is not ours any more
        if timeout is None and not self.blocked and not self.is_over():  # most waits end with their first sleep
            self.sleep(True, 0, now_ns() + FIRST_SLEEP)
            data = self.attempt_now(how)
            if data is not None:
                return data
        turn = Turn.__new__(Turn, self, how, 0)
        return waiting_module().wait(turn.attempt, turn.sleep, waiting_module().Deadline(timeout), self.name, False)

    def receive_many(self, Py_ssize_t most=1000, timeout=None):
        """Wait for one message, and take those that are there with it, `most` at most: a list."""
        if most < 1:
            raise ValueError(f"most is at least 1, not {most}")
        batch = self.take_many(most)
        if batch is None:
            batch = self.wait_to_receive(most, timeout)
        return batch if self.decode is None else [self.decode(each) for each in batch]

    def try_receive_many(self, Py_ssize_t most=1000):
        """Those that are there now, `most` at most; [] for not now. EOFError as in `try_receive`."""
        if most < 1:
            raise ValueError(f"most is at least 1, not {most}")
        batch = self.take_many(most)
        if batch is None:
            if not self.is_over():
                return []
            batch = self.take_many(most)
            if batch is None:
                raise self.end()
        return batch if self.decode is None else [self.decode(each) for each in batch]

    def try_peek(self):
        """The next message in place, None for not now: see `peek`."""
        return self.lend(False)

    def peek(self, timeout=None):
        """Wait for the next message, in place. For ``with``: a read-only view of it, without a copy.

        At the end, or when the last view of it goes, its place is free again.
        """
        loan = self.lend(False)
        return self.wait_to_receive("peek", timeout) if loan is None else loan

    cdef object attempt_now(self, object how):
        if how is None:
            return self.take()
        if how == "lease" or how == "peek":
            return self.lend(how == "lease")
        return self.take_many(how)

    cdef object attempt(self, object how, size_t length):
        self.check_open()
        data = self.attempt_now(how)
        if data is None and self.is_over():
            data = self.attempt_now(how)
            if data is None:
                raise self.end()
        return data

    def __iter__(self):
        """Messages until the last sender has left and nothing is there."""
        self.check_open()
        return self

    def __next__(self):
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None


@cython.auto_pickle(False)
cdef class ReceiverCalls(Receiving):
    """The receivers' end of a queue."""

    cdef object take(self):
        """The next message as bytes, or None."""
        cdef uipc_message message
        cdef int rc
        if not self.open:
            self.check_open()
        if not uipc_queue_readable(&self.ring):
            return None
        rc = uipc_queue_open(&self.ring)
        if rc == UIPC_OK:
            rc = uipc_queue_next(&self.ring, &message)
            if rc == UIPC_OK:
                return self.taken(&message)
            uipc_queue_shut(&self.ring, False)
        return self.not_taken(rc)

    cdef object taken(self, uipc_message *message):
        """Its bytes; the end is locked, and is not afterwards."""
        cdef bytes data
        if message.length > <size_t>QUICK:
            uipc_queue_lease(&self.ring, message)
            uipc_queue_shut(&self.ring, False)
            return self.take_large(message)
        try:
            data = PyBytes_FromStringAndSize(message.bytes, message.length)
        except BaseException:
            uipc_queue_shut(&self.ring, False)
            raise
        uipc_queue_consume(&self.ring, message)
        uipc_queue_shut(&self.ring, True)
        self.passed += 1
        return data

    cdef object take_large(self, uipc_message *message):
        """Copy what is leased without any lock."""
        cdef bytes data = None
        cdef char *into
        self.begin_copy()
        try:
            data = PyBytes_FromStringAndSize(NULL, message.length)
            into = PyBytes_AS_STRING(data)
            with nogil:
                uipc_copy_and_take(into, message.bytes, message.length)
        finally:
            try:
                self.finish(message, data is not None)
            finally:
                self.end_copy()
        return data

    cdef int finish(self, uipc_message *message, bint accept) except -1:
        cdef int rc = UIPC_BUSY, _turn
        for _turn in range(MOST_TURNS):
            if not self.held or self.forked:
                return 0  # closed meanwhile: it went back then; or it is our parent's
            rc = uipc_queue_finish(&self.ring, message, accept)
            if rc != UIPC_BUSY:
                break
            self.wait_quietly()
        if rc and self.open:
            raise self.refusal(rc)
        return 0

    cdef list take_many(self, Py_ssize_t most):
        cdef list batch = []
        cdef uipc_message message
        cdef size_t copied = 0
        cdef int rc = UIPC_OK
        cdef bytes data
        while rc == UIPC_OK and len(batch) < most:
            if not self.open:
                self.check_open()
            if not uipc_queue_readable(&self.ring):
                break
            rc = uipc_queue_open(&self.ring)
            if rc:
                break
            copied = 0
            try:
                while len(batch) < most and copied < MOST_BYTES:
                    rc = uipc_queue_next(&self.ring, &message)
                    if rc:
                        break
                    if message.length > <size_t>QUICK:
                        break
                    data = PyBytes_FromStringAndSize(message.bytes, message.length)
                    batch.append(data)
                    uipc_queue_consume(&self.ring, &message)
                    copied += message.length + 16
            except BaseException:
                uipc_queue_shut(&self.ring, bool(batch))
                raise
            if rc == UIPC_OK and copied < MOST_BYTES and len(batch) < most:  # a large one comes next
                if not batch:
                    batch.append(self.taken(&message))
                    continue
                uipc_queue_shut(&self.ring, True)
                break
            uipc_queue_shut(&self.ring, bool(batch))
        if not batch:
            self.not_taken(UIPC_NOT_NOW if rc == UIPC_OK else rc)
            return None
        return batch

    cdef object lend(self, bint as_lease):
        cdef Loan loan
        cdef int rc
        if not self.open:
            self.check_open()
        if not uipc_queue_readable(&self.ring):
            if not self.is_over() or uipc_queue_readable(&self.ring):
                return None
            raise self.end()
        loan = Loan.__new__(Loan)
        rc = uipc_queue_open(&self.ring)
        if rc == UIPC_OK:
            rc = uipc_queue_next(&self.ring, &loan.message)
            if rc == UIPC_OK:
                uipc_queue_lease(&self.ring, &loan.message)
            uipc_queue_shut(&self.ring, False)
        if rc:
            return self.not_taken(rc)
        loan.begin(self, True)
        loan.copies = as_lease
        return loan

    def try_lease(self):
        """The next message on trust, None for not now: see `lease`."""
        return self.lend(True)

    def lease(self, timeout=None):
        """Wait for the next message, on trust. For ``with``: it is ours for good at the end.

        If the end is an error, or we are killed, the next receiver gets it.
        """
        loan = self.lend(True)
        return self.wait_to_receive("lease", timeout) if loan is None else loan


@cython.auto_pickle(False)
cdef class SubscriberCalls(Receiving):
    """One subscriber of a topic: it reads without a lock, as its position is its own."""

    cdef list lent  # positions of messages that are in use
    cdef uint64_t freed  # what we have said last

    def _subscribe(self, bint tells):
        """From here on."""
        cdef int rc
        self.check_open()
        self.lent = []
        while True:  # ends: see _join
            rc = uipc_topic_subscribe(&self.ring, tells)
            if rc != UIPC_BUSY:
                break
            self.wait_for_lock()
        if rc:
            raise self.refusal(rc)
        self.freed = self.ring.cursor

    @property
    def missed(self):
        """How many messages this subscriber was too slow for; always 0 if it is waited for."""
        return self.ring.missed

    @property
    def lag(self):
        """How many messages there are that it has not taken yet."""
        self.check_open()
        return behind(<uint32_t>self.ring.file.senders.count, self.ring.next_number)

    cdef int free(self) except -1:
        """The publishers may write over what nobody of ours looks at any more."""
        cdef uint64_t position
        if not self.ring.tells:
            position = min(self.lent) if self.lent else self.ring.cursor
            if position != self.freed:
                self.freed = position
                uipc_topic_free(&self.ring, position)
        return 0

    cdef object not_taken(self, int rc):
        if rc == UIPC_NOT_NOW:
            self.free()  # we may have stepped over what came to nothing, and the publishers may need that place
        return Receiving.not_taken(self, rc)

    cdef object take(self):
        cdef uipc_message message
        cdef bytes data
        cdef int rc, _turn
        if not self.open:
            self.check_open()
        for _turn in range(1000):  # each turn it was overrun while it looked
            rc = uipc_topic_next(&self.ring, &message)
            if rc:
                return self.not_taken(rc)
            if message.length > <size_t>QUICK:
                data = self.take_large(&message)
            else:
                data = PyBytes_FromStringAndSize(message.bytes, message.length)
                if not uipc_topic_intact(&self.ring, &message):
                    continue
                uipc_topic_take(&self.ring, &message)
                self.free()
                self.passed += 1
            if data is not None:
                return data
        return None

    cdef bytes take_large(self, uipc_message *message):
        """Copy without the interpreter; None if it was overrun meanwhile."""
        cdef bytes data = PyBytes_FromStringAndSize(NULL, message.length)
        cdef char *into = PyBytes_AS_STRING(data)
        cdef bint intact
        at = message.at
        uipc_topic_take(&self.ring, message)  # other threads take the next one
        self.lent.append(at)
        self.begin_copy()
        with nogil:
            memcpy(into, message.bytes, message.length)
            intact = uipc_topic_intact(&self.ring, message)
        if not intact:
            uipc_topic_lose(&self.ring)
        self.lent.remove(at)
        if self.open:
            self.free()
        self.end_copy()
        return data if intact else None

    cdef list take_many(self, Py_ssize_t most):
        cdef list batch = []
        cdef uipc_message message
        cdef bytes data
        cdef int rc
        if not self.open:
            self.check_open()
        while len(batch) < most:
            rc = uipc_topic_next(&self.ring, &message)
            if rc:
                self.not_taken(rc)
                break
            if message.length > <size_t>QUICK:
                if batch:
                    break
                data = self.take_large(&message)
                if data is not None:
                    batch.append(data)
                continue
            data = PyBytes_FromStringAndSize(message.bytes, message.length)
            if uipc_topic_intact(&self.ring, &message):
                uipc_topic_take(&self.ring, &message)
                batch.append(data)
        if batch:
            self.free()
        return batch or None

    cdef object lend(self, bint as_lease):
        cdef Loan loan
        cdef int rc
        if not self.open:
            self.check_open()
        if self.ring.tells:
            raise TypeError("a subscriber that may be overrun cannot look in place: receive(), or when_slow='wait'")
        loan = Loan.__new__(Loan)
        rc = uipc_topic_next(&self.ring, &loan.message)
        if rc == UIPC_NOT_NOW and self.is_over():
            rc = uipc_topic_next(&self.ring, &loan.message)
            if rc == UIPC_NOT_NOW:
                raise self.end()
        if rc:
            return self.not_taken(rc)
        uipc_topic_take(&self.ring, &loan.message)
        self.lent.append(loan.message.at)
        loan.begin(self, True)
        return loan

    cdef int finish(self, uipc_message *message, bint accept) except -1:
        self.lent.remove(message.at)
        if self.open:
            self.free()
        return 0


@cython.auto_pickle(False)
cdef class Turn:
    """One wait at an end: what to try, and what to sleep on, for `unixipc._wait.wait`."""

    cdef Member member
    cdef object what
    cdef size_t length

    def __cinit__(self, Member member not None, what, size_t length):
        self.member, self.what, self.length = member, what, length

    def attempt(self):
        if isinstance(self.member, SenderCalls):
            return (<SenderCalls>self.member).attempt(self.what, self.length)
        return (<Receiving>self.member).attempt(self.what, self.length)

    def sleep(self, int64_t until_ns):
        self.member.sleep(isinstance(self.member, Receiving), self.length, until_ns)


@cython.auto_pickle(False)
@cython.no_gc_clear
cdef class Loan:
    """A message in the ring that is ours for the time of a ``with``: to be written, or to be read."""

    cdef Member member
    cdef uipc_message message
    cdef bint reading, copies, settled, accepted
    cdef int exports
    cdef readonly Py_ssize_t length_bytes
    cdef object given

    cdef void begin(self, Member member, bint reading) noexcept:
        self.member, self.reading, self.length_bytes = member, reading, self.message.length
        member.loans += 1

    def truncate(self, Py_ssize_t length_bytes):
        """Send only its first bytes."""
        if self.reading:
            raise TypeError("only a message that is being written can be made shorter")
        if not 0 <= length_bytes <= self.message.length:
            raise ValueError(f"0..{self.message.length} bytes were reserved, not {length_bytes}")
        self.length_bytes = length_bytes

    @property
    def sequence(self):
        """The message's number, modulo 2**32."""
        return self.message.sequence

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self.settled or self.member is None or not self.member.open:
            raise ClosedError("this message was handed over already")
        PyBuffer_FillInfo(view, self, self.message.bytes, self.message.length, self.reading, flags)
        self.exports += 1
        self.member.views += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.exports -= 1
        self.member.views -= 1
        if self.settled and not self.exports:
            self.settle_at_last()

    def __enter__(self):
        if self.settled or self.given is not None or self.member is None or not self.member.open:
            raise ClosedError("this message was handed over already")
        if self.copies:
            data = PyBytes_FromStringAndSize(self.message.bytes, self.message.length)
            decode = self.member.decode
            self.given = True
            return data if decode is None else decode(data)
        self.given = memoryview(self)
        if self.reading and self.member.decode_view is not None:
            return self.member.decode_view(self.given)
        return self.given

    def __exit__(self, kind, error, where):
        if self.settled:
            return
        view, self.given = self.given, None
        if isinstance(view, memoryview):
            try:
                view.release()
            except BufferError:
                pass
        self.accepted = kind is None or (self.reading and not self.copies)
        if self.exports and not self.reading:
            self.accepted, self.settled = False, True
            raise BufferError("an array or view of the reserved bytes is still in use, so the message was not sent: "
                              "delete it before the end of the block")
        self.settled = True
        if not self.exports:
            self.settle_at_last()

    def cancel(self):
        """Give it back, or send nothing. Twice is fine."""
        if not self.settled:
            self.settled, self.accepted, self.given = True, False, None
            if not self.exports:
                self.settle_at_last()

    cdef int settle_at_last(self) except -1:
        cdef Member member = self.member
        if member is None:
            return 0
        self.member = None
        member.loans -= 1
        try:
            if self.reading:
                (<Receiving>member).finish(&self.message, self.accepted)
            elif member.open:
                if self.accepted:
                    rc = uipc_queue_commit(&member.ring, &self.message, self.length_bytes)
                else:
                    rc = (<SenderCalls>member).give_up(&self.message)
                if rc:
                    raise member.refusal(rc)
        finally:
            if not member.open:
                member.let_go()
        return 0

    def __del__(self):
        self.cancel()
