/* posix KIND N: one process does N times, after warming up; nanoseconds each.
 *   queue: send and receive 64 bytes; semaphore: acquire and release; memory: open, map and close 1 MiB
 */
#include "common.h"
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MEBIBYTE (1 << 20)

static char name[64];
static mqd_t queue;
static sem_t *semaphore;

static void queue_once(void)
{
    char body[64] = "x";
    check(mq_send(queue, body, 64, 0) == 0 && mq_receive(queue, body, 64, NULL) == 64, "queue");
}

static void semaphore_once(void)
{
    check(sem_wait(semaphore) == 0 && sem_post(semaphore) == 0, "semaphore");
}

static void memory_once(void)
{
    struct stat found;
    int fd = shm_open(name, O_RDWR, 0);
    check(fd >= 0 && fstat(fd, &found) == 0, "shm_open");
    void *at = mmap(NULL, found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(at != MAP_FAILED && close(fd) == 0 && munmap(at, found.st_size) == 0, "memory");
}

static double each(void (*once)(void), long n)
{
    double begin = 0;
    for (long i = -n / 20; i < n; i++) {
        if (i == 0)
            begin = now_ns();
        once();
    }
    return (now_ns() - begin) / n;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[2]) : 0;
    double ns;
    check(n > 0, "usage: posix KIND N");
    snprintf(name, sizeof name, "/unixipc-bench-%d", (int)getpid());
    if (strcmp(kind, "semaphore") == 0) {
        check((semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 1)) != SEM_FAILED && sem_unlink(name) == 0, "sem_open");
        ns = each(semaphore_once, n);
    } else if (strcmp(kind, "memory") == 0) {
        int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        check(fd >= 0 && posix_fallocate(fd, 0, MEBIBYTE) == 0, "shm_open");
        ns = each(memory_once, n);
        shm_unlink(name);
    } else {
        struct mq_attr attr = {.mq_maxmsg = 10, .mq_msgsize = 64};
        check((queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr)) >= 0 && mq_unlink(name) == 0, "mq_open");
        ns = each(queue_once, n);
    }
    printf("%.1f\n", ns);
    return 0;
}
