/* What the baselines share: a clock, pinning, the two ends, and a start signal between two processes. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline void check(int fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static inline double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static inline void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    check(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

/* "pipe", "stream" or "seqpacket": bytes written to ends[1] come out of ends[0]. */
static inline void open_ends(const char *kind, int ends[2])
{
    if (strcmp(kind, "pipe") == 0)
        check(pipe(ends) == 0, "pipe");
    else
        check(socketpair(AF_UNIX, strcmp(kind, "stream") == 0 ? SOCK_STREAM : SOCK_SEQPACKET, 0, ends) == 0, "socketpair");
}

struct gate {
    int ready[2], go[2];
};

static inline void gate_open(struct gate *gate)
{
    check(pipe(gate->ready) == 0 && pipe(gate->go) == 0, "pipe");
}

static inline void gate_wait(struct gate *gate) /* the child: I am ready; wait for the start */
{
    char c = 'r';
    check(write(gate->ready[1], &c, 1) == 1 && read(gate->go[0], &c, 1) == 1, "gate");
}

static inline double gate_start(struct gate *gate) /* the parent: both are ready, the clock runs from here */
{
    char c;
    double begin;
    check(read(gate->ready[0], &c, 1) == 1, "gate");
    begin = now_ns();
    check(write(gate->go[1], &c, 1) == 1, "gate");
    return begin;
}
