#include "rwlock.h"

static int has_owner(const struct uipc_robust *lock) {
    return (uipc_load_in_order(&lock->owner.word) & FUTEX_TID_MASK) != 0; /* SYNC readers: our slot comes before it */
}

int uipc_rwlock_state(const struct uipc_robust *lock) {
    if (uipc_robust_mark(lock))
        return EOWNERDEAD;
    int died = (uipc_load_acquire(&lock->owner.word) & FUTEX_OWNER_DIED) != 0;
    return died && uipc_load_relaxed(&lock->writing) ? EOWNERDEAD : 0;
}

int uipc_rwlock_try_read(struct uipc_robust *lock, struct uipc_hold *holds, uint32_t slots, uint32_t *at, int anyway) {
    if (!anyway && has_owner(lock))
        return EBUSY;
    int result = uipc_slots_try(lock, holds, slots, at);
    if (result)
        return result;
    if (!anyway && has_owner(lock)) {
        uipc_rwlock_release_read(lock, &holds[*at]);
        return EBUSY;
    }
    return uipc_rwlock_state(lock);
}

int uipc_rwlock_release_read(struct uipc_robust *lock, struct uipc_hold *hold) {
    int result = uipc_owner_release(hold);
    if (result == 0)
        uipc_slots_tell(lock, INT_MAX);
    return result;
}

static int claimed(struct uipc_robust *lock, const struct uipc_hold *hold, int result) {
    if (result != EOWNERDEAD)
        return result;
    if (uipc_load_relaxed(&lock->writing))
        uipc_robust_set_mark(lock, UIPC_ROBUST_SUSPECT | hold->dead);
    uipc_store_release(&lock->writing, 0);
    return 0;
}

int uipc_rwlock_try_claim(struct uipc_robust *lock, struct uipc_hold *hold, int waited) {
    return claimed(lock, hold, uipc_owner_try(&lock->owner, hold, waited));
}

int uipc_rwlock_sleep_claim(struct uipc_robust *lock, struct uipc_hold *hold, const struct timespec *deadline) {
    return claimed(lock, hold, uipc_owner_sleep(&lock->owner, hold, deadline));
}

static int reader(const struct uipc_robust *lock, uint32_t slots) {
    int found = 0;
    for (uint32_t i = 0; i < slots; i++)
        if (uipc_load_in_order(&lock->slot[i].owner.word) & FUTEX_TID_MASK) { /* SYNC readers: we own it */
            if (uipc_owner_held_here(&lock->slot[i].owner))
                return EDEADLK;
            found = EBUSY;
        }
    return found;
}

int uipc_rwlock_try_write(struct uipc_robust *lock, uint32_t slots) {
    uipc_fence_full();
    int result = reader(lock, slots);
    if (result)
        return result;
    uipc_store_release(&lock->writing, 1);
    uipc_fence_release(); /* SYNC writing: set before anything that is guarded changes */
    return uipc_robust_mark(lock) ? EOWNERDEAD : 0;
}

int uipc_rwlock_release(struct uipc_robust *lock, struct uipc_hold *hold) {
    if (!uipc_owner_is_mine(hold))
        return EPERM;
    uipc_store_release(&lock->writing, 0); /* SYNC writing: cleared after all of it has changed */
    int result = uipc_owner_release(hold);
    uipc_slots_tell(lock, INT_MAX);
    return result;
}

int uipc_rwlock_may(const struct uipc_robust *lock, uint32_t slots, int read) {
    if (!read)
        return reader(lock, slots) != EBUSY;
    return !has_owner(lock) && uipc_slots_free(lock, slots) > 0;
}

int uipc_rwlock_wait(struct uipc_robust *lock, uint32_t slots, int read, const struct timespec *deadline) {
    uint32_t seen = uipc_slots_announce(lock);
    if (!uipc_rwlock_may(lock, slots, read))
        uipc_futex_wait(&lock->changed, seen, deadline);
    return uipc_rwlock_may(lock, slots, read) ? 0 : EBUSY;
}
