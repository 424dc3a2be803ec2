/* signals KIND N CPU CPU: a signal with a value to another process and one back, N times; nanoseconds for both.
 *   KIND: how it is received: signalfd, sigwaitinfo
 */
#include "common.h"
#include <signal.h>
#include <sys/signalfd.h>

static int fd, by_descriptor;
static sigset_t set;

static int receive(void)
{
    if (by_descriptor) {
        struct signalfd_siginfo info;
        check(read(fd, &info, sizeof info) == sizeof info, "signalfd");
        return info.ssi_int;
    }
    siginfo_t info;
    check(sigwaitinfo(&set, &info) == SIGRTMIN, "sigwaitinfo");
    return info.si_value.sival_int;
}

static void queue(pid_t to, int value)
{
    check(sigqueue(to, SIGRTMIN, (union sigval){.sival_int = value}) == 0, "sigqueue");
}

int main(int argc, char **argv)
{
    int status;
    long i, n;
    pid_t pid;
    struct gate gate;
    double begin, end;
    check(argc == 5, "usage: signals KIND N CPU CPU");
    n = atol(argv[2]);
    by_descriptor = strcmp(argv[1], "signalfd") == 0;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    check(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && (fd = signalfd(-1, &set, SFD_CLOEXEC)) >= 0, "signalfd");
    gate_open(&gate);
    if ((pid = fork()) == 0) {
        pin(atoi(argv[3]));
        gate_wait(&gate);
        for (i = 0; i < n; i++)
            queue(getppid(), receive());
        _exit(0);
    }
    pin(atoi(argv[4]));
    begin = gate_start(&gate);
    for (i = 0; i < n; i++) {
        queue(pid, i);
        check(receive() == i, "value");
    }
    end = now_ns();
    check(wait(&status) > 0 && status == 0, "child");
    printf("%.1f\n", (end - begin) / n);
    return 0;
}
