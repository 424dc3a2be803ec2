/* The clock that every deadline of ours is measured on. -- clock_gettime(2) */
#ifndef UIPC_CLOCK_H
#define UIPC_CLOCK_H

#include "uipc.h"

static inline int64_t uipc_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

/* A time, or a span of it, as the kernel takes it; what is negative is 0. */
static inline struct timespec uipc_timespec(int64_t ns) {
    if (ns < 0)
        ns = 0;
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

#endif
