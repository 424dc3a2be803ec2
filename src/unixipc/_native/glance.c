/* Closing a descriptor is not without consequences: it drops this process's POSIX locks on the file (fcntl(2)), and its
 * registration at a message queue (mq_notify(3)), whichever descriptor it is. Both are tied to the process that closes.
 * So another one opens and closes: a child that shares our memory but not our table of descriptors, and that nobody is
 * told of (no signal, and no wait(2) finds it that does not ask for __WCLONE).
 */
#include "glance.h"
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#define STACK_BYTES (64 * 1024)

struct errand {
    struct uipc_glance *files;
    size_t n;
    int space, protocol, result;
};

/* First as a mere place, so that nothing happens to a FIFO or a device that has come under this name. */
static int open_regular(const char *path) {
    struct stat found;
    char here[40];
    int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
    if (place < 0)
        return -1;
    if (fstat(place, &found) == 0 && S_ISREG(found.st_mode)) {
        snprintf(here, sizeof here, "/proc/self/fd/%d", place);
        fd = open(here, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    close(place);
    return fd;
}

static void glance(struct uipc_glance *file) {
    long attributes[8];
    int fd = open_regular(file->path);
    if (fd < 0)
        return;
    ssize_t count = pread(fd, file->bytes, file->most, 0);
    if (syscall(SYS_mq_getsetattr, fd, NULL, attributes) == 0)
        memcpy(file->queue, attributes, sizeof file->queue);
    file->seals = fcntl(fd, F_GET_SEALS);
    file->count = count < 0 ? 0 : count;
    close(fd);
}

static int look(void *argument) {
    struct errand *errand = argument;
    for (size_t i = 0; i < errand->n; i++)
        glance(&errand->files[i]);
    return 0;
}

static int enter_and_open(void *argument) {
    struct errand *errand = argument;
    int fd = setns(errand->space, CLONE_NEWNET) < 0
                 ? -1
                 : socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, errand->protocol);
    errand->result = fd < 0 ? -errno : fd;
    return 0;
}

/* Our handlers must not run in a child that shares our memory: all signals wait until it has ended. */
static int run_aside(int (*work)(void *), struct errand *errand, int flags) {
    sigset_t all, before;
    int error = 0, status;
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(work, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | flags, errand);
    if (pid < 0)
        error = errno;
    else
        waitpid(pid, &status, __WCLONE);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_BYTES);
    return error;
}

int uipc_glance_at(struct uipc_glance *files, size_t n) {
    struct errand errand = {.files = files, .n = n};
    for (size_t i = 0; i < n; i++) {
        files[i].count = -1;
        files[i].queue[0] = files[i].seals = -1;
    }
    return run_aside(look, &errand, 0);
}

/* It shares our descriptors: what it opens stays. Its namespace ends with it, and is not ours. */
int uipc_netlink_in(int space, int protocol) {
    struct errand errand = {.space = space, .protocol = protocol, .result = -EINTR};
    int error = run_aside(enter_and_open, &errand, CLONE_FILES);
    if (!error && errand.result >= 0)
        return errand.result;
    errno = error ? error : -errand.result;
    return -1;
}
