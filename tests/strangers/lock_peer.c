/* A stranger at a locked file: takes, tries and asks as the manual says, and knows nothing of Python.
 *
 *   lock_peer hold KIND FILE START LENGTH    lock, print "held", wait for the end of the input
 *   lock_peer try KIND FILE START LENGTH     0 = had it, 1 = somebody else has it
 *   lock_peer end KIND FILE START LENGTH     as hold, but from the end of the file
 *   lock_peer ask posix FILE START LENGTH    print "type start length pid" of F_GETLK
 * KIND: flock, ofd, posix (of which the range is) or lockf.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

static short whence = SEEK_SET;

static int take(int fd, const char *kind, off_t start, off_t length, int wait) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = whence, .l_start = start, .l_len = length};
    if (strcmp(kind, "flock") == 0)
        return flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    if (strcmp(kind, "lockf") == 0)
        return lseek(fd, start, SEEK_SET) < 0 ? -1 : lockf(fd, wait ? F_LOCK : F_TLOCK, length);
    if (strcmp(kind, "ofd") == 0)
        return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
    return fcntl(fd, wait ? F_SETLKW : F_SETLK, &range);
}

static int ask(int fd, off_t start, off_t length) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (fcntl(fd, F_GETLK, &range) < 0)
        return 2;
    const char *type = range.l_type == F_UNLCK ? "none" : range.l_type == F_RDLCK ? "shared" : "alone";
    printf("%s %lld %lld %d\n", type, (long long)range.l_start, (long long)range.l_len, (int)range.l_pid);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 6)
        return 64;
    int fd = open(argv[3], O_RDWR);
    off_t start = atoll(argv[4]), length = atoll(argv[5]);
    if (fd < 0)
        return 66;
    if (strcmp(argv[1], "ask") == 0)
        return ask(fd, start, length);
    if (strcmp(argv[1], "end") == 0)
        whence = SEEK_END;
    int wait = whence == SEEK_END || strcmp(argv[1], "hold") == 0;
    if (take(fd, argv[2], start, length, wait) < 0)
        return errno == EAGAIN || errno == EACCES ? 1 : 2;
    if (wait) {
        puts("held");
        fflush(stdout);
        while (getchar() != EOF) {
        }
    }
    return 0;
}
