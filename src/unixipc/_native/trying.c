#include "trying.h"

#include "clock.h"
#include "interrupt.h"

/* How long a call may find nothing. An alarm that is due before the clock's next tick takes microseconds to set, one
 * behind it half of one: so what is often in vain (a connection that wakes every server) is ended soon, what is nearly
 * never (the room that poll saw was taken by another writer) later. */
#define SOON_NS 100000
#define A_WHILE_NS 1000000
#define LATER_NS 4000000

struct hurry {
    sigset_t wake;
    int was_blocked;
};

/* One alarm a thread, kept: to make and delete one would take longer than the call. */
static __thread struct own {
    timer_t alarm;
    int signal; /* that it sends; 0: there is none yet */
    unsigned forks;
} own;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static unsigned forks; /* a forked process has no timers */

static void count_fork(void) { forks++; }

static void drop(void *alarm)
{
    struct own *mine = alarm;
    if (mine->signal && mine->forks == forks)
        uipc_alarm_delete(mine->alarm);
    mine->signal = 0;
}

static void begin_to_keep(void)
{
    pthread_atfork(NULL, NULL, count_fork);
    pthread_key_create(&at_thread_end, drop);
}

/* 0, or an errno. */
static int have_alarm(int signal)
{
    int error;
    if (own.signal == signal && own.forks == forks)
        return 0;
    pthread_once(&once, begin_to_keep);
    drop(&own);
    if ((error = uipc_alarm_create(&own.alarm)))
        return error;
    own.signal = signal;
    own.forks = forks;
    pthread_setspecific(at_thread_end, &own);
    return 0;
}

/* From then on, this thread's calls in the kernel are interrupted. 0, or an errno. */
static int begin(struct hurry *hurry, int64_t most_ns)
{
    sigset_t before;
    int number, error = uipc_wake_signal(&number);
    if (!error)
        error = have_alarm(number);
    if (error)
        return error;
    sigemptyset(&hurry->wake);
    sigaddset(&hurry->wake, number);
    pthread_sigmask(SIG_UNBLOCK, &hurry->wake, &before);
    hurry->was_blocked = sigismember(&before, number) == 1;
    return uipc_alarm_at(own.alarm, uipc_now_ns() + most_ns);
}

static void end(struct hurry *hurry)
{
    int kept = errno;
    uipc_alarm_at(own.alarm, -1);
    if (hurry->was_blocked)
        pthread_sigmask(SIG_BLOCK, &hurry->wake, NULL);
    errno = kept;
}

/* If poll itself fails, the call tells. */
static int is_ready(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    int rc = poll(&one, 1, 0);
    return rc > 0 || (rc < 0 && errno != EINTR);
}

/* 0 when there is something to try under the alarm, else what the try gives. */
static int prepare(struct hurry *hurry, int fd, short events, int64_t most_ns)
{
    int error;
    if (!is_ready(fd, events)) {
        errno = EAGAIN;
        return -1;
    }
    if ((error = begin(hurry, most_ns)) == 0)
        return 0;
    errno = error;
    return UIPC_NO_ALARM;
}

ssize_t uipc_guarded_read(int fd, void *into, size_t n)
{
    struct hurry hurry;
    ssize_t got = prepare(&hurry, fd, POLLIN, A_WHILE_NS);
    if (got)
        return got;
    got = read(fd, into, n);
    end(&hurry);
    return got;
}

ssize_t uipc_try_read(int fd, void *into, size_t n)
{
    struct iovec piece = {into, n};
    ssize_t got = preadv2(fd, &piece, 1, -1, RWF_NOWAIT);
    return got >= 0 || errno != EOPNOTSUPP ? got : uipc_guarded_read(fd, into, n);
}

/* Piece by piece: what is "ready" has room for PIPE_BUF, and in blocking mode more would wait for room for all of it. */
ssize_t uipc_guarded_write(int fd, const void *data, size_t n)
{
    struct hurry hurry;
    size_t done = 0;
    ssize_t put = prepare(&hurry, fd, POLLOUT, LATER_NS);
    if (put)
        return put;
    do {
        put = write(fd, (const char *)data + done, n - done < PIPE_BUF ? n - done : PIPE_BUF);
        done += put > 0 ? (size_t)put : 0;
    } while (put > 0 && done < n && is_ready(fd, POLLOUT));
    end(&hurry);
    return done || put >= 0 ? (ssize_t)done : put;
}

/* It would wait only while 2**64 - 2 have been added, so that looking at the flag is enough. */
ssize_t uipc_try_add(int fd, uint64_t n)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && flags & O_NONBLOCK ? write(fd, &n, sizeof n) : uipc_guarded_write(fd, &n, sizeof n);
}

int uipc_try_accept(int fd)
{
    struct hurry hurry;
    int number = prepare(&hurry, fd, POLLIN, SOON_NS);
    if (number)
        return number;
    number = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    end(&hurry);
    return number;
}
