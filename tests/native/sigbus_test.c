/* The guard alone: faults in guarded memory are repaired, each by its own guard, while threads change the table; every
 * other SIGBUS reaches whoever had it. */
#include "sigbus.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MAPPINGS 200
#define TURNS 300

static size_t page;
static sigjmp_buf back;
static volatile sig_atomic_t theirs;

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "failed: %s\n", what);
        exit(1);
    }
}

static int memory_file(size_t pages)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    check(fd >= 0 && ftruncate(fd, (off_t)(pages * page)) == 0, "memfd_create");
    return fd;
}

static volatile char *mapped(int fd, size_t pages, int protection)
{
    void *where = mmap(NULL, pages * page, protection, MAP_SHARED, fd, 0);
    check(where != MAP_FAILED, "mmap");
    return where;
}

static void before_us(int number)
{
    (void)number;
    theirs++;
    if (theirs == 1)
        siglongjmp(back, 1);
}

static void repairs(int protection)
{
    int fd = memory_file(4);
    volatile char *memory = mapped(fd, 4, protection);
    struct uipc_guard *guard = uipc_guard_add((void *)memory, 4 * page, page, protection);
    check(guard != NULL, "guard");
    check(ftruncate(fd, (off_t)page) == 0, "ftruncate");
    check(memory[0] == 0 && uipc_guard_damaged(guard) == 0, "what is there is left alone");
    check(memory[page + 5] == 0 && uipc_guard_damaged(guard) == 1, "one page");
    check(memory[page] == 0 && uipc_guard_damaged(guard) == 1, "the same page again");
    if (protection & PROT_WRITE) {
        memory[3 * page] = 7;
        check(memory[3 * page] == 7 && uipc_guard_damaged(guard) == 2, "written to");
    }
    uipc_guard_remove(guard);
    munmap((void *)memory, 4 * page);
    close(fd);
}

static void each_its_own(void)
{
    static volatile char *memory[MAPPINGS];
    static struct uipc_guard *guards[MAPPINGS];
    int fd = memory_file(1);
    for (int i = 0; i < MAPPINGS; i++) {
        memory[i] = mapped(fd, 1, PROT_READ | PROT_WRITE);
        guards[i] = uipc_guard_add((void *)memory[i], page, page, PROT_READ | PROT_WRITE);
    }
    check(ftruncate(fd, 0) == 0, "ftruncate");
    for (int i = 0; i < MAPPINGS; i++) {
        memory[i][i] = 1;
        for (int j = 0; j < MAPPINGS; j++)
            check(uipc_guard_damaged(guards[j]) == (j <= i), "its own guard and no other");
    }
    for (int i = 0; i < MAPPINGS; i++) {
        uipc_guard_remove(guards[i]);
        munmap((void *)memory[i], page);
    }
    close(fd);
}

static void *churn(void *unused)
{
    (void)unused;
    for (int turn = 0; turn < TURNS; turn++) {
        int fd = memory_file(3);
        volatile char *memory = mapped(fd, 3, PROT_READ);
        struct uipc_guard *guard = uipc_guard_add((void *)memory, 3 * page, page, PROT_READ);
        check(ftruncate(fd, (off_t)page) == 0, "ftruncate");
        check(memory[page] + memory[2 * page] == 0 && uipc_guard_damaged(guard) == 2, "repaired in a thread");
        uipc_guard_remove(guard);
        munmap((void *)memory, 3 * page);
        close(fd);
    }
    return NULL;
}

static void in_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        check(pthread_create(&threads[i], NULL, churn, NULL) == 0, "pthread_create");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void everything_else_is_theirs(void)
{
    int fd = memory_file(1);
    volatile char *memory = mapped(fd, 1, PROT_READ);
    check(ftruncate(fd, 0) == 0, "ftruncate");
    if (sigsetjmp(back, 1) == 0) {
        check(memory[0], "this line is not reached");
        exit(1);
    }
    check(theirs == 1, "a fault elsewhere reached them");
    raise(SIGBUS);
    check(theirs == 2, "what is sent reached them");
    munmap((void *)memory, page);
    close(fd);
}

static void a_child_without_a_handler_dies(void)
{
    int status;
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        alarm(20);
        signal(SIGBUS, SIG_DFL);
        uipc_guard_install();
        raise(SIGBUS);
        _exit(0);
    }
    check(waitpid(child, &status, 0) == child, "waitpid");
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "killed by SIGBUS");
}

int main(void)
{
    struct sigaction action;
    page = (size_t)sysconf(_SC_PAGESIZE);
    memset(&action, 0, sizeof action);
    action.sa_handler = before_us;
    sigaction(SIGBUS, &action, NULL);
    repairs(PROT_READ);
    repairs(PROT_READ | PROT_WRITE);
    each_its_own();
    in_threads();
    a_child_without_a_handler_dies();
    everything_else_is_theirs();
    puts("sigbus: ok");
    return 0;
}
