/* No thread takes a streamed signal away.
 *
 * A signal that is sent to a process is given to any thread that does not block it, and signalfd(2) only reads what is
 * blocked. One thread can block it for itself; the others (of a C library, say) do not know of the stream. So while a
 * stream is open its signals have a C handler. When it runs, the kernel has given the signal to a thread that does not
 * block it: the handler queues it again, whole, for the process, and makes the thread block it from then on. So each
 * thread takes one at most, and gives it back; from then on the signals stay where every reader finds them, in order.
 *
 * When the last stream of a signal closes, the old action comes back, and the threads that were made to block it are
 * made to let it through again: by a real-time signal of our own, whose handler takes it out of the thread's mask.
 */
#ifndef UIPC_FORWARD_H
#define UIPC_FORWARD_H

#include "uipc.h"

/* A stream of this signal begins (ends). The callers hold the interpreter lock. 0, or an errno: EBUSY when the signal
 * is being counted. */
int uipc_forward_start(int number);
void uipc_forward_stop(int number);
int uipc_forward_is_on(int number);

/* The caller has blocked this signal for the sake of a stream: it is let through again with the last one. */
void uipc_forward_note(int number);

/* What a program that is started now is to have, as if no stream and no counter were open: takes out of its mask what
 * was blocked for a stream's sake, and puts into `ignored` what was ignored before. */
void uipc_forward_leave_out(sigset_t *mask, sigset_t *ignored);

/* What could not be queued again (the queue was full, or the kernel lets nobody claim what it says) waits here:
 * with a mark pending in its place. 1 if *info was one. Standard signals that wait here merge, as in the kernel. */
int uipc_forward_kept(int number, siginfo_t *info);

/* Whether what was read only tells that there may be something kept. */
int uipc_forward_is_mark(int number, int code, int pid, uint64_t value);

/* The signal that the masks are mended with; 0 as long as there was no need for one. */
int uipc_forward_own_signal(void);

#endif
