#include "latch.h"

#include "atomics.h"
#include "forward.h"
#include "origin.h"
#include <stdlib.h>
#include <sys/eventfd.h>

/* Never freed, as a handler in another thread may just have found it; used again once nobody is in it. */
struct uipc_latch {
    _Atomic int users; /* the owner and the handlers at work: the last one out closes `fd` */
    _Atomic uint64_t count;
    _Atomic int value, number, ignored_before;
    int fd, shown;
    struct sigaction before;
    struct uipc_latch *next;
};

static struct uipc_latch *all;
static struct uipc_latch *_Atomic counting[UIPC_SIGNALS];

static int enter(struct uipc_latch *latch)
{
    int users = atomic_load(&latch->users);
    while (users > 0)
        if (atomic_compare_exchange_weak(&latch->users, &users, users + 1))
            return 1;
    return 0;
}

static void leave(struct uipc_latch *latch)
{
    int fd = latch->fd;
    if (atomic_fetch_sub(&latch->users, 1) == 1 && fd >= 0)
        close(fd);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    uint64_t one = 1;
    struct uipc_latch *latch = atomic_load(&counting[number]);
    struct uipc_origin origin;
    (void)context;
    if (!latch || !enter(latch))
        return;
    if (atomic_load(&latch->number) == number) { /* else it has just become another signal's */
        uipc_origin_of_info(&origin, info);
        atomic_store_explicit(&latch->value, origin.value, memory_order_relaxed);
        /* SYNC latch-count (release): who sees the count sees the value */
        atomic_fetch_add_explicit(&latch->count, 1, memory_order_release);
        if (latch->fd >= 0 && write(latch->fd, &one, sizeof one) < 0)
            errno = kept; /* the event counter is full: it wakes whoever waits all the same */
    }
    leave(latch);
    errno = kept;
}

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY (1024 + 3)
#endif
#define KCMP_FILE 0

/* Who closed the shown number himself may have another file there by now. All files without a name of their own (event
 * counters, epoll, timers) are one inode: what is asked is whether it is one open file. If no call tells (before Linux
 * 6.10, and kcmp refused), it is left alone: the child's counter is then seen by its other number only. */
static int is_shown(const struct uipc_latch *latch)
{
    int same = fcntl(latch->fd, F_DUPFD_QUERY, latch->shown);
    if (same < 0) {
        pid_t self = getpid();
        same = syscall(SYS_kcmp, self, self, KCMP_FILE, latch->fd, latch->shown) == 0;
    }
    return same == 1;
}

/* A forked child counts for itself: its event counter is its own, and the parent's handlers are not at work here. */
static void in_the_child(void)
{
    uint64_t one = 1;
    for (struct uipc_latch *each = all; each; each = each->next) {
        int running = atomic_load(&counting[atomic_load(&each->number)]) == each, own, shown;
        if (atomic_exchange(&each->users, running) == 0)
            continue;
        if (!running) {
            close(each->fd);
            continue;
        }
        own = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (own < 0)
            continue;
        shown = is_shown(each);
        dup3(own, each->fd, O_CLOEXEC);
        if (shown)
            dup3(own, each->shown, O_CLOEXEC);
        close(own);
        if (atomic_load(&each->count) && write(each->fd, &one, sizeof one) < 0)
            continue;
    }
}

/* No handler runs in the child before its event counters are its own: the parent's would be told. */
static __thread sigset_t before_fork;

static void block(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_fork);
}

static void unblock(void) { pthread_sigmask(SIG_SETMASK, &before_fork, NULL); }

static void begin_in_the_child(void)
{
    in_the_child();
    unblock();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void watch_forks(void) { pthread_atfork(block, unblock, begin_in_the_child); }

static struct uipc_latch *unused(void)
{
    struct uipc_latch *each;
    for (each = all; each; each = each->next)
        if (atomic_load(&each->users) == 0)
            return each;
    each = calloc(1, sizeof *each);
    if (each) {
        each->next = all;
        all = each;
    }
    return each;
}

static int install(int number, struct uipc_latch *latch)
{
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    /* Counted before the handler is there, or its first signals would find nothing to count in. */
    atomic_store(&counting[number], latch);
    if (sigaction(number, &ours, &latch->before) == 0) {
        atomic_store(&latch->ignored_before, uipc_ignores(&latch->before));
        return 0;
    }
    atomic_store(&counting[number], NULL);
    return errno;
}

int uipc_latch_start(int number, int shown, struct uipc_latch **made)
{
    struct uipc_latch *latch;
    int error;
    pthread_once(&once, watch_forks);
    if (number < 1 || number >= UIPC_SIGNALS)
        return EINVAL;
    if (uipc_latch_is_on(number) || uipc_forward_is_on(number))
        return EBUSY;
    if (!(latch = unused()))
        return ENOMEM;
    if ((latch->fd = fcntl(shown, F_DUPFD_CLOEXEC, 0)) < 0)
        return errno;
    latch->shown = shown;
    atomic_store(&latch->number, number);
    atomic_store(&latch->count, 0);
    atomic_store(&latch->value, 0);
    atomic_store(&latch->ignored_before, 0);
    atomic_store(&latch->users, 1);
    error = install(number, latch);
    if (error)
        leave(latch);
    else
        *made = latch;
    return error;
}

void uipc_latch_stop(struct uipc_latch *latch)
{
    struct sigaction now;
    int number = atomic_load(&latch->number);
    if (sigaction(number, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal)
        sigaction(number, &latch->before, NULL);
    atomic_store(&counting[number], NULL);
    leave(latch);
}

int uipc_latch_is_on(int number) { return atomic_load(&counting[number]) != NULL; }

int uipc_latch_ignored_before(int number)
{
    struct uipc_latch *latch = atomic_load(&counting[number]);
    return latch && atomic_load(&latch->ignored_before);
}

/* SYNC latch-count (acquire) */
uint64_t uipc_latch_count(struct uipc_latch *latch)
{
    return atomic_load_explicit(&latch->count, memory_order_acquire);
}
uint64_t uipc_latch_take(struct uipc_latch *latch)
{
    return atomic_exchange_explicit(&latch->count, 0, memory_order_acquire);
}
int uipc_latch_value(struct uipc_latch *latch) { return atomic_load_explicit(&latch->value, memory_order_relaxed); }
