/* Channels for C programs: what a program needs to talk to Python over a `unixipc.channel`, and no more.
 *
 *     #include "ring/client.h"
 *
 *     struct uipc_client client;
 *     if (uipc_client_open(&client, "/dev/shm/unixipc.channel.frames", UIPC_RECEIVER))
 *         return puts(client.why), 1;
 *     while ((n = uipc_client_receive(&client, buffer, sizeof buffer, -1)) >= 0)
 *         handle(buffer, n);
 *     uipc_client_close(&client);
 *
 * Compile it with what `python -c "from unixipc import channel; print(channel.c_flags())"` prints. Finer operations
 * (reserve, lease, batches, looking in place) are in ring.h, with `client.ring`.
 */
#ifndef UIPC_CLIENT_H
#define UIPC_CLIENT_H

#include "ring.h"

struct uipc_client {
    struct uipc_ring ring;
    void *memory;
    size_t memory_bytes;
    int64_t next_look_ns; /* at who was killed */
    char *path; /* of a temporary channel: the last one out removes it */
    int persistent; /* set it after opening: receiving outlives the senders, and ends with the channel's name */
    char why[160]; /* the last refusal, as a sentence */
};

/* Open a queue or topic by its path and become a member. 0, or -1 with errno and `why`. A subscriber of a topic is
 * waited for. A temporary channel stays as long as we have it open, and goes with the last of its users. */
int uipc_client_open(struct uipc_client *client, const char *path, int role);

/* Send a message; wait for room, at most so many milliseconds (-1: as long as it takes, 0: not at all). 0, or -1 with
 * errno: ETIMEDOUT, EAGAIN (full, and made to refuse), EMSGSIZE (would never fit), EBADMSG (damaged), EINTR. */
int uipc_client_send(struct uipc_client *client, const void *bytes, size_t length, int timeout_ms);

/* The next message into `into`: its length, or -1 with errno: ETIMEDOUT; ENODATA (all senders have left and nothing can
 * come any more); EIDRM (the same for a persistent client, once the name was removed); EMSGSIZE (longer than `room`,
 * and still there); EBADMSG; EINTR. */
ssize_t uipc_client_receive(struct uipc_client *client, void *into, size_t room, int timeout_ms);

/* Leave. Also after an open that failed, and twice: it does nothing then. */
void uipc_client_close(struct uipc_client *client);

#endif
