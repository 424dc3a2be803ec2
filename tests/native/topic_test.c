/* A topic alone: threads as publishers and subscribers, all on one mapping, so that the sanitizer sees who touches what.
 * Who may be overrun reads bytes that are being written, and looks afterwards: that is a race by intention, so it takes
 * no part under ThreadSanitizer. */
#include "member.h"

#include <pthread.h>

enum { PUBLISHERS = 3, WAITED = 2, EACH = 3000, CAPACITY = 4096, LONGEST = 700 };
#ifdef __SANITIZE_THREAD__
enum { TOLD = 0 };
#else
enum { TOLD = 2 };
#endif

#define check(holds) must(holds, #holds)

struct payload {
    uint32_t publisher, number;
};

static int fd;
static struct member look; /* its mapping is everybody's */
static uint32_t subscribed, published;

static size_t fill(char *bytes, uint32_t publisher, uint32_t number) {
    struct payload payload = {publisher, number};
    size_t length = sizeof payload + (number * 37 + publisher) % (LONGEST - sizeof payload);
    memcpy(bytes, &payload, sizeof payload);
    memset(bytes + sizeof payload, (int)(number ^ publisher), length - sizeof payload);
    return length;
}

static void reserve_and_settle(struct member *me, const char *bytes, size_t length, int give_up) {
    struct uipc_message held;
    if (give_up) {
        check(reserve_waiting(&me->ring, length, &held) == UIPC_OK);
        memset(held.bytes, 0xAA, length);
        check(abort_waiting(&me->ring, &held) == UIPC_OK);
    }
    check(reserve_waiting(&me->ring, length, &held) == UIPC_OK);
    memcpy(held.bytes, bytes, length);
    check(uipc_queue_commit(&me->ring, &held, length) == UIPC_OK);
}

static void *publish_all(void *which) {
    struct member me;
    char bytes[LONGEST];
    uint32_t publisher = (uint32_t)(uintptr_t)which;
    join_beside(&me, fd, UIPC_SENDER, &look);
    for (uint32_t number = 0; number < EACH; number++) {
        size_t length = fill(bytes, publisher, number);
        if (number % 5 == 1)
            reserve_and_settle(&me, bytes, length, number % 3 == 0);
        else
            check(send_waiting(&me.ring, bytes, length) == UIPC_OK);
    }
    uipc_fetch_add(&published, 1);
    leave_beside(&me);
    return NULL;
}

/* What came is whole, and behind what came before it from the same publisher. */
static void note(uint32_t *next, const char *bytes, size_t length, int tells) {
    struct payload payload;
    char expected[LONGEST];
    memcpy(&payload, bytes, sizeof payload);
    check(payload.publisher < PUBLISHERS && payload.number < EACH);
    check(fill(expected, payload.publisher, payload.number) == length && memcmp(expected, bytes, length) == 0);
    check(tells ? payload.number >= next[payload.publisher] : payload.number == next[payload.publisher]);
    next[payload.publisher] = payload.number + 1;
}

static int read_one(struct member *me, uint32_t *next, uint32_t turn) {
    struct uipc_message message;
    char bytes[CAPACITY];
    int rc = uipc_topic_next(&me->ring, &message);
    if (rc == UIPC_OK) {
        check(message.length <= sizeof bytes);
        memcpy(bytes, message.bytes, message.length);
        if (!uipc_topic_intact(&me->ring, &message))
            return UIPC_OK;
        uipc_topic_take(&me->ring, &message);
        note(next, bytes, message.length, (int)me->ring.tells);
    }
    if (!me->ring.tells && (rc || turn % 3 == 0)) /* several at once */
        uipc_topic_free(&me->ring, me->ring.cursor);
    return rc;
}

static void *subscribe_to_all(void *tells) {
    struct member me;
    uint32_t next[PUBLISHERS] = {0}, turn = 0, start;
    int rc;
    join_beside(&me, fd, UIPC_RECEIVER, &look);
    subscribe(&me, tells != NULL);
    start = me.ring.next_number;
    uipc_fetch_add(&subscribed, 1);
    for (;; turn++) {
        int over = uipc_load_acquire(&published) == PUBLISHERS;
        rc = read_one(&me, next, turn);
        check(rc == UIPC_OK || rc == UIPC_NOT_NOW || uipc_is_busy(rc));
        if (rc == UIPC_NOT_NOW && over)
            break;
        if (rc)
            wait_after(&me.ring, rc, 1, 0);
    }
    check(start == 0 && (tells || me.ring.missed == 0));
    for (int i = 0; i < PUBLISHERS; i++)
        check(tells || next[i] == EACH);
    leave_beside(&me);
    return NULL;
}

int main(void) {
    pthread_t threads[WAITED + TOLD + PUBLISHERS];
    int n = 0;
    alarm(90);
    fd = new_ring(UIPC_TOPIC, CAPACITY, UIPC_WAIT);
    check(attach(&look, fd) == UIPC_OK);
    for (int i = 0; i < WAITED + TOLD; i++)
        check(pthread_create(&threads[n++], NULL, subscribe_to_all, i < WAITED ? NULL : (void *)1) == 0);
    while (uipc_load_acquire(&subscribed) < WAITED + TOLD)
        uipc_pause();
    for (int i = 0; i < PUBLISHERS; i++)
        check(pthread_create(&threads[n++], NULL, publish_all, (void *)(uintptr_t)i) == 0);
    while (n)
        check(pthread_join(threads[--n], NULL) == 0);
    check(look.ring.file->senders.count - look.ring.file->tally.aborted == PUBLISHERS * EACH);
    detach(&look);
    puts("topic: ok");
    return 0;
}
