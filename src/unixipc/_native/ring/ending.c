/* The end of a channel: it is concluded from what is stored, and not only from who lives. Model: tests/model/queue.pml.
 *
 * Nothing can come any more when no sender lives, nothing is stored, and nobody else has a lease that may be given back.
 * What the dead have left unfinished is settled first. A sender that joins later is heard again: the end is not final.
 */
#include "inside.h"

#define SEEN (1ull << 32)
#define MOST_TURNS 8 /* each one somebody joins or leaves meanwhile: then it is no end yet */

static int saw_sender(const struct uipc_ring *ring, uint32_t changes) {
    return uipc_load64(&ring->sender_seen) == (SEEN | changes);
}

/* Whether a sender lives. It is noted for as long as nobody joins or leaves: asking the kernel costs a system call. */
static int is_any_sender(struct uipc_ring *ring, uint32_t changes) {
    int found = uipc_ring_any(ring, UIPC_SENDER);
    uipc_store64(&ring->sender_seen, found ? SEEN | changes : 0);
    return found;
}

/* Whether this record may still be handed to us. */
static int may_come(const struct uipc_ring *ring, uint64_t word) {
    int ours = (word & 0xFFFF00) == uipc_member_bits(ring);
    return uipc_state(word) != UIPC_DONE && !(uipc_state(word) == UIPC_LEASED && ours);
}

static int queue_is_empty(struct uipc_ring *ring) {
    int rc = uipc_member_enter(ring, UIPC_RECEIVER);
    if (rc)
        return rc;
    uint64_t head = ring->file->receivers.head, at = head, word, size;
    while (at % UIPC_RING_UNIT == 0 && at - head < ring->capacity) { /* ends: `at` goes on by a record each turn */
        const struct uipc_record *record = uipc_record_at(ring, at);
        word = uipc_load64_acquire(&record->word); /* SYNC record */
        if (uipc_state(word) == UIPC_NOTHING || !(size = uipc_size_of(ring, record)))
            break;
        if (may_come(ring, word)) {
            rc = UIPC_NOT_NOW;
            break;
        }
        at += size;
    }
    uipc_ring_exit(UIPC_RECEIVER);
    return rc;
}

static int topic_is_empty(const struct uipc_ring *ring) {
    if (ring->slot < 0)
        return UIPC_LEFT;
    if (uipc_topic_readable(ring))
        return UIPC_NOT_NOW;
    uint64_t word = uipc_load64_acquire(&uipc_record_at(ring, uipc_load64(&ring->cursor))->word);
    return uipc_state(word) == UIPC_NOTHING ? UIPC_OK : UIPC_NOT_NOW;
}

int uipc_ring_ended(struct uipc_ring *ring, int fresh) {
    const struct uipc_ring_tally *tally = &ring->file->tally;
    for (int turn = 0; turn < MOST_TURNS; turn++) {
        uint32_t changes = uipc_load_acquire(&tally->changes);
        if (!(uipc_load_acquire(&tally->ever) & 1) || (!fresh && saw_sender(ring, changes)))
            return UIPC_NOT_NOW;
        if (is_any_sender(ring, changes))
            return UIPC_NOT_NOW;
        if (uipc_ring_look(ring))
            continue;
        int rc = ring->kind == UIPC_TOPIC ? topic_is_empty(ring) : queue_is_empty(ring);
        if (rc || uipc_load_acquire(&tally->changes) == changes)
            return rc;
    }
    return UIPC_NOT_NOW;
}

/* Others may sleep for what was in our hands. That it is done with is a change as one of the members is. */
void uipc_ring_tell_the_end(struct uipc_ring *ring) {
    uint32_t changes = uipc_load_acquire(&ring->file->tally.changes);
    if (saw_sender(ring, changes) || is_any_sender(ring, changes))
        return;
    uipc_fetch_add(&ring->file->tally.changes, 1);
    uipc_bell_answer(&ring->file->messages, INT_MAX);
}
