/* A topic: each message goes to every subscriber. Publishing is the sending of queue.c; what differs is when a place is
 * free again, and that a subscriber reads without any lock, as its position is its own.
 *
 *     oldest        position of a subscriber             position (of the senders' end)
 *       | may be read | not yet read by that subscriber  |0
 *
 * Publishers move `oldest` on before they write over what was there; up to the slowest subscriber that they wait for.
 * A subscriber that is not waited for copies first, and looks at `oldest` afterwards: was it overrun meanwhile?
 */
#include "inside.h"

/* Where the slowest subscriber is that is waited for; `at` if there is none. */
static uint64_t slowest(const struct uipc_ring *ring, uint64_t at) {
    uint64_t result = at;
    for (int slot = 0, places = uipc_places(ring, UIPC_RECEIVER); slot < places; slot++) {
        const struct uipc_ring_member *place = &ring->file->member[UIPC_RECEIVER][slot];
        if (!uipc_load_acquire(&place->state) || uipc_load_acquire(&place->tells))
            continue;
        uint64_t position = uipc_load64_acquire(&place->position); /* SYNC cursor: it has read what is before */
        if (at - position > at - result && at - position <= ring->capacity)
            result = position;
    }
    return result;
}

/* Everything before it may be written over; so many reservations that came to nothing were among it. */
static void move_oldest(struct uipc_ring_tally *tally, uint64_t oldest, uint64_t given_up) {
    uipc_store64(&tally->next_given_up, uipc_load64(&tally->given_up) + given_up);
    uipc_store64(&tally->next_oldest, oldest);
    UIPC_POINT("topic-counted");
    uipc_store64(&tally->oldest, oldest);
    uipc_fence_release(); /* SYNC oldest: who reads a byte of ours sees that it was overrun */
    UIPC_POINT("topic-overran");
    uipc_topic_end_move(tally);
}

void uipc_topic_end_move(struct uipc_ring_tally *tally) {
    if (uipc_load64(&tally->oldest) == uipc_load64(&tally->next_oldest))
        uipc_store64(&tally->given_up, uipc_load64(&tally->next_given_up));
}

int uipc_topic_room(struct uipc_ring *ring, uint64_t at, uint64_t size) {
    struct uipc_ring_end *end = &ring->file->senders;
    uint64_t oldest = uipc_load64(&ring->file->tally.oldest), far = end->lock.uipc_far, step;
    if (UIPC_UNLIKELY(at % UIPC_RING_UNIT || oldest % UIPC_RING_UNIT || at - oldest > ring->capacity))
        return uipc_damaged("oldest message of the topic", oldest, at);
    uint64_t before = oldest, given_up = 0;
    while (at - oldest + size + UIPC_RING_UNIT > ring->capacity) { /* ends: `oldest` comes nearer to `at` each turn */
        struct uipc_record *record = uipc_record_at(ring, oldest);
        if (oldest == far || at - far > at - oldest) {
            far = slowest(ring, at);
            uipc_store64(&end->lock.uipc_far, far);
            if (oldest == far || at - far > at - oldest)
                return UIPC_NOT_NOW;
        }
        int state = uipc_state(uipc_load64_acquire(&record->word));
        if (state == UIPC_RESERVED) {
            uipc_store64(&ring->stuck, oldest);
            return UIPC_NOT_NOW;
        }
        given_up += state == UIPC_DONE;
        if (!(step = uipc_size_of(ring, record)) || step > at - oldest)
            return uipc_damaged("units of a record", step / UIPC_RING_UNIT, (at - oldest) / UIPC_RING_UNIT);
        oldest += step;
    }
    if (oldest != before)
        move_oldest(&ring->file->tally, oldest, given_up);
    return UIPC_OK;
}

/* The last try has found somebody's reservation in its way, and it is there still. */
static int is_stuck(const struct uipc_ring *ring) {
    uint64_t stuck = uipc_load64(&ring->stuck);
    return stuck != UIPC_NOT_STUCK && (int64_t)(uipc_load64(&ring->file->tally.oldest) - stuck) <= 0 &&
           uipc_state(uipc_guess64(&uipc_record_at(ring, stuck)->word)) == UIPC_RESERVED;
}

int uipc_topic_writable(const struct uipc_ring *ring, uint64_t size) {
    uint64_t at = uipc_load64_acquire(&ring->file->senders.lock.uipc_position);
    if (is_stuck(ring))
        return 0;
    return at - slowest(ring, at) + size + UIPC_RING_UNIT <= ring->capacity;
}

/* How many reservations before this position have come to nothing. Those that are open still count as messages. */
static uint64_t given_up_before(struct uipc_ring *ring, uint64_t position) {
    uint64_t at = uipc_load64(&ring->file->tally.oldest), size, result = uipc_load64(&ring->file->tally.given_up);
    while (at % UIPC_RING_UNIT == 0 && at != position && position - at <= ring->capacity) { /* ends: a record each turn */
        const struct uipc_record *record = uipc_record_at(ring, at);
        if (!(size = uipc_size_of(ring, record)))
            break;
        result += uipc_state(uipc_load64_acquire(&record->word)) == UIPC_DONE;
        at += size;
    }
    return result;
}

int uipc_topic_subscribe(struct uipc_ring *ring, int tells) {
    struct uipc_ring_member *place = &ring->file->member[UIPC_RECEIVER][ring->slot];
    int rc = uipc_member_enter(ring, UIPC_SENDER);
    if (rc)
        return rc;
    ring->cursor = ring->file->senders.lock.uipc_position & ~15ull;
    ring->next_number = (uint32_t)ring->file->senders.count;
    ring->tells = tells;
    ring->given_up = tells ? given_up_before(ring, ring->cursor) : 0;
    uipc_store64(&place->position, ring->cursor);
    uipc_store_relaxed(&place->expected, ring->next_number);
    UIPC_POINT("subscribe-placed");
    uipc_store_release(&place->tells, tells); /* from here on it is waited for, or not */
    UIPC_POINT("subscribe-told");
    uipc_ring_exit(UIPC_SENDER);
    UIPC_POINT("subscribe-unlocked");
    return UIPC_OK;
}

static int overrun(const struct uipc_ring *ring, uint64_t at) {
    return (int64_t)(uipc_load64_acquire(&ring->file->tally.oldest) - at) > 0;
}

int uipc_topic_readable(const struct uipc_ring *ring) {
    uint64_t cursor = uipc_load64(&ring->cursor);
    int state = uipc_state(uipc_guess64(&uipc_record_at(ring, cursor)->word));
    return (state != UIPC_NOTHING && state != UIPC_RESERVED) || (ring->tells && overrun(ring, cursor));
}

/* What was under our position may have been written over while we looked: then it is no damage. */
static int describe(struct uipc_ring *ring, uint64_t word, struct uipc_message *message) {
    struct uipc_record *record = uipc_record_at(ring, ring->cursor);
    uint64_t size = uipc_size_of(ring, record);
    if (!size)
        return UIPC_DAMAGED;
    if (uipc_state(word) == UIPC_READY && uipc_length(word) > size - UIPC_RING_UNIT)
        return uipc_damaged("length of a message", uipc_length(word), size - UIPC_RING_UNIT);
    *message = (struct uipc_message){(char *)(record + 1), ring->cursor, uipc_length(word), size / UIPC_RING_UNIT,
                                     uipc_load_relaxed(&record->sequence)};
    return UIPC_OK;
}

/* It was overrun: it goes on with the oldest message that there is. What lies between was missed, but for the
 * reservations that came to nothing. Under the publishers' lock, as the count of those belongs to the position. */
static int catch_up(struct uipc_ring *ring) {
    struct uipc_ring_member *place = &ring->file->member[UIPC_RECEIVER][ring->slot];
    int rc = uipc_ring_enter(ring, UIPC_SENDER);
    if (rc)
        return rc;
    uint64_t oldest = uipc_load64(&ring->file->tally.oldest) & ~15ull, given_up = uipc_load64(&ring->file->tally.given_up);
    uint32_t number = uipc_load_relaxed(&uipc_record_at(ring, oldest)->sequence);
    uint64_t gone = number - ring->next_number, none = given_up - ring->given_up;
    uipc_ring_exit(UIPC_SENDER);
    uipc_store64(&ring->cursor, oldest);
    ring->next_number = number, ring->given_up = given_up;
    ring->missed += none < gone ? gone - none : 0;
    uipc_store_relaxed(&place->expected, number);
    uipc_store64(&place->missed, ring->missed);
    return UIPC_OK;
}

/* Our position moves behind it. */
static void move_behind(struct uipc_ring *ring, const struct uipc_message *message) {
    struct uipc_ring_member *place = &ring->file->member[UIPC_RECEIVER][ring->slot];
    uipc_store64(&ring->cursor, message->at + (uint64_t)message->units * UIPC_RING_UNIT);
    ring->next_number = message->sequence + 1;
    uipc_store_relaxed(&place->expected, ring->next_number);
}

int uipc_topic_next(struct uipc_ring *ring, struct uipc_message *message) {
    if (UIPC_UNLIKELY(ring->slot < 0))
        return UIPC_LEFT;
    for (uint64_t most = ring->capacity / UIPC_RING_UNIT; most; most--) {
        int rc = ring->tells && overrun(ring, ring->cursor) ? catch_up(ring) : UIPC_OK;
        if (UIPC_UNLIKELY(rc))
            return rc;
        uint64_t word = uipc_load64_acquire(&uipc_record_at(ring, ring->cursor)->word); /* SYNC record: then all of it */
        int state = uipc_state(word);
        if (state == UIPC_READY || state == UIPC_DONE)
            rc = describe(ring, word, message);
        else if (state != UIPC_NOTHING && state != UIPC_RESERVED)
            rc = uipc_damaged("state of a record", state, UIPC_READY);
        uipc_fence_acquire();
        if (ring->tells && overrun(ring, ring->cursor))
            continue; /* what we saw is no record any more */
        if (rc || state == UIPC_READY)
            return rc;
        if (state != UIPC_DONE)
            return UIPC_NOT_NOW;
        move_behind(ring, message); /* a reservation that came to nothing */
        ring->given_up++;
        UIPC_POINT("topic-stepped");
    }
    return ring->tells ? UIPC_NOT_NOW : uipc_damaged("records without an end", ring->cursor, 0);
}

int uipc_topic_intact(const struct uipc_ring *ring, const struct uipc_message *message) {
    uipc_fence_acquire(); /* SYNC oldest: behind our copy */
    return !ring->tells || !overrun(ring, message->at);
}

void uipc_topic_take(struct uipc_ring *ring, const struct uipc_message *message) {
    if (UIPC_UNLIKELY(ring->slot < 0))
        return;
    struct uipc_ring_member *place = &ring->file->member[UIPC_RECEIVER][ring->slot];
    move_behind(ring, message);
    uipc_store64(&place->count, place->count + 1);
    UIPC_POINT("topic-taken");
}

void uipc_topic_lose(struct uipc_ring *ring) {
    if (UIPC_UNLIKELY(ring->slot < 0))
        return;
    struct uipc_ring_member *place = &ring->file->member[UIPC_RECEIVER][ring->slot];
    ring->missed++;
    uipc_store64(&place->missed, ring->missed);
    uipc_store64(&place->count, place->count - 1);
}

void uipc_topic_free(struct uipc_ring *ring, uint64_t position) {
    if (UIPC_UNLIKELY(ring->slot < 0))
        return;
    UIPC_POINT("topic-read");
    uipc_store64_release(&ring->file->member[UIPC_RECEIVER][ring->slot].position, position); /* SYNC cursor */
    uipc_fence_full(); /* SYNC bell: the position before the look at who sleeps */
    UIPC_POINT("topic-freed");
    uipc_bell_answer(&ring->file->space, INT_MAX);
}

/* The reservations of a dead publisher become nothing. */
int uipc_topic_free_records_of(struct uipc_ring *ring, int member) {
    int rc = uipc_ring_enter(ring, UIPC_SENDER);
    if (rc)
        return rc;
    uint64_t at = uipc_load64(&ring->file->tally.oldest), end = ring->file->senders.lock.uipc_position, size;
    while (at % UIPC_RING_UNIT == 0 && at != end && end - at <= ring->capacity) { /* ends: a record each turn */
        struct uipc_record *record = uipc_record_at(ring, at);
        uint64_t word = uipc_load64_acquire(&record->word);
        if (!(size = uipc_size_of(ring, record)))
            break;
        if (uipc_state(word) == UIPC_RESERVED && uipc_member_of(word) == member) {
            uipc_store64_release(&record->word, UIPC_DONE | (word & ~0xFFull));
            UIPC_POINT("topic-given-up");
            uipc_add64(&ring->file->tally.aborted, 1);
        }
        at += size;
    }
    uipc_ring_exit(UIPC_SENDER);
    return UIPC_OK;
}
