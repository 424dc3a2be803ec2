# cython: language_level=3
"""The ring's C interface, as ring/ring.h has it."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "ring/ring.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    struct uipc_owner:
        uint32_t word, pid
    struct uipc_ring_facts:
        uint32_t kind
    struct uipc_ring_end:
        uipc_owner lock
        uint64_t count, bytes, head
    struct uipc_ring_bell:
        uint32_t word
    struct uipc_ring_tally:
        uint32_t changes, ever
        uint32_t top[2]
        uint64_t dropped, refused, aborted, sender_sleeps, receiver_sleeps, repairs, oldest
    struct uipc_ring_member:
        uint32_t state, pid
        uint64_t since, count, position
        uint32_t tells, expected
        uint64_t missed
    struct uipc_ring_file:
        uipc_ring_facts facts
        uipc_ring_end senders, receivers
        uipc_ring_bell messages, space
        uipc_ring_tally tally
        uipc_ring_member (*member)[124]
    struct uipc_ring:
        uipc_ring_file *file
        char *data
        uint64_t capacity, longest
        uint32_t kind, when_full, temporary
        int fd, slot, role
        uint32_t next_number, tells
        uint64_t cursor, missed
    struct uipc_trouble:
        const char *what
        uint64_t found, expected
        int error
    struct uipc_message:
        char *bytes
        uint64_t at
        uint32_t length, units, sequence
    enum:
        UIPC_OK, UIPC_NOT_NOW, UIPC_BUSY_SENDERS, UIPC_BUSY_RECEIVERS
        UIPC_DAMAGED, UIPC_TOO_LONG, UIPC_NOT_OURS, UIPC_FULL, UIPC_LEFT, UIPC_ERRNO
        UIPC_QUEUE, UIPC_TOPIC
        UIPC_SENDER, UIPC_RECEIVER
        UIPC_WAIT, UIPC_REFUSE, UIPC_DROP_OLDEST
        UIPC_RING_HEADER, UIPC_RING_MEMBERS, UIPC_RING_TEMPORARY
    const int64_t UIPC_RING_USERS
    uint64_t uipc_ring_capacity(uint64_t)
    void uipc_ring_format(uipc_ring_file *, uint32_t, uint32_t, uint64_t, uint64_t)
    int uipc_ring_check(uipc_ring *, const uipc_ring_facts *, uint64_t)
    void uipc_ring_start(uipc_ring *, void *, void *, int)
    int uipc_ring_join(uipc_ring *, int)
    void uipc_ring_leave(uipc_ring *)
    int uipc_ring_look(uipc_ring *)
    int uipc_ring_any(uipc_ring *, int)
    uint64_t uipc_ring_used(const uipc_ring *)
    int uipc_ring_use(int, int)
    int uipc_ring_is_used(int)
    int uipc_ring_begin_removal(int)
    void uipc_ring_end_removal(int)
    int uipc_ring_ended(uipc_ring *, int)
    bint uipc_is_busy(int)
    uipc_trouble *uipc_ring_trouble()
    int uipc_ring_is_alive(uipc_ring *, int, int)
    int uipc_queue_send(uipc_ring *, const void *, size_t)
    int uipc_queue_begin(uipc_ring *)
    int uipc_queue_put(uipc_ring *, const void *, size_t)
    void uipc_queue_end(uipc_ring *, int)
    int uipc_queue_reserve(uipc_ring *, size_t, uipc_message *)
    int uipc_queue_commit(uipc_ring *, const uipc_message *, size_t)
    int uipc_queue_abort(uipc_ring *, const uipc_message *)
    int uipc_queue_open(uipc_ring *)
    int uipc_queue_next(uipc_ring *, uipc_message *)
    void uipc_queue_consume(uipc_ring *, const uipc_message *)
    void uipc_queue_lease(uipc_ring *, const uipc_message *)
    void uipc_queue_shut(uipc_ring *, int)
    int uipc_queue_finish(uipc_ring *, const uipc_message *, int)
    int uipc_topic_subscribe(uipc_ring *, int)
    int uipc_topic_next(uipc_ring *, uipc_message *)
    int uipc_topic_intact(const uipc_ring *, const uipc_message *)
    void uipc_topic_take(uipc_ring *, const uipc_message *)
    void uipc_topic_lose(uipc_ring *)
    void uipc_topic_free(uipc_ring *, uint64_t)
    int uipc_topic_readable(const uipc_ring *)
    int uipc_ring_is_ready(const uipc_ring *, int, size_t)
    uipc_ring_bell *uipc_ring_bell_for(const uipc_ring *, int)
    int uipc_queue_readable(const uipc_ring *)
    uint64_t uipc_ring_in_the_way(const uipc_ring *, int)
    int uipc_member_of(uint64_t)
    uint32_t uipc_length(uint64_t)
    int uipc_queue_writable(const uipc_ring *, size_t)
    uint32_t uipc_bell_prepare(uipc_ring_bell *)
    void uipc_bell_ring(uipc_ring_bell *, int)
    void uipc_ring_tell_everybody(uipc_ring *)
    void uipc_ring_wait_for_lock(uipc_ring *, int, const timespec *)

cdef extern from "atomics.h" nogil:
    void uipc_copy_and_take(char *to, const char *source, size_t n)
    void uipc_pause()
    uint32_t uipc_load_acquire(const uint32_t *)
    uint64_t uipc_add64(uint64_t *, uint64_t)
    uint32_t uipc_fetch_add(uint32_t *, uint32_t)

cdef extern from "futex.h" nogil:
    int uipc_futex_wait(uint32_t *, uint32_t, const timespec *)
