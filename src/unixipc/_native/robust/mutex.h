/* A mutex: an owner, and a mark that outlives the one who got it from a dead owner. The layout is in layout.h. */
#ifndef UIPC_MUTEX_H
#define UIPC_MUTEX_H

#include "layout.h"

/* What the holder is told: EOWNERDEAD until somebody has declared the state sound. */
static inline int uipc_mutex_settle(struct uipc_robust *mutex, const struct uipc_hold *hold, int result) {
    if (result == EOWNERDEAD)
        uipc_robust_set_mark(mutex, UIPC_ROBUST_SUSPECT | hold->dead);
    else if (result == 0 && uipc_robust_mark(mutex))
        result = EOWNERDEAD;
    return result;
}

/* As uipc_owner_try and uipc_owner_sleep, and EOWNERDEAD also after one who did not call uipc_mutex_recover. */
static inline int uipc_mutex_try(struct uipc_robust *mutex, struct uipc_hold *hold, int waited) {
    return uipc_mutex_settle(mutex, hold, uipc_owner_try(&mutex->owner, hold, waited));
}

static inline int uipc_mutex_sleep(struct uipc_robust *mutex, struct uipc_hold *hold, const struct timespec *deadline) {
    return uipc_mutex_settle(mutex, hold, uipc_owner_sleep(&mutex->owner, hold, deadline));
}

/* The holder says: what the mutex guards is as it should be. */
static inline void uipc_mutex_recover(struct uipc_robust *mutex) { uipc_robust_set_mark(mutex, 0); }

static inline int uipc_mutex_release(struct uipc_hold *hold) { return uipc_owner_release(hold); }

#endif
