#include "slots.h"

enum { SOMEBODY_SLEEPS = 1 };

static int is_free(const struct uipc_slot *slot) { return !(uipc_load_relaxed(&slot->owner.word) & FUTEX_TID_MASK); }

int uipc_slots_try(struct uipc_robust *lock, struct uipc_hold *holds, uint32_t slots, uint32_t *at) {
    for (uint32_t turn = 0, i = *at; turn < slots; turn++, i = i + 1 < slots ? i + 1 : 0) {
        if (!is_free(&lock->slot[i]))
            continue;
        int result = uipc_owner_try(&lock->slot[i].owner, &holds[i], 0);
        if (result == 0 || result == EOWNERDEAD) {
            *at = i;
            return 0;
        }
        if (result != EBUSY && result != EDEADLK)
            return result;
    }
    return EBUSY;
}

uint32_t uipc_slots_free(const struct uipc_robust *lock, uint32_t slots) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < slots; i++)
        found += is_free(&lock->slot[i]);
    return found;
}

int uipc_slots_mine(const struct uipc_hold *holds, uint32_t slots, uint32_t at) {
    for (uint32_t turn = 0, i = at; turn < slots; turn++, i = i + 1 < slots ? i + 1 : 0)
        if (uipc_owner_is_mine(&holds[i]))
            return (int)i;
    return -1;
}

uint32_t uipc_slots_announce(struct uipc_robust *lock) {
    uint32_t now = uipc_fetch_or(&lock->changed, SOMEBODY_SLEEPS) | SOMEBODY_SLEEPS;
    uipc_fence_full(); /* SYNC slots: the bit is set before the slots are looked at */
    return now;
}

void uipc_slots_tell(struct uipc_robust *lock, int most) {
    uint32_t seen = uipc_load_in_order(&lock->changed); /* SYNC slots: the slot was freed before the bit is read */
    while (seen & SOMEBODY_SLEEPS)
        if (uipc_exchange_if(&lock->changed, &seen, (seen + 2) & ~(uint32_t)SOMEBODY_SLEEPS)) {
            uipc_futex_wake(&lock->changed, most);
            return;
        }
}

static int has_free(const struct uipc_robust *lock, uint32_t slots) {
    for (uint32_t i = 0; i < slots; i++)
        if (is_free(&lock->slot[i]))
            return 1;
    return 0;
}

static int take_or_look(struct uipc_robust *lock, struct uipc_hold *holds, uint32_t slots, uint32_t *at) {
    if (holds)
        return uipc_slots_try(lock, holds, slots, at);
    return has_free(lock, slots) ? 0 : EBUSY;
}

int uipc_permits_sleep(struct uipc_robust *lock, struct uipc_hold *holds, uint32_t slots, uint32_t *at,
                       const struct timespec *deadline) {
    uint32_t seen = uipc_slots_announce(lock);
    int result = take_or_look(lock, holds, slots, at);
    if (result == EBUSY) {
        uipc_futex_wait(&lock->changed, seen, deadline);
        uipc_slots_announce(lock); /* others may sleep still */
        result = take_or_look(lock, holds, slots, at);
    }
    if (result == 0 && holds)
        uipc_permits_pass_on(lock, slots);
    return result;
}

void uipc_permits_pass_on(struct uipc_robust *lock, uint32_t slots) {
    if (uipc_load_in_order(&lock->changed) & SOMEBODY_SLEEPS && has_free(lock, slots))
        uipc_futex_wake(&lock->changed, 1);
}

int uipc_permits_release(struct uipc_robust *lock, struct uipc_hold *hold) {
    int result = uipc_owner_release(hold);
    if (result == 0)
        uipc_slots_tell(lock, 1);
    return result;
}
