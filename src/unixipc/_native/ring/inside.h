/* What the files of the ring share: entering an end, looking at a record, saying what is damaged. */
#ifndef UIPC_RING_INSIDE_H
#define UIPC_RING_INSIDE_H

#include "ring.h"

/* In a test build a process can be killed at each of these points. */
#ifdef UIPC_POINTS
void uipc_point(const char *name);
#define UIPC_POINT(name) uipc_point(name)
#else
#define UIPC_POINT(name) ((void)0)
#endif

#define UIPC_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Whatever the position is, it is a place where a record can be. */
static inline struct uipc_record *uipc_record_at(const struct uipc_ring *ring, uint64_t position) {
    return (struct uipc_record *)(ring->data + (position & (ring->capacity - UIPC_RING_UNIT)));
}

static inline int uipc_state(uint64_t word) { return word & 0xFF; }
static inline uint64_t uipc_member_bits(const struct uipc_ring *ring) {
    return (uint64_t)(ring->role * UIPC_RING_MEMBERS + ring->slot) << 8;
}

/* How many places of a role are worth a look. */
static inline int uipc_places(const struct uipc_ring *ring, int role) {
    uint32_t top = uipc_load_acquire(&ring->file->tally.top[role]);
    return top < UIPC_RING_MEMBERS ? (int)top : UIPC_RING_MEMBERS;
}

int uipc_damaged(const char *what, uint64_t found, uint64_t expected);

/* The size of a record in bytes; 0 if it cannot be one. */
static inline uint64_t uipc_size_of(const struct uipc_ring *ring, const struct uipc_record *record) {
    uint64_t size = (uint64_t)uipc_load_relaxed(&record->units) * UIPC_RING_UNIT;
    if (UIPC_UNLIKELY(size == 0 || size > ring->capacity)) {
        uipc_damaged("units of a record", size / UIPC_RING_UNIT, 1);
        return 0;
    }
    return size;
}

/* What a thread has to do with the locks of the two ends. It leaves both before it returns to its caller's caller, and
 * is at one ring at a time: so this is the thread's own, and never the member's, which threads share. */
extern _Thread_local UIPC_INITIAL_EXEC struct uipc_hold uipc_hold_of[2];

static inline struct uipc_ring_end *uipc_end_of(const struct uipc_ring *ring, int role) {
    return role == UIPC_SENDER ? &ring->file->senders : &ring->file->receivers;
}

/* Take an end's lock: UIPC_OK, UIPC_BUSY_..., UIPC_DAMAGED, UIPC_ERRNO. The end is in order then. */
int uipc_ring_enter(struct uipc_ring *ring, int role);
static inline void uipc_ring_exit(int role) { uipc_owner_release(&uipc_hold_of[role]); }

/* The same for a member: UIPC_LEFT for who is none. */
static inline int uipc_member_enter(struct uipc_ring *ring, int role) {
    return UIPC_UNLIKELY(ring->slot < 0) ? UIPC_LEFT : uipc_ring_enter(ring, role);
}

int uipc_repair(struct uipc_ring *ring, int role);
void uipc_ring_tell_the_end(struct uipc_ring *ring); /* after something that may have been the last thing to wait for */

int uipc_topic_room(struct uipc_ring *ring, uint64_t at, uint64_t size);
void uipc_topic_end_move(struct uipc_ring_tally *tally);
int uipc_topic_writable(const struct uipc_ring *ring, uint64_t size);
int uipc_topic_free_records_of(struct uipc_ring *ring, int member);

/* Wake who sleeps on the bell, if anybody. SYNC bell: behind the exchange that unlocked the end, so behind the record. */
static inline void uipc_bell_answer(struct uipc_ring_bell *bell, int most) {
    uipc_fence_after_exchange();
    if (uipc_load_relaxed(&bell->word) & 1)
        uipc_bell_ring(bell, most);
}

#endif
