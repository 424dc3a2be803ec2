/* The other side of a message queue. KEY and TYPE are numbers as strtol(3) reads them.
 *   sysv_peer layout                   prints what the compiler made of the two structures
 *   sysv_peer send KEY COUNT           pirate i as type 2^32 + i, for i from 1
 *   sysv_peer answer KEY TYPE          waits for a pirate of this type; sends it back, doubled, as TYPE + 1
 *   sysv_peer answer_short KEY TYPE    the same with the structure whose padding is only at the end
 *   sysv_peer pass KEY TYPE COUNT      takes COUNT messages of any other type (MSG_EXCEPT), sends each on as TYPE
 *   sysv_peer say KEY TEXT             TEXT without its NUL, as type 1
 * Exit status: 0, 1 for a message that is not as expected, 2 for bad arguments, else errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

/* A hole of 1 byte before notoriety, of 4 before cargo, and 7 bytes of padding behind flag. */
struct pirate {
    char name[30];
    char ship;
    int notoriety;
    double cargo;
    char flag;
};

struct message {
    long type;
    struct pirate pirate;
};

/* Its members have 36 bytes; sizeof the whole without the type is 40. */
struct short_message {
    long type;
    char name[30];
    char ship;
    int notoriety;
};

static int key(const char *text) {
    return (int)strtol(text, NULL, 0);
}

static int layout(void) {
    printf("%zu %zu %zu %zu %zu %zu\n", sizeof(struct pirate), offsetof(struct pirate, name),
           offsetof(struct pirate, ship), offsetof(struct pirate, notoriety), offsetof(struct pirate, cargo),
           offsetof(struct pirate, flag));
    printf("%zu %zu %zu\n", sizeof(struct short_message) - sizeof(long),
           offsetof(struct short_message, ship) - sizeof(long), offsetof(struct short_message, notoriety) - sizeof(long));
    return 0;
}

static int send_many(int queue, int count) {
    for (int i = 1; i <= count; i++) {
        struct message message;
        memset(&message, 0xEE, sizeof message); /* holes are seldom zero in C */
        message.type = (1L << 32) + i;
        memset(message.pirate.name, 0, sizeof message.pirate.name);
        snprintf(message.pirate.name, sizeof message.pirate.name, "pirate %d", i);
        message.pirate.ship = 'S';
        message.pirate.notoriety = -i;
        message.pirate.cargo = i / 4.0;
        message.pirate.flag = 'f';
        if (msgsnd(queue, &message, sizeof message - sizeof(long), 0) < 0)
            return errno;
    }
    return 0;
}

static int answer(int queue, long type) {
    struct message message;
    ssize_t got = msgrcv(queue, &message, sizeof message - sizeof(long), type, 0);
    if (got < 0)
        return errno;
    if (got != (ssize_t)sizeof(struct pirate) || message.type != type)
        return 1;
    message.type++;
    message.pirate.notoriety *= 2;
    message.pirate.cargo *= 2;
    return msgsnd(queue, &message, sizeof message - sizeof(long), 0) < 0 ? errno : 0;
}

static int answer_short(int queue, long type) {
    struct short_message message;
    ssize_t got = msgrcv(queue, &message, sizeof message - sizeof(long), type, 0);
    if (got < 0)
        return errno;
    if (got < 36 || message.type != type)
        return 1;
    message.type++;
    message.notoriety *= 2;
    return msgsnd(queue, &message, sizeof message - sizeof(long), 0) < 0 ? errno : 0;
}

static int pass(int queue, long type, int count) {
    for (int i = 0; i < count; i++) {
        struct {
            long type;
            char body[1000];
        } message;
        ssize_t got = msgrcv(queue, &message, sizeof message.body, type, MSG_EXCEPT);
        if (got < 0)
            return errno;
        message.type = type;
        if (msgsnd(queue, &message, got, 0) < 0)
            return errno;
    }
    return 0;
}

static int say(int queue, const char *text) {
    struct {
        long type;
        char body[1000];
    } message = {.type = 1};
    memcpy(message.body, text, strlen(text));
    return msgsnd(queue, &message, strlen(text), 0) < 0 ? errno : 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "layout") == 0)
        return layout();
    if (argc < 4)
        return 2;
    int queue = msgget(key(argv[2]), IPC_CREAT | 0600);
    if (queue < 0)
        return errno;
    if (strcmp(argv[1], "send") == 0)
        return send_many(queue, atoi(argv[3]));
    if (strcmp(argv[1], "answer") == 0)
        return answer(queue, strtol(argv[3], NULL, 0));
    if (strcmp(argv[1], "answer_short") == 0)
        return answer_short(queue, strtol(argv[3], NULL, 0));
    if (strcmp(argv[1], "pass") == 0 && argc == 5)
        return pass(queue, strtol(argv[3], NULL, 0), atoi(argv[4]));
    if (strcmp(argv[1], "say") == 0)
        return say(queue, argv[3]);
    return 2;
}
