/* The only futex(2) of the house. Shared futexes: they work across processes, on any shared mapping. */
#ifndef UIPC_FUTEX_H
#define UIPC_FUTEX_H

#include "uipc.h"
#include <linux/futex.h>

/* Sleep while *word == expected, until the CLOCK_MONOTONIC deadline (NULL: for ever). 0, or an errno:
 * EAGAIN = the word had changed already, ETIMEDOUT, EINTR. The kernel compares and sleeps in one step, so a
 * wake-up between our load and the sleep is not lost. */
static inline int uipc_futex_wait(uint32_t *word, uint32_t expected, const struct timespec *deadline) {
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    return rc == 0 ? 0 : errno;
}

/* One of several words: see futex_waitv(2). */
struct uipc_waited {
    uint64_t expected, word;
    uint32_t flags, zero;
};
#define UIPC_MOST_WAITED 128
#define UIPC_WAITED_32 2 /* FUTEX2_SIZE_U32, shared */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* Sleep while each word has its expected value, until the CLOCK_MONOTONIC deadline. The number of the one that was
 * woken, or -errno: EAGAIN = one had changed already, ETIMEDOUT, EINTR, ENOSYS before Linux 5.16. */
static inline int uipc_futex_wait_any(struct uipc_waited *words, unsigned n, const struct timespec *deadline) {
    long rc = syscall(SYS_futex_waitv, words, n, 0, deadline, CLOCK_MONOTONIC);
    return rc >= 0 ? (int)rc : -errno;
}

/* Wake at most `most` sleepers; how many there were, or -1 with errno. */
static inline int uipc_futex_wake(uint32_t *word, int most) {
    return (int)syscall(SYS_futex, word, FUTEX_WAKE, most, NULL, NULL, 0);
}

#endif
