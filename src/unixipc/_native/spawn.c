#include "spawn.h"
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#define STACK_BYTES (128 * 1024)

static _Noreturn void give_up(struct uipc_spawn *plan, const char *step) {
    plan->error = errno;
    plan->step = step;
    _exit(127);
}

/* A handler of the parent must not run in the child, which shares its memory. Ignored stays ignored, as with exec,
 * but for the two that Python ignores on its own behalf: programs expect to die of SIGPIPE. */
static void reset_handlers(const sigset_t *ignored) {
    struct sigaction plain = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN}, now;
    for (int number = 1; number <= SIGRTMAX; number++) {
        if (sigaction(number, NULL, &now) != 0)
            continue;
        int ours = number == SIGPIPE || number == SIGXFSZ;
        if (now.sa_handler == SIG_IGN && !ours)
            continue;
        sigaction(number, sigismember(ignored, number) == 1 && !ours ? &ignore : &plain, NULL);
    }
}

static int is_target(const struct uipc_spawn *plan, int number) {
    for (int i = 0; i < plan->move_count; i++)
        if (plan->moves[i][1] == number)
            return 1;
    return number <= 2;
}

/* A copy of the source at a number that is nobody's target; what is skipped on the way is closed at exec. */
static int out_of_the_way(struct uipc_spawn *plan, int source) {
    int copy = fcntl(source, F_DUPFD_CLOEXEC, 3);
    while (copy >= 0 && is_target(plan, copy))
        copy = fcntl(source, F_DUPFD_CLOEXEC, copy + 1);
    return copy;
}

/* All sources first move away from the targets, so that no dup2 overwrites a source that is still needed. */
static void place_descriptors(struct uipc_spawn *plan) {
    for (int i = 0; i < plan->move_count; i++) {
        plan->moves[i][0] = out_of_the_way(plan, plan->moves[i][0]);
        if (plan->moves[i][0] < 0)
            give_up(plan, "fcntl(F_DUPFD_CLOEXEC)");
    }
    for (int i = 0; i < plan->move_count; i++)
        if (dup2(plan->moves[i][0], plan->moves[i][1]) < 0)
            give_up(plan, "dup2(2)");
}

/* What was not given by name stays here: close-on-exec for all but the targets (Linux 5.11; before: as it is). */
static void keep_the_rest_home(struct uipc_spawn *plan) {
    syscall(SYS_close_range, 3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    for (int i = 0; i < plan->move_count; i++)
        if (plan->moves[i][1] > 2)
            fcntl(plan->moves[i][1], F_SETFD, 0);
}

/* A parent outside of our pid namespace has the number 0 here: then its pidfd is asked. */
int uipc_parent_has_ended(pid_t parent, int pidfd) {
    struct pollfd one = {.fd = pidfd, .events = POLLIN};
    pid_t now = getppid();
    return now ? now != parent : pidfd >= 0 && poll(&one, 1, 0) > 0;
}

static void enter_family(struct uipc_spawn *plan) {
    if (plan->new_session && setsid() < 0)
        give_up(plan, "setsid(2)");
    if (plan->new_group && !plan->new_session && setpgid(0, 0) < 0)
        give_up(plan, "setpgid(2)");
    if (!plan->death_signal)
        return;
    if (prctl(PR_SET_PDEATHSIG, plan->death_signal) < 0)
        give_up(plan, "prctl(PR_SET_PDEATHSIG)");
    if (uipc_parent_has_ended(plan->parent, plan->parent_pidfd)) { /* before the prctl: the signal will never come */
        raise(plan->death_signal);
        if (getpid() == 1) /* the first process of a namespace does not die of its own signals */
            _exit(127);
    }
}

static int run_child(void *argument) {
    struct uipc_spawn *plan = argument;
    reset_handlers(&plan->ignored);
    enter_family(plan);
    if (plan->folder && chdir(plan->folder) < 0)
        give_up(plan, "chdir(2)");
    place_descriptors(plan);
    keep_the_rest_home(plan);
    pthread_sigmask(SIG_SETMASK, &plan->mask, NULL);
    int error = ENOENT;
    for (char *const *path = plan->candidates; *path; path++) {
        execve(*path, plan->argv, plan->envp);
        if (errno == EACCES)
            error = EACCES; /* as execvp: found but not allowed is worth more than not found elsewhere */
        else if (errno != ENOENT && errno != ENOTDIR) {
            error = errno;
            break;
        }
    }
    errno = error;
    give_up(plan, "execve(2)");
}

static int start(struct uipc_spawn *plan, char *stack, pid_t *pid, int *pidfd) {
    sigset_t all, before;
    int status;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sigemptyset(&plan->ignored);
    if (plan->leave_out) /* now: no handler can block one more for a stream's sake */
        plan->leave_out(&plan->mask, &plan->ignored);
    *pid = clone(run_child, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, plan, pidfd);
    int error = *pid < 0 ? errno : plan->error;
    if (*pid < 0)
        plan->step = "clone(2)";
    else if (error) { /* it has ended already, and signals are blocked: this neither sleeps nor is interrupted */
        waitpid(*pid, &status, 0);
        close(*pidfd);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* A death signal comes when the *thread* that started the child ends: this one lasts as long as the process. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER, asking = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct { struct uipc_spawn *plan; char *stack; pid_t *pid; int *pidfd, error; } job; /* plan NULL: none, or done */
static int lasting;

static void *last(void *nothing) {
    (void)nothing;
    pthread_mutex_lock(&asking);
    for (;;) {
        while (!job.plan)
            pthread_cond_wait(&changed, &asking);
        job.error = start(job.plan, job.stack, job.pid, job.pidfd);
        job.plan = NULL;
        pthread_cond_broadcast(&changed);
    }
    return NULL;
}

/* A forked process has no such thread yet, whatever its parent's was doing. */
static void forget(void) {
    lasting = 0;
    job.plan = NULL;
    turn = asking = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void watch_forks(void) { pthread_atfork(NULL, NULL, forget); }

static int begin_to_last(void) {
    sigset_t all, before;
    pthread_t thread;
    pthread_once(&once, watch_forks);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* it is nobody's to handle signals in */
    int error = pthread_create(&thread, NULL, last, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    lasting = !error;
    return error;
}

static int start_in_a_lasting_thread(struct uipc_spawn *plan, char *stack, pid_t *pid, int *pidfd) {
    pthread_mutex_lock(&turn);
    int error = lasting ? 0 : begin_to_last();
    if (error)
        plan->step = "pthread_create(3)";
    else {
        pthread_mutex_lock(&asking);
        job.plan = plan, job.stack = stack, job.pid = pid, job.pidfd = pidfd;
        pthread_cond_broadcast(&changed);
        while (job.plan)
            pthread_cond_wait(&changed, &asking);
        error = job.error;
        pthread_mutex_unlock(&asking);
    }
    pthread_mutex_unlock(&turn);
    return error;
}

int uipc_spawn(struct uipc_spawn *plan, pid_t *pid, int *pidfd) {
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        plan->step = "mmap(2)";
        return errno;
    }
    plan->parent = getpid();
    plan->parent_pidfd = plan->death_signal ? (int)syscall(SYS_pidfd_open, plan->parent, 0) : -1;
    plan->error = 0;
    pthread_sigmask(SIG_BLOCK, NULL, &plan->mask);
    int error = (plan->lasting ? start_in_a_lasting_thread : start)(plan, stack, pid, pidfd);
    munmap(stack, STACK_BYTES);
    if (plan->parent_pidfd >= 0)
        close(plan->parent_pidfd);
    return error;
}
