/* One member shared by several threads, as threads of Python share a Sender: for queues with each policy and for topics.
 * No thread has a lock of its own: what it meets while another thread of the same member sleeps must not concern it. */
#include "member.h"

#include <pthread.h>

enum { THREADS = 3, MEMBERS = 2, ALL = THREADS * MEMBERS, EACH = 1500, CAPACITY = 4096, LONGEST = 400 };

#define check(holds) must(holds, #holds)

static struct member look, senders[MEMBERS], receivers[MEMBERS]; /* all on one mapping */
static uint32_t sending, seen[ALL][EACH], refused;
static pthread_mutex_t taking[MEMBERS]; /* from a topic one thread takes at a time */

struct payload {
    uint32_t thread, number;
};

static size_t fill(char *bytes, uint32_t thread, uint32_t number) {
    size_t length = sizeof(struct payload) + number * 7 % (LONGEST - sizeof(struct payload));
    memset(bytes, (int)number, length);
    memcpy(bytes, &(struct payload){thread, number}, sizeof(struct payload));
    return length;
}

static void note(const char *bytes, size_t length) {
    struct payload payload;
    char expected[LONGEST];
    memcpy(&payload, bytes, sizeof payload);
    check(payload.thread < ALL && payload.number < EACH);
    check(fill(expected, payload.thread, payload.number) == length && memcmp(expected, bytes, length) == 0);
    uipc_fetch_add(&seen[payload.thread][payload.number], 1);
}

/* Whatever the ring is, no wait for its locks may be in vain for long. */
static int again(struct uipc_ring *ring, int rc, int reading, size_t length, int *turns) {
    if (rc != UIPC_NOT_NOW && !uipc_is_busy(rc))
        return 0;
    check(++*turns < 3000);
    wait_after(ring, rc, reading, length);
    return 1;
}

static void give_up(struct uipc_ring *ring, size_t length) {
    struct uipc_message held;
    int turns = 0, rc;
    if (ring->when_full == UIPC_REFUSE) {
        if ((rc = uipc_queue_reserve(ring, length, &held)) != UIPC_OK) {
            check(rc == UIPC_NOT_NOW || uipc_is_busy(rc));
            return;
        }
    } else
        while (again(ring, rc = uipc_queue_reserve(ring, length, &held), 0, length, &turns))
            ;
    check(rc == UIPC_OK);
    while (uipc_is_busy(rc = uipc_queue_abort(ring, &held)))
        wait_for_lock(ring, rc);
    check(rc == UIPC_OK);
}

static void send_one(struct uipc_ring *ring, const char *bytes, size_t length) {
    int turns = 0, rc;
    while (again(ring, rc = uipc_queue_send(ring, bytes, length), 0, length, &turns))
        if (rc == UIPC_NOT_NOW && ring->when_full == UIPC_REFUSE) {
            uipc_fetch_add(&refused, 1);
            return;
        }
    check(rc == UIPC_OK);
}

static void *send_all(void *which) {
    uint32_t thread = (uint32_t)(uintptr_t)which;
    struct uipc_ring *ring = &senders[thread / THREADS].ring;
    char bytes[LONGEST];
    for (uint32_t number = 0; number < EACH; number++) {
        if (number % 3 == 0)
            give_up(ring, 100 + number % 200);
        send_one(ring, bytes, fill(bytes, thread, number));
    }
    uipc_fetch_add(&sending, (uint32_t)-1);
    return NULL;
}

static int take_from_topic(struct uipc_ring *ring, char *bytes, struct uipc_message *message) {
    int rc = uipc_topic_next(ring, message);
    if (rc == UIPC_OK) {
        memcpy(bytes, message->bytes, message->length);
        uipc_topic_take(ring, message);
    }
    uipc_topic_free(ring, ring->cursor);
    return rc;
}

static int take(uint32_t member, char *bytes, struct uipc_message *message, int turn) {
    struct uipc_ring *ring = &receivers[member].ring;
    if (ring->kind == UIPC_TOPIC) {
        pthread_mutex_lock(&taking[member]);
        int rc = take_from_topic(ring, bytes, message);
        pthread_mutex_unlock(&taking[member]);
        return rc;
    }
    int lease = turn % 5 == 0, rc = receive_now(ring, bytes, message, lease);
    if (rc == UIPC_OK && lease) {
        memcpy(bytes, message->bytes, message->length);
        check(finish_waiting(ring, message, 1) == UIPC_OK);
    }
    return rc;
}

static void *receive_all(void *which) {
    uint32_t member = (uint32_t)(uintptr_t)which / THREADS;
    struct uipc_ring *ring = &receivers[member].ring;
    char bytes[CAPACITY];
    for (int turn = 0;; turn++) {
        struct uipc_message message;
        int over = uipc_load_acquire(&sending) == 0, rc = take(member, bytes, &message, turn);
        if (rc == UIPC_OK) {
            note(bytes, message.length);
            continue;
        }
        check(rc == UIPC_NOT_NOW || uipc_is_busy(rc));
        if (over && rc == UIPC_NOT_NOW)
            return NULL;
        if (!over)
            wait_after(ring, rc, 1, 0);
    }
}

static void run(void *(*what)(void *), pthread_t *threads) {
    for (int i = 0; i < ALL; i++)
        check(pthread_create(&threads[i], NULL, what, (void *)(uintptr_t)i) == 0);
}

static uint32_t everything(int fd) {
    pthread_t threads[2 * ALL];
    uint32_t got = 0;
    memset(seen, 0, sizeof seen);
    sending = ALL, refused = 0;
    check(attach(&look, fd) == UIPC_OK);
    for (int i = 0; i < MEMBERS; i++) {
        join_beside(&senders[i], fd, UIPC_SENDER, &look);
        join_beside(&receivers[i], fd, UIPC_RECEIVER, &look);
        if (look.ring.kind == UIPC_TOPIC)
            subscribe(&receivers[i], 0);
    }
    run(receive_all, threads + ALL);
    run(send_all, threads);
    for (int i = 0; i < ALL; i++)
        check(pthread_join(threads[i], NULL) == 0);
    uipc_ring_tell_everybody(&senders[0].ring);
    for (int i = 0; i < ALL; i++)
        check(pthread_join(threads[ALL + i], NULL) == 0);
    for (int i = 0; i < ALL * EACH; i++)
        got += seen[i / EACH][i % EACH];
    return got;
}

static void leave_all(int fd) {
    for (int i = 0; i < MEMBERS; i++)
        leave_beside(&senders[i]), leave_beside(&receivers[i]);
    detach(&look);
    close(fd);
}

static void threads_share_the_members_of_a_queue(uint32_t policy) {
    int fd = new_queue(CAPACITY, policy);
    uint32_t got = everything(fd);
    for (int i = 0; i < ALL * EACH; i++)
        check(seen[i / EACH][i % EACH] <= 1);
    check(got + refused + senders[0].ring.file->tally.dropped == ALL * EACH);
    leave_all(fd);
}

static void threads_share_the_members_of_a_topic(void) {
    int fd = new_ring(UIPC_TOPIC, CAPACITY, UIPC_WAIT);
    check(everything(fd) == MEMBERS * ALL * EACH);
    for (int i = 0; i < ALL * EACH; i++)
        check(seen[i / EACH][i % EACH] == MEMBERS);
    leave_all(fd);
}

int main(void) {
    alarm(90);
    for (int i = 0; i < MEMBERS; i++)
        pthread_mutex_init(&taking[i], NULL);
    threads_share_the_members_of_a_queue(UIPC_WAIT);
    threads_share_the_members_of_a_queue(UIPC_REFUSE);
    threads_share_the_members_of_a_queue(UIPC_DROP_OLDEST);
    threads_share_the_members_of_a_topic();
    puts("shared: ok");
    return 0;
}
