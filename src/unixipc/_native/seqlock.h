/* A sequence lock: one writer, any number of readers that never hold it up. Lives at the start of shared memory.
 *
 *   offset  0   uint32  magic     "UISQ"
 *           4   uint32  version   1
 *           8   uint32  sequence  even: the body is whole; odd: it is being written. A futex word.
 *          12   uint32  writer    pid of the one that may write, 0 for nobody
 *          16   zero, up to 64
 *          64   the body
 *
 * A reader copies the body between two looks at the sequence and keeps the copy only if both saw the same even number.
 * A writer that is killed half-way leaves the sequence odd: readers wait (with their time-out), and the next writer
 * makes it even by writing. After 2^31 writes during one copy a reader would be fooled.
 */
#ifndef UIPC_SEQLOCK_H
#define UIPC_SEQLOCK_H

#include "atomics.h"
#include "uipc.h"

#define UIPC_SEQLOCK_MAGIC 0x51534955u /* "UISQ" in memory, little end first */
#define UIPC_SEQLOCK_VERSION 1u

struct uipc_seqlock {
    uint32_t magic, version, sequence, writer;
    char unused[48];
    char body[];
};
_Static_assert(offsetof(struct uipc_seqlock, body) == 64, "the body starts on a cache line of its own");

static inline void uipc_seqlock_begin(struct uipc_seqlock *lock) {
    uint32_t now = uipc_load_relaxed(&lock->sequence);
    uipc_store_relaxed(&lock->sequence, (now + 1) | 1);
    uipc_fence_release(); /* SYNC seq-open: who sees a byte written after this sees the odd number too */
}

static inline void uipc_seqlock_end(struct uipc_seqlock *lock) {
    uipc_store_release(&lock->sequence, uipc_load_relaxed(&lock->sequence) + 1); /* SYNC seq-close: the body first */
}

/* A copy of `n` bytes from `offset` of the body; whether it is whole. */
static inline int uipc_seqlock_read(const struct uipc_seqlock *lock, size_t offset, char *to, size_t n) {
    uint32_t before = uipc_load_acquire(&lock->sequence); /* SYNC seq-close: then the bytes of that write, or later */
    if (before & 1)
        return 0;
    uipc_copy_out(to, lock->body + offset, n);
    uipc_fence_acquire(); /* SYNC seq-open: a byte of a later write means that the next look sees its number */
    return uipc_load_relaxed(&lock->sequence) == before;
}

#endif
