/* A C program at the other side of robust locks: it includes the headers, and shares the file in /dev/shm with Python.
 *   robust_peer count NAME N       N times: take the mutex at 0, add 1 to the number at 4096, release
 *   robust_peer die NAME           take the mutex and be killed
 *   robust_peer next NAME          take it; print who died, recover, release
 *   robust_peer permit NAME        take a permit of the semaphore at 0, and be killed
 *   robust_peer layout             print what the headers say
 */
#include "robust/mutex.h"
#include "robust/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static void check(int fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static struct uipc_robust *mapped(const char *name)
{
    struct stat found;
    int fd = shm_open(name, O_RDWR, 0);
    check(fd >= 0 && fstat(fd, &found) == 0, "shm_open");
    void *at = mmap(NULL, (size_t)found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(at != MAP_FAILED, "mmap");
    return at;
}

static int take(struct uipc_robust *mutex, struct uipc_hold *hold)
{
    int result = uipc_mutex_try(mutex, hold, 0);
    while (result == EBUSY) {
        struct timespec look;
        clock_gettime(CLOCK_MONOTONIC, &look);
        look.tv_sec += 1;
        result = uipc_mutex_sleep(mutex, hold, &look);
    }
    return result;
}

int main(int argc, char **argv)
{
    struct uipc_hold hold = {0};
    uint32_t at = 0;
    if (argc > 1 && strcmp(argv[1], "layout") == 0) {
        printf("%zu %zu %u\n", uipc_robust_size(0), uipc_robust_size(2), UIPC_ROBUST_MAGIC);
        return 0;
    }
    check(argc > 2, "usage");
    struct uipc_robust *lock = mapped(argv[2]);
    if (strcmp(argv[1], "permit") == 0) {
        check(uipc_robust_found(lock) == uipc_robust_identity(UIPC_SEMAPHORE, 1), "identity");
        check(uipc_slots_try(lock, &hold, 1, &at) == 0, "permit");
        raise(SIGKILL);
    }
    check(uipc_robust_found(lock) == uipc_robust_identity(UIPC_MUTEX, 0), "identity");
    if (strcmp(argv[1], "count") == 0) {
        volatile uint64_t *number = (uint64_t *)((char *)lock + 4096);
        for (long n = atol(argv[3]); n; n--) {
            check(take(lock, &hold) == 0, "take");
            *number = *number + 1;
            check(uipc_mutex_release(&hold) == 0, "release");
        }
    } else if (strcmp(argv[1], "die") == 0) {
        check(take(lock, &hold) == 0, "take");
        raise(SIGKILL);
    } else {
        check(take(lock, &hold) == EOWNERDEAD, "take");
        printf("%u\n", (unsigned)uipc_robust_mark(lock));
        uipc_mutex_recover(lock);
        check(uipc_mutex_release(&hold) == 0, "release");
    }
    return 0;
}
