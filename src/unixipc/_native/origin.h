/* What a signal says, in one form however it was received: by signalfd(2), sigtimedwait(2) or a handler.
 *
 * The kernel's record is a union: which of its fields mean anything depends on how the signal came to be.
 */
#ifndef UIPC_ORIGIN_H
#define UIPC_ORIGIN_H

#include "uipc.h"
#include <sys/signalfd.h>

#ifndef SI_SIGIO
#define SI_SIGIO (-5)
#endif

struct uipc_origin {
    int number, code, pid, status, value, fd, timer, overrun;
    unsigned uid;
    long band;
};

enum uipc_kind { UIPC_SENT, UIPC_VALUE, UIPC_TIMER, UIPC_CHILD, UIPC_READY, UIPC_OTHER };

/* Codes above 0 are the signal's own for these, and a descriptor's (POLL_IN ..) for all the others. */
static inline int uipc_has_own_codes(int number)
{
    return number == SIGILL || number == SIGFPE || number == SIGSEGV || number == SIGBUS || number == SIGTRAP
        || number == SIGCHLD || number == SIGSYS;
}

static inline enum uipc_kind uipc_kind_of(int number, int code)
{
    if (code == SI_TIMER)
        return UIPC_TIMER;
    if (code == SI_SIGIO)
        return UIPC_READY;
    if (code == SI_USER || code == SI_TKILL)
        return UIPC_SENT;
    if (code < 0)
        return UIPC_VALUE;
    if (number == SIGCHLD)
        return UIPC_CHILD;
    return code >= POLL_IN && code <= POLL_HUP && !uipc_has_own_codes(number) ? UIPC_READY : UIPC_OTHER;
}

static inline void uipc_origin_of_info(struct uipc_origin *origin, const siginfo_t *info)
{
    enum uipc_kind kind = uipc_kind_of(info->si_signo, info->si_code);
    int somebody = kind == UIPC_SENT || kind == UIPC_VALUE || kind == UIPC_CHILD;
    *origin = (struct uipc_origin){.number = info->si_signo, .code = info->si_code, .fd = -1, .timer = -1};
    if (somebody) {
        origin->pid = info->si_pid;
        origin->uid = info->si_uid;
    }
    if (kind == UIPC_VALUE || kind == UIPC_TIMER)
        origin->value = info->si_value.sival_int;
    if (kind == UIPC_CHILD)
        origin->status = info->si_status;
    if (kind == UIPC_TIMER) {
        origin->timer = info->si_timerid;
        origin->overrun = info->si_overrun;
    }
    if (kind == UIPC_READY) {
        origin->fd = info->si_fd;
        origin->band = info->si_band;
    }
}

static inline void uipc_origin_of_read(struct uipc_origin *origin, const struct signalfd_siginfo *info)
{
    enum uipc_kind kind = uipc_kind_of((int)info->ssi_signo, info->ssi_code);
    *origin = (struct uipc_origin){.number = (int)info->ssi_signo, .code = info->ssi_code, .fd = -1, .timer = -1};
    origin->pid = (int)info->ssi_pid;
    origin->uid = info->ssi_uid;
    if (kind == UIPC_VALUE || kind == UIPC_TIMER)
        origin->value = info->ssi_int;
    if (kind == UIPC_CHILD)
        origin->status = info->ssi_status;
    if (kind == UIPC_TIMER) {
        origin->timer = (int)info->ssi_tid;
        origin->overrun = (int)info->ssi_overrun;
    }
    if (kind == UIPC_READY) {
        origin->fd = info->ssi_fd;
        origin->band = info->ssi_band;
    }
}

#endif
