/* A ring whose bytes are somebody's who wishes us ill: fuzz_ring KIND SEED MUTATIONS [racing]; KIND: queue or topic
 * Each mutation changes some bytes of the header or the ring, and then everything is done with it that can be. Nothing may
 * crash, hang, or touch a byte outside: there are unreadable pages around the mapping, and the sanitizers look on.
 * With `racing` a thread changes bytes all the time.
 */
#include "member.h"

#include <pthread.h>

enum { CAPACITY = 4096 };

#define check(holds) must(holds, #holds)

static uint64_t state;
static uint32_t stop;
static struct member a, b, c; /* a sender, a receiver; a topic has a second subscriber, that may be overrun */
static int is_topic;
static long results[16];

static uint64_t draw(uint64_t *from) { /* xorshift64 */
    *from ^= *from << 13, *from ^= *from >> 7, *from ^= *from << 17;
    return *from;
}

static uint64_t positions(void) {
    const struct uipc_ring_file *file = a.ring.file;
    return is_topic ? uipc_load64(&file->tally.oldest) : uipc_load64(&file->receivers.head);
}

static uint64_t nasty(uint64_t *from) {
    static const uint64_t known[] = {0, 1, 2, 3, 4, 8, 15, 16, 17, 4095, 4096, 4097, 1ull << 31, 1ull << 32, 1ull << 63,
                                     ~0ull, ~0ull - 15, 0x40000000, 0x80000000, 0xC0000000, 0xFFFFFFFF, 255, 256, 257};
    uint64_t value = draw(from), kind = value >> 60;
    if (kind < 6)
        return known[value % (sizeof known / sizeof *known)];
    if (kind < 9)
        return (value % 6) | (value >> 20 & 0xFFFF) << 8 | (value >> 40 & 0x1FFF) << 32; /* the word of a record */
    if (kind < 12)
        return positions() + (value % 600 - 300) * 8; /* near the positions */
    return value;
}

/* One change of 1, 4 or 8 bytes: in the interesting part of the header, at a record's head, or anywhere. */
static void mutate(uint64_t *from) {
    char *file = (char *)a.ring.file;
    uint64_t kind = draw(from) % 10, value = nasty(from), at;
    if (kind < 2 && is_topic)
        at = 512 + UIPC_RING_MEMBERS * 64 + draw(from) % (2 * 64 - 8); /* the subscribers' places */
    else if (kind < 5)
        at = 64 + draw(from) % 448; /* not the facts: they were checked, and are not read again */
    else if (kind < 8)
        at = UIPC_RING_HEADER + (positions() + draw(from) % 40 * 16) % CAPACITY + draw(from) % 2 * 8;
    else
        at = draw(from) % (UIPC_RING_HEADER + CAPACITY - 8);
    size_t size = draw(from) % 3 == 0 ? 1 : draw(from) % 2 ? 4 : 8;
    memcpy(file + at, &value, size);
}

static void unlock(void) { /* a word that names a living thread would be all we ever see */
    uipc_store_relaxed(&a.ring.file->senders.lock.word, draw(&state) % 4 ? 0 : FUTEX_OWNER_DIED);
    uipc_store_relaxed(&a.ring.file->receivers.lock.word, draw(&state) % 4 ? 0 : FUTEX_OWNER_DIED);
}

static void noted(int rc) { results[rc < 0 || rc > 15 ? 15 : rc]++; }

/* Every byte of a message that we are given can be read. */
static void inside(struct uipc_ring *ring, const struct uipc_message *message) {
    check(message->bytes >= ring->data && message->bytes + message->length <= ring->data + 2 * CAPACITY);
    check(message->length <= ring->capacity);
    volatile char sink = 0;
    for (uint32_t i = 0; i < message->length; i += 64)
        sink ^= message->bytes[i];
    (void)sink;
}

static void send_some(void) {
    static char bytes[2 * CAPACITY];
    struct uipc_message held;
    size_t length = draw(&state) % (CAPACITY + 100);
    noted(uipc_queue_send(&a.ring, bytes, length));
    int rc = uipc_queue_reserve(&a.ring, draw(&state) % 300, &held);
    noted(rc);
    if (rc)
        return;
    inside(&a.ring, &held);
    memset(held.bytes, 7, held.length);
    noted(draw(&state) % 2 ? uipc_queue_commit(&a.ring, &held, held.length) : uipc_queue_abort(&a.ring, &held));
}

static void receive(void) {
    struct uipc_message message;
    int rc = uipc_queue_open(&b.ring), taken = 0;
    noted(rc);
    if (rc)
        return;
    for (int i = 0; i < 3 && (rc = uipc_queue_next(&b.ring, &message)) == UIPC_OK; i++, taken++) {
        inside(&b.ring, &message);
        if (draw(&state) % 3)
            uipc_queue_consume(&b.ring, &message);
        else {
            uipc_queue_lease(&b.ring, &message);
            uipc_queue_shut(&b.ring, 0);
            noted(uipc_queue_finish(&b.ring, &message, (int)(draw(&state) % 2)));
            return;
        }
    }
    noted(rc);
    uipc_queue_shut(&b.ring, taken);
}

static void read_as(struct uipc_ring *ring) {
    struct uipc_message message;
    int rc = UIPC_OK;
    for (int i = 0; i < 3 && (rc = uipc_topic_next(ring, &message)) == UIPC_OK; i++) {
        inside(ring, &message);
        if (!uipc_topic_intact(ring, &message))
            continue;
        uipc_topic_take(ring, &message);
        if (draw(&state) % 16 == 0)
            uipc_topic_lose(ring);
        uipc_topic_free(ring, draw(&state) % 4 ? ring->cursor : message.at);
    }
    noted(rc);
    (void)uipc_topic_readable(ring), (void)uipc_ring_in_the_way(ring, 1);
    if (draw(&state) % 32 == 0)
        noted(uipc_topic_subscribe(ring, (int)ring->tells));
}

static void others(int fd) {
    struct member more;
    memset(&more, 0, sizeof more);
    more = a, more.ring.slot = -1;
    more.ring.fd = fd;
    int rc = uipc_ring_join(&more.ring, (int)(draw(&state) % 2));
    noted(rc);
    uipc_ring_look(&more.ring);
    uipc_ring_leave(&more.ring);
    (void)uipc_ring_used(&more.ring);
    noted(uipc_ring_ended(&b.ring, (int)(draw(&state) % 2)));
    (void)uipc_ring_in_the_way(&b.ring, 1), (void)uipc_ring_in_the_way(&a.ring, 0);
    (void)uipc_ring_is_ready(&b.ring, 1, 0), (void)uipc_queue_writable(&a.ring, 100);
}

static void *race(void *seed) {
    uint64_t mine = (uint64_t)(uintptr_t)seed | 1;
    while (!uipc_load_acquire(&stop)) {
        mutate(&mine);
        uipc_store_relaxed(&a.ring.file->senders.lock.word, 0);
        uipc_store_relaxed(&a.ring.file->receivers.lock.word, 0);
    }
    return NULL;
}

/* Facts of every kind: refused, or such that what they say is mapped. */
static void facts(void) {
    struct uipc_ring ring = {0};
    struct uipc_ring_facts *there = &a.ring.file->facts, changed = *there;
    uint64_t value = nasty(&state), size = draw(&state) % 2 ? UIPC_RING_HEADER + changed.capacity : nasty(&state);
    memcpy((char *)&changed + draw(&state) % (sizeof changed - 8), &value, draw(&state) % 8 + 1);
    if (draw(&state) % 2) { /* and the sum is right */
        uint32_t sum = 2166136261u;
        for (size_t i = 0; i < offsetof(struct uipc_ring_facts, check); i++)
            sum = (sum ^ ((unsigned char *)&changed)[i]) * 16777619u;
        changed.check = sum;
    }
    int rc = uipc_ring_check(&ring, &changed, size);
    noted(rc);
    check(rc == UIPC_DAMAGED ? uipc_ring_trouble()->what != NULL
                             : size == UIPC_RING_HEADER + ring.capacity && !(ring.capacity & (ring.capacity - 1)));
}

int main(int argc, char **argv) {
    check(argc >= 4);
    is_topic = strcmp(argv[1], "topic") == 0;
    state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
    long most = atol(argv[3]);
    pthread_t racer;
    int fd = new_ring(is_topic ? UIPC_TOPIC : UIPC_QUEUE, CAPACITY, (uint32_t)(draw(&state) % 3)), racing = argc > 4;
    join(&a, fd, UIPC_SENDER);
    if (is_topic)
        join(&b, fd, UIPC_RECEIVER), join(&c, fd, UIPC_RECEIVER), subscribe(&b, 0), subscribe(&c, 1);
    else
        join(&b, fd, UIPC_RECEIVER);
    char *fresh = malloc(UIPC_RING_HEADER + CAPACITY);
    memcpy(fresh, a.ring.file, UIPC_RING_HEADER + CAPACITY);
    if (racing)
        check(pthread_create(&racer, NULL, race, (void *)(uintptr_t)state) == 0);
    for (long n = 0; n < most; n++) {
        if (n % 64 == 0) {
            alarm(60);
            memcpy(a.ring.file, fresh, UIPC_RING_HEADER + CAPACITY);
        }
        for (uint64_t i = 0, some = 1 + draw(&state) % 3; i < some; i++)
            mutate(&state);
        unlock();
        send_some();
        if (is_topic)
            read_as(&b.ring), read_as(&c.ring);
        else
            receive();
        if (n % 8 == 0) {
            unlock();
            others(fd);
        }
        facts();
    }
    uipc_store_release(&stop, 1);
    if (racing)
        check(pthread_join(racer, NULL) == 0);
    for (int i = 0; i < 16; i++)
        printf("%ld ", results[i]);
    puts("ok");
    free(fresh);
    return 0;
}
