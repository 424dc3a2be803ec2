#include "forward.h"

#include "atomics.h"
#include "latch.h"
#include <ucontext.h>

#define SLOTS 512
#define KEPT 64

static struct {
    _Atomic int streams, ignored_before;
    struct sigaction before;
} forwards[UIPC_SIGNALS];

/* The threads that block a signal because of us. */
static struct {
    _Atomic int number; /* 0: free, -1: being written */
    pid_t thread;
    pthread_t self;
} blocking[SLOTS];

/* Signals that could not be queued again. */
static struct {
    _Atomic int number; /* 0: free, -1: being written or read */
    siginfo_t info;
} kept[KEPT];

static _Atomic int marks[UIPC_SIGNALS];
static _Atomic int own;

static pid_t this_thread(void) { return (pid_t)syscall(SYS_gettid); }

/* Takes a free place for this thread. */
static int note_in_a_place(int number)
{
    for (int i = 0; i < SLOTS; i++) {
        int nobody = 0;
        if (!atomic_compare_exchange_strong(&blocking[i].number, &nobody, -1))
            continue;
        blocking[i].thread = this_thread();
        blocking[i].self = pthread_self();
        atomic_store(&blocking[i].number, number);
        return 1;
    }
    return 0;
}

static int is_noted_elsewhere(int number, int place)
{
    for (int i = 0; i < SLOTS; i++)
        if (i != place && atomic_load(&blocking[i].number) == number)
            return 1;
    return 0;
}

/* All places are taken: those of threads that have ended are free again. One for each signal stays: what ended threads
 * have started blocks it too, and programs are started without it. */
static void forget_ended_threads(void)
{
    for (int i = 0; i < SLOTS; i++) {
        int number = atomic_load(&blocking[i].number);
        if (number <= 0 || !is_noted_elsewhere(number, i) || !atomic_compare_exchange_strong(&blocking[i].number, &number, -1))
            continue;
        int ended = syscall(SYS_tgkill, getpid(), blocking[i].thread, 0) < 0 && errno == ESRCH;
        atomic_store(&blocking[i].number, ended ? 0 : number);
    }
}

void uipc_forward_note(int number)
{
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&blocking[i].number) == number && blocking[i].thread == this_thread())
            return;
    if (note_in_a_place(number))
        return;
    forget_ended_threads();
    note_in_a_place(number);
}

static int queue_again(int number, siginfo_t *info)
{
    return (int)syscall(SYS_rt_sigqueueinfo, getpid(), number, info);
}

/* Makes the stream readable: its reader looks at what is kept. */
static void mark(int number)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_value.sival_ptr = &marks;
    if (queue_again(number, &info) == 0)
        return;
    atomic_fetch_add(&marks[number], 1);
    kill(getpid(), number); /* the queue is full: pending all the same, with no information */
}

static void keep(int number, const siginfo_t *info)
{
    for (int i = 0; i < KEPT; i++) {
        int nobody = 0;
        if (!atomic_compare_exchange_strong(&kept[i].number, &nobody, -1))
            continue;
        kept[i].info = *info;
        atomic_store(&kept[i].number, number);
        mark(number);
        return;
    }
    kill(getpid(), number); /* so many at once: at least one more comes */
}

static void on_forward(int number, siginfo_t *info, void *context)
{
    int before = errno;
    uipc_forward_note(number);
    /* SYNC forward-end (seq_cst): noted first, then looked */
    if (atomic_load(&forwards[number].streams) > 0)
        sigaddset(&((ucontext_t *)context)->uc_sigmask, number);
    if (queue_again(number, info) < 0)
        keep(number, info); /* EAGAIN, or EPERM: kill(2)'s and the kernel's only the first thread may queue again */
    errno = before;
}

/* One a mark, never more: a mark that found nothing would be left over, and the old action's at close. */
int uipc_forward_kept(int number, siginfo_t *info)
{
    for (int i = 0; i < KEPT; i++) {
        int full = number;
        if (!atomic_compare_exchange_strong(&kept[i].number, &full, -1))
            continue;
        *info = kept[i].info;
        atomic_store(&kept[i].number, 0);
        return 1;
    }
    return 0;
}

int uipc_forward_is_mark(int number, int code, int pid, uint64_t value)
{
    int left = atomic_load(&marks[number]);
    if (code == SI_QUEUE && pid == getpid() && value == (uint64_t)(uintptr_t)&marks)
        return 1;
    if (code != SI_USER || (pid != 0 && pid != getpid()))
        return 0;
    while (left > 0)
        if (atomic_compare_exchange_weak(&marks[number], &left, left - 1))
            return 1;
    return 0;
}

/* A forked child has one thread, with a number of its own, and its own signals. */
static void in_the_child(void)
{
    for (int i = 0; i < SLOTS; i++) {
        if (atomic_load(&blocking[i].number) > 0 && pthread_equal(blocking[i].self, pthread_self()))
            blocking[i].thread = this_thread();
        else
            atomic_store(&blocking[i].number, 0);
    }
    for (int i = 0; i < KEPT; i++)
        atomic_store(&kept[i].number, 0);
    for (int i = 0; i < UIPC_SIGNALS; i++)
        atomic_store(&marks[i], 0);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void watch_forks(void) { pthread_atfork(NULL, NULL, in_the_child); }

int uipc_forward_start(int number)
{
    struct sigaction ours;
    pthread_once(&once, watch_forks);
    if (number < 1 || number >= UIPC_SIGNALS)
        return EINVAL;
    if (uipc_latch_is_on(number))
        return EBUSY;
    if (atomic_fetch_add(&forwards[number].streams, 1) > 0)
        return 0;
    if (sigaction(number, NULL, &forwards[number].before) == 0) {
        ours = forwards[number].before;
        atomic_store(&forwards[number].ignored_before, uipc_ignores(&ours));
        ours.sa_sigaction = on_forward;
        ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | (ours.sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
        sigfillset(&ours.sa_mask); /* the thread's mask is mended after the handler, not in it */
        if (sigaction(number, &ours, NULL) == 0)
            return 0;
    }
    atomic_store(&forwards[number].ignored_before, 0);
    atomic_store(&forwards[number].streams, 0);
    return errno;
}

/* In the thread whose mask is to be mended: the value is the signal to let through. */
static void on_own(int number, siginfo_t *info, void *context)
{
    (void)number;
    if (info->si_code == SI_QUEUE && info->si_pid == getpid())
        sigdelset(&((ucontext_t *)context)->uc_sigmask, info->si_value.sival_int);
}

static int is_own(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_own;
}

/* Chosen when first needed, and again if somebody took it: the highest real-time signal that nobody handles. */
static int choose_own(void)
{
    struct sigaction now, ours;
    int number = atomic_load(&own);
    if (number && sigaction(number, NULL, &now) == 0 && is_own(&now))
        return number;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_own;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    for (number = SIGRTMAX; number >= SIGRTMIN; number--)
        if (sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL
            && sigaction(number, &ours, NULL) == 0) {
            atomic_store(&own, number);
            return number;
        }
    return 0;
}

static void let_through(pid_t thread, int number)
{
    siginfo_t info;
    sigset_t just;
    int mending;
    if (thread == this_thread()) {
        sigemptyset(&just);
        sigaddset(&just, number);
        pthread_sigmask(SIG_UNBLOCK, &just, NULL);
        return;
    }
    if (syscall(SYS_tgkill, getpid(), thread, 0) < 0 || !(mending = choose_own()))
        return; /* it has ended */
    memset(&info, 0, sizeof info);
    info.si_signo = mending;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = number;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, mending, &info);
}

/* Each one has its mark pending: that is what the old action gets. */
static void drop_kept(int number)
{
    siginfo_t info;
    while (uipc_forward_kept(number, &info))
        continue;
    atomic_store(&marks[number], 0);
}

void uipc_forward_stop(int number)
{
    struct sigaction now;
    /* SYNC forward-end (seq_cst): ended first, then looked who is noted */
    if (atomic_fetch_sub(&forwards[number].streams, 1) != 1)
        return;
    if (sigaction(number, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_forward)
        sigaction(number, &forwards[number].before, NULL);
    atomic_store(&forwards[number].ignored_before, 0);
    drop_kept(number);
    for (int i = 0; i < SLOTS; i++) {
        int found = number;
        pid_t thread;
        if (!atomic_compare_exchange_strong(&blocking[i].number, &found, -1))
            continue;
        thread = blocking[i].thread; /* not before: a handler may just have taken the place for another thread */
        atomic_store(&blocking[i].number, 0);
        let_through(thread, number);
    }
}

void uipc_forward_leave_out(sigset_t *mask, sigset_t *ignored)
{
    for (int i = 0; i < SLOTS; i++) {
        int number = atomic_load(&blocking[i].number);
        if (number > 0) /* of whichever thread: those that were started since have inherited the block */
            sigdelset(mask, number);
    }
    for (int number = 1; number < UIPC_SIGNALS; number++)
        if (atomic_load(&forwards[number].ignored_before) || uipc_latch_ignored_before(number))
            sigaddset(ignored, number);
}

int uipc_forward_is_on(int number) { return atomic_load(&forwards[number].streams) > 0; }
int uipc_forward_own_signal(void) { return atomic_load(&own); }
