/* The ring alone: each operation in turn, then threads as senders and receivers, each with a mapping of its own. */
#include "member.h"

#include <pthread.h>

enum { SENDERS = 3, RECEIVERS = 3, EACH = 4000, CAPACITY = 4096, LONGEST = CAPACITY - 32 };

#define check(holds) must(holds, #holds)

static int fd;
static struct member a, b; /* a sender and a receiver */
static char unused[1];

static void fresh(uint64_t capacity, uint32_t how) {
    fd = new_queue(capacity, how);
    join(&a, fd, UIPC_SENDER);
    join(&b, fd, UIPC_RECEIVER);
}

static void done(void) {
    leave(&a), leave(&b);
    close(fd);
}

static int64_t depth(void) {
    const struct uipc_ring_file *file = a.ring.file;
    return (int64_t)(file->senders.count - file->receivers.count - file->tally.dropped - file->tally.aborted);
}

static int send_one(size_t length, char with) {
    char bytes[CAPACITY * 2];
    memset(bytes, with, sizeof bytes);
    return uipc_queue_send(&a.ring, bytes, length);
}

static int receive_one(size_t length, char with) {
    char bytes[CAPACITY * 2];
    struct uipc_message message;
    int rc = receive_now(&b.ring, bytes, &message, 0);
    if (rc == UIPC_OK) {
        check(message.length == length);
        for (size_t i = 0; i < length; i++)
            check(bytes[i] == with);
    }
    return rc;
}

static void every_length_goes_around(void) {
    fresh(CAPACITY, UIPC_WAIT);
    for (size_t length = 0; length <= LONGEST; length += 13) {
        check(send_one(length, (char)length) == UIPC_OK);
        check(receive_one(length, (char)length) == UIPC_OK);
        check(receive_one(0, 0) == UIPC_NOT_NOW);
    }
    check(send_one(LONGEST, 'x') == UIPC_OK && send_one(0, 'x') == UIPC_NOT_NOW);
    check(receive_one(LONGEST, 'x') == UIPC_OK);
    check(send_one(LONGEST + 1, 'x') == UIPC_TOO_LONG && send_one(1u << 13, 'x') == UIPC_TOO_LONG);
    check(depth() == 0 && uipc_ring_used(&a.ring) == 0);
    done();
}

static void the_oldest_is_dropped(void) {
    struct uipc_message lent;
    fresh(CAPACITY, UIPC_DROP_OLDEST);
    for (int i = 0; i < 20; i++)
        check(send_one(1000, (char)i) == UIPC_OK);
    check(depth() == 4 - 1 && a.ring.file->tally.dropped == 17);
    check(receive_one(1000, 17) == UIPC_OK);
    check(receive_now(&b.ring, unused, &lent, 1) == UIPC_OK); /* number 18 */
    check(send_one(1000, 20) == UIPC_OK && send_one(1000, 21) == UIPC_NOT_NOW); /* it is in somebody's hands */
    check(!uipc_queue_writable(&a.ring, 1000));
    check(finish_waiting(&b.ring, &lent, 0) == UIPC_OK);
    check(uipc_queue_writable(&a.ring, 1000) && send_one(1000, 21) == UIPC_OK);
    check(receive_one(1000, 19) == UIPC_OK);
    check(a.ring.file->receivers.count == 2 && a.ring.file->tally.dropped == 18);
    done();
}

/* Nobody receives: the sender frees what came to nothing itself. */
static void an_aborted_reservation_leaves_room(void) {
    struct uipc_message held;
    fresh(CAPACITY, UIPC_WAIT);
    for (int i = 0; i < 10; i++) {
        check(uipc_queue_reserve(&a.ring, 3000, &held) == UIPC_OK && send_one(3000, 'x') == UIPC_NOT_NOW);
        check(!uipc_queue_writable(&a.ring, 3000));
        check(uipc_queue_abort(&a.ring, &held) == UIPC_OK && uipc_queue_abort(&a.ring, &held) == UIPC_NOT_OURS);
        check(uipc_queue_writable(&a.ring, 3000));
    }
    check(send_one(500, 'm') == UIPC_OK && uipc_queue_reserve(&a.ring, 2500, &held) == UIPC_OK);
    check(uipc_queue_abort(&a.ring, &held) == UIPC_OK && depth() == 1);
    check(receive_one(500, 'm') == UIPC_OK); /* and stops there */
    check(send_one(3000, 'y') == UIPC_OK && receive_one(3000, 'y') == UIPC_OK && depth() == 0);
    done();
}

static void a_reservation_holds_back_what_is_behind_it(void) {
    struct uipc_message held;
    fresh(CAPACITY, UIPC_WAIT);
    check(uipc_queue_reserve(&a.ring, 100, &held) == UIPC_OK && send_one(10, 'b') == UIPC_OK);
    check(receive_one(0, 0) == UIPC_NOT_NOW);
    memset(held.bytes, 'a', 100);
    check(uipc_queue_commit(&a.ring, &held, 101) == UIPC_TOO_LONG);
    check(uipc_queue_commit(&a.ring, &held, 60) == UIPC_OK); /* shorter is fine */
    check(uipc_queue_commit(&a.ring, &held, 60) == UIPC_NOT_OURS);
    check(receive_one(60, 'a') == UIPC_OK && receive_one(10, 'b') == UIPC_OK && depth() == 0);
    done();
}

static void leases_end_in_any_order(void) {
    struct uipc_message lent[4];
    fresh(CAPACITY, UIPC_WAIT);
    for (int i = 0; i < 4; i++)
        check(send_one(900, (char)i) == UIPC_OK);
    for (int i = 0; i < 4; i++)
        check(receive_now(&b.ring, unused, &lent[i], 1) == UIPC_OK && lent[i].bytes[0] == i);
    check(receive_one(0, 0) == UIPC_NOT_NOW && depth() == 4);
    check(finish_waiting(&b.ring, &lent[2], 1) == UIPC_OK && finish_waiting(&b.ring, &lent[1], 0) == UIPC_OK);
    check(finish_waiting(&b.ring, &lent[2], 1) == UIPC_NOT_OURS && uipc_queue_readable(&b.ring));
    check(send_one(900, 9) == UIPC_NOT_NOW); /* the first is lent still */
    check(receive_one(900, 1) == UIPC_OK && receive_one(0, 0) == UIPC_NOT_NOW);
    check(finish_waiting(&b.ring, &lent[0], 1) == UIPC_OK && send_one(900, 9) == UIPC_OK);
    check(finish_waiting(&b.ring, &lent[3], 0) == UIPC_OK);
    check(receive_one(900, 3) == UIPC_OK && receive_one(900, 9) == UIPC_OK && depth() == 0);
    done();
}

static void who_leaves_gives_back_and_gives_up(void) {
    struct uipc_message held;
    struct member other;
    fresh(CAPACITY, UIPC_WAIT);
    check(send_one(10, 'x') == UIPC_OK);
    join(&other, fd, UIPC_RECEIVER);
    check(receive_now(&other.ring, unused, &held, 1) == UIPC_OK && receive_one(0, 0) == UIPC_NOT_NOW);
    leave(&other);
    check(receive_one(10, 'x') == UIPC_OK);
    join(&other, fd, UIPC_SENDER);
    check(uipc_queue_reserve(&other.ring, 3000, &held) == UIPC_OK && depth() == 1);
    leave(&other);
    check(depth() == 0 && send_one(3000, 'y') == UIPC_OK && receive_one(3000, 'y') == UIPC_OK);
    done();
}

static void places_are_counted(void) {
    static struct member all[UIPC_RING_MEMBERS];
    struct member more;
    fd = new_queue(CAPACITY, UIPC_WAIT);
    for (int i = 0; i < UIPC_RING_MEMBERS; i++)
        join(&all[i], fd, UIPC_SENDER);
    check(attach(&more, fd) == UIPC_OK && uipc_ring_join(&more.ring, UIPC_SENDER) == UIPC_FULL);
    check(uipc_ring_any(&more.ring, UIPC_SENDER) && !uipc_ring_any(&more.ring, UIPC_RECEIVER));
    leave(&all[77]);
    check(uipc_ring_join(&more.ring, UIPC_SENDER) == UIPC_OK && more.ring.slot == 77);
    close(all[3].ring.fd); /* it vanishes as with its process */
    check(uipc_ring_look(&more.ring) == 1 && uipc_ring_look(&more.ring) == 0);
    for (int i = 0; i < UIPC_RING_MEMBERS; i++)
        if (i != 3 && i != 77)
            leave(&all[i]);
    munmap((char *)all[3].ring.file - 4096, UIPC_RING_HEADER + 2 * CAPACITY + 2 * 4096);
    leave(&more);
    close(fd);
}

/* ---------------------------------------------------------------------------------------- several at once */

struct payload {
    uint32_t sender, number, returned, sum;
};

static uint32_t sum_of(const struct payload *payload, const unsigned char *rest, size_t n) {
    uint32_t sum = payload->sender * 31 + payload->number;
    for (size_t i = 0; i < n; i++)
        sum = sum * 33 + rest[i];
    return sum;
}

static size_t fill(char *bytes, uint32_t sender, uint32_t number) {
    size_t rest = number % 7 == 0 ? number * 37 % (LONGEST - sizeof(struct payload)) : number * 5 % 150;
    struct payload payload = {sender, number, 0, 0};
    memset(bytes + sizeof payload, (int)(number * 11 + sender), rest);
    payload.sum = sum_of(&payload, (unsigned char *)bytes + sizeof payload, rest);
    memcpy(bytes, &payload, sizeof payload);
    return sizeof payload + rest;
}

static uint32_t seen[SENDERS][EACH];
static struct member look; /* its mapping is everybody's, for ThreadSanitizer */

static void *send_all(void *which) {
    struct member me;
    struct uipc_message held;
    char bytes[CAPACITY];
    uint32_t sender = (uint32_t)(uintptr_t)which;
    join_beside(&me, fd, UIPC_SENDER, &look);
    for (uint32_t number = 0; number < EACH; number++) {
        size_t length = fill(bytes, sender, number);
        if (number % 5 == 1) {
            check(reserve_waiting(&me.ring, length + 8 < LONGEST ? length + 8 : length, &held) == UIPC_OK);
            if (number % 3 == 0) { /* it comes to nothing, and once more */
                check(abort_waiting(&me.ring, &held) == UIPC_OK);
                check(reserve_waiting(&me.ring, length, &held) == UIPC_OK);
            }
            memcpy(held.bytes, bytes, length);
            check(uipc_queue_commit(&me.ring, &held, length) == UIPC_OK);
        } else if (number % 5 == 2) {
            int rc = uipc_queue_begin(&me.ring), sent = 0;
            if (rc == UIPC_OK) {
                rc = uipc_queue_put(&me.ring, bytes, length);
                sent = rc == UIPC_OK;
                uipc_queue_end(&me.ring, sent);
            }
            if (!sent)
                check(send_waiting(&me.ring, bytes, length) == UIPC_OK);
        } else
            check(send_waiting(&me.ring, bytes, length) == UIPC_OK);
    }
    leave_beside(&me);
    return NULL;
}

static void note(const char *bytes, size_t length) {
    struct payload payload;
    check(length >= sizeof payload);
    memcpy(&payload, bytes, sizeof payload);
    check(payload.sum == sum_of(&payload, (const unsigned char *)bytes + sizeof payload, length - sizeof payload));
    check(payload.sender < SENDERS && payload.number < EACH);
    check(uipc_fetch_add(&seen[payload.sender][payload.number], 1) == 0);
}

static int received_one(struct member *me, int turn) {
    struct uipc_message message;
    char bytes[CAPACITY];
    int rc = receive_now(&me->ring, bytes, &message, turn % 4 == 0);
    if (rc)
        return rc;
    if (turn % 4 == 0) {
        memcpy(bytes, message.bytes, message.length);
        int accept = turn % 8 != 0;
        check(finish_waiting(&me->ring, &message, accept) == UIPC_OK);
        if (accept)
            note(bytes, message.length);
        return UIPC_OK;
    }
    note(bytes, message.length);
    return UIPC_OK;
}

static void *receive_all(void *unused) {
    struct member me;
    join_beside(&me, fd, UIPC_RECEIVER, &look);
    for (int turn = 0;; turn++) {
        int rc = received_one(&me, turn);
        if (rc == UIPC_OK)
            continue;
        check(rc == UIPC_NOT_NOW || uipc_is_busy(rc));
        if (uipc_ring_ended(&me.ring, turn % 2) == UIPC_OK)
            break;
        wait_after(&me.ring, rc, 1, 0);
    }
    leave_beside(&me);
    return unused;
}

static void everything_arrives_once(void) {
    pthread_t threads[SENDERS + RECEIVERS];
    memset(seen, 0, sizeof seen);
    fd = new_queue(CAPACITY, UIPC_WAIT);
    check(attach(&look, fd) == UIPC_OK);
    for (int i = 0; i < RECEIVERS; i++)
        check(pthread_create(&threads[i], NULL, receive_all, NULL) == 0);
    for (int i = 0; i < SENDERS; i++)
        check(pthread_create(&threads[RECEIVERS + i], NULL, send_all, (void *)(uintptr_t)i) == 0);
    for (int i = 0; i < SENDERS + RECEIVERS; i++)
        check(pthread_join(threads[i], NULL) == 0);
    for (int s = 0; s < SENDERS; s++)
        for (int n = 0; n < EACH; n++)
            check(seen[s][n] == 1);
    check(uipc_ring_used(&look.ring) == 0);
    check(look.ring.file->receivers.count == SENDERS * EACH);
    detach(&look);
    close(fd);
}

/* One sender, one receiver, no leases: in order. */
static void *send_numbers(void *unused) {
    char bytes[CAPACITY];
    for (uint32_t number = 0; number < EACH; number++)
        check(send_waiting(&a.ring, bytes, fill(bytes, 0, number)) == UIPC_OK);
    return unused;
}

static void the_order_is_kept(void) {
    pthread_t sender;
    char bytes[CAPACITY];
    struct uipc_message message;
    struct payload payload;
    int rc;
    fresh(CAPACITY, UIPC_WAIT);
    check(pthread_create(&sender, NULL, send_numbers, NULL) == 0);
    for (uint32_t number = 0; number < EACH; number++) {
        while ((rc = receive_now(&b.ring, bytes, &message, 0)) != UIPC_OK)
            wait_after(&b.ring, rc, 1, 0);
        memcpy(&payload, bytes, sizeof payload);
        check(payload.number == number && message.sequence == number);
    }
    check(pthread_join(sender, NULL) == 0);
    done();
}

int main(void) {
    alarm(90);
    every_length_goes_around();
    the_oldest_is_dropped();
    an_aborted_reservation_leaves_room();
    a_reservation_holds_back_what_is_behind_it();
    leases_end_in_any_order();
    who_leaves_gives_back_and_gives_up();
    places_are_counted();
    the_order_is_kept();
    everything_arrives_once();
    puts("queue: ok");
    return 0;
}
