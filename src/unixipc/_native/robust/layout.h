/* What a robust mutex, semaphore, reader-writer lock or condition is in shared memory: one block, and for two of them
 * a slot for each permit or reader behind it. All numbers are in the machine's byte order.
 *
 *            0         4         8                  16                 24                 32                 40
 *            +---------+---------+------------------+------------------+------------------+------------------+
 *   block    |  word   |   pid   |     identity     |       mark       |     previous     |       next       |
 *            +---------+---------+------------------+------------------+------------------+------------------+
 *            | changed | writing |   zero, up to 64                                         (owner.h: 0 to 39)
 *            +---------+---------+
 *   slot i   |  word   |   pid   |       zero       |       zero       |     previous     |       next       |
 *   at 64 + 64 i                 |   zero, up to 64                                       (owner.h: 0 to 39)
 *
 *   identity   bytes "UIRB", version (1), kind, slots (uint16). Its one store makes the object out of zeros.
 *   mark       0: the state is sound. 1 << 32 | pid: the holder `pid` (0: unknown) was killed, and nobody has said
 *              since that the state is sound again.
 *   changed    a futex word. Mutex: not used. Condition: the number of the last notification. Semaphore and
 *              reader-writer lock: bit 0: somebody sleeps or is about to; above it a number that changes when something
 *              was given up while bit 0 was set.
 *   writing    reader-writer lock: 1 while a writer may be changing what is guarded.
 *   word, pid, previous, next   owner.h. In the block: who has the mutex (of a condition too), or who writes or is next
 *              to write; not used by a semaphore. In a slot: who has this permit, or reads.
 */
#ifndef UIPC_ROBUST_LAYOUT_H
#define UIPC_ROBUST_LAYOUT_H

#include "owner.h"

#define UIPC_ROBUST_MAGIC 0x42524955u /* "UIRB" in memory, little end first */
#define UIPC_ROBUST_VERSION 1u
#define UIPC_ROBUST_BYTES 64u
#define UIPC_ROBUST_MOST_SLOTS 1024u /* one thread can hold them all: UIPC_OWNER_MOST */
#define UIPC_ROBUST_SUSPECT (1ull << 32)

enum uipc_robust_kind { UIPC_MUTEX = 1, UIPC_SEMAPHORE, UIPC_RWLOCK, UIPC_CONDITION };

struct uipc_slot {
    struct uipc_owner owner;
    char unused[UIPC_ROBUST_BYTES - UIPC_OWNER_BYTES];
};

struct uipc_robust {
    struct uipc_owner owner; /* of_the_lock[0]: identity, [1]: mark */
    uint32_t changed, writing;
    char unused[16];
    struct uipc_slot slot[];
};
_Static_assert(sizeof(struct uipc_slot) == UIPC_ROBUST_BYTES, "a slot has its cache line");
_Static_assert(offsetof(struct uipc_owner, of_the_lock) == 8, "the identity is at 8, the mark at 16");
_Static_assert(offsetof(struct uipc_robust, changed) == 40, "behind the owner");
_Static_assert(offsetof(struct uipc_robust, slot) == UIPC_ROBUST_BYTES, "the slots begin behind the block");
_Static_assert(UIPC_ROBUST_MOST_SLOTS < UIPC_OWNER_MOST, "one thread may hold every slot");

static inline uint64_t uipc_robust_identity(uint32_t kind, uint32_t slots) {
    return UIPC_ROBUST_MAGIC | (uint64_t)UIPC_ROBUST_VERSION << 32 | (uint64_t)kind << 40 | (uint64_t)slots << 48;
}

static inline size_t uipc_robust_size(uint32_t slots) { return UIPC_ROBUST_BYTES * (1u + (size_t)slots); }

static inline uint64_t uipc_robust_found(const struct uipc_robust *at) {
    return uipc_load64_acquire(&at->owner.of_the_lock[0]);
}

/* Whether all of it but the identity is zero. */
static inline int uipc_robust_is_blank(const struct uipc_robust *at, uint32_t slots) {
    const uint64_t *words = (const uint64_t *)at;
    for (size_t i = 0; i < uipc_robust_size(slots) / 8; i++)
        if (i != 1 && uipc_load64_acquire(&words[i]))
            return 0;
    return 1;
}

/* Make one out of zeros, in one store. 0, EEXIST: its identity is not zero, EILSEQ: other bytes are not. */
static inline int uipc_robust_create(struct uipc_robust *at, uint32_t kind, uint32_t slots) {
    int blank = uipc_robust_is_blank(at, slots);
    if (uipc_robust_found(at) == 0 && !blank)
        return EILSEQ;
    return uipc_exchange64_if(&at->owner.of_the_lock[0], 0, uipc_robust_identity(kind, slots)) ? 0 : EEXIST;
}

/* What is known of the state: 0, or UIPC_ROBUST_SUSPECT with the process that died. */
static inline uint64_t uipc_robust_mark(const struct uipc_robust *at) { return uipc_load64_acquire(&at->owner.of_the_lock[1]); }

static inline void uipc_robust_set_mark(struct uipc_robust *at, uint64_t mark) {
    uipc_store64_release(&at->owner.of_the_lock[1], mark);
}

#endif
