/* fork_wait N: fork, call an empty function, wait; nanoseconds for one child. */
#include "common.h"

static void __attribute__((noinline)) empty(void) { __asm__ volatile(""); }

int main(int argc, char **argv)
{
    long i, n;
    double begin;
    int status, pid;
    check(argc == 2, "usage: fork_wait N");
    n = atol(argv[1]);
    begin = now_ns();
    for (i = 0; i < n; i++) {
        pid = fork();
        if (pid == 0) {
            empty();
            _exit(0);
        }
        check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
    }
    printf("%.1f\n", (now_ns() - begin) / n);
    return 0;
}
