/* Counting alone: several threads take the signals and the count at once, none is lost; what is started and stopped
 * under fire never writes into somebody else's file; a program's signals are as if nothing were counted or streamed. */
#include "forward.h"
#include "latch.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define THREADS 4
#define SENT 4000
#define RESTARTS 300

/* The thread sanitizer holds signals back and merges them: there it is about the races, not about the count. */
#ifdef __SANITIZE_THREAD__
#define MERGES 1
#define PATIENCE 100
#else
#define MERGES 0
#define PATIENCE 20000
#endif

static _Atomic int stop, firing;

static void check(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void *idle(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop))
        usleep(200);
    return NULL;
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void *fire(void *argument)
{
    int number = *(int *)argument;
    block_all();
    while (!atomic_load(&stop)) {
        if (atomic_load(&firing))
            sigqueue(getpid(), number, (union sigval){.sival_int = 7});
        usleep(50);
    }
    return NULL;
}

static void count_exactly(int number, int fd)
{
    struct uipc_latch *latch;
    uint64_t count = 0, rung;
    check(uipc_latch_start(number, fd, &latch) == 0, "start");
    check(uipc_latch_start(number, fd, &latch) == EBUSY, "twice");
    check(uipc_forward_start(number) == EBUSY, "counted and streamed");
    for (int i = 0; i < SENT; i++) {
        while (sigqueue(getpid(), number, (union sigval){.sival_int = i}) < 0)
            usleep(100); /* the queue is full */
        if (i % 64 == 0)
            count += uipc_latch_take(latch);
    }
    for (int patience = 0; count < SENT && patience < PATIENCE; patience++) {
        usleep(500);
        count += uipc_latch_take(latch);
    }
    check(MERGES ? count > 0 && count <= SENT : count == SENT, "none is lost, none is counted twice");
    check(read(fd, &rung, sizeof rung) == sizeof rung && rung == count, "each rings once");
    uipc_latch_stop(latch);
    check(!uipc_latch_is_on(number), "stopped");
}

static void start_and_stop_under_fire(int number)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    check(sigaction(number, &ignore, NULL) == 0, "sigaction");
    atomic_store(&firing, 1);
    for (int i = 0; i < RESTARTS; i++) {
        struct uipc_latch *latch;
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), stranger[2];
        char byte;
        check(fd >= 0 && uipc_latch_start(number, fd, &latch) == 0, "start");
        usleep(i % 5 * 40);
        uipc_latch_stop(latch);
        close(fd);
        check(pipe2(stranger, O_CLOEXEC | O_NONBLOCK) == 0, "pipe2"); /* has the event counter's number */
        usleep(i % 3 * 40);
        check(read(stranger[0], &byte, 1) < 0 && errno == EAGAIN, "nobody writes into a stranger's file");
        close(stranger[0]);
        close(stranger[1]);
    }
    atomic_store(&firing, 0);
}

static void leave_out(int number)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL};
    struct uipc_latch *latch;
    sigset_t mask, ignored;
    sigemptyset(&ignored);
    sigfillset(&mask);
    check(sigaction(number, &ignore, NULL) == 0 && sigaction(number + 1, &ignore, NULL) == 0, "sigaction");
    check(uipc_latch_start(number, -1, &latch) != 0, "a counter needs a descriptor");
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    check(uipc_latch_start(number, fd, &latch) == 0 && uipc_forward_start(number + 1) == 0, "start");
    uipc_forward_note(number + 1);
    uipc_forward_leave_out(&mask, &ignored);
    check(sigismember(&mask, number) == 1 && sigismember(&mask, number + 1) == 0, "only the stream's is let through");
    check(sigismember(&ignored, number) == 1 && sigismember(&ignored, number + 1) == 1, "both were ignored");
    uipc_latch_stop(latch);
    uipc_forward_stop(number + 1);
    sigemptyset(&ignored);
    sigfillset(&mask);
    uipc_forward_leave_out(&mask, &ignored);
    check(sigismember(&mask, number + 1) == 1 && sigisemptyset(&ignored), "nothing is left of it");
    check(sigaction(number, &plain, NULL) == 0 && sigaction(number + 1, &plain, NULL) == 0, "sigaction");
    close(fd);
}

int main(void)
{
    pthread_t threads[THREADS], gun;
    int number = SIGRTMIN + 2, fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    check(fd >= 0, "eventfd");
    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, idle, NULL) == 0, "pthread_create");
    int under_fire = SIGRTMIN + 3;
    block_all();
    check(pthread_create(&gun, NULL, fire, &under_fire) == 0, "pthread_create");
    count_exactly(number, fd);
    start_and_stop_under_fire(under_fire);
    atomic_store(&stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(gun, NULL);
    leave_out(SIGRTMIN + 4);
    close(fd);
    puts("latch: ok");
    return 0;
}
