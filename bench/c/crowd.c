/* crowd FOLDER N: N processes that have to do with each other, as those of a busy machine do; for the inspector.
 *
 * Each has 8 to 17 descriptors: a pipe and a socket shared with each of its neighbours, a log, pipes of its own, and some
 * of: counters, an epoll, locked files, FIFOs, memory files, POSIX queues; half of them have shared memory mapped. Most
 * sleep in one call or another. Prints a line when all are there; they end with its standard input.
 */
#include "common.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { LOGS = 64, MEMORIES = 50, OBJECTS = 20, QUEUES = 5 };

struct member {
    int left_pipe, right_pipe, left_socket, right_socket, counter, poller, lock;
    unsigned *word;
};

static const char *folder;
static int sets[OBJECTS], queues[OBJECTS], segments[OBJECTS];

static int file(const char *name, long number, int flags)
{
    char path[300];
    int fd;
    snprintf(path, sizeof path, "%s/%s.%ld", folder, name, number);
    check((fd = open(path, flags | O_CREAT, 0600)) >= 0, path);
    return fd;
}

static unsigned *memory(long number) /* a name in /dev/shm, mapped; its descriptor is closed, as most programs do */
{
    char name[60];
    unsigned *word;
    int fd;
    snprintf(name, sizeof name, "/crowd.%ld", number);
    check((fd = shm_open(name, O_RDWR | O_CREAT, 0600)) >= 0 && ftruncate(fd, 65536) == 0, name);
    word = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(word != MAP_FAILED, "mmap");
    close(fd);
    return word;
}

static void objects(void) /* what nobody needs a descriptor for */
{
    for (int i = 0; i < OBJECTS; i++) {
        sets[i] = semget(IPC_PRIVATE, 4, 0600);
        queues[i] = msgget(IPC_PRIVATE, 0600);
        segments[i] = shmget(IPC_PRIVATE, 8192, 0600);
        check(sets[i] >= 0 && queues[i] >= 0 && segments[i] >= 0, "System V objects");
    }
}

static void locks(struct member *m, long i) /* one in five has a locked file; one in fifty waits for its neighbour's */
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    if (i % 10 == 0)
        check(flock(m->lock = file("flock", i, O_RDWR), LOCK_EX) == 0, "flock");
    if (i % 10 == 5)
        check(fcntl(m->lock = file("posix", i, O_RDWR), F_SETLK, &whole) == 0, "F_SETLK");
    if (i % 50 == 11)
        m->lock = file("flock", i - 1, O_RDWR);
}

static void fifo(long i)
{
    char path[300];
    snprintf(path, sizeof path, "%s/fifo.%ld", folder, i);
    check(mkfifo(path, 0600) == 0 && open(path, O_RDWR) >= 0, path);
}

static void posix_queue(long i)
{
    char name[60];
    struct mq_attr small = {.mq_maxmsg = 2, .mq_msgsize = 64};
    snprintf(name, sizeof name, "/crowd.%ld", i % QUEUES);
    mq_open(name, O_RDWR | O_CREAT, 0600, &small); /* a limit of the machine may forbid it */
}

static void rarities(struct member *m, long i)
{
    int fd, own[2];
    for (int more = i % 5; more > 0; more--)
        check(pipe(own) == 0, "pipe");
    if (i % 25 == 1)
        fifo(i);
    if (i % 20 == 2) {
        check((fd = memfd_create("crowd", 0)) >= 0 && ftruncate(fd, 4096) == 0, "memfd");
        check(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED, "mmap");
    }
    if (i % 20 == 3)
        check(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, "mmap");
    if (i % 100 == 4)
        check(shmat(segments[i / 100 % OBJECTS], NULL, 0) != (void *)-1, "shmat");
    if (i % 100 == 5)
        posix_queue(i / 100);
    if (i % 2 == 0)
        m->word = memory(i / 2 % MEMORIES);
}

static void equip(struct member *m, long i)
{
    struct epoll_event event = {.events = EPOLLIN};
    file("log", i % LOGS, O_WRONLY | O_APPEND);
    if (i % 4 == 0)
        check((m->counter = eventfd(0, 0)) >= 0, "eventfd");
    if (i % 8 == 4) {
        check((m->poller = epoll_create1(0)) >= 0, "epoll");
        check(epoll_ctl(m->poller, EPOLL_CTL_ADD, m->counter, &event) == 0, "epoll");
        check(epoll_ctl(m->poller, EPOLL_CTL_ADD, m->left_socket, &event) == 0, "epoll");
    }
    locks(m, i);
    rarities(m, i);
}

static void wait_rarely(struct member *m, long i)
{
    struct sembuf down = {1, -1, 0};
    struct { long type; char body[8]; } message;
    if (i % 50 == 11)
        flock(m->lock, LOCK_EX);
    if (i % 50 == 12)
        semop(sets[i / 50 % OBJECTS], &down, 1);
    if (i % 50 == 13)
        msgrcv(queues[i / 50 % OBJECTS], &message, 8, 0, 0);
}

static void sleep_in_a_call(struct member *m, long i)
{
    char c;
    struct epoll_event event;
    struct pollfd both[] = {{m->left_pipe, POLLIN, 0}, {m->left_socket, POLLIN, 0}};
    wait_rarely(m, i);
    switch (i % 8) {
    case 0: syscall(SYS_futex, m->word, FUTEX_WAIT, 0, NULL, NULL, 0); break;
    case 1: case 2: (void)!read(m->left_pipe, &c, 1); break;
    case 3: poll(both, 2, -1); break;
    case 4: epoll_wait(m->poller, &event, 1, -1); break;
    case 5: recv(m->left_socket, &c, 1, 0); break;
    case 6: sleep(10000); break;
    }
    for (;;)
        pause();
}

static void live(struct member *m, long i, int ready, int parent)
{
    int nothing = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    equip(m, i);
    check(write(ready, "r", 1) == 1, "ready");
    for (int fd = 0; fd < 3; fd++)
        dup2(nothing, fd);
    close(nothing);
    close(ready);
    sleep_in_a_call(m, i);
}

static void fill(long n, int ready[2]) /* each has one side of what goes to the left, and one of what goes to the right */
{
    int left[2], right[2], before[2], after[2], parent = getpid();
    char c;
    check(pipe(left) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, before) == 0, "pipe");
    for (long i = 0; i < n; i++) {
        check(pipe(right) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, after) == 0, "pipe");
        struct member m = {left[0], right[1], before[1], after[0], -1, -1, -1, NULL};
        int pid = fork();
        check(pid >= 0, "fork");
        if (pid == 0) {
            close(left[1]), close(right[0]), close(before[0]), close(after[1]), close(ready[0]);
            live(&m, i, ready[1], parent);
        }
        check(read(ready[0], &c, 1) == 1, "a member");
        close(left[0]), close(left[1]), close(before[0]), close(before[1]);
        memcpy(left, right, sizeof left);
        memcpy(before, after, sizeof before);
    }
}

int main(int argc, char **argv)
{
    int ready[2];
    char c;
    check(argc == 3, "usage: crowd FOLDER N");
    folder = argv[1];
    objects();
    check(pipe(ready) == 0, "pipe");
    fill(atol(argv[2]), ready);
    printf("ready\n");
    fflush(stdout);
    while (read(0, &c, 1) > 0) {
    }
    for (int i = 0; i < OBJECTS; i++) {
        semctl(sets[i], 0, IPC_RMID);
        msgctl(queues[i], IPC_RMID, NULL);
        shmctl(segments[i], IPC_RMID, NULL);
    }
    return 0; /* and its children are killed */
}
