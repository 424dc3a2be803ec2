/* Permits of a semaphore and readers of a reader-writer lock: each has a slot with an owner, so that the kernel marks
 * those of who is killed; and who finds none sleeps on the word `changed`.
 *
 * Sleeping:  1 set bit 0   2 look at the slots   3 sleep while the word is what step 1 left
 * Giving up: 1 free a slot 2 look at bit 0       3 if it is set: clear it, change the number, wake somebody
 *
 * Each side writes one word and then reads the other's, in one order for all (SYNC slots): so one of them sees the
 * other. Who has slept leaves the bit set, as others may sleep still, and passes the wake-up on if there is more to
 * take: two that give up at once may have woken only one. A killed owner changes nothing but its slot, and a killed
 * sleeper may take a wake-up with it: that is why nobody sleeps for longer than a look.
 */
#ifndef UIPC_SLOTS_H
#define UIPC_SLOTS_H

#include "layout.h"

/* Take a free slot, looking first at *at, which becomes the one that was taken. 0, EBUSY, ENOLCK or ENOSYS. */
int uipc_slots_try(struct uipc_robust *lock, struct uipc_hold *holds, uint32_t slots, uint32_t *at);

/* How many are free now. */
uint32_t uipc_slots_free(const struct uipc_robust *lock, uint32_t slots);

/* The slot that this thread has by one of these holds, looking first at `at`; -1: none. */
int uipc_slots_mine(const struct uipc_hold *holds, uint32_t slots, uint32_t at);

/* Before the last look: somebody is about to sleep. What the word is now. */
uint32_t uipc_slots_announce(struct uipc_robust *lock);

/* After something was given up: wake at most `most`, if anybody sleeps. */
void uipc_slots_tell(struct uipc_robust *lock, int most);

/* Sleep until a permit may be free, and take it: 0, EBUSY (look again), ENOLCK, ENOSYS. Without `holds`: take none. */
int uipc_permits_sleep(struct uipc_robust *lock, struct uipc_hold *holds, uint32_t slots, uint32_t *at,
                       const struct timespec *deadline);

/* Who has slept and got a permit, or will not take one: wakes the next if there are more. */
void uipc_permits_pass_on(struct uipc_robust *lock, uint32_t slots);

/* Give a permit back: 0, or EPERM: this thread does not have it. */
int uipc_permits_release(struct uipc_robust *lock, struct uipc_hold *hold);

#endif
