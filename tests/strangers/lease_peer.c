/* A stranger at a leased file, or with a lease of its own; it knows nothing of Python.
 *
 *   lease_peer open FILE read|write      open it (which may take a while), print the first word, write "C" if it may
 *   lease_peer try FILE read|write       the same without waiting: 1 = somebody has a lease against it
 *   lease_peer hold FILE read|write      take a lease, print "held"; at a break print the signal's si_fd and what
 *                                        F_GETLEASE says (0 read, 2 nothing), then give way
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int look(const char *path, int flags) {
    char word[64] = "";
    int fd = open(path, flags);
    if (fd < 0)
        return errno == EWOULDBLOCK ? 1 : 2;
    if ((flags & O_ACCMODE) == O_RDONLY) {
        if (read(fd, word, 7) < 0)
            return 3;
    } else if (write(fd, "C", 1) != 1) {
        return 3;
    }
    puts(word);
    return 0;
}

static int hold(const char *path, int type) {
    sigset_t one;
    siginfo_t info;
    int fd = open(path, O_RDONLY);
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &one, NULL);
    if (fd < 0 || fcntl(fd, F_SETSIG, SIGRTMIN) < 0 || fcntl(fd, F_SETLEASE, type) < 0)
        return 2;
    puts("held");
    fflush(stdout);
    if (sigwaitinfo(&one, &info) != SIGRTMIN)
        return 3;
    int kept = fcntl(fd, F_GETLEASE);
    printf("%d %d\n", info.si_fd == fd, kept);
    fflush(stdout);
    return fcntl(fd, F_SETLEASE, kept) < 0 ? 4 : 0;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 64;
    int write = strcmp(argv[3], "write") == 0, flags = write ? O_WRONLY : O_RDONLY;
    if (strcmp(argv[1], "hold") == 0)
        return hold(argv[2], write ? F_WRLCK : F_RDLCK);
    return look(argv[2], strcmp(argv[1], "try") == 0 ? flags | O_NONBLOCK : flags);
}
