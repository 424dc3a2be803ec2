/* The other side of signals with values; knows nothing of Python.
 *   signal_peer send PID NUMBER FIRST COUNT   sigqueue(3): COUNT values from FIRST up; prints its own pid
 *   signal_peer take NUMBER COUNT             blocks it, prints "ready", then for each of COUNT: "SENDER CODE VALUE"
 *   signal_peer catch NUMBER COUNT            the same in a handler that was set with SA_SIGINFO
 *   signal_peer plain PID NUMBER              kill(2)
 * Exit status: 0, 64 for bad arguments, else errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile siginfo_t caught[64];
static volatile sig_atomic_t times;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    if (times < 64)
        caught[times++] = *info;
}

static void say(const char *text) {
    puts(text);
    fflush(stdout);
}

static void tell(int sender, int code, int value) { printf("%d %d %d\n", sender, code, value); }

static int send_all(pid_t pid, int number, int first, int count) {
    for (int i = 0; i < count; i++) {
        union sigval value = {.sival_int = first + i};
        while (sigqueue(pid, number, value) < 0)
            if (errno != EAGAIN)
                return errno;
    }
    printf("%d\n", (int)getpid());
    return 0;
}

static int take(int number, int count) {
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    say("ready");
    for (int i = 0; i < count; i++) {
        if (sigwaitinfo(&set, &info) < 0)
            return errno;
        tell(info.si_pid, info.si_code, info.si_value.sival_int);
    }
    return 0;
}

static int catch_them(int number, int count) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigset_t set, none;
    sigemptyset(&set);
    sigemptyset(&none);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (sigaction(number, &action, NULL) < 0)
        return errno;
    say("ready");
    while (times < count)
        sigsuspend(&none);
    for (int i = 0; i < count; i++)
        tell(caught[i].si_pid, caught[i].si_code, caught[i].si_value.sival_int);
    return 0;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "send") == 0 && argc == 6)
        return send_all(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
    if (strcmp(verb, "take") == 0 && argc == 4)
        return take(atoi(argv[2]), atoi(argv[3]));
    if (strcmp(verb, "catch") == 0 && argc == 4)
        return catch_them(atoi(argv[2]), atoi(argv[3]));
    if (strcmp(verb, "plain") == 0 && argc == 4)
        return kill(atoi(argv[2]), atoi(argv[3])) < 0 ? errno : 0;
    return 64;
}
