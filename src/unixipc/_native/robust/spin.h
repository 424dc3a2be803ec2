/* A short look before a sleep: what comes within the time that a sleep and a wake-up cost is worth waiting for. */
#ifndef UIPC_SPIN_H
#define UIPC_SPIN_H

#include "../clock.h"
#include "rwlock.h"

#include <sched.h>

enum uipc_spin_for { UIPC_SPIN_OWNER, UIPC_SPIN_PERMIT, UIPC_SPIN_READ, UIPC_SPIN_WRITE };
enum { UIPC_LOOKS_BETWEEN_CLOCKS = 16 };

static inline int uipc_spin_may(const struct uipc_robust *lock, uint32_t slots, enum uipc_spin_for what) {
    switch (what) {
    case UIPC_SPIN_OWNER:
        return !(uipc_load_relaxed(&lock->owner.word) & FUTEX_TID_MASK);
    case UIPC_SPIN_PERMIT:
        return uipc_slots_free(lock, slots) > 0;
    default:
        return uipc_rwlock_may(lock, slots, what == UIPC_SPIN_READ);
    }
}

/* Whether it became possible within so many nanoseconds. */
static inline int uipc_spin(const struct uipc_robust *lock, uint32_t slots, enum uipc_spin_for what, int64_t ns) {
    int64_t until = uipc_now_ns() + ns;
    do
        for (int i = 0; i < UIPC_LOOKS_BETWEEN_CLOCKS; i++) {
            if (uipc_spin_may(lock, slots, what))
                return 1;
            uipc_pause();
        }
    while (uipc_now_ns() < until);
    return 0;
}

static inline int uipc_processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

#endif
