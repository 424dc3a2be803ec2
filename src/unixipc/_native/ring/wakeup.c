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

void uipc_ring_wait_for_lock(struct uipc_ring *ring, int busy, const struct timespec *deadline) {
    int role = busy == UIPC_BUSY_SENDERS ? UIPC_SENDER : UIPC_RECEIVER;
    int rc = uipc_owner_sleep(&uipc_end_of(ring, role)->lock, &uipc_hold_of[role], deadline);
    if (rc == EOWNERDEAD)
        uipc_repair(ring, role);
    if (uipc_owner_is_mine(&uipc_hold_of[role]))
        uipc_ring_exit(role);
}

void uipc_ring_tell_everybody(struct uipc_ring *ring) {
    uipc_bell_ring(&ring->file->messages, INT_MAX);
    uipc_bell_ring(&ring->file->space, INT_MAX);
}
