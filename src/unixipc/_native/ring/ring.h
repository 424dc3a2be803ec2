/* Channels in C: a queue (each message to one receiver) or a topic (each to all) in shared memory. See layout.h for
 * the bytes, docs/design/channel.md for the protocol and its proofs.
 *
 * No function here waits, allocates, or believes the shared memory: positions, sizes and states are checked before they
 * are used, and what cannot be is UIPC_DAMAGED. What is needed for a wait is at the end.
 */
#ifndef UIPC_RING_H
#define UIPC_RING_H

#include "layout.h"

enum uipc_ring_result {
    UIPC_OK = 0,
    UIPC_NOT_NOW,  /* full, or empty */
    UIPC_BUSY_SENDERS,   /* somebody has the lock of the senders' end and is not running */
    UIPC_BUSY_RECEIVERS, /* the same of the receivers' end */
    UIPC_DAMAGED,  /* see `uipc_ring_trouble` */
    UIPC_TOO_LONG, /* the message would never fit */
    UIPC_NOT_OURS, /* no such lease or reservation of ours */
    UIPC_FULL,     /* no free place for a member */
    UIPC_LEFT,     /* this ring has no place among the members (any more) */
    UIPC_ERRNO,    /* see `uipc_ring_trouble` */
};

static inline int uipc_is_busy(int result) { return result == UIPC_BUSY_SENDERS || result == UIPC_BUSY_RECEIVERS; }

/* What the last UIPC_DAMAGED or UIPC_ERRNO of this thread was about, as errno is. */
struct uipc_trouble {
    const char *what;
    uint64_t found, expected;
    int error;
};
struct uipc_trouble *uipc_ring_trouble(void);

/* A process's, or a member's, private view. Nobody else can change it.
 *
 * Threads may share a sender's, a publisher's or a receiver's: what is written after the joining is atomic, or changed
 * under the lock of an end only, and everything about a lock that is held is the thread's own. Taking from a topic
 * (next, intact, take, free) is one thread's at a time; others may look meanwhile whether it is readable. So is leaving:
 * no other thread may be in a call then. */
struct uipc_ring {
    struct uipc_ring_file *file;
    char *data; /* `capacity` bytes, and the same again behind them */
    uint64_t capacity, longest; /* message */
    uint32_t kind, when_full, temporary;
    int fd; /* an opening of our own: it holds our byte */
    int slot, role; /* slot -1: no member yet */
    int freed; /* places, since the end was opened; under the receivers' lock */
    uint64_t sender_seen; /* the change of the members up to which a sender was alive, and 1 << 32; atomic */
    uint64_t cursor, missed; /* topics: our position, how many messages we were too slow for */
    uint64_t given_up;       /* topics: reservations before our position that came to nothing */
    uint32_t next_number, tells;
    uint64_t stuck; /* topics: the reservation that our last try to publish found in its way; atomic */
};

#define UIPC_NOT_STUCK (~0ull)

/* A message in the ring. */
struct uipc_message {
    char *bytes;
    uint64_t at; /* its record's position */
    uint32_t length, units, sequence;
};

/* Making and mapping one; `wanted` is rounded up. */
uint64_t uipc_ring_capacity(uint64_t wanted);
void uipc_ring_format(struct uipc_ring_file *file, uint32_t kind, uint32_t how, uint64_t capacity, uint64_t identity);
int uipc_ring_check(struct uipc_ring *ring, const struct uipc_ring_facts *facts, uint64_t file_bytes);
void uipc_ring_start(struct uipc_ring *ring, void *header, void *data, int fd);

/* Members. */
int uipc_ring_join(struct uipc_ring *ring, int role);
void uipc_ring_leave(struct uipc_ring *ring);
int uipc_ring_look(struct uipc_ring *ring); /* clears up after members that were killed: how many there were */
int uipc_ring_any(struct uipc_ring *ring, int role); /* somebody else of this role is alive */
int uipc_ring_use(int fd, int alone); /* we have it open; 1: and nobody else has; -1: no more. 0, or an errno */
int uipc_ring_is_used(int fd);        /* somebody else says so */
int uipc_ring_begin_removal(int fd);  /* of its name: nobody else does that now; 0, or an errno */
void uipc_ring_end_removal(int fd);

/* Whether nothing can come any more: there were senders, none lives, nothing is stored, and no lease of anybody else is
 * open. Unfinished places of the dead are settled first. UIPC_OK: so it is. UIPC_NOT_NOW: it is not. */
int uipc_ring_ended(struct uipc_ring *ring, int fresh); /* fresh: whatever the last call has seen of the senders */
uint64_t uipc_ring_used(const struct uipc_ring *ring); /* bytes of the ring that are not free */
int uipc_ring_is_alive(struct uipc_ring *ring, int role, int slot);

/* Queue: sending. */
int uipc_queue_send(struct uipc_ring *ring, const void *bytes, size_t length);
int uipc_queue_begin(struct uipc_ring *ring); /* several: begin, put..., end */
int uipc_queue_put(struct uipc_ring *ring, const void *bytes, size_t length);
void uipc_queue_end(struct uipc_ring *ring, int put_any);
int uipc_queue_reserve(struct uipc_ring *ring, size_t length, struct uipc_message *message);
int uipc_queue_commit(struct uipc_ring *ring, const struct uipc_message *message, size_t length);
int uipc_queue_abort(struct uipc_ring *ring, const struct uipc_message *message);

/* Queue: receiving. open; then next, and consume or lease it, as often as wanted; shut. */
int uipc_queue_open(struct uipc_ring *ring);
int uipc_queue_next(struct uipc_ring *ring, struct uipc_message *message);
void uipc_queue_consume(struct uipc_ring *ring, const struct uipc_message *message);
void uipc_queue_lease(struct uipc_ring *ring, const struct uipc_message *message);
void uipc_queue_shut(struct uipc_ring *ring, int consumed_any);
int uipc_queue_finish(struct uipc_ring *ring, const struct uipc_message *message, int accept);

/* Topic: publishing is sending. Subscribing, after join; next, then take; free what is before a position. Also when there
 * is nothing next: `cursor` may have gone over reservations that came to nothing, and the publishers wait for it. */
int uipc_topic_subscribe(struct uipc_ring *ring, int tells);
int uipc_topic_next(struct uipc_ring *ring, struct uipc_message *message);
int uipc_topic_intact(const struct uipc_ring *ring, const struct uipc_message *message); /* after the copy */
void uipc_topic_take(struct uipc_ring *ring, const struct uipc_message *message);
void uipc_topic_lose(struct uipc_ring *ring); /* it was overrun behind `take`, while it was copied */
void uipc_topic_free(struct uipc_ring *ring, uint64_t position);
int uipc_topic_readable(const struct uipc_ring *ring);

/* Waiting: spin while these say no; then prepare, look again, and sleep on the bell's word while it has that value. */
int uipc_queue_readable(const struct uipc_ring *ring);
int uipc_queue_writable(const struct uipc_ring *ring, size_t length);

/* The word of the record that is in the way, 0 if none is: receivers wait behind a reservation, senders for room behind
 * a reservation or a lease. A guess by the time that it is read. Whose it is, and how long the message. */
uint64_t uipc_ring_in_the_way(const struct uipc_ring *ring, int reading);
static inline int uipc_member_of(uint64_t word) { return (word >> 8) & 0xFFFF; } /* role * UIPC_RING_MEMBERS + slot */
static inline uint32_t uipc_length(uint64_t word) { return word >> 32; }
int uipc_ring_is_ready(const struct uipc_ring *ring, int reading, size_t length); /* the one of these that is meant */
struct uipc_ring_bell *uipc_ring_bell_for(const struct uipc_ring *ring, int reading);
uint32_t uipc_bell_prepare(struct uipc_ring_bell *bell);
void uipc_bell_ring(struct uipc_ring_bell *bell, int most);
void uipc_ring_tell_everybody(struct uipc_ring *ring); /* wakes all who sleep: senders and receivers */

void uipc_ring_wait_for_lock(struct uipc_ring *ring, int busy, const struct timespec *deadline); /* UIPC_BUSY_... */

#endif
