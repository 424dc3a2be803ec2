/* One try of a call that has no "do not wait" of its own: O_NONBLOCK is a flag of the open file, which belongs to
 * everybody who has it (children, programs that were given the number, whoever handed it over), and may come and go.
 *
 * So it is neither trusted nor set. Where the kernel takes "do not wait" with the call (RWF_NOWAIT), that is used. Else
 * poll(2) says whether there is something, and as somebody else may take it in between, an alarm ends the call that
 * finds nothing, within some milliseconds.
 */
#ifndef UIPC_TRYING_H
#define UIPC_TRYING_H

#include "uipc.h"

#define UIPC_NO_ALARM (-2) /* errno is that of timer_create(2) */

/* As read(2), write(2) and accept4(2) of a file in non-blocking mode: -1 and EAGAIN for not now. */
ssize_t uipc_try_read(int fd, void *into, size_t n);
ssize_t uipc_guarded_read(int fd, void *into, size_t n); /* without asking for RWF_NOWAIT first */
ssize_t uipc_guarded_write(int fd, const void *data, size_t n);
ssize_t uipc_try_add(int fd, uint64_t n);                 /* to an event counter: 8 bytes are written */
int uipc_try_accept(int fd);

#endif
