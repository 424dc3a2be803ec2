/* What is left of those who were killed: half-made steps at an end, leases and reservations, a place among the members.
 *
 * Every step under a lock is one store that makes it so, and what follows from it can be found out again: that is all
 * that repairing is. Model: tests/model/queue.pml.
 */
#include "inside.h"

#define PATIENCE 64 /* looks at a lock before its owner is believed not to be running */

_Thread_local UIPC_INITIAL_EXEC struct uipc_hold uipc_hold_of[2];

int uipc_ring_enter(struct uipc_ring *ring, int role) {
    struct uipc_ring_end *end = uipc_end_of(ring, role);
    struct uipc_hold *hold = &uipc_hold_of[role];
    int rc = uipc_owner_try(&end->lock, hold, 0);
    for (int turn = 0; UIPC_UNLIKELY(rc == EBUSY) && turn < PATIENCE; turn++) {
        uipc_pause();
        if (!(uipc_load_relaxed(&end->lock.word) & FUTEX_TID_MASK))
            rc = uipc_owner_try(&end->lock, hold, 0);
    }
    if (rc == 0) {
        UIPC_POINT("entered");
        return UIPC_OK;
    }
    if (rc == EOWNERDEAD) {
        UIPC_POINT("repair-begun");
        if ((rc = uipc_repair(ring, role)))
            uipc_ring_exit(role);
        return rc;
    }
    if (rc == EBUSY)
        return role == UIPC_SENDER ? UIPC_BUSY_SENDERS : UIPC_BUSY_RECEIVERS;
    uipc_ring_trouble()->error = rc;
    return UIPC_ERRNO;
}

/* A sender was killed behind its record's appearance, and before it had moved on. */
static int repair_senders(struct uipc_ring *ring) {
    struct uipc_ring_end *end = &ring->file->senders;
    uint64_t at = end->lock.uipc_position;
    if (at % UIPC_RING_UNIT)
        return uipc_damaged("position of the senders", at, at & ~15ull);
    if (ring->kind == UIPC_TOPIC)
        uipc_topic_end_move(&ring->file->tally);
    struct uipc_record *record = uipc_record_at(ring, at);
    if (uipc_state(uipc_load64_acquire(&record->word)) == UIPC_NOTHING)
        return UIPC_OK;
    uint64_t size = uipc_size_of(ring, record);
    if (!size)
        return UIPC_DAMAGED;
    uint32_t sequence = uipc_load_relaxed(&record->sequence);
    if ((uint32_t)end->count == sequence) {
        uipc_store64(&end->count, end->count + 1);
        uipc_store64(&end->bytes, end->bytes + uipc_length(uipc_load64(&record->word)));
    }
    UIPC_POINT("repair-counted");
    uipc_store64(&end->lock.uipc_position, at + size);
    return UIPC_OK;
}

/* How many are gone is in the number of the record at the head; what was killed may not have counted its last one. */
static void recount(struct uipc_ring *ring) {
    struct uipc_ring_end *end = &ring->file->receivers;
    const struct uipc_ring_tally *tally = &ring->file->tally;
    uint64_t head = end->head, at = head, size;
    uint32_t gone = uipc_load_relaxed(&uipc_record_at(ring, head)->sequence);
    while (at - head < ring->capacity) { /* ends: `at` goes on by a record each turn */
        struct uipc_record *record = uipc_record_at(ring, at);
        int state = uipc_state(uipc_load64_acquire(&record->word));
        if (state == UIPC_NOTHING || !(size = uipc_size_of(ring, record)))
            break;
        gone += state == UIPC_DONE;
        at += size;
    }
    uint32_t counted = (uint32_t)(end->count + uipc_load64(&tally->dropped) + uipc_load64(&tally->aborted));
    uipc_store64(&end->count, end->count + (uint64_t)(int64_t)(int32_t)(gone - counted));
}

/* A receiver was killed. What it had not yet done with is handed over again: nobody has seen it. */
static int repair_receivers(struct uipc_ring *ring) {
    struct uipc_ring_end *end = &ring->file->receivers;
    uint64_t head = end->head, next = end->lock.uipc_position, returned = 0;
    if (head % UIPC_RING_UNIT || next % UIPC_RING_UNIT || next - head > ring->capacity)
        return uipc_damaged("position of the receivers", next, head);
    for (uint64_t at = head; at != next;) { /* ends: `at` comes nearer by a record each turn */
        struct uipc_record *record = uipc_record_at(ring, at);
        uint64_t size = uipc_size_of(ring, record);
        int state = uipc_state(uipc_load64_acquire(&record->word));
        if (!size || size > next - at)
            return uipc_damaged("units of a record", size / UIPC_RING_UNIT, (next - at) / UIPC_RING_UNIT);
        if (state == UIPC_DONE && at == head)
            head = at + size;
        returned += state == UIPC_READY;
        at += size;
    }
    uipc_store64(&end->lock.uipc_far, returned);
    uipc_store64_release(&end->head, head); /* SYNC head */
    UIPC_POINT("repair-freed");
    recount(ring);
    return UIPC_OK;
}

int uipc_repair(struct uipc_ring *ring, int role) {
    uipc_add64(&ring->file->tally.repairs, 1);
    return role == UIPC_SENDER ? repair_senders(ring) : repair_receivers(ring);
}

/* The leases of a dead receiver go back, the reservations of a dead sender become nothing. */
static int free_records_of(struct uipc_ring *ring, int member) {
    struct uipc_ring_end *end = &ring->file->receivers;
    int rc = uipc_ring_enter(ring, UIPC_RECEIVER);
    if (rc)
        return rc;
    uint64_t head = end->head, next = end->lock.uipc_position, size;
    uint64_t at = head;
    while (at - head < ring->capacity) { /* ends: `at` goes on by a record each turn */
        struct uipc_record *record = uipc_record_at(ring, at);
        uint64_t word = uipc_load64_acquire(&record->word);
        int state = uipc_state(word), theirs = uipc_member_of(word) == member;
        if ((int64_t)(at - next) >= 0 && state == UIPC_NOTHING)
            break;
        if (at % UIPC_RING_UNIT || !(size = uipc_size_of(ring, record)))
            break;
        if (theirs && state == UIPC_LEASED) {
            uipc_store64_release(&record->word, UIPC_READY | (word & ~0xFFull));
            UIPC_POINT("place-returned");
            if ((int64_t)(at - next) < 0)
                uipc_store64(&end->lock.uipc_far, end->lock.uipc_far + 1);
        } else if (theirs && state == UIPC_RESERVED) {
            uipc_store64_release(&record->word, UIPC_DONE | (word & ~0xFFull));
            UIPC_POINT("place-given-up");
            uipc_add64(&ring->file->tally.aborted, 1);
        }
        at += size;
    }
    uipc_ring_exit(UIPC_RECEIVER);
    return UIPC_OK;
}

/* ---------------------------------------------------------------------------------------------------- members */

static int lock_byte(int fd, int command, short how, int number, int length, struct flock *answer) {
    struct flock range = {.l_type = how, .l_whence = SEEK_SET, .l_start = UIPC_RING_LOCKS + number, .l_len = length};
    int rc = fcntl(fd, command, &range);
    if (answer)
        *answer = range;
    return rc;
}

static int number_of(int role, int slot) { return role * UIPC_RING_MEMBERS + slot; }

/* The place of somebody who has died, or is leaving; its byte is locked by us. */
static int clear_place(struct uipc_ring *ring, int role, int slot) {
    int number = number_of(role, slot), rc = UIPC_OK;
    if (ring->kind == UIPC_QUEUE)
        rc = free_records_of(ring, number);
    else if (role == UIPC_SENDER)
        rc = uipc_topic_free_records_of(ring, number);
    if (rc)
        return rc;
    UIPC_POINT("place-cleared");
    uipc_store_release(&ring->file->member[role][slot].state, 0);
    uipc_fetch_add(&ring->file->tally.changes, 1);
    return UIPC_OK;
}

static void enter_name(struct uipc_ring *ring, int role, int slot) {
    struct uipc_ring_member *place = &ring->file->member[role][slot];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uipc_store_relaxed(&place->pid, getpid());
    uipc_store64(&place->since, now.tv_sec * 1000000000ull + now.tv_nsec);
    uipc_store64(&place->count, 0);
    uipc_store64(&place->missed, 0);
    uipc_store_relaxed(&place->tells, 1); /* a subscriber is waited for from its first position on */
    uipc_store_release(&place->state, 1);
}

int uipc_ring_join(struct uipc_ring *ring, int role) {
    int result = UIPC_FULL;
    for (int slot = 0; slot < UIPC_RING_MEMBERS; slot++) {
        int number = number_of(role, slot);
        if (lock_byte(ring->fd, F_OFD_SETLK, F_WRLCK, number, 1, NULL) < 0) {
            if (errno == EAGAIN || errno == EACCES)
                continue;
            uipc_ring_trouble()->error = errno;
            return UIPC_ERRNO;
        }
        UIPC_POINT("join-locked");
        int used = uipc_load_acquire(&ring->file->member[role][slot].state) != 0;
        int rc = used ? clear_place(ring, role, slot) : UIPC_OK;
        if (rc) { /* what was somebody's is cleared by who has the end's lock soon: perhaps another place is free */
            lock_byte(ring->fd, F_OFD_SETLK, F_UNLCK, number, 1, NULL);
            if (!uipc_is_busy(result = rc))
                return rc;
            continue;
        }
        for (uint32_t top = uipc_load_acquire(&ring->file->tally.top[role]); top <= (uint32_t)slot;)
            if (uipc_exchange_if(&ring->file->tally.top[role], &top, slot + 1))
                break;
        enter_name(ring, role, slot);
        ring->slot = slot, ring->role = role;
        UIPC_POINT("join-named");
        uipc_fetch_or(&ring->file->tally.ever, 1u << role);
        uipc_fetch_add(&ring->file->tally.changes, 1);
        if (used) /* what was given back by that is somebody's to take */
            uipc_ring_tell_everybody(ring);
        return UIPC_OK;
    }
    return result;
}

void uipc_ring_leave(struct uipc_ring *ring) {
    if (ring->slot < 0)
        return;
    if (clear_place(ring, ring->role, ring->slot) == UIPC_OK) { /* or whoever comes next clears it */
        UIPC_POINT("leave-cleared");
    }
    lock_byte(ring->fd, F_OFD_SETLK, F_UNLCK, number_of(ring->role, ring->slot), 1, NULL);
    UIPC_POINT("leave-unlocked");
    ring->slot = -1;
    uipc_fetch_add(&ring->file->tally.changes, 1);
    uipc_ring_tell_everybody(ring);
}

int uipc_ring_any(struct uipc_ring *ring, int role) {
    struct flock found;
    if (lock_byte(ring->fd, F_OFD_GETLK, F_WRLCK, number_of(role, 0), UIPC_RING_MEMBERS, &found) < 0)
        return 1; /* nobody knows: nothing ends */
    return found.l_type != F_UNLCK;
}

enum { USERS = UIPC_RING_USERS - UIPC_RING_LOCKS, REMOVAL = UIPC_RING_REMOVAL - UIPC_RING_LOCKS };

int uipc_ring_use(int fd, int alone) {
    short how = alone < 0 ? F_UNLCK : alone ? F_WRLCK : F_RDLCK;
    return lock_byte(fd, F_OFD_SETLK, how, USERS, 1, NULL) < 0 ? errno : 0;
}

int uipc_ring_is_used(int fd) {
    struct flock found;
    return lock_byte(fd, F_OFD_GETLK, F_WRLCK, USERS, 1, &found) < 0 || found.l_type != F_UNLCK;
}

int uipc_ring_begin_removal(int fd) { return lock_byte(fd, F_OFD_SETLK, F_WRLCK, REMOVAL, 1, NULL) < 0 ? errno : 0; }

void uipc_ring_end_removal(int fd) { lock_byte(fd, F_OFD_SETLK, F_UNLCK, REMOVAL, 1, NULL); }

int uipc_ring_is_alive(struct uipc_ring *ring, int role, int slot) {
    struct flock found;
    if (role == ring->role && slot == ring->slot)
        return 1;
    return lock_byte(ring->fd, F_OFD_GETLK, F_WRLCK, number_of(role, slot), 1, &found) < 0 || found.l_type != F_UNLCK;
}

int uipc_ring_look(struct uipc_ring *ring) {
    int cleared = 0;
    for (int role = 0; role < 2; role++)
        for (int slot = 0, places = uipc_places(ring, role); slot < places; slot++) {
            int number = number_of(role, slot);
            if (!uipc_load_acquire(&ring->file->member[role][slot].state) || uipc_ring_is_alive(ring, role, slot))
                continue;
            if (lock_byte(ring->fd, F_OFD_SETLK, F_WRLCK, number, 1, NULL) < 0)
                continue; /* somebody else is at it */
            if (uipc_load_acquire(&ring->file->member[role][slot].state) && clear_place(ring, role, slot) == UIPC_OK) {
                uipc_add64(&ring->file->tally.repairs, 1);
                cleared++;
            }
            lock_byte(ring->fd, F_OFD_SETLK, F_UNLCK, number, 1, NULL);
            uipc_fetch_add(&ring->file->tally.changes, 1); /* as long as we had it, it looked alive */
        }
    if (cleared)
        uipc_ring_tell_everybody(ring);
    return cleared;
}
