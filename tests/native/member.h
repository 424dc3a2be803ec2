/* For test programs: a member of a ring, with its mapping made twice in a row, and the waits that Python has in _wait. */
#ifndef MEMBER_H
#define MEMBER_H

#include "ring/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LOOK_NS 500000000ll

struct member {
    struct uipc_ring ring;
    int owns_fd;
};

static inline void must(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "failed: %s (errno %d)\n", what, errno);
        _exit(1);
    }
}

static inline long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static inline struct timespec at_ns(long long ns) {
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* A new queue or topic in memory: its descriptor. */
static inline int new_ring(uint32_t kind, uint64_t capacity, uint32_t how) {
    int fd = memfd_create("ring", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, UIPC_RING_HEADER + (off_t)capacity) == 0, "memfd");
    void *header = mmap(NULL, UIPC_RING_HEADER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(header != MAP_FAILED, "mmap of the header");
    uipc_ring_format(header, kind, how, capacity, 42);
    munmap(header, UIPC_RING_HEADER);
    return fd;
}

static inline int new_queue(uint64_t capacity, uint32_t how) { return new_ring(UIPC_QUEUE, capacity, how); }

/* The header, and the ring twice; unreadable pages on both sides. */
static inline char *map_ring(int fd, uint64_t capacity) {
    size_t page = 4096, whole = UIPC_RING_HEADER + 2 * capacity;
    char *where = mmap(NULL, whole + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int how = MAP_SHARED | MAP_FIXED, both = PROT_READ | PROT_WRITE;
    must(where != MAP_FAILED, "mmap");
    where += page;
    must(mmap(where, UIPC_RING_HEADER + capacity, both, how, fd, 0) != MAP_FAILED, "mmap once");
    must(mmap(where + UIPC_RING_HEADER + capacity, capacity, both, how, fd, UIPC_RING_HEADER) != MAP_FAILED, "twice");
    return where;
}

/* Open a ring by a descriptor, with an opening of its own. UIPC_OK, or what is wrong with it. */
static inline int attach(struct member *member, int fd) {
    struct uipc_ring_facts facts;
    struct stat found;
    char path[64];
    memset(member, 0, sizeof *member);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_RDWR | O_CLOEXEC);
    must(own >= 0 && fstat(own, &found) == 0, "a second opening");
    int rc = UIPC_DAMAGED;
    if (pread(own, &facts, sizeof facts, 0) == sizeof facts)
        rc = uipc_ring_check(&member->ring, &facts, (uint64_t)found.st_size);
    if (rc) {
        close(own);
        return rc;
    }
    char *where = map_ring(fd, member->ring.capacity); /* not by our own: a mapping would keep its locks */
    uipc_ring_start(&member->ring, where, where + UIPC_RING_HEADER, own);
    return UIPC_OK;
}

static inline void detach(struct member *member) {
    munmap((char *)member->ring.file - 4096, UIPC_RING_HEADER + 2 * member->ring.capacity + 2 * 4096);
    close(member->ring.fd);
}

static inline void wait_for_lock(struct uipc_ring *ring, int busy) {
    struct timespec soon = at_ns(now_ns() + 10000000);
    uipc_ring_wait_for_lock(ring, busy, &soon);
}

static inline void join(struct member *member, int fd, int role) {
    int rc;
    must(attach(member, fd) == UIPC_OK, "attach");
    while (uipc_is_busy(rc = uipc_ring_join(&member->ring, role)))
        wait_for_lock(&member->ring, rc);
    must(rc == UIPC_OK, "join");
}

static inline void leave(struct member *member) {
    uipc_ring_leave(&member->ring);
    detach(member);
}

/* The same on another member's mapping, so that ThreadSanitizer sees that they touch the same memory. */
static inline void join_beside(struct member *member, int fd, int role, const struct member *other) {
    int rc;
    must(attach(member, fd) == UIPC_OK, "attach");
    munmap((char *)member->ring.file - 4096, UIPC_RING_HEADER + 2 * member->ring.capacity + 2 * 4096);
    member->ring.file = other->ring.file, member->ring.data = other->ring.data;
    while (uipc_is_busy(rc = uipc_ring_join(&member->ring, role)))
        wait_for_lock(&member->ring, rc);
    must(rc == UIPC_OK, "join");
}

static inline void leave_beside(struct member *member) {
    uipc_ring_leave(&member->ring);
    close(member->ring.fd);
}

static inline void subscribe(struct member *member, int tells) {
    int rc;
    while (uipc_is_busy(rc = uipc_topic_subscribe(&member->ring, tells)))
        wait_for_lock(&member->ring, rc);
    must(rc == UIPC_OK, "subscribe");
}

/* After a try that gave `rc`: sleep until the next one may be worth it. */
static inline void wait_after(struct uipc_ring *ring, int rc, int reading, size_t length) {
    struct uipc_ring_bell *bell = reading ? &ring->file->messages : &ring->file->space;
    if (uipc_is_busy(rc)) {
        wait_for_lock(ring, rc);
        return;
    }
    struct timespec deadline = at_ns(now_ns() + LOOK_NS);
    uint32_t seen = uipc_bell_prepare(bell);
    if (!uipc_ring_is_ready(ring, reading, length))
        if (uipc_futex_wait(&bell->word, seen, &deadline) == ETIMEDOUT)
            uipc_ring_look(ring);
}

static inline int send_waiting(struct uipc_ring *ring, const void *bytes, size_t length) {
    int rc;
    while ((rc = uipc_queue_send(ring, bytes, length)) == UIPC_NOT_NOW || uipc_is_busy(rc))
        wait_after(ring, rc, 0, length);
    return rc;
}

static inline int reserve_waiting(struct uipc_ring *ring, size_t length, struct uipc_message *message) {
    int rc;
    while ((rc = uipc_queue_reserve(ring, length, message)) == UIPC_NOT_NOW || uipc_is_busy(rc))
        wait_after(ring, rc, 0, length);
    return rc;
}

static inline int abort_waiting(struct uipc_ring *ring, const struct uipc_message *message) {
    int rc;
    while (uipc_is_busy(rc = uipc_queue_abort(ring, message)))
        wait_for_lock(ring, rc);
    return rc;
}

static inline int finish_waiting(struct uipc_ring *ring, const struct uipc_message *message, int accept) {
    int rc;
    while (uipc_is_busy(rc = uipc_queue_finish(ring, message, accept)))
        wait_for_lock(ring, rc);
    return rc;
}

/* One message, copied into `bytes` (room for the longest); with `lease` it is only lent. */
static inline int receive_now(struct uipc_ring *ring, char *bytes, struct uipc_message *message, int lease) {
    int rc = uipc_queue_readable(ring) ? uipc_queue_open(ring) : UIPC_NOT_NOW;
    if (rc)
        return rc;
    rc = uipc_queue_next(ring, message);
    if (rc == UIPC_OK && lease)
        uipc_queue_lease(ring, message);
    else if (rc == UIPC_OK) {
        memcpy(bytes, message->bytes, message->length);
        uipc_queue_consume(ring, message);
    }
    uipc_queue_shut(ring, rc == UIPC_OK && !lease);
    return rc;
}

#endif
