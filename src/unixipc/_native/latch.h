/* Signals counted in the C handler itself: it works while the interpreter is inside a long call, and every run of it
 * counts. (Standard signals that come while one is pending already are merged by the kernel before any handler runs.)
 */
#ifndef UIPC_LATCH_H
#define UIPC_LATCH_H

#include "uipc.h"

#define UIPC_SIGNALS 65

struct uipc_latch;

static inline int uipc_ignores(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN;
}

/* Count this signal from now on, from 0, and add 1 to the event counter `shown` each time: through a number of our
 * own, as a handler may still be at work in another thread when `shown` is closed. The action that was there is kept.
 * 0, or an errno: EBUSY when it is counted or streamed already. The callers hold the interpreter lock. */
int uipc_latch_start(int number, int shown, struct uipc_latch **made);

/* Put the old action back, if the handler is still ours. */
void uipc_latch_stop(struct uipc_latch *latch);

int uipc_latch_is_on(int number);
int uipc_latch_ignored_before(int number);                      /* whether it is on, and the action was to ignore */

uint64_t uipc_latch_count(struct uipc_latch *latch);
int uipc_latch_value(struct uipc_latch *latch);                 /* of the last one that carried one */
uint64_t uipc_latch_take(struct uipc_latch *latch);             /* the count, and 0 from now on */

#endif
