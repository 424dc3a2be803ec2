/* A program that uses ring/client.h as its comment says: what it does is told line by line.
 *
 *   client_peer send PATH          becomes a sender; each line of its input is a message
 *   client_peer receive PATH       prints each message, and at the end why there are no more
 *   client_peer follow PATH        the same, persistent
 *   client_peer missing PATH       opens what is not there, and closes that twice: its standard input is left alone
 */
#include "ring/client.h"

#include <stdio.h>
#include <stdlib.h>

static int failed(const struct uipc_client *client) {
    printf("error %s: %s\n", strerror(errno), client->why);
    return 1;
}

static int say(const char *what) {
    puts(what);
    return fflush(stdout);
}

static int send_lines(struct uipc_client *client) {
    char line[1000];
    while (fgets(line, sizeof line, stdin)) {
        if (uipc_client_send(client, line, strcspn(line, "\n"), 20000))
            return failed(client);
        say("sent");
    }
    return 0;
}

static int print_messages(struct uipc_client *client) {
    char message[1000];
    ssize_t length;
    while ((length = uipc_client_receive(client, message, sizeof message, 20000)) >= 0) {
        printf("%.*s\n", (int)length, message);
        fflush(stdout);
    }
    printf("end: %s\n", errno == ENODATA ? "ENODATA" : errno == EIDRM ? "EIDRM" : strerror(errno));
    return 0;
}

static int miss(struct uipc_client *client) {
    uipc_client_close(client);
    uipc_client_close(client);
    printf("%s\n", fcntl(0, F_GETFD) < 0 ? "standard input is closed" : "standard input is open");
    return 0;
}

int main(int argc, char **argv) {
    struct uipc_client client;
    if (argc != 3)
        return 2;
    alarm(100);
    int sends = strcmp(argv[1], "send") == 0, rc = uipc_client_open(&client, argv[2], sends ? UIPC_SENDER : UIPC_RECEIVER);
    if (rc)
        return strcmp(argv[1], "missing") == 0 ? miss(&client) : failed(&client);
    client.persistent = strcmp(argv[1], "follow") == 0;
    say("in");
    rc = sends ? send_lines(&client) : print_messages(&client);
    uipc_client_close(&client);
    return rc;
}
