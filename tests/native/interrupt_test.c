/* The alarm alone: threads that sleep in a pipe nobody writes to, woken at a deadline or by another thread. Exit 0 or say why. */
#include "interrupt.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8
#define ROUNDS 200

struct sleeper {
    timer_t alarm;
    _Atomic int ready, woken, asked;
    int fd;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Sleeps until `until`, or until another thread asks; the byte never comes. */
static void sleep_in_the_kernel(struct sleeper *me, int64_t until) {
    char byte;
    for (;;) {
        uipc_alarm_at(me->alarm, until);
        if (me->asked || (until >= 0 && now() >= until))
            return;
        if (read(me->fd, &byte, 1) >= 0 || errno != EINTR)
            fail("read");
    }
}

static void *life(void *argument) {
    struct sleeper *me = argument;
    int error = uipc_alarm_create(&me->alarm);
    if (error) {
        errno = error;
        fail("uipc_alarm_create");
    }
    me->ready = 1;
    for (int round = 0; round < ROUNDS / 10; round++) {
        int64_t until = now() + 200000;
        sleep_in_the_kernel(me, until);
        if (!me->asked && now() < until)
            fail("woken before the deadline");
    }
    sleep_in_the_kernel(me, -1); /* for ever: only another thread ends it */
    me->woken = 1;
    while (me->asked != 2) /* the alarm lives until nobody sets it any more */
        usleep(100);
    uipc_alarm_delete(me->alarm);
    return NULL;
}

static void one_round(int fd) {
    struct sleeper all[THREADS];
    pthread_t threads[THREADS];
    memset(all, 0, sizeof all);
    for (int i = 0; i < THREADS; i++) {
        all[i].fd = fd;
        if (pthread_create(&threads[i], NULL, life, &all[i]))
            fail("pthread_create");
    }
    for (int i = 0; i < THREADS; i++) {
        while (!all[i].ready)
            usleep(50);
        all[i].asked = 1;
        uipc_alarm_at(all[i].alarm, 0);
        while (!all[i].woken)
            usleep(50);
        all[i].asked = 2;
        pthread_join(threads[i], NULL);
    }
}

int main(void) {
    int ends[2], first, second;
    if (pipe(ends))
        fail("pipe");
    if (uipc_wake_signal(&first) || uipc_wake_signal(&second) || first != second || first < SIGRTMIN)
        fail("uipc_wake_signal");
    for (int round = 0; round < 10; round++)
        one_round(ends[0]);
    puts("interrupt: ok");
    return 0;
}
