/* The other side of a POSIX queue, or of a semaphore with a name or in shared memory.
 *   posix_peer make NAME MAX SIZE         makes a queue (O_EXCL), leaves one message of SIZE bytes, priority 7
 *   posix_peer send NAME PRIORITY TEXT    TEXT without its NUL
 *   posix_peer take NAME                  prints "PRIORITY LENGTH TEXT" of one message; waits in mq_receive itself
 *   posix_peer late NAME                  mq_timedreceive with {0, 50000000}, as if it were relative
 *   posix_peer short NAME                 mq_receive into one byte less than mq_msgsize
 *   posix_peer post NAME COUNT            opens a semaphore and posts
 *   posix_peer wait NAME COUNT            opens a semaphore and waits COUNT times, then prints its value
 *   posix_peer sem NAME VALUE             makes a semaphore (O_EXCL)
 *   posix_peer place NAME VALUE           makes a semaphore at byte 64 of the shared memory NAME (sem_init)
 *   posix_peer inside NAME COUNT          posts COUNT times there, or waits if it is negative, then prints its value
 * Exit status: 0, 2 for bad arguments, else errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static int queue_make(const char *name, long most, long size) {
    struct mq_attr attr = {.mq_maxmsg = most, .mq_msgsize = size};
    char *body = calloc(1, (size_t)size);
    mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    if (queue < 0 || body == NULL || mq_send(queue, body, (size_t)size, 7) < 0)
        return errno;
    free(body);
    return 0;
}

static int queue_send(const char *name, unsigned priority, const char *text) {
    mqd_t queue = mq_open(name, O_WRONLY);
    return queue < 0 || mq_send(queue, text, strlen(text), priority) < 0 ? errno : 0;
}

static int queue_take(const char *name, long missing, const struct timespec *deadline) {
    struct mq_attr attr;
    unsigned priority;
    mqd_t queue = mq_open(name, O_RDONLY);
    if (queue < 0 || mq_getattr(queue, &attr) < 0)
        return errno;
    size_t room = (size_t)(attr.mq_msgsize - missing);
    char *body = malloc(room + 1);
    ssize_t n = deadline ? mq_timedreceive(queue, body, room, &priority, deadline) : mq_receive(queue, body, room, &priority);
    if (n < 0)
        return errno;
    printf("%u %zd %.*s\n", priority, n, (int)n, body);
    free(body);
    return 0;
}

static int semaphore(const char *verb, const char *name, int count) {
    int make = strcmp(verb, "sem") == 0, value = 0;
    sem_t *it = make ? sem_open(name, O_CREAT | O_EXCL, 0600, (unsigned)count) : sem_open(name, 0);
    if (it == SEM_FAILED)
        return errno;
    for (int i = 0; !make && i < count; i++)
        if ((strcmp(verb, "post") == 0 ? sem_post(it) : sem_wait(it)) < 0)
            return errno;
    sem_getvalue(it, &value);
    printf("%d\n", value);
    return 0;
}

static int in_memory(const char *name, int make, int count) {
    int fd = shm_open(name, O_RDWR, 0), value = 0;
    char *at = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return errno;
    sem_t *it = (sem_t *)(at + 64);
    if (make && sem_init(it, 1, (unsigned)count) < 0)
        return errno;
    for (; !make && count; count += count < 0 ? 1 : -1)
        if ((count > 0 ? sem_post(it) : sem_wait(it)) < 0)
            return errno;
    sem_getvalue(it, &value);
    printf("%d\n", value);
    return 0;
}

int main(int argc, char **argv) {
    const struct timespec soon = {0, 50000000};
    const char *verb = argc > 2 ? argv[1] : "", *name = argc > 2 ? argv[2] : "";
    if (strcmp(verb, "make") == 0 && argc == 5)
        return queue_make(name, atol(argv[3]), atol(argv[4]));
    if (strcmp(verb, "send") == 0 && argc == 5)
        return queue_send(name, (unsigned)atol(argv[3]), argv[4]);
    if (strcmp(verb, "take") == 0)
        return queue_take(name, 0, NULL);
    if (strcmp(verb, "late") == 0)
        return queue_take(name, 0, &soon);
    if (strcmp(verb, "short") == 0)
        return queue_take(name, 1, NULL);
    if (argc == 4 && (strcmp(verb, "place") == 0 || strcmp(verb, "inside") == 0))
        return in_memory(name, verb[0] == 'p', atoi(argv[3]));
    if (argc == 4)
        return semaphore(verb, name, atoi(argv[3]));
    return 2;
}
