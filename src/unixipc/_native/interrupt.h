/* Wake a thread out of a system call that has no timed form, without a race.
 *
 * One real-time signal with an empty handler (no SA_RESTART) makes the call fail with EINTR. A signal that
 * arrives before the thread sleeps would be lost, so it is not sent once: a POSIX timer directed at the thread
 * (SIGEV_THREAD_ID) fires at the deadline and then every millisecond until the thread takes it down. Cancelling
 * from another thread sets the same timer to "now". See docs/design/waiting-without-a-descriptor.md.
 */
#ifndef UIPC_INTERRUPT_H
#define UIPC_INTERRUPT_H

#include "uipc.h"

#define UIPC_REPEAT_NS 1000000L

/* The signal we use, chosen when first asked for and again if somebody took it: the highest real-time signal that
 * nobody handles. 0, or an errno. */
int uipc_wake_signal(int *number);

/* Whether the caller is the process's first thread; in a forked process, the thread that forked. */
int uipc_is_main_thread(void);

/* Timers that interrupt the calling thread. All return 0 or an errno. */
int uipc_alarm_create(timer_t *alarm);
int uipc_alarm_at(timer_t alarm, int64_t monotonic_ns);   /* 0: at once, negative: never */
void uipc_alarm_delete(timer_t alarm);

#endif
