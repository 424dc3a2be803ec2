/* file_locks KIND N FILE: lock and unlock, N times, after warming up; nanoseconds each. KIND: flock, ofd
 * file_locks KIND N FILE CPU CPU: two processes take N turns each; nanoseconds from one's unlock until the other has it.
 *
 * Who has the turn holds two of three locks, the other holds the third and sleeps in one of the two. To give the turn:
 * release that one, acquire the third. (With two locks the same process could take one again at once.)
 */
#include "common.h"
#include <fcntl.h>
#include <sys/file.h>

static int ofd, fds[3];

static void set(int i, int lock)
{
    struct flock range = {.l_type = lock ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1};
    if (ofd)
        check(fcntl(fds[i], F_OFD_SETLKW, &range) == 0, "fcntl");
    else
        check(flock(fds[i], lock ? LOCK_EX : LOCK_UN) == 0, "flock");
}

static void open_locks(const char *path)
{
    char name[4096];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, ofd ? "%s" : "%s.%d", path, i);
        check((fds[i] = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0, "open");
    }
}

static double alone(long n)
{
    double begin = 0;
    for (long i = -n / 20; i < n; i++) {
        if (i == 0)
            begin = now_ns();
        set(0, 1);
        set(0, 0);
    }
    return (now_ns() - begin) / n;
}

static double in_turns(long n, const char *path, int child_cpu, int cpu)
{
    struct gate gate;
    double begin;
    int status;
    gate_open(&gate);
    if (fork() == 0) {
        pin(child_cpu);
        open_locks(path); /* openings of its own */
        set(2, 1);
        gate_wait(&gate);
        for (long turn = 0; turn < 2 * n; turn += 2) {
            set((2 * turn) % 3, 1);
            set((2 * turn + 2) % 3, 0);
        }
        _exit(0);
    }
    pin(cpu);
    set(0, 1);
    set(1, 1);
    begin = gate_start(&gate);
    for (long turn = 0; turn < 2 * n; turn += 2) {
        set((2 * turn) % 3, 0);
        set((2 * turn + 2) % 3, 1);
    }
    begin = now_ns() - begin;
    check(wait(&status) > 0 && status == 0, "child");
    return begin / (2 * n);
}

int main(int argc, char **argv)
{
    long n = argc > 3 ? atol(argv[2]) : 0;
    check(n > 0, "usage: file_locks KIND N FILE [CPU CPU]");
    ofd = strcmp(argv[1], "ofd") == 0;
    open_locks(argv[3]);
    printf("%.1f\n", argc > 5 ? in_turns(n, argv[3], atoi(argv[4]), atoi(argv[5])) : alone(n));
    return 0;
}
