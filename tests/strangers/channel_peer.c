/* A C program at the other side of a queue, by its public header alone (ring.h), compiled with the ring's sources.
 *   send PATH N         joins as a sender, sends "0" .. "N-1", waits for room when it is full
 *   receive PATH        joins as a receiver, prints what comes until the last sender has left
 *   echo PATH PATH      receives from the first, and sends to the second what came, in capitals
 *   make PATH BYTES     makes a queue, and sends "made in C" into it
 */
#include "ring/ring.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void must(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void open_ring(struct uipc_ring *ring, const char *path) {
    struct uipc_ring_facts facts;
    struct stat found;
    int mapped = open(path, O_RDWR | O_CLOEXEC), own = open(path, O_RDWR | O_CLOEXEC);
    must(mapped >= 0 && own >= 0 && fstat(mapped, &found) == 0, path);
    must(pread(mapped, &facts, sizeof facts, 0) == sizeof facts, "pread");
    memset(ring, 0, sizeof *ring);
    if (uipc_ring_check(ring, &facts, (uint64_t)found.st_size)) {
        fprintf(stderr, "%s: %s\n", path, uipc_ring_trouble()->what);
        exit(2);
    }
    size_t once = UIPC_RING_HEADER + ring->capacity;
    char *where = mmap(NULL, once + ring->capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(where != MAP_FAILED, "mmap");
    must(mmap(where, once, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mapped, 0) != MAP_FAILED, "mmap");
    must(mmap(where + once, ring->capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mapped,
              UIPC_RING_HEADER) != MAP_FAILED, "mmap");
    uipc_ring_start(ring, where, where + UIPC_RING_HEADER, own);
}

static struct timespec in_half_a_second(void) {
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_nsec += 500000000;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    return when;
}

static void wait_after(struct uipc_ring *ring, int rc, size_t length) {
    struct timespec deadline = in_half_a_second();
    struct uipc_ring_bell *bell = ring->role == UIPC_RECEIVER ? &ring->file->messages : &ring->file->space;
    if (uipc_is_busy(rc)) {
        uipc_ring_wait_for_lock(ring, rc, &deadline);
        return;
    }
    must(rc == UIPC_NOT_NOW, uipc_ring_trouble()->what ? uipc_ring_trouble()->what : "a try");
    uint32_t seen = uipc_bell_prepare(bell);
    if (!(ring->role == UIPC_RECEIVER ? uipc_queue_readable(ring) : uipc_queue_writable(ring, length)))
        uipc_futex_wait(&bell->word, seen, &deadline);
    uipc_ring_look(ring);
}

static void send_text(struct uipc_ring *ring, const char *text, size_t length) {
    int rc;
    while ((rc = uipc_queue_send(ring, text, length)) != UIPC_OK)
        wait_after(ring, rc, length);
}

/* The next message, 0 at the end: the last sender has left and nothing is there. */
static int receive_text(struct uipc_ring *ring, char *text, size_t most) {
    struct uipc_message message;
    for (;;) {
        int nobody = ring->file->tally.ever & 1 && !uipc_ring_any(ring, UIPC_SENDER);
        int rc = uipc_queue_open(ring);
        if (rc == UIPC_OK) {
            rc = uipc_queue_next(ring, &message);
            if (rc == UIPC_OK) {
                must(message.length < most, "a short message");
                memcpy(text, message.bytes, message.length);
                text[message.length] = 0;
                uipc_queue_consume(ring, &message);
            }
            uipc_queue_shut(ring, rc == UIPC_OK);
        }
        if (rc == UIPC_OK)
            return 1;
        if (rc == UIPC_NOT_NOW && nobody)
            return 0;
        wait_after(ring, rc, 0);
    }
}

static void make(const char *path, uint64_t bytes) {
    uint64_t capacity = uipc_ring_capacity(bytes);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && posix_fallocate(fd, 0, (off_t)(UIPC_RING_HEADER + capacity)) == 0, path);
    void *header = mmap(NULL, UIPC_RING_HEADER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(header != MAP_FAILED, "mmap");
    uipc_ring_format(header, UIPC_QUEUE, UIPC_WAIT, capacity, 4711);
}

int main(int argc, char **argv) {
    struct uipc_ring in, out;
    char text[4096];
    if (argc < 3)
        return 64;
    alarm(60);
    const char *verb = argv[1];
    if (strcmp(verb, "make") == 0)
        make(argv[2], (uint64_t)atol(argv[3]));
    open_ring(&in, argv[2]);
    if (strcmp(verb, "send") == 0) {
        must(uipc_ring_join(&in, UIPC_SENDER) == UIPC_OK, "join");
        for (long i = 0; i < atol(argv[3]); i++)
            send_text(&in, text, (size_t)snprintf(text, sizeof text, "%ld", i));
    } else if (strcmp(verb, "receive") == 0) {
        must(uipc_ring_join(&in, UIPC_RECEIVER) == UIPC_OK, "join");
        while (receive_text(&in, text, sizeof text))
            puts(text);
    } else if (strcmp(verb, "echo") == 0) {
        open_ring(&out, argv[3]);
        must(uipc_ring_join(&in, UIPC_RECEIVER) == UIPC_OK && uipc_ring_join(&out, UIPC_SENDER) == UIPC_OK, "join");
        while (receive_text(&in, text, sizeof text)) {
            for (char *each = text; *each; each++)
                *each = (char)toupper((unsigned char)*each);
            send_text(&out, text, strlen(text));
        }
        uipc_ring_leave(&out);
    } else if (strcmp(verb, "make") == 0) {
        must(uipc_ring_join(&in, UIPC_SENDER) == UIPC_OK, "join");
        send_text(&in, "made in C", 9);
    } else
        return 64;
    uipc_ring_leave(&in);
    return 0;
}
