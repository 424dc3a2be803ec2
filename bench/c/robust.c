/* robust KIND N: what the locks cost without Python; nanoseconds each.
 *   owner, pthread, semaphore: one process takes a free one and gives it back N times: the house's owner word, the C
 *     library's robust mutex, the C library's semaphore
 *   ring-futex, ring-owner, ring-pthread: two processes hand three locks round, 2N times: a plain futex mutex, and those
 */
#include "common.h"
#include "../../src/unixipc/_native/robust/owner.c"
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

struct place { /* a cache line for each */
    _Alignas(64) union {
        struct uipc_owner owner;
        pthread_mutex_t mutex;
        sem_t semaphore;
        uint32_t word;
    } is;
};

static struct place *lock;
static struct uipc_hold hold[3];

static void owner_take(int i)
{
    int got = uipc_owner_try(&lock[i].is.owner, &hold[i], 0);
    while (got == EBUSY)
        got = uipc_owner_sleep(&lock[i].is.owner, &hold[i], NULL);
    check(got == 0, "owner");
}

static void owner_give(int i) { check(uipc_owner_release(&hold[i]) == 0, "owner"); }
static void pthread_take(int i) { check(pthread_mutex_lock(&lock[i].is.mutex) == 0, "mutex"); }
static void pthread_give(int i) { check(pthread_mutex_unlock(&lock[i].is.mutex) == 0, "mutex"); }
static void semaphore_take(int i) { check(sem_wait(&lock[i].is.semaphore) == 0, "semaphore"); }
static void semaphore_give(int i) { check(sem_post(&lock[i].is.semaphore) == 0, "semaphore"); }

/* 0 free, 1 held, 2 held and somebody may sleep */
static void futex_take(int i)
{
    uint32_t seen = 0;
    if (uipc_exchange_if(&lock[i].is.word, &seen, 1))
        return;
    if (seen != 2)
        seen = uipc_exchange(&lock[i].is.word, 2);
    while (seen) {
        uipc_futex_wait(&lock[i].is.word, 2, NULL);
        seen = uipc_exchange(&lock[i].is.word, 2);
    }
}

static void futex_give(int i)
{
    if (uipc_exchange(&lock[i].is.word, 0) == 2)
        uipc_futex_wake(&lock[i].is.word, 1);
}

static void make(void)
{
    pthread_mutexattr_t how;
    lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(lock != MAP_FAILED, "mmap");
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    for (int i = 3; i < 6; i++)
        pthread_mutex_init(&lock[i].is.mutex, &how);
    sem_init(&lock[6].is.semaphore, 1, 1);
}

static double pair(void (*take)(int), void (*give)(int), int i, long n)
{
    double begin = 0;
    for (long turn = -n / 20; turn < n; turn++) {
        if (turn == 0)
            begin = now_ns();
        take(i);
        give(i);
    }
    return (now_ns() - begin) / n;
}

/* Each holds one, takes the next, and gives the first: which is what the other one waits for. */
static void go_round(void (*take)(int), void (*give)(int), int first, int at, long n)
{
    for (; n; n--) {
        int next = (at + 1) % 3;
        take(first + next);
        give(first + at);
        at = next;
    }
    give(first + at);
}

static double ring(void (*take)(int), void (*give)(int), int first, long n)
{
    struct gate gate;
    double begin;
    gate_open(&gate);
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        pin(0);
        take(first + 1);
        gate_wait(&gate);
        go_round(take, give, first, 1, n);
        _exit(0);
    }
    pin(1);
    take(first);
    begin = gate_start(&gate);
    go_round(take, give, first, 0, n);
    begin = now_ns() - begin;
    waitpid(child, NULL, 0);
    return begin / (2 * n);
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[2]) : 0;
    double ns = -1;
    check(n > 0, "usage: robust KIND N");
    make();
    if (strcmp(kind, "owner") == 0)
        ns = pair(owner_take, owner_give, 0, n);
    else if (strcmp(kind, "pthread") == 0)
        ns = pair(pthread_take, pthread_give, 3, n);
    else if (strcmp(kind, "semaphore") == 0)
        ns = pair(semaphore_take, semaphore_give, 6, n);
    else if (strcmp(kind, "ring-futex") == 0)
        ns = ring(futex_take, futex_give, 0, n);
    else if (strcmp(kind, "ring-owner") == 0)
        ns = ring(owner_take, owner_give, 0, n);
    else if (strcmp(kind, "ring-pthread") == 0)
        ns = ring(pthread_take, pthread_give, 3, n);
    check(ns >= 0, "which kind?");
    printf("%.1f\n", ns);
    return 0;
}
