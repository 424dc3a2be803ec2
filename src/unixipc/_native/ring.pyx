# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Members of a channel's ring: the tries, and what they sleep on. The protocol is in ring/."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release
from cpython.buffer cimport PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EACCES, EAGAIN, EIDRM, EIO, EMSGSIZE, ETIMEDOUT, EUSERS
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from unixipc._native.descriptor cimport Descriptor
from unixipc._native.ring cimport *
from unixipc._native.wait cimport plain_timeout, timeout_ns

from unixipc._call import failure
from unixipc._generic import Alias
from unixipc._native.descriptor import waiting_module
from unixipc._native.wait import Word
from unixipc.errors import ClosedError, LayoutError

import os
import sys
import warnings
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
cdef int64_t SHORT_PATIENCE = 1000000  # who waits no longer than that does not look, either
cdef int64_t LONGEST_PATIENCE = 50000000  # with a large message that is just being copied; Ctrl-C waits for it
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


cdef object damaged():
    cdef uipc_trouble *trouble = uipc_ring_trouble()
    return LayoutError(trouble.what.decode(), trouble.expected, trouble.found)


cdef int checked_role(int role) except -1:
    if role != UIPC_SENDER and role != UIPC_RECEIVER:
        raise ValueError(f"a role is {UIPC_SENDER} (senders) or {UIPC_RECEIVER} (receivers), not {role}")
    return role


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
        raise damaged()
    kind = "queue" if ring.kind == UIPC_QUEUE else "topic"
    return kind, POLICIES[ring.when_full], bool(ring.temporary), ring.capacity


def tell_everybody(memory):
    """Wake all who sleep at the ring in this memory: its name, or its last handle, is gone."""
    cdef Py_buffer view
    cdef uipc_ring ring
    PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
    try:
        if view.len < UIPC_RING_HEADER:
            raise ValueError("a header needs more bytes")
        ring.file = <uipc_ring_file *>view.buf
        uipc_fetch_add(&ring.file.tally.changes, 1)
        uipc_ring_tell_everybody(&ring)
    finally:
        PyBuffer_Release(&view)


def begin_removal(int fd):
    """Nobody else takes this ring's name away until `end_removal`: whether that is so. -- fcntl(2)"""
    return uipc_ring_begin_removal(fd) == 0


def end_removal(int fd):
    """Others may."""
    uipc_ring_end_removal(fd)


def use(int fd, int alone):
    """Note that a ring is in use (-1: no more); 1: False unless nobody else has it open. -- fcntl(2)"""
    cdef int code = uipc_ring_use(fd, alone)
    if code == EAGAIN or code == EACCES:
        return False
    if code:
        raise failure(code, "fcntl(F_OFD_SETLK)", None)
    return True


cdef class Turn


@cython.no_gc_clear
cdef class Member:
    """One place at a ring, or a look at it from outside: its own opening of the file, and the shared mapping."""

    cdef uipc_ring ring
    cdef Py_buffer memory      # an export of the mapping: it stays as long as we use it
    cdef bint held, open
    cdef int users             # calls under way: any of them may run Python code, or leave the interpreter to others
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
    cdef bint lasting          # it outlives the senders, and ends with the channel
    cdef uint32_t forked       # cheap to look at: set in a child
    cdef object __weakref__

    __class_getitem__ = classmethod(Alias)

    def __cinit__(self, *args, **kwargs):
        self.ring.slot = -1

    def _start(self, mapping, Descriptor file, bytes facts, uint64_t file_bytes, name, codec=None, last_out=None):
        if self.held:
            raise RuntimeError("this member is in use already")
        if uipc_ring_check(&self.ring, <uipc_ring_facts *>PyBytes_AS_STRING(facts), file_bytes):
            raise damaged()
        PyObject_GetBuffer(mapping, &self.memory, PyBUF_WRITABLE)
        self.held = True
        if <uint64_t>self.memory.len < UIPC_RING_HEADER + 2 * self.ring.capacity:
            raise ValueError("the mapping is shorter than the ring")
        uipc_ring_start(&self.ring, self.memory.buf, <char *>self.memory.buf + UIPC_RING_HEADER, file.enter())
        self.mapping, self.file, self.name = mapping, file, name  # its number is ours until `let_go`, whoever closes it
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
        cdef int rc = UIPC_OK, _turn
        self.check_open()
        checked_role(role)
        for _turn in range(MOST_TURNS):
            rc = uipc_ring_join(&self.ring, role)
            if not uipc_is_busy(rc):
                break
            self.wait_for_lock(rc)
            self.check_open()
        if rc == UIPC_FULL:
            hint = f"{MEMBERS} of each role are the most"
            raise failure(EUSERS, "fcntl(F_OFD_SETLK)", self.name, hint)
        if rc:
            raise self.refusal(rc)

    cdef int wait_for_lock(self, int busy) except -1:
        self.wait_quietly(busy)
        PyErr_CheckSignals()
        return 0

    cdef void wait_quietly(self, int busy) noexcept:
        """The same where an exception would leave a message in our hands: Python's handlers run a little later."""
        cdef timespec soon = as_timespec(now_ns() + TURN_NS)
        self.users += 1
        with nogil:
            uipc_ring_wait_for_lock(&self.ring, busy, &soon)
        self.leave()

    cdef object refusal(self, int rc):
        """The exception for a result that is neither success nor "not now"."""
        if rc == UIPC_DAMAGED:
            return damaged()
        if rc == UIPC_TOO_LONG:
            hint = f"this channel takes messages of {self.ring.longest} bytes at most: its capacity, less 32"
            return failure(EMSGSIZE, "send", self.name, hint)
        if rc == UIPC_ERRNO:
            return failure(uipc_ring_trouble().error, "get_robust_list(2)", self.name)
        if rc == UIPC_LEFT:
            return self.closed_error()
        if uipc_is_busy(rc):
            hint = "the lock of one end is held by a process that does not run: is it stopped?"
            return failure(ETIMEDOUT, "futex(2)", self.name, hint)
        if rc == UIPC_NOT_OURS:
            return LayoutError("record of a message in our hands", "unchanged", "changed by somebody else")
        return RuntimeError(f"result {rc}")

    def check_open(self):
        """`ClosedError` once this handle is closed."""
        if not self.open:
            raise self.closed_error()

    cdef object closed_error(self):
        kind = type(self).__name__
        if self.forked:
            return ClosedError(f"{kind} {self.name or ''} belongs to the parent process: make one of your own here")
        return ClosedError(f"{kind} {self.name or ''} is closed".replace("  ", " "))

    cdef inline int begin(self) except -1:
        """A call begins: until `leave` its memory stays, whatever it runs meanwhile, and whoever closes this member."""
        if not self.open:
            raise self.closed_error()
        self.users += 1
        return 0

    @property
    def _is_temporary(self):
        """Whether the last one out removes the channel."""
        return bool(self.ring.temporary)

    def check_memory(self):
        """OSError(EIO) if somebody has cut the file off under us."""
        if self.mapping.damaged_pages:
            raise failure(EIO, "mmap(2)", self.name, "somebody has made the channel's file shorter; make a new one")

    cdef inline void leave(self) noexcept:
        if self.users:  # not in a forked child: the calls were its parent's
            self.users -= 1
            if not self.users and not self.open:
                self.let_go()

    cdef void let_go(self) noexcept:
        if self.held and not self.users and not self.loans:
            self.held = False
            PyBuffer_Release(&self.memory)
            self.mapping = None
            self.file.leave()

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
        try:
            with nogil:
                uipc_ring_leave(&self.ring)  # wakes everybody, also our own threads
            if self.last_out is not None:
                self.last_out(self.ring.fd, self.name)  # the collector may have closed `file` before us
        finally:
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

    def __del__(self):
        if self.open and not self.views and not sys.is_finalizing():
            try:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            finally:
                self.close()

    def __dealloc__(self):
        if self.open and self.held:  # its file is open still: nobody else has that number
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

    cdef bint spin(self, bint reading, size_t length, int64_t patience_ns) except -1:
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
                    return now >= self.next_way_ns and self.give_way(reading, length, patience_ns, now)
            uipc_pause()
        if 0 <= patience_ns < SHORT_PATIENCE:
            return False
        return self.spin_longer(reading, length, patience_ns)

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

    cdef bint spin_longer(self, bint reading, size_t length, int64_t patience_ns) noexcept:
        """The same without the interpreter. It adapts: half as long after it was in vain, and not at all after that a
        few times, but for a longer look now and then, ever more seldom: the others may have become faster."""
        cdef bint probing = self.spin_ns < SHORTEST_SPIN
        cdef int64_t now = now_ns(), spin_ns = PROBE if probing else self.spin_ns, end = now + spin_ns
        cdef int64_t latest = now + (LONGEST_PATIENCE if patience_ns < 0 else min(patience_ns, LONGEST_PATIENCE))
        cdef int _turn
        cdef bint ready = False, longer = False
        self.users += 1
        with nogil:
            while not ready and self.open:
                if now >= end or now >= latest:
                    if longer or now >= latest:
                        break
                    longer = True  # a large message is just being copied: that may take longer than a wake-up
                    end += spin_ns * uipc_length(uipc_ring_in_the_way(&self.ring, reading)) // PER_SPIN
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

    cdef bint give_way(self, bint reading, size_t length, int64_t patience_ns, int64_t begun) except -1:
        """Let others have this processor for a moment: where both ends are on one, the other end is who runs then, and
        nobody has to sleep and be woken. It adapts as spinning does. -- sched_yield(2)"""
        cdef bint ready
        cdef int64_t now
        if 0 <= patience_ns < SHORT_PATIENCE:
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

    cdef inline uint32_t changes(self) noexcept:
        """Of the members, up to now. A sleep that is asked for after another change is none."""
        return uipc_load_acquire(&self.ring.file.tally.changes)

    cdef int sleep(self, bint reading, size_t length, uint32_t changes, int64_t until_ns) except -1:
        """Sleep until somebody has sent (or received) something, joined or left, or until then, or a while at most."""
        cdef uipc_ring_bell *bell = uipc_ring_bell_for(&self.ring, reading)
        cdef uint32_t seen
        cdef int64_t latest = now_ns() + LOOK_NS
        cdef timespec deadline = as_timespec(latest if until_ns < 0 else min(until_ns, latest))
        uipc_add64(&self.ring.file.tally.receiver_sleeps if reading else &self.ring.file.tally.sender_sleeps, 1)
        self.users += 1
        with nogil:
            seen = uipc_bell_prepare(bell)
            if self.open and not self.is_ready(reading, length):
                if uipc_load_acquire(&self.ring.file.tally.changes) == changes:
                    uipc_futex_wait(&bell.word, seen, &deadline)
        try:
            PyErr_CheckSignals()
        except BaseException:
            if self.open:
                uipc_bell_ring(bell, 1)  # the wake-up may have been meant for what we do not do now
            raise
        finally:
            self.leave()
        return 0

    cdef object wait_in_turn(self, Turn turn, object timeout):
        """The corridor's loop; the first try was made."""
        try:
            return waiting_module().wait(turn.attempt, turn.sleep, waiting_module().Deadline(timeout), self.name, False)
        except TimeoutError as error:
            turn.explained(error)
            raise

    cdef object attempt(self, Turn turn):
        """One try of a wait: what it gives, or None; `turn.result` says what was in the way."""
        raise NotImplementedError

    def _in_the_way(self, bint reading):
        """(pid, "unfinished" or "leased", bytes) of the message that a receiver, or a sender without room, waits
        behind; None if there is none. A guess by the time that it is read. Where a subscriber is, it alone knows."""
        cdef uint64_t word
        cdef int number
        self.begin()
        try:
            if self.ring.kind == UIPC_TOPIC and self.ring.slot < 0:
                return None
            word = uipc_ring_in_the_way(&self.ring, reading)
            number = uipc_member_of(word)
            if not word or number >= 2 * UIPC_RING_MEMBERS:
                return None
            pid = self.ring.file.member[number // UIPC_RING_MEMBERS][number % UIPC_RING_MEMBERS].pid
            return pid, "unfinished" if number < UIPC_RING_MEMBERS else "leased", uipc_length(word)
        finally:
            self.leave()

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
        cdef uipc_ring_file *file
        cdef uint64_t received, sent
        self.begin()
        try:
            file = self.ring.file
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
        finally:
            self.leave()

    def topic_facts(self):
        """The same for a topic."""
        cdef uipc_ring_file *file
        self.begin()
        try:
            file = self.ring.file
            return {
                "capacity_bytes": self.ring.capacity,
                "used_bytes": uipc_ring_used(&self.ring),
                "published": file.senders.count - file.tally.aborted,
                "refused": file.tally.refused,
                "publisher_sleeps": file.tally.sender_sleeps,
                "subscriber_sleeps": file.tally.receiver_sleeps,
                "repairs": file.tally.repairs,
            }
        finally:
            self.leave()

    def subscribers(self):
        """[(pid, lag, missed, whether it is waited for), ...] of those who are alive."""
        cdef int slot
        cdef uipc_ring_member *place
        cdef uint32_t count
        self.begin()
        try:
            alive, found = self.places(UIPC_RECEIVER, True), []
            count = <uint32_t>self.ring.file.senders.count
            for slot in alive:
                place = &self.ring.file.member[UIPC_RECEIVER][slot]
                found.append((place.pid, behind(count, place.expected), place.missed, not place.tells))
            return found
        finally:
            self.leave()

    cdef list places(self, int role, bint alive):
        """The slots with a name in them whose member is alive, or dead. For a call that has begun."""
        cdef int slot
        return [
            slot
            for slot in range(UIPC_RING_MEMBERS)
            if self.ring.file.member[role][slot].state and uipc_ring_is_alive(&self.ring, role, slot) == alive
        ]

    def was_here(self, int role):
        """Whether there has ever been a sender (0), a receiver (1)."""
        checked_role(role)
        self.check_open()
        return bool(uipc_load_acquire(&self.ring.file.tally.ever) >> role & 1)

    def dead_members(self, int role):
        """The pids of members that ended without leaving, and whose places nobody has cleared yet."""
        cdef int slot
        checked_role(role)
        self.begin()
        try:
            return [self.ring.file.member[role][slot].pid for slot in self.places(role, False)]
        finally:
            self.leave()

    def members(self, int role):
        """[(slot, pid, since in ns), ...] of those who are alive."""
        cdef int slot
        cdef uipc_ring_member *place
        checked_role(role)
        self.begin()
        try:
            found = []
            for slot in self.places(role, True):
                place = &self.ring.file.member[role][slot]
                found.append((slot, place.pid, place.since))
            return found
        finally:
            self.leave()


cdef bytes as_bytes(object data):
    """For batches: nothing of Python's may run while an end is locked."""
    return data if type(data) is bytes else bytes(memoryview(data).cast("B"))


@cython.no_gc_clear
cdef class SenderCalls(Member):
    """The senders' end of a queue."""

    def try_send(self, data):
        """Append a message now; False if there is no room."""
        if self.encode_into is not None:
            return self.put_in_place(data)
        if self.encode is not None:
            data = self.encode(data)
        return self.put(data) == UIPC_OK

    cdef bint put_in_place(self, object value) except -1:
        """The codec writes straight into the ring."""
        loan = self.try_reserve(self.size_of(value))
        if loan is None:
            return False
        with loan as buffer:
            self.encode_into(value, buffer)
        return True

    cdef int put(self, object data) except -1:
        """UIPC_OK, UIPC_NOT_NOW or UIPC_BUSY_...; so for all that is called put."""
        cdef Py_buffer view
        if type(data) is bytes:
            return self.put_bytes(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            return self.put_bytes(<char *>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef int put_bytes(self, const char *what, Py_ssize_t n) except -1:
        cdef int rc
        if not self.open:
            self.check_open()
        if n > QUICK:
            return self.put_large(what, n)
        rc = uipc_queue_send(&self.ring, what, n)
        if rc == UIPC_OK:
            self.passed += 1
            return rc
        if rc == UIPC_NOT_NOW and self.look():
            rc = uipc_queue_send(&self.ring, what, n)
            self.passed += rc == UIPC_OK
        return self.checked(rc)

    cdef int checked(self, int rc) except -1:
        if rc == UIPC_OK or rc == UIPC_NOT_NOW or uipc_is_busy(rc):
            return rc
        raise self.refusal(rc)

    cdef int put_large(self, const char *what, Py_ssize_t n) except -1:
        """Reserve, copy without any lock, commit."""
        cdef uipc_message message
        cdef int rc = uipc_queue_reserve(&self.ring, n, &message)
        if rc == UIPC_NOT_NOW and self.look():
            rc = uipc_queue_reserve(&self.ring, n, &message)
        if rc:
            return self.checked(rc)
        self.begin_copy()
        with nogil:
            memcpy(message.bytes, what, n)
            rc = uipc_queue_commit(&self.ring, &message, n)
        self.end_copy()
        if rc:
            raise self.refusal(rc)
        return UIPC_OK

    def send(self, data, timeout=None):
        """Append a message; wait for room. TimeoutError: it was not sent."""
        cdef int rc
        if self.encode_into is not None:
            with self.reserve(self.size_of(data), timeout) as buffer:
                self.encode_into(data, buffer)
            return
        if self.encode is not None:
            data = self.encode(data)
        rc = self.put(data)
        if rc:
            self.wait_to_send(data, timeout, rc)

    cdef int wait_to_send(self, object data, object timeout, int rc) except -1:
        cdef int64_t patience_ns = timeout_ns(timeout)
        cdef size_t n = memoryview(data).nbytes
        self.begin()
        try:
            self.refuse_if_full("send", rc)
            while not uipc_is_busy(rc) and self.spin(False, n, patience_ns):  # ends: nobody else is faster for ever
                rc = self.put(data)
                if rc == UIPC_OK:
                    return 0
            self.wait_in_turn(new_turn(self, False, data, n, rc), timeout)
        finally:
            self.leave()
        return 0

    def send_many(self, messages, timeout=None):
        """Append all of them, in this order; wait for room. TimeoutError (and EAGAIN) has `sent`, how many went."""
        cdef list batch
        cdef Py_ssize_t done, n
        cdef int rc = UIPC_OK
        timeout = plain_timeout(timeout)
        batch = self._batch(messages)
        n, done = len(batch), 0
        deadline = None
        while True:  # ends: each turn sends some, or raises
            done = self.put_many(batch, done, &rc)
            if done == n:
                return
            if deadline is None:
                deadline = waiting_module().Deadline(timeout)
            try:
                self.wait_to_send(batch[done], deadline.left(), rc)
            except OSError as error:
                note_sent(error, done, n)
                raise
            done += 1

    cdef Py_ssize_t put_many(self, list batch, Py_ssize_t done, int *rc) except -1:
        """Those from number `done` on that can be sent now: the number of the first that was not, and why in `rc`."""
        cdef Py_ssize_t n = len(batch), i = done
        rc[0] = UIPC_OK
        self.begin()
        try:
            while i < n and rc[0] == UIPC_OK:
                if not self.open:
                    self.check_open()
                if PyBytes_GET_SIZE(batch[i]) > QUICK:
                    rc[0] = self.put_large(PyBytes_AS_STRING(batch[i]), PyBytes_GET_SIZE(batch[i]))
                    i += rc[0] == UIPC_OK
                    continue
                i = self.put_small(batch, i, rc)
                if rc[0] == UIPC_NOT_NOW and self.look():
                    rc[0] = UIPC_OK  # somebody was killed: there may be room now
            self.checked(rc[0])
        finally:
            self.leave()
        return i

    cdef Py_ssize_t put_small(self, list batch, Py_ssize_t i, int *rc) except -1:
        """The same for those up to the next large one, under one lock."""
        cdef Py_ssize_t n = len(batch), begun = i
        cdef size_t copied = 0
        cdef int code = uipc_queue_begin(&self.ring)
        cdef bytes each
        rc[0] = code
        if code:
            return i
        while i < n and copied < MOST_BYTES:
            each = <bytes>batch[i]
            if PyBytes_GET_SIZE(each) > QUICK:
                break
            code = uipc_queue_put(&self.ring, PyBytes_AS_STRING(each), PyBytes_GET_SIZE(each))
            if code:
                break
            copied += PyBytes_GET_SIZE(each)
            i += 1
        rc[0] = code
        uipc_queue_end(&self.ring, min(i - begun, INT_MAX))
        self.passed += i - begun
        return i

    def try_reserve(self, Py_ssize_t length_bytes):
        """Room for a message to be written in place, now; None if there is none."""
        cdef int rc = UIPC_OK
        return self.reserve_now(length_bytes, &rc)

    cdef object reserve_now(self, Py_ssize_t length_bytes, int *rc):
        cdef Loan loan
        checked_length(length_bytes)
        loan = Loan.__new__(Loan)  # first: it may run finalizers, which may close this member
        self.check_open()
        rc[0] = uipc_queue_reserve(&self.ring, length_bytes, &loan.message)
        if rc[0] == UIPC_NOT_NOW and self.look():
            rc[0] = uipc_queue_reserve(&self.ring, length_bytes, &loan.message)
        if self.checked(rc[0]):
            return None
        loan.begin(self, False)
        return loan

    def reserve(self, Py_ssize_t length_bytes, timeout=None):
        """Wait for it. For ``with``: the bytes to write; sent at the end, or not at all after an error."""
        cdef int rc = UIPC_OK
        timeout = plain_timeout(timeout)
        loan = self.reserve_now(length_bytes, &rc)
        if loan is not None:
            return loan
        self.begin()
        try:
            self.refuse_if_full("reserve", rc)
            return self.wait_in_turn(new_turn(self, False, None, length_bytes, rc), timeout)
        finally:
            self.leave()

    def _batch(self, messages):
        """These messages as they go into the ring."""
        encode = self.encode
        batch = [as_bytes(each if encode is None else encode(each)) for each in messages]
        for each in batch:
            if <uint64_t>len(each) > self.ring.longest and self.open:
                raise self.refusal(UIPC_TOO_LONG)  # before the first is sent
        return batch

    def _turn(self, what, Py_ssize_t length_bytes=0):
        """For tasks: one wait to send this one (bytes), these (a list of bytes), or for room (None)."""
        length_bytes = len(what) if type(what) is bytes else checked_length(length_bytes)
        return new_turn(self, False, what, length_bytes, UIPC_NOT_NOW)

    cdef int refuse_if_full(self, str call, int rc) except -1:
        if self.ring.when_full == UIPC_REFUSE and not uipc_is_busy(rc):
            uipc_add64(&self.ring.file.tally.refused, 1)
            raise failure(EAGAIN, call, self.name, "it is full, and was made with when_full='refuse'")
        return 0

    cdef object attempt(self, Turn turn):
        self.look()
        if turn.what is None:
            result = self.reserve_now(turn.length, &turn.result)
        elif type(turn.what) is list:
            turn.done = self.put_many(turn.what, turn.done, &turn.result)
            if turn.done == len(turn.what):
                return True
            turn.length = len(turn.what[turn.done])
            result = None
        else:
            turn.result = self.put(turn.what)
            result = True if turn.result == UIPC_OK else None
        if result is None:
            self.refuse_if_full("reserve" if turn.what is None else "send", turn.result)
        return result

    cdef int give_up(self, uipc_message *message) noexcept:
        """Our reservation becomes nothing."""
        cdef int rc = UIPC_OK, _turn
        for _turn in range(MOST_TURNS):
            if not self.open:
                return UIPC_OK  # closed meanwhile: it was given up then; or it is our parent's
            rc = uipc_queue_abort(&self.ring, message)
            if not uipc_is_busy(rc):
                break
            self.wait_quietly(rc)
        return rc


cdef Py_ssize_t checked_length(Py_ssize_t length_bytes) except -1:
    if length_bytes < 0:
        raise ValueError(f"a message has at least 0 bytes, not {length_bytes}")
    return length_bytes


def note_sent(error, Py_ssize_t done, Py_ssize_t n):
    """How far a batch has come, for who may send the rest."""
    error.sent = done
    if done and hasattr(error, "__notes__"):
        error.__notes__.clear()  # they say that nothing was changed
    error.add_note(f"{done} of {n} messages were sent")


@cython.no_gc_clear
cdef class Receiving(Member):
    """What receivers and subscribers have in common: everything but how one message is taken."""

    cdef object take(self, int *rc):
        """The next message as bytes, or None: then `rc` is UIPC_NOT_NOW, or UIPC_BUSY_.... So for all that follows."""
        raise NotImplementedError

    cdef list take_many(self, Py_ssize_t most, int *rc):
        """Those that are there, `most` at most; None for none."""
        raise NotImplementedError

    cdef object lend(self, bint as_lease, int *rc):
        """The next message as a `Loan`, or None."""
        raise NotImplementedError

    cdef int finish(self, uipc_message *message, bint accept) except -1:
        """The end of a loan."""
        raise NotImplementedError

    cdef object not_taken(self, int code, int *rc):
        if code != UIPC_NOT_NOW and not uipc_is_busy(code):
            raise self.refusal(code)
        rc[0] = code

    def _persist(self):
        """Outlive the senders."""
        self.lasting = True

    @property
    def persistent(self):
        """Whether it outlives the senders, and ends with the channel."""
        return self.lasting

    def try_receive(self):
        """The next message, None for not now. EOFError once all senders have left and nothing can come any more."""
        data = self.take_or_end(None)
        return data if data is None or self.decode is None else self.decode(data)

    cdef object take_or_end(self, object how):
        """One message, several or a loan, as `how` says; None for not now."""
        cdef int rc = UIPC_NOT_NOW
        self.begin()
        try:
            data = self.attempt_now(how, &rc)
            if data is None:
                self.refuse_if_ended(&rc)
            return data
        finally:
            self.leave()

    cdef int refuse_if_ended(self, int *rc) except -1:
        """There were senders, none is left, and nothing can come any more: EOFError. A persistent one waits on, until
        the channel itself is gone: ObjectRemoved."""
        cdef bint looked = self.look()  # who was killed while it left has told nobody
        cdef int ended = uipc_ring_ended(&self.ring, looked)
        if ended == UIPC_OK:
            if not self.lasting:
                raise EOFError(f"{self.name or 'channel'}: every sender has left, and nothing is there any more")
            if self.is_removed():
                raise failure(EIDRM, "unlink(2)", self.name, "the channel was removed, and every sender has left")
        elif ended != UIPC_NOT_NOW:
            self.not_taken(ended, rc)
        return 0

    cdef bint is_removed(self) except -1:
        """Its name was taken away; or it never had one, and nobody else has the channel."""
        if os.fstat(self.ring.fd).st_nlink:
            return False
        return self.name is not None or not uipc_ring_is_used(self.ring.fd)

    def receive(self, timeout=None):
        """Wait for the next message. EOFError once all senders have left and nothing can come any more."""
        cdef int rc = UIPC_NOT_NOW
        data = self.take(&rc)
        if data is None:
            data = self.wait_to_receive(None, timeout, rc)
        return data if self.decode is None else self.decode(data)

    cdef object wait_to_receive(self, object how, object timeout, int rc):
        cdef int64_t patience_ns = timeout_ns(timeout)
        self.begin()
        try:
            while not uipc_is_busy(rc) and self.spin(True, 0, patience_ns):  # ends: see wait_to_send
                data = self.attempt_now(how, &rc)
                if data is not None:
                    return data
            if not self.open:
                self.check_open()  # another thread has closed it
            if patience_ns < 0 and not uipc_is_busy(rc):
                data = self.first_sleep(how, &rc)
                if data is not None:
                    return data
            return self.wait_in_turn(new_turn(self, True, how, 0, rc), timeout)
        finally:
            self.leave()

    cdef object first_sleep(self, object how, int *rc):
        """Most waits end with their first sleep: it needs no deadline."""
        cdef uint32_t changes = self.changes()
        self.refuse_if_ended(rc)
        if uipc_is_busy(rc[0]):
            return None
        self.sleep(True, 0, changes, now_ns() + FIRST_SLEEP)
        return self.attempt_now(how, rc)

    def receive_many(self, Py_ssize_t most=1000, timeout=None):
        """Wait for one message, and take those that are there with it, `most` at most: a list."""
        cdef int rc = UIPC_NOT_NOW
        batch = self.take_many(checked_most(most), &rc)
        if batch is None:
            batch = self.wait_to_receive(most, timeout, rc)
        return batch if self.decode is None else self._decoded_many(batch)

    def try_receive_many(self, Py_ssize_t most=1000):
        """Those that are there now, `most` at most; [] for not now. EOFError as in `try_receive`."""
        return self._decoded_many(self.take_or_end(checked_most(most)) or [])

    def _decoded_many(self, list batch):
        return [self._decoded(each) for each in batch]

    def _decoded(self, data):
        return data if self.decode is None else self.decode(data)

    def try_peek(self):
        """The next message in place, None for not now: see `peek`."""
        return self.take_or_end("peek")

    def peek(self, timeout=None):
        """Wait for the next message, in place. For ``with``: a read-only view of it, without a copy.

        At the end, or when the last view of it goes, its place is free again.
        """
        return self.wait_for_loan("peek", timeout)

    cdef object wait_for_loan(self, str how, object timeout):
        cdef int rc = UIPC_NOT_NOW
        loan = self.attempt_now(how, &rc)
        return self.wait_to_receive(how, timeout, rc) if loan is None else loan

    cdef object attempt_now(self, object how, int *rc):
        if how is None:
            return self.take(rc)
        if how == "lease" or how == "peek":
            return self.lend(how == "lease", rc)
        return self.take_many(how, rc)

    def _turn(self, how):
        """For tasks: one wait for a message (None), several (how many at most), or a loan ("lease", "peek")."""
        return new_turn(self, True, how if type(how) is not int else checked_most(how), 0, UIPC_NOT_NOW)

    cdef object attempt(self, Turn turn):
        data = self.attempt_now(turn.what, &turn.result)
        if data is None:
            self.refuse_if_ended(&turn.result)
        return data

    def __iter__(self):
        """Messages until the last sender has left and nothing can come any more."""
        self.check_open()
        return self

    def __next__(self):
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None


cdef Py_ssize_t checked_most(Py_ssize_t most) except -1:
    if most < 1:
        raise ValueError(f"most is at least 1, not {most}")
    return most


@cython.no_gc_clear
cdef class ReceiverCalls(Receiving):
    """The receivers' end of a queue."""

    cdef object take(self, int *rc):
        cdef uipc_message message
        cdef int code
        if not self.open:
            self.check_open()
        rc[0] = UIPC_NOT_NOW
        if not uipc_queue_readable(&self.ring):
            return None
        code = uipc_queue_open(&self.ring)
        if code == UIPC_OK:
            code = uipc_queue_next(&self.ring, &message)
            if code == UIPC_OK:
                return self.taken(&message)
            uipc_queue_shut(&self.ring, False)
        return self.not_taken(code, rc)

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
        cdef int rc = UIPC_OK, _turn
        for _turn in range(MOST_TURNS):
            if not self.held or self.forked:
                return 0  # closed meanwhile: it went back then; or it is our parent's
            rc = uipc_queue_finish(&self.ring, message, accept)
            if not uipc_is_busy(rc):
                break
            self.wait_quietly(rc)
        if rc and self.open:
            raise self.refusal(rc)
        return 0

    cdef list take_many(self, Py_ssize_t most, int *rc):
        cdef list batch = []
        cdef int code = UIPC_OK
        rc[0] = UIPC_NOT_NOW
        self.begin()
        try:
            while code == UIPC_OK and len(batch) < most:
                if not self.open:
                    break
                if not uipc_queue_readable(&self.ring):
                    break
                code = self.take_small(batch, most)
            if not batch and code != UIPC_OK:
                self.not_taken(code, rc)
        finally:
            self.leave()
        if not batch and not self.open:
            self.check_open()
        return batch or None

    cdef int take_small(self, list batch, Py_ssize_t most) except -1:
        """Add what is there up to the next large one, under one lock; a large one if it is the first. UIPC_OK: there
        may be more."""
        cdef uipc_message message
        cdef size_t copied = 0
        cdef Py_ssize_t before = len(batch), n = before
        cdef int rc = uipc_queue_open(&self.ring)
        if rc:
            return rc
        try:
            while n < most and copied < MOST_BYTES:
                rc = uipc_queue_next(&self.ring, &message)
                if rc or message.length > <size_t>QUICK:
                    break
                batch.append(PyBytes_FromStringAndSize(message.bytes, message.length))
                uipc_queue_consume(&self.ring, &message)
                n += 1
                copied += message.length + 16
        except BaseException:
            uipc_queue_shut(&self.ring, n > before)
            raise
        if rc == UIPC_OK and copied < MOST_BYTES and n < most:  # a large one comes next
            if not n:
                batch.append(self.taken(&message))
                return UIPC_OK
            rc = UIPC_NOT_NOW
        uipc_queue_shut(&self.ring, n > before)
        return rc

    cdef object lend(self, bint as_lease, int *rc):
        cdef Loan loan
        cdef int code
        rc[0] = UIPC_NOT_NOW
        if not self.open:
            self.check_open()
        if not uipc_queue_readable(&self.ring):
            return None
        loan = Loan.__new__(Loan)  # it may run finalizers, which may close this member
        if not self.open:
            self.check_open()
        code = uipc_queue_open(&self.ring)
        if code == UIPC_OK:
            code = uipc_queue_next(&self.ring, &loan.message)
            if code == UIPC_OK:
                uipc_queue_lease(&self.ring, &loan.message)
            uipc_queue_shut(&self.ring, False)
        if code:
            return self.not_taken(code, rc)
        loan.begin(self, True)
        loan.copies = as_lease
        return loan

    def try_lease(self):
        """The next message on trust, None for not now: see `lease`."""
        return self.take_or_end("lease")

    def lease(self, timeout=None):
        """Wait for the next message, on trust. For ``with``: it is ours for good at the end.

        If the end is an error, or we are killed, the next receiver gets it.
        """
        return self.wait_for_loan("lease", timeout)


@cython.no_gc_clear
cdef class SubscriberCalls(Receiving):
    """One subscriber of a topic: it reads without a lock, as its position is its own."""

    cdef list lent  # positions of messages that are in use
    cdef uint64_t freed  # what we have said last

    def _subscribe(self, bint tells):
        """From here on."""
        cdef int rc = UIPC_OK, _turn
        self.lent = []
        for _turn in range(MOST_TURNS):
            self.check_open()
            rc = uipc_topic_subscribe(&self.ring, tells)
            if not uipc_is_busy(rc):
                break
            self.wait_for_lock(rc)
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
        if self.open and not self.ring.tells:
            position = min(self.lent) if self.lent else self.ring.cursor
            if position != self.freed:
                self.freed = position
                uipc_topic_free(&self.ring, position)
        return 0

    cdef object not_taken(self, int code, int *rc):
        if code == UIPC_NOT_NOW:
            self.free()  # we may have stepped over what came to nothing, and the publishers may need that place
        return Receiving.not_taken(self, code, rc)

    cdef object take(self, int *rc):
        cdef uipc_message message
        cdef bytes data
        cdef int code, _turn
        rc[0] = UIPC_NOT_NOW
        self.begin()
        try:
            for _turn in range(1000):  # each turn it was overrun while it looked
                if not self.open:
                    self.check_open()
                code = uipc_topic_next(&self.ring, &message)
                if code:
                    return self.not_taken(code, rc)
                data = self.taken(&message)
                if data is not None:
                    self.free()
                    return data
            return None
        finally:
            self.leave()

    cdef bytes taken(self, uipc_message *message):
        """A copy of it; None if it was overrun meanwhile."""
        cdef bytes data
        if message.length > <size_t>QUICK:
            return self.take_large(message)
        data = PyBytes_FromStringAndSize(message.bytes, message.length)
        if not uipc_topic_intact(&self.ring, message):
            return None
        uipc_topic_take(&self.ring, message)
        self.passed += 1
        return data

    cdef bytes take_large(self, uipc_message *message):
        """The same without the interpreter."""
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
        self.free()
        self.end_copy()
        return data if intact else None

    cdef list take_many(self, Py_ssize_t most, int *rc):
        cdef list batch = []
        cdef uipc_message message
        cdef bytes data
        cdef int code = UIPC_OK
        rc[0] = UIPC_NOT_NOW
        self.begin()
        try:
            while len(batch) < most and self.open:
                code = uipc_topic_next(&self.ring, &message)
                if code or (message.length > <size_t>QUICK and batch):
                    break
                data = self.taken(&message)
                if data is not None:
                    batch.append(data)
            if code:
                self.not_taken(code, rc)
            self.free()
        finally:
            self.leave()
        if not batch and not self.open:
            self.check_open()
        return batch or None

    cdef object lend(self, bint as_lease, int *rc):
        cdef Loan loan
        cdef int code
        rc[0] = UIPC_NOT_NOW
        if self.ring.tells:
            raise TypeError("a subscriber that may be overrun cannot look in place: receive(), or when_slow='wait'")
        loan = Loan.__new__(Loan)  # first: it may run finalizers, which may close this member
        if not self.open:
            self.check_open()
        code = uipc_topic_next(&self.ring, &loan.message)
        if code:
            return self.not_taken(code, rc)
        uipc_topic_take(&self.ring, &loan.message)
        self.lent.append(loan.message.at)
        loan.begin(self, True)
        return loan

    cdef int finish(self, uipc_message *message, bint accept) except -1:
        self.lent.remove(message.at)
        self.free()
        return 0


cdef class Turn:
    """One wait at an end: what to try, and what to sleep on; for `unixipc._wait.wait`, and for tasks."""

    cdef Member member
    cdef object what
    cdef size_t length
    cdef bint reading
    cdef int result          # of the last try: what was in the way
    cdef uint32_t changes    # of the members, before that try
    cdef readonly Py_ssize_t done  # of several messages: how many were sent

    cdef Member of(self):
        """Its member."""
        if self.member is None:
            raise TypeError("a Turn is made by a member")
        return self.member

    @property
    def name(self):
        """What errors call the channel."""
        return self.of().name

    def attempt(self):
        """What the try gives, or None."""
        cdef Member member = self.of()
        member.begin()
        try:
            self.changes = member.changes()
            self.result = UIPC_NOT_NOW
            return member.attempt(self)
        finally:
            member.leave()

    def sleep(self, int64_t until_ns):
        """After it: until another one may be worth it, until then, or a while at most."""
        cdef Member member = self.of()
        member.begin()
        try:
            if uipc_is_busy(self.result):
                member.wait_for_lock(self.result)
            else:
                member.sleep(self.reading, self.length, self.changes, until_ns)
        finally:
            member.leave()

    def is_busy(self):
        """Whether an end was locked by somebody who is not running: then `wait_for_lock`."""
        return uipc_is_busy(self.result)

    def wait_for_lock(self):
        """Until that lock may be free, a hundredth of a second at most."""
        cdef Member member = self.of()
        member.begin()
        try:
            if uipc_is_busy(self.result):
                member.wait_for_lock(self.result)
        finally:
            member.leave()

    def word(self):
        """What tasks sleep on: a word of the shared memory."""
        cdef Member member = self.of()
        member.check_open()
        return Word(member.mapping, MESSAGES_OFFSET if self.reading else SPACE_OFFSET)

    def prepare(self):
        """Say that somebody is about to sleep on it, and while it has which value. Then look once more."""
        cdef Member member = self.of()
        member.check_open()
        return uipc_bell_prepare(uipc_ring_bell_for(&member.ring, self.reading))

    def pass_on(self):
        """A wake-up came to somebody who does not want it any more."""
        cdef Member member = self.of()
        if member.open:
            uipc_bell_ring(uipc_ring_bell_for(&member.ring, self.reading), 1)

    def explained(self, error):
        """A TimeoutError that says whose message, or lease, was in the way, if one was."""
        cdef Member member = self.of()
        if member.open:
            from unixipc.channel._in_the_way import explain
            explain(error, member._in_the_way(self.reading))
        return error


cdef Turn new_turn(Member member, bint reading, object what, size_t length, int result):
    cdef Turn turn = Turn.__new__(Turn)
    turn.member, turn.reading, turn.what, turn.length, turn.result = member, reading, what, length, result
    turn.changes = member.changes() if member.open else 0
    return turn


@cython.no_gc_clear
cdef class Loan:
    """A message in the ring that is ours for the time of a ``with``: to be written, or to be read."""

    cdef Member member
    cdef uipc_message message
    cdef bint reading, copies, settled, accepted
    cdef int exports
    cdef readonly Py_ssize_t length_bytes
    cdef object given
    cdef object kept           # the mapped memory, once somebody has had a view

    __class_getitem__ = classmethod(Alias)

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
        self.kept = <object>self.member.memory.obj  # who goes on with the address when the view is back refers to us
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
