/* A reader-writer lock: an owner for the writer, a slot for each reader. The layout is in layout.h.
 *
 * A writer becomes the owner (from here on no reader comes in), then waits until every slot is free, then sets
 * `writing`. A reader takes a slot, then looks for an owner, and gives the slot up again if there is one. Each writes
 * one word and then reads the other's, in one order for all (SYNC readers), so they never pass each other. A writer
 * that is killed before it has set `writing` has changed nothing; after that the state is suspect.
 */
#ifndef UIPC_RWLOCK_H
#define UIPC_RWLOCK_H

#include "slots.h"

/* 0, or EOWNERDEAD: it is suspect, also if the writer has died and no other has come since. */
int uipc_rwlock_state(const struct uipc_robust *);

/* Read: 0; EOWNERDEAD: reads, and the state is suspect; EBUSY: somebody writes or wants to, or all slots are taken;
 * ENOLCK, ENOSYS. `anyway`: this thread reads already, so it must not wait for a writer that waits for it. */
int uipc_rwlock_try_read(struct uipc_robust *lock, struct uipc_hold *holds, uint32_t slots, uint32_t *at, int anyway);
int uipc_rwlock_release_read(struct uipc_robust *lock, struct uipc_hold *hold);

/* Be the next to write. As uipc_owner_try and uipc_owner_sleep; 0 if there is nothing suspicious, or it is noted. */
int uipc_rwlock_try_claim(struct uipc_robust *lock, struct uipc_hold *hold, int waited);
int uipc_rwlock_sleep_claim(struct uipc_robust *lock, struct uipc_hold *hold, const struct timespec *deadline);

/* Who has claimed it: write, if nobody reads. 0, EOWNERDEAD: writes, and the state is suspect; EBUSY; EDEADLK: this
 * thread reads. */
int uipc_rwlock_try_write(struct uipc_robust *lock, uint32_t slots);

/* Writes or wants to no longer. 0, or EPERM. */
int uipc_rwlock_release(struct uipc_robust *lock, struct uipc_hold *hold);

/* Sleep until something has changed, if it is not possible at once: 0, or EBUSY to look again.
 * `read`: for who wants to read; else for who has claimed it. */
int uipc_rwlock_wait(struct uipc_robust *lock, uint32_t slots, int read, const struct timespec *deadline);

/* Whether it may be possible now. */
int uipc_rwlock_may(const struct uipc_robust *lock, uint32_t slots, int read);

#endif
