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
    UIPC_BUSY,     /* somebody has that end's lock and is not running: `busy` says which end */
    UIPC_DAMAGED,  /* `what`, `found`, `expected` say it */
    UIPC_TOO_LONG, /* the message would never fit */
    UIPC_NOT_OURS, /* no such lease or reservation of ours */
    UIPC_FULL,     /* no free place for a member */
    UIPC_ERRNO,    /* see `error` */
};

/* A process's, or a member's, private view. Nobody else can change it. */
struct uipc_ring {
    struct uipc_ring_file *file;
    char *data; /* `capacity` bytes, and the same again behind them */
    uint64_t capacity, longest; /* message */
    uint32_t kind, when_full, temporary;
    int fd; /* an opening of our own: it holds our byte */
    int slot, role; /* slot -1: no member yet */
    struct uipc_hold hold[2];
    int busy, error;
    const char *what;
    uint64_t found, expected;
    uint32_t changes_seen; /* of the members, when `ended` was last found out */
    int ended;
    int freed; /* places, since the end was opened */
    uint64_t cursor, missed; /* topics: our position, how many messages we were too slow for */
    uint32_t next_number, tells;
    uint64_t stuck; /* topics: the reservation that our last try to publish found in its way */
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
int uipc_ring_use(int fd, int alone); /* temporary ones: we have it open; 1: and nobody else has; -1: no more */
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
uint32_t uipc_ring_in_work(const struct uipc_ring *ring, int reading); /* bytes of a message just being copied there */
int uipc_ring_is_ready(const struct uipc_ring *ring, int reading, size_t length); /* the one of these that is meant */
struct uipc_ring_bell *uipc_ring_bell_for(const struct uipc_ring *ring, int reading);
uint32_t uipc_bell_prepare(struct uipc_ring_bell *bell);
void uipc_bell_ring(struct uipc_ring_bell *bell, int most);
int uipc_ring_wait_for_lock(struct uipc_ring *ring, const struct timespec *deadline); /* after UIPC_BUSY */

#endif
