/* Sleeping and waking: no system call while nobody sleeps, and no wake-up is lost. Model: tests/model/bell.pml.
 *
 * Bit 0 of the word says that somebody may sleep. Who wants to sleep sets it, with a number that nobody had before,
 * looks once more for what it waits for, and sleeps while the word has that number. Who has changed something looks at
 * the bit; if it is set it changes the number and wakes. Only a wake-up that found nobody clears the bit, and only if
 * nobody has prepared to sleep since.
 *
 * A sleeper that is killed after its wake-up takes that with it: sleepers look again by themselves now and then.
 */
#include "inside.h"

int uipc_ring_is_ready(const struct uipc_ring *ring, int reading, size_t length) {
    if (!reading)
        return uipc_queue_writable(ring, length);
    return ring->kind == UIPC_TOPIC ? uipc_topic_readable(ring) : uipc_queue_readable(ring);
}

struct uipc_ring_bell *uipc_ring_bell_for(const struct uipc_ring *ring, int reading) {
    return reading ? &ring->file->messages : &ring->file->space;
}

uint32_t uipc_bell_prepare(struct uipc_ring_bell *bell) {
    uint32_t seen = uipc_load_relaxed(&bell->word), mine;
    do {
        mine = (seen + 2) | 1;
    } while (!uipc_exchange_if(&bell->word, &seen, mine)); /* SYNC bell: before the last look */
    uipc_fence_after_exchange();
    return mine;
}

void uipc_bell_ring(struct uipc_ring_bell *bell, int most) {
    uint32_t now = uipc_fetch_add(&bell->word, 2) + 2;
    UIPC_POINT("bell-rung");
    if (uipc_futex_wake(&bell->word, most) <= 0)
        uipc_compare_exchange(&bell->word, now, now & ~1u);
}

int uipc_ring_wait_for_lock(struct uipc_ring *ring, const struct timespec *deadline) {
    struct uipc_ring_end *end = ring->busy == UIPC_SENDER ? &ring->file->senders : &ring->file->receivers;
    int rc = uipc_owner_sleep(&end->lock, &ring->hold[ring->busy], deadline);
    if (rc == EOWNERDEAD)
        rc = uipc_repair(ring, ring->busy);
    if (uipc_owner_is_mine(&ring->hold[ring->busy]))
        uipc_ring_exit(ring, ring->busy);
    return rc == EBUSY ? UIPC_BUSY : rc == 0 ? UIPC_OK : rc;
}
