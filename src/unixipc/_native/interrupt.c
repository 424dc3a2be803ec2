#include "interrupt.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static pthread_mutex_t choosing = PTHREAD_MUTEX_INITIALIZER;
static int chosen; /* 0: not yet */

static void do_nothing(int number) { (void)number; }

static int choose(void) {
    for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
        struct sigaction now, ours = {.sa_handler = do_nothing, .sa_flags = SA_ONSTACK};
        if (sigaction(number, NULL, &now) != 0 || now.sa_handler != SIG_DFL)
            continue;
        sigemptyset(&ours.sa_mask);
        if (sigaction(number, &ours, NULL) != 0)
            return errno;
        chosen = number;
        return 0;
    }
    return EBUSY; /* the program handles every real-time signal itself */
}

int uipc_wake_signal(int *number) {
    struct sigaction now;
    pthread_mutex_lock(&choosing);
    /* Programs that reset all handlers (daemons do) take ours away: without it a wake-up would kill or do nothing. */
    int ours = chosen && sigaction(chosen, NULL, &now) == 0 && now.sa_handler == do_nothing;
    int error = ours ? 0 : choose();
    *number = chosen;
    pthread_mutex_unlock(&choosing);
    return error;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_t main_thread;
static int main_known;

static void this_is_main(void) {
    main_thread = pthread_self();
    main_known = 1;
}

static void look_for_main(void) {
    if ((pid_t)syscall(SYS_gettid) == getpid())
        this_is_main();
    pthread_atfork(NULL, NULL, this_is_main);
}

/* Asked at every wait, so it is remembered; only if somebody else asked first is it two system calls each time. */
int uipc_is_main_thread(void) {
    pthread_once(&once, look_for_main);
    if (main_known)
        return pthread_equal(main_thread, pthread_self());
    return (pid_t)syscall(SYS_gettid) == getpid();
}

int uipc_alarm_create(timer_t *alarm) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID};
    int error = uipc_wake_signal(&event.sigev_signo);
    if (error)
        return error;
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    return timer_create(CLOCK_MONOTONIC, &event, alarm) == 0 ? 0 : errno;
}

int uipc_alarm_at(timer_t alarm, int64_t monotonic_ns) {
    struct itimerspec when = {.it_interval = {0, UIPC_REPEAT_NS}};
    if (monotonic_ns < 0)
        when.it_interval.tv_nsec = 0; /* all zero: disarmed */
    else {
        when.it_value.tv_sec = monotonic_ns / 1000000000;
        when.it_value.tv_nsec = monotonic_ns % 1000000000;
        if (monotonic_ns == 0)
            when.it_value.tv_nsec = 1; /* long past, so at once; zero would disarm */
    }
    return timer_settime(alarm, TIMER_ABSTIME, &when, NULL) == 0 ? 0 : errno;
}

void uipc_alarm_delete(timer_t alarm) { timer_delete(alarm); }
