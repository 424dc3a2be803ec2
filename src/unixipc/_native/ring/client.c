/* For C programs alone: Python has its own waits. Open, map, join; try, then sleep. */
#include "client.h"

#include "../clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LOOK_NS 500000000LL

static int refuse(struct uipc_client *client, int code, const char *what) {
    snprintf(client->why, sizeof client->why, "%s: %s", what, strerror(code));
    errno = code;
    return -1;
}

static int failed(struct uipc_client *client, int result) {
    const struct uipc_trouble *trouble = uipc_ring_trouble();
    if (result == UIPC_DAMAGED) {
        snprintf(client->why, sizeof client->why, "%s: expected %llu, found %llu", trouble->what,
                 (unsigned long long)trouble->expected, (unsigned long long)trouble->found);
        errno = EBADMSG;
        return -1;
    }
    if (result == UIPC_TOO_LONG)
        return refuse(client, EMSGSIZE, "the message would never fit");
    if (result == UIPC_FULL)
        return refuse(client, EUSERS, "no free place for a member");
    if (result == UIPC_LEFT)
        return refuse(client, EBADF, "this client is closed");
    return refuse(client, result == UIPC_ERRNO ? trouble->error : EPROTO, "channel");
}

/* A header, and the ring twice in a row. */
static int map(struct uipc_client *client, int fd) {
    size_t capacity = (size_t)client->ring.capacity, whole = UIPC_RING_HEADER + 2 * capacity;
    if (client->ring.capacity > (SIZE_MAX - UIPC_RING_HEADER) / 2)
        return refuse(client, EFBIG, "this program's addresses have too few bits for the channel");
    char *base = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return refuse(client, errno, "mmap(2)");
    client->memory = base, client->memory_bytes = whole;
    if (mmap(base, UIPC_RING_HEADER + capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
        mmap(base + UIPC_RING_HEADER + capacity, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
             UIPC_RING_HEADER) == MAP_FAILED)
        return refuse(client, errno, "mmap(2)");
    uipc_ring_start(&client->ring, base, base + UIPC_RING_HEADER, fd);
    return 0;
}

static int join(struct uipc_client *client, int role) {
    struct uipc_ring *ring = &client->ring;
    int result;
    while (uipc_is_busy(result = uipc_ring_join(ring, role)))
        uipc_ring_wait_for_lock(ring, result, NULL);
    while (result == UIPC_OK && ring->kind == UIPC_TOPIC && role == UIPC_RECEIVER &&
           uipc_is_busy(result = uipc_topic_subscribe(ring, 0)))
        uipc_ring_wait_for_lock(ring, result, NULL);
    return result == UIPC_OK ? 0 : failed(client, result);
}

/* A temporary channel is ours, too, from here on; unless the last one who had it is just removing it. */
static int use(struct uipc_client *client, int fd, const char *path) {
    struct stat found;
    if (!client->ring.temporary)
        return 0;
    if ((client->path = strdup(path)) == NULL)
        return refuse(client, ENOMEM, path);
    int code = uipc_ring_use(fd, 0);
    if (code == 0 && fstat(fd, &found) == 0 && found.st_nlink > 0)
        return 0;
    return refuse(client, code == 0 || code == EAGAIN || code == EACCES ? ENOENT : code, path);
}

/* The last one out takes the name away, if it is this channel's still. */
static void end_use(struct uipc_client *client) {
    struct stat ours, named;
    int fd = client->ring.fd;
    if (client->path == NULL)
        return;
    uipc_ring_use(fd, -1);
    if (uipc_ring_use(fd, 1) == 0 && uipc_ring_begin_removal(fd) == 0 && fstat(fd, &ours) == 0 &&
        lstat(client->path, &named) == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev)
        unlink(client->path);
    free(client->path);
    client->path = NULL;
}

int uipc_client_open(struct uipc_client *client, const char *path, int role) {
    struct uipc_ring_facts facts;
    struct stat found;
    memset(client, 0, sizeof *client);
    client->ring.slot = client->ring.fd = -1;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return refuse(client, errno, path);
    client->ring.fd = fd;
    if (pread(fd, &facts, sizeof facts, 0) != (ssize_t)sizeof facts || fstat(fd, &found) < 0)
        refuse(client, EBADMSG, path);
    else if (uipc_ring_check(&client->ring, &facts, (uint64_t)found.st_size))
        failed(client, UIPC_DAMAGED);
    else if (use(client, fd, path) == 0 && map(client, fd) == 0 && join(client, role) == 0)
        return 0;
    int code = errno;
    uipc_client_close(client);
    errno = code;
    return -1;
}

void uipc_client_close(struct uipc_client *client) {
    if (client->memory) {
        uipc_ring_leave(&client->ring);
        munmap(client->memory, client->memory_bytes);
    }
    if (client->ring.fd >= 0) {
        end_use(client);
        close(client->ring.fd);
    }
    client->memory = NULL, client->ring.fd = -1;
}

/* What a try was for, and how the members were before it: a sleep that comes after a change is none. */
struct waiting {
    int64_t until_ns;
    size_t length;
    uint32_t changes;
    int reading;
};

static void note_changes(const struct uipc_client *client, struct waiting *wait) {
    wait->changes = uipc_load_acquire(&client->ring.file->tally.changes);
}

static int is_due(const struct uipc_ring *ring, const struct waiting *wait) {
    return uipc_ring_is_ready(ring, wait->reading, wait->length) ||
           uipc_load_acquire(&ring->file->tally.changes) != wait->changes;
}

/* After a try that gave UIPC_NOT_NOW or UIPC_BUSY_...: 0 when it is worth another one, -1 with errno. */
static int sleep_for(struct uipc_client *client, int result, const struct waiting *wait) {
    struct uipc_ring *ring = &client->ring;
    struct uipc_ring_bell *bell = uipc_ring_bell_for(ring, wait->reading);
    int64_t until_ns = wait->until_ns, now = uipc_now_ns(), look = now + LOOK_NS;
    if (until_ns >= 0 && now >= until_ns)
        return refuse(client, ETIMEDOUT, "not possible within the time");
    struct timespec deadline = uipc_timespec(until_ns >= 0 && until_ns < look ? until_ns : look);
    if (uipc_is_busy(result)) {
        uipc_ring_wait_for_lock(ring, result, &deadline);
        return 0;
    }
    for (int turn = 0; turn < 2000; turn++, uipc_pause())
        if (is_due(ring, wait))
            return 0;
    uint32_t seen = uipc_bell_prepare(bell);
    int code = is_due(ring, wait) ? 0 : uipc_futex_wait(&bell->word, seen, &deadline);
    if (code == EINTR) {
        uipc_bell_ring(bell, 1); /* it may have been a wake-up, too */
        return refuse(client, EINTR, "a signal came");
    }
    if (code == ETIMEDOUT)
        uipc_ring_look(ring);
    return 0;
}

/* Was somebody killed whose place, or reservation, is in our way? Now and then, also for who never waits. */
static int has_looked(struct uipc_client *client) {
    int64_t now = uipc_now_ns();
    if (now < client->next_look_ns)
        return 0;
    client->next_look_ns = now + LOOK_NS;
    uipc_ring_look(&client->ring);
    return 1;
}

static int64_t end_of(int timeout_ms) { return timeout_ms < 0 ? -1 : uipc_now_ns() + timeout_ms * 1000000LL; }

int uipc_client_send(struct uipc_client *client, const void *bytes, size_t length, int timeout_ms) {
    struct waiting wait = {.until_ns = end_of(timeout_ms), .length = length};
    for (;;) { /* try, then sleep */
        note_changes(client, &wait);
        int result = uipc_queue_send(&client->ring, bytes, length);
        if (result == UIPC_OK)
            return 0;
        if (result == UIPC_NOT_NOW && has_looked(client))
            continue;
        if (result == UIPC_NOT_NOW && client->ring.when_full == UIPC_REFUSE)
            return refuse(client, EAGAIN, "it is full");
        if (result != UIPC_NOT_NOW && !uipc_is_busy(result))
            return failed(client, result);
        if (sleep_for(client, result, &wait))
            return -1;
    }
}

static int take_from_topic(struct uipc_ring *ring, void *into, size_t room, struct uipc_message *message) {
    int result = uipc_topic_next(ring, message);
    if (result == UIPC_NOT_NOW && ring->cursor != ring->file->member[UIPC_RECEIVER][ring->slot].position)
        uipc_topic_free(ring, ring->cursor); /* reservations that came to nothing lie behind us */
    if (result || message->length > room)
        return result;
    memcpy(into, message->bytes, message->length);
    uipc_topic_take(ring, message);
    uipc_topic_free(ring, ring->cursor);
    return UIPC_OK;
}

static int take_from_queue(struct uipc_ring *ring, void *into, size_t room, struct uipc_message *message) {
    int result = uipc_queue_open(ring), fits = 0;
    if (result)
        return result;
    if ((result = uipc_queue_next(ring, message)) == UIPC_OK && message->length <= room) {
        memcpy(into, message->bytes, message->length);
        uipc_queue_consume(ring, message);
        fits = 1;
    }
    uipc_queue_shut(ring, fits);
    return result;
}

/* The end: ENODATA; EIDRM for who is persistent, once the name is gone. 0: there is none yet. -1. */
static int end_of_it(struct uipc_client *client) {
    struct stat found;
    if (!client->persistent)
        return refuse(client, ENODATA, "all senders have left");
    if (fstat(client->ring.fd, &found) == 0 && found.st_nlink == 0)
        return refuse(client, EIDRM, "the channel was removed");
    return 0;
}

/* One try: the result; 0 with the message's length in `message`, whether it fitted or not. */
static int take(struct uipc_ring *ring, void *into, size_t room, struct uipc_message *message) {
    return ring->kind == UIPC_TOPIC ? take_from_topic(ring, into, room, message)
                                    : take_from_queue(ring, into, room, message);
}

ssize_t uipc_client_receive(struct uipc_client *client, void *into, size_t room, int timeout_ms) {
    struct uipc_ring *ring = &client->ring;
    struct waiting wait = {.until_ns = end_of(timeout_ms), .reading = 1};
    for (;;) { /* try, then sleep */
        struct uipc_message message;
        note_changes(client, &wait);
        int result = take(ring, into, room, &message);
        if (result == UIPC_NOT_NOW) {
            int ended = uipc_ring_ended(ring, has_looked(client));
            if (ended == UIPC_OK && end_of_it(client))
                return -1;
            if (ended != UIPC_OK)
                result = ended;
        }
        if (result == UIPC_OK)
            return message.length <= room ? (ssize_t)message.length : refuse(client, EMSGSIZE, "too little room for it");
        if (result != UIPC_NOT_NOW && !uipc_is_busy(result))
            return failed(client, result);
        if (sleep_for(client, result, &wait))
            return -1;
    }
}
