/* A C program at the other side of shared memory: objects by name, and descriptors that it was given.
 *   make NAME SIZE TEXT    shm_open(O_CREAT | O_EXCL), ftruncate, write TEXT
 *   read NAME N            print N bytes of the object
 *   write NAME TEXT        write TEXT to its start
 *   shrink NAME SIZE       ftruncate
 *   unlink NAME            shm_unlink
 *   trust FD               a memory file: 0 if it is sealed against all changes, and every byte is the first one's
 *   seal FD                F_SEAL_SHRINK and F_SEAL_GROW, after writing "C" to its start
 *   get FD                 receive a memory file over the socket FD (SCM_RIGHTS), then as `trust`
 *   give FD TEXT           make one with TEXT in it, seal it against all changes, send it over the socket FD
 *   file PATH TEXT         map the file (MAP_SHARED), exchange its start with TEXT, msync; print what was there
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int good, const char *what)
{
    int code = errno;
    if (!good) {
        perror(what);
        exit(code == ENOENT ? 2 : 1);
    }
}

static char *mapped(int fd, int protection, size_t *size)
{
    struct stat found;
    must(fd >= 0, "open");
    must(fstat(fd, &found) == 0, "fstat");
    *size = (size_t)found.st_size;
    char *where = mmap(NULL, *size, protection, protection & PROT_WRITE ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    must(where != MAP_FAILED, "mmap");
    return where;
}

static int trust(int fd)
{
    size_t size;
    int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, seals = fcntl(fd, F_GET_SEALS);
    must(seals >= 0, "F_GET_SEALS");
    if ((seals & wanted) != wanted)
        return 3;
    const char *bytes = mapped(fd, PROT_READ, &size);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != bytes[0])
            return 4;
    return ftruncate(fd, 0) == -1 && errno == EPERM ? 0 : 5;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

static int receive(int socket)
{
    char byte;
    int fd = -1;
    union control control;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    must(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1, "recvmsg");
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(first), sizeof fd);
    return fd;
}

static void give(int socket, const char *text)
{
    int fd = memfd_create("from C", MFD_CLOEXEC | MFD_ALLOW_SEALING), n = (int)strlen(text);
    char byte = 'x';
    union control control;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    must(fd >= 0 && write(fd, text, (size_t)n) == n, "memfd_create");
    must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0, "F_ADD_SEALS");
    memset(&control, 0, sizeof control);
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    first->cmsg_level = SOL_SOCKET, first->cmsg_type = SCM_RIGHTS, first->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(first), &fd, sizeof fd);
    must(sendmsg(socket, &message, 0) == 1, "sendmsg");
}

static void exchange(const char *path, const char *text)
{
    size_t size, n = strlen(text);
    char *bytes = mapped(open(path, O_RDWR), PROT_READ | PROT_WRITE, &size);
    fwrite(bytes, 1, n, stdout);
    memcpy(bytes, text, n);
    must(msync(bytes, size, MS_SYNC) == 0, "msync");
}

int main(int argc, char **argv)
{
    size_t size;
    if (argc < 3)
        return 64;
    const char *verb = argv[1], *name = argv[2];
    if (strcmp(verb, "make") == 0) {
        int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        must(fd >= 0 && ftruncate(fd, atol(argv[3])) == 0, "make");
        memcpy(mapped(fd, PROT_READ | PROT_WRITE, &size), argv[4], strlen(argv[4]));
    } else if (strcmp(verb, "read") == 0) {
        fwrite(mapped(shm_open(name, O_RDONLY, 0), PROT_READ, &size), 1, (size_t)atol(argv[3]), stdout);
    } else if (strcmp(verb, "write") == 0) {
        memcpy(mapped(shm_open(name, O_RDWR, 0), PROT_READ | PROT_WRITE, &size), argv[3], strlen(argv[3]));
    } else if (strcmp(verb, "shrink") == 0) {
        must(ftruncate(shm_open(name, O_RDWR, 0), atol(argv[3])) == 0, "shrink");
    } else if (strcmp(verb, "unlink") == 0) {
        must(shm_unlink(name) == 0, "unlink");
    } else if (strcmp(verb, "trust") == 0) {
        return trust(atoi(name));
    } else if (strcmp(verb, "get") == 0) {
        return trust(receive(atoi(name)));
    } else if (strcmp(verb, "give") == 0) {
        give(atoi(name), argv[3]);
    } else if (strcmp(verb, "file") == 0) {
        exchange(name, argv[3]);
    } else if (strcmp(verb, "seal") == 0) {
        char *bytes = mapped(atoi(name), PROT_READ | PROT_WRITE, &size);
        bytes[0] = 'C';
        must(fcntl(atoi(name), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0, "F_ADD_SEALS");
    } else {
        return 64;
    }
    return 0;
}
