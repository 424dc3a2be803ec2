/* The other side of a Unix socket. socket_peer client|server stream|seqpacket PATH. PATH may begin with @ (abstract).
 *
 * Both sides do the same, the client first: send "hello from C" with the read end of a pipe that holds "in the pipe";
 * receive a message with one descriptor; write "written by C" into it. Then print, as a line each: the peer's pid,
 * uid and gid (SO_PEERCRED); the sender's pid (SCM_CREDENTIALS); the message; how many descriptors came.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static socklen_t name(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '@' ? 0 : 1));
}

static void send_with_pipe(int fd) {
    char text[] = "hello from C";
    int ends[2];
    struct iovec piece = {text, sizeof text - 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    if (pipe(ends) < 0 || write(ends[1], "in the pipe", 11) != 11)
        fail("pipe");
    close(ends[1]);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &ends[0], sizeof(int));
    if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
        fail("sendmsg");
    close(ends[0]);
}

static void receive_and_tell(int fd) {
    char text[1000];
    struct iovec piece = {text, sizeof text};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    struct ucred peer, sender = {0};
    socklen_t size = sizeof peer;
    int got[4], count = 0;
    ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (length < 0)
        fail("recvmsg");
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_type == SCM_CREDENTIALS)
            memcpy(&sender, CMSG_DATA(part), sizeof sender);
        if (part->cmsg_type == SCM_RIGHTS) {
            count = (int)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(got, CMSG_DATA(part), (size_t)count * sizeof(int));
        }
    }
    if (count && write(got[0], "written by C", 12) != 12)
        fail("write");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        fail("getsockopt");
    printf("%d %u %u\n%d\n%.*s\n%d\n", peer.pid, peer.uid, peer.gid, sender.pid, (int)length, text, count);
}

int main(int argc, char **argv) {
    struct sockaddr_un address;
    int on = 1;
    if (argc != 4)
        return 2;
    int fd = socket(AF_UNIX, strcmp(argv[2], "stream") ? SOCK_SEQPACKET : SOCK_STREAM, 0);
    socklen_t length = name(&address, argv[3]);
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        fail("setsockopt");
    if (strcmp(argv[1], "server") == 0) {
        if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 5) < 0)
            fail("bind");
        puts("ready");
        fflush(stdout);
        fd = accept(fd, NULL, NULL);
        receive_and_tell(fd);
        send_with_pipe(fd);
    } else {
        if (connect(fd, (struct sockaddr *)&address, length) < 0)
            fail("connect");
        send_with_pipe(fd);
        receive_and_tell(fd);
    }
    return 0;
}
