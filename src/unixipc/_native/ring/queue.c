/* A queue: each message goes to one receiver. Sending is the same for topics. */
#include "inside.h"

static uint64_t units_for(size_t length) { return (length + 2 * UIPC_RING_UNIT - 1) / UIPC_RING_UNIT; }

/* ---------------------------------------------------------------------------------------------------- sending */

/* Whether a record of `size` bytes fits, and the head behind it. */
static int room(struct uipc_ring *ring, uint64_t at, uint64_t size) {
    struct uipc_ring_end *end = &ring->file->senders;
    uint64_t far = end->lock.uipc_far;
    if (UIPC_UNLIKELY(at % UIPC_RING_UNIT))
        return uipc_damaged("position of the senders", at, at & ~15ull);
    if (at - far + size + UIPC_RING_UNIT <= ring->capacity)
        return UIPC_OK;
    far = uipc_load64_acquire(&ring->file->receivers.head); /* SYNC head: the receivers are done with what is before */
    if (UIPC_UNLIKELY(at - far > ring->capacity))
        return uipc_damaged("head of the ring", far, at);
    uipc_store64(&end->lock.uipc_far, far);
    return at - far + size + UIPC_RING_UNIT <= ring->capacity ? UIPC_OK : UIPC_NOT_NOW;
}

/* Take a message out of the ring: it was handed over, or dropped. */
static void take_out(struct uipc_ring *ring, const struct uipc_message *message);

/* Forget the oldest message; the senders' end is locked. */
static int drop_oldest(struct uipc_ring *ring) {
    struct uipc_message oldest;
    int rc = uipc_ring_enter(ring, UIPC_RECEIVER);
    if (rc)
        return rc;
    rc = uipc_queue_next(ring, &oldest);
    if (rc == UIPC_OK && oldest.at != ring->file->receivers.head)
        rc = UIPC_NOT_NOW; /* an older one is leased: no place would become free */
    if (rc == UIPC_OK) {
        take_out(ring, &oldest);
        uipc_add64(&ring->file->tally.dropped, 1);
    }
    uipc_ring_exit(UIPC_RECEIVER);
    return rc;
}

static int state_at_head(const struct uipc_ring *ring) {
    uint64_t head = uipc_load64_acquire(&ring->file->receivers.head) & ~15ull;
    return uipc_state(uipc_guess64(&uipc_record_at(ring, head)->word));
}

/* Free what reservations that came to nothing have left at the head: perhaps no receiver comes to do it. */
static int tidy(struct uipc_ring *ring) {
    struct uipc_message ignored;
    int rc = uipc_queue_open(ring);
    if (rc)
        return rc;
    rc = uipc_queue_next(ring, &ignored); /* goes over it */
    uipc_queue_shut(ring, 0);
    return rc == UIPC_DAMAGED ? rc : UIPC_OK;
}

static int make_room(struct uipc_ring *ring, uint64_t at, uint64_t size) {
    if (UIPC_UNLIKELY(ring->kind == UIPC_TOPIC))
        return uipc_topic_room(ring, at, size);
    int rc = room(ring, at, size);
    for (uint64_t most = ring->capacity / UIPC_RING_UNIT; rc == UIPC_NOT_NOW && most; most--) {
        if (state_at_head(ring) == UIPC_DONE)
            rc = tidy(ring);
        else if (ring->when_full == UIPC_DROP_OLDEST)
            rc = drop_oldest(ring);
        else
            return rc;
        if (rc)
            return rc;
        rc = room(ring, at, size);
    }
    return rc;
}

/* Write a record; the senders' end is locked. With `state` its word appears, and the record with it. */
static int append(struct uipc_ring *ring, const void *bytes, size_t length, int state, struct uipc_message *message) {
    struct uipc_ring_end *end = &ring->file->senders;
    uint64_t at = uipc_load64(&end->lock.uipc_position), size = units_for(length) * UIPC_RING_UNIT;
    if (UIPC_UNLIKELY(length > ring->longest))
        return UIPC_TOO_LONG;
    int rc = make_room(ring, at, size);
    if (UIPC_UNLIKELY(rc))
        return rc;
    struct uipc_record *record = uipc_record_at(ring, at), *behind = uipc_record_at(ring, at + size);
    uint32_t sequence = (uint32_t)end->count;
    uipc_store_relaxed(&behind->sequence, sequence + 1); /* so the record at the head tells how many are gone */
    uipc_store64(&behind->word, UIPC_NOTHING);
    UIPC_POINT("send-cleared");
    uipc_store_relaxed(&record->units, size / UIPC_RING_UNIT);
    uipc_store_relaxed(&record->sequence, sequence);
    if (bytes)
        memcpy(record + 1, bytes, length);
    else
        *message = (struct uipc_message){(char *)(record + 1), at, length, size / UIPC_RING_UNIT, sequence};
    UIPC_POINT("send-written");
    uipc_store64_release(&record->word, state | uipc_member_bits(ring) | (uint64_t)length << 32); /* SYNC record */
    UIPC_POINT("send-published");
    uipc_store64(&end->count, end->count + 1);
    uipc_store64(&end->bytes, end->bytes + length);
    UIPC_POINT("send-counted");
    uipc_store64(&end->lock.uipc_position, at + size);
    UIPC_POINT("send-moved");
    return UIPC_OK;
}

int uipc_queue_begin(struct uipc_ring *ring) { return uipc_member_enter(ring, UIPC_SENDER); }

int uipc_queue_put(struct uipc_ring *ring, const void *bytes, size_t length) {
    return append(ring, bytes, length, UIPC_READY, NULL);
}

void uipc_queue_end(struct uipc_ring *ring, int put_any) {
    uipc_ring_exit(UIPC_SENDER);
    UIPC_POINT("send-unlocked");
    if (put_any)
        uipc_bell_answer(&ring->file->messages, ring->kind == UIPC_TOPIC ? INT_MAX : put_any);
}

int uipc_queue_send(struct uipc_ring *ring, const void *bytes, size_t length) {
    int rc = uipc_member_enter(ring, UIPC_SENDER);
    if (UIPC_UNLIKELY(rc))
        return rc;
    rc = append(ring, bytes, length, UIPC_READY, NULL);
    uipc_queue_end(ring, rc == UIPC_OK);
    return rc;
}

int uipc_queue_reserve(struct uipc_ring *ring, size_t length, struct uipc_message *message) {
    int rc = uipc_member_enter(ring, UIPC_SENDER);
    if (rc)
        return rc;
    rc = append(ring, NULL, length, UIPC_RESERVED, message);
    uipc_ring_exit(UIPC_SENDER);
    return rc;
}

/* Our reservation becomes a message, or nothing. Only we may change its word. */
static int settle(struct uipc_ring *ring, const struct uipc_message *message, uint64_t word) {
    struct uipc_record *record = uipc_record_at(ring, message->at);
    uint64_t was = UIPC_RESERVED | uipc_member_bits(ring) | (uint64_t)message->length << 32;
    return uipc_exchange64_if(&record->word, was, word) ? UIPC_OK : UIPC_NOT_OURS; /* SYNC record */
}

/* Messages behind it could not be received before: then it is not one receiver's turn, but everybody's. */
static int others_behind(const struct uipc_ring *ring, const struct uipc_message *message) {
    uint64_t end = message->at + (uint64_t)message->units * UIPC_RING_UNIT;
    return uipc_load64(&ring->file->senders.lock.uipc_position) != end;
}

static void tell_settled(struct uipc_ring *ring, int most, int space) {
    uipc_bell_answer(&ring->file->messages, most);
    if (space)
        uipc_bell_answer(&ring->file->space, INT_MAX);
}

int uipc_queue_commit(struct uipc_ring *ring, const struct uipc_message *message, size_t length) {
    if (length > message->length)
        return UIPC_TOO_LONG;
    if (ring->slot < 0)
        return UIPC_LEFT;
    UIPC_POINT("reserve-filled");
    int rc = settle(ring, message, UIPC_READY | uipc_member_bits(ring) | (uint64_t)length << 32);
    UIPC_POINT("reserve-settled");
    if (rc == UIPC_OK) /* who wants to drop the oldest may have waited for it */
        tell_settled(ring, ring->kind == UIPC_TOPIC || others_behind(ring, message) ? INT_MAX : 1,
                     ring->kind == UIPC_TOPIC || ring->when_full == UIPC_DROP_OLDEST);
    return rc;
}

/* Under the lock that all changes of what is gone are counted under (a topic counts none). */
int uipc_queue_abort(struct uipc_ring *ring, const struct uipc_message *message) {
    if (ring->slot < 0)
        return UIPC_LEFT;
    int rc = ring->kind == UIPC_QUEUE ? uipc_ring_enter(ring, UIPC_RECEIVER) : UIPC_OK;
    if (rc)
        return rc;
    rc = settle(ring, message, UIPC_DONE | uipc_member_bits(ring));
    UIPC_POINT("reserve-aborted");
    if (rc == UIPC_OK)
        uipc_add64(&ring->file->tally.aborted, 1);
    if (ring->kind == UIPC_QUEUE)
        uipc_ring_exit(UIPC_RECEIVER);
    if (rc == UIPC_OK)
        tell_settled(ring, INT_MAX, 1);
    return rc;
}

/* -------------------------------------------------------------------------------------------------- receiving */

int uipc_queue_open(struct uipc_ring *ring) { return uipc_member_enter(ring, UIPC_RECEIVER); }

void uipc_queue_shut(struct uipc_ring *ring, int consumed_any) {
    int freed = consumed_any || ring->freed;
    ring->freed = 0;
    uipc_ring_exit(UIPC_RECEIVER);
    UIPC_POINT("receive-unlocked");
    if (freed)
        uipc_bell_answer(&ring->file->space, INT_MAX);
}

static int describe(struct uipc_ring *ring, uint64_t at, uint64_t word, struct uipc_message *message) {
    struct uipc_record *record = uipc_record_at(ring, at);
    uint64_t size = uipc_size_of(ring, record);
    if (UIPC_UNLIKELY(size == 0))
        return UIPC_DAMAGED;
    if (UIPC_UNLIKELY(uipc_length(word) > size - UIPC_RING_UNIT))
        return uipc_damaged("length of a message", uipc_length(word), size - UIPC_RING_UNIT);
    message->bytes = (char *)(record + 1);
    message->at = at;
    message->length = uipc_length(word);
    message->units = size / UIPC_RING_UNIT;
    message->sequence = uipc_load_relaxed(&record->sequence);
    return UIPC_OK;
}

/* Everything at the head that is done with is free again. */
static void advance_head(struct uipc_ring *ring) {
    struct uipc_ring_end *end = &ring->file->receivers;
    uint64_t head = end->head, size;
    while (head != end->lock.uipc_position) { /* ends: `head` comes nearer each turn, or a record is damaged */
        struct uipc_record *record = uipc_record_at(ring, head);
        if (uipc_state(uipc_load64(&record->word)) != UIPC_DONE || !(size = uipc_size_of(ring, record)))
            break;
        if (size > end->lock.uipc_position - head)
            break;
        head += size;
    }
    uipc_store64_release(&end->head, head); /* SYNC head */
}

/* A message that was given back: the first one between head and next. */
static int find_returned(struct uipc_ring *ring, struct uipc_message *message) {
    struct uipc_ring_end *end = &ring->file->receivers;
    uint64_t next = end->lock.uipc_position, at = end->head, size;
    while (at != next && next - at <= ring->capacity) { /* ends: `at` comes nearer by a record each turn */
        struct uipc_record *record = uipc_record_at(ring, at);
        uint64_t word = uipc_load64_acquire(&record->word);
        if (uipc_state(word) == UIPC_READY)
            return describe(ring, at, word, message);
        if (!(size = uipc_size_of(ring, record)))
            return UIPC_DAMAGED;
        at += size;
    }
    uipc_store64(&end->lock.uipc_far, 0);
    return UIPC_NOT_NOW;
}

/* Step over a record that is done with, or leased by somebody who was killed before he had moved on. */
static int step_over(struct uipc_ring *ring, uint64_t at) {
    struct uipc_ring_end *end = &ring->file->receivers;
    uint64_t size = uipc_size_of(ring, uipc_record_at(ring, at));
    if (!size)
        return UIPC_DAMAGED;
    uipc_store64(&end->lock.uipc_position, at + size);
    UIPC_POINT("receive-stepped");
    advance_head(ring);
    ring->freed = 1;
    return UIPC_OK;
}

int uipc_queue_next(struct uipc_ring *ring, struct uipc_message *message) {
    struct uipc_ring_end *end = &ring->file->receivers;
    uint64_t next = end->lock.uipc_position, word;
    if (UIPC_UNLIKELY(next % UIPC_RING_UNIT || end->head % UIPC_RING_UNIT || next - end->head > ring->capacity))
        return uipc_damaged("position of the receivers", next, end->head);
    if (UIPC_UNLIKELY(end->lock.uipc_far)) {
        int rc = find_returned(ring, message);
        if (rc != UIPC_NOT_NOW)
            return rc;
    }
    for (uint64_t most = ring->capacity / UIPC_RING_UNIT; most; most--) {
        word = uipc_load64_acquire(&uipc_record_at(ring, next)->word); /* SYNC record: then all of it */
        switch (uipc_state(word)) {
        case UIPC_READY:
            return describe(ring, next, word, message);
        case UIPC_NOTHING:
        case UIPC_RESERVED:
            return UIPC_NOT_NOW;
        case UIPC_DONE:
        case UIPC_LEASED:
            if (step_over(ring, next))
                return UIPC_DAMAGED;
            next = end->lock.uipc_position;
            break;
        default:
            return uipc_damaged("state of a record", uipc_state(word), UIPC_READY);
        }
    }
    return uipc_damaged("records without an end", next, end->head);
}

/* It was handed over, or leased: never again from `next`, nor as one that was given back. */
static void pass(struct uipc_ring *ring, const struct uipc_message *message) {
    struct uipc_ring_end *end = &ring->file->receivers;
    if (message->at == end->lock.uipc_position)
        uipc_store64(&end->lock.uipc_position, message->at + (uint64_t)message->units * UIPC_RING_UNIT);
    else
        uipc_store64(&end->lock.uipc_far, end->lock.uipc_far - 1);
}

static void count(struct uipc_ring *ring, const struct uipc_message *message) {
    struct uipc_ring_end *end = &ring->file->receivers;
    uipc_store64(&end->count, end->count + 1);
    uipc_store64(&end->bytes, end->bytes + message->length);
}

static void take_out(struct uipc_ring *ring, const struct uipc_message *message) {
    struct uipc_ring_end *end = &ring->file->receivers;
    uint64_t size = (uint64_t)message->units * UIPC_RING_UNIT;
    if (message->at == end->lock.uipc_position && message->at == end->head) { /* nothing is leased */
        uipc_store64(&end->lock.uipc_position, message->at + size);
        UIPC_POINT("receive-moved");
        uipc_store64_release(&end->head, message->at + size); /* SYNC head: we have read it */
    } else {
        uipc_store64(&uipc_record_at(ring, message->at)->word, UIPC_DONE);
        UIPC_POINT("receive-done");
        pass(ring, message);
        advance_head(ring);
    }
    UIPC_POINT("receive-freed");
}

void uipc_queue_consume(struct uipc_ring *ring, const struct uipc_message *message) {
    take_out(ring, message);
    count(ring, message);
}

void uipc_queue_lease(struct uipc_ring *ring, const struct uipc_message *message) {
    uint64_t word = UIPC_LEASED | uipc_member_bits(ring) | (uint64_t)message->length << 32;
    uipc_store64(&uipc_record_at(ring, message->at)->word, word);
    UIPC_POINT("lease-marked");
    pass(ring, message);
    UIPC_POINT("lease-moved");
}

int uipc_queue_finish(struct uipc_ring *ring, const struct uipc_message *message, int accept) {
    struct uipc_ring_end *end = &ring->file->receivers;
    struct uipc_record *record = uipc_record_at(ring, message->at);
    uint64_t ours = UIPC_LEASED | uipc_member_bits(ring) | (uint64_t)message->length << 32;
    int rc = uipc_member_enter(ring, UIPC_RECEIVER), last = 0;
    if (rc)
        return rc;
    if (uipc_load64(&record->word) != ours || end->lock.uipc_position - message->at > ring->capacity ||
        uipc_load_relaxed(&record->sequence) != message->sequence) {
        uipc_ring_exit(UIPC_RECEIVER);
        return UIPC_NOT_OURS;
    }
    if (accept) {
        uipc_store64(&record->word, UIPC_DONE);
        UIPC_POINT("lease-done");
        advance_head(ring);
        count(ring, message);
        last = end->head == end->lock.uipc_position;
    } else {
        uipc_store64_release(&record->word, UIPC_READY | (ours & ~0xFFull));
        UIPC_POINT("lease-returned");
        uipc_store64(&end->lock.uipc_far, end->lock.uipc_far + 1);
    }
    UIPC_POINT("lease-finished");
    uipc_ring_exit(UIPC_RECEIVER);
    if (accept)
        uipc_bell_answer(&ring->file->space, INT_MAX);
    if (last)
        uipc_ring_tell_the_end(ring);
    if (!accept)
        tell_settled(ring, 1, ring->when_full == UIPC_DROP_OLDEST);
    return UIPC_OK;
}

/* ---------------------------------------------------------------------------------------------------- waiting */

int uipc_queue_readable(const struct uipc_ring *ring) {
    const struct uipc_ring_end *end = &ring->file->receivers;
    uint64_t next = uipc_load64_acquire(&end->lock.uipc_position) & ~15ull;
    int state = uipc_state(uipc_guess64(&uipc_record_at(ring, next)->word));
    return (state != UIPC_NOTHING && state != UIPC_RESERVED) || uipc_load64(&end->lock.uipc_far);
}

int uipc_queue_writable(const struct uipc_ring *ring, size_t length) {
    if (ring->kind == UIPC_TOPIC)
        return uipc_topic_writable(ring, units_for(length) * UIPC_RING_UNIT);
    uint64_t at = uipc_load64(&ring->file->senders.lock.uipc_position);
    uint64_t head = uipc_load64_acquire(&ring->file->receivers.head);
    if (at - head + (units_for(length) + 1) * UIPC_RING_UNIT <= ring->capacity || at - head > ring->capacity)
        return 1;
    int oldest = state_at_head(ring); /* see make_room */
    return oldest == UIPC_DONE || (oldest == UIPC_READY && ring->when_full == UIPC_DROP_OLDEST);
}

uint64_t uipc_ring_in_the_way(const struct uipc_ring *ring, int reading) {
    const struct uipc_ring_file *file = ring->file;
    uint64_t first = ring->kind == UIPC_TOPIC ? uipc_load64(&file->tally.oldest) : uipc_load64(&file->receivers.head);
    uint64_t next = ring->kind == UIPC_TOPIC ? uipc_load64(&ring->cursor) : uipc_load64(&file->receivers.lock.uipc_position);
    uint64_t word = uipc_guess64(&uipc_record_at(ring, (reading ? next : first) & ~15ull)->word);
    int state = uipc_state(word);
    return state == UIPC_RESERVED || (state == UIPC_LEASED && !reading) ? word : 0;
}
