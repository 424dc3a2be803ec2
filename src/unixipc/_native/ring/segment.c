/* A new ring, and the checks before an existing one is used. */
#include "inside.h"

#define LONGEST_CAPACITY (1ull << 40)
#define FLAVOUR ((uint32_t)(sizeof(void *) | UIPC_OWNER_NEXT << 8 | (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) << 16))

static _Thread_local struct uipc_trouble trouble;

struct uipc_trouble *uipc_ring_trouble(void) { return &trouble; }

int uipc_damaged(const char *what, uint64_t found, uint64_t expected) {
    trouble = (struct uipc_trouble){.what = what, .found = found, .expected = expected};
    return UIPC_DAMAGED;
}

uint64_t uipc_ring_capacity(uint64_t wanted) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), capacity = page > UIPC_RING_SMALLEST ? page : UIPC_RING_SMALLEST;
    while (capacity < wanted && capacity < LONGEST_CAPACITY)
        capacity *= 2;
    return capacity;
}

static uint32_t sum(const struct uipc_ring_facts *facts) { /* FNV-1a: an accident is noticed, an attacker is not */
    uint32_t result = 2166136261u;
    for (size_t i = 0; i < offsetof(struct uipc_ring_facts, check); i++)
        result = (result ^ ((const unsigned char *)facts)[i]) * 16777619u;
    return result;
}

void uipc_ring_format(struct uipc_ring_file *file, uint32_t kind, uint32_t how, uint64_t capacity, uint64_t identity) {
    struct uipc_ring_facts facts = {
        .version = UIPC_RING_VERSION,
        .kind = kind,
        .header_bytes = UIPC_RING_HEADER,
        .members = UIPC_RING_MEMBERS,
        .capacity = capacity,
        .how = how,
        .flavour = FLAVOUR,
        .identity = identity,
    };
    memcpy(facts.magic, UIPC_RING_MAGIC, sizeof facts.magic);
    facts.check = sum(&facts);
    memcpy(&file->facts, &facts, sizeof facts);
}

static int differs(const char *what, uint64_t found, uint64_t expected) {
    return found != expected && uipc_damaged(what, found, expected);
}

int uipc_ring_check(struct uipc_ring *ring, const struct uipc_ring_facts *there, uint64_t file_bytes) {
    struct uipc_ring_facts facts = *there; /* once: it cannot change any more while we look */
    uint64_t magic, ours, page = (uint64_t)sysconf(_SC_PAGESIZE);
    memcpy(&magic, facts.magic, sizeof magic);
    memcpy(&ours, UIPC_RING_MAGIC, sizeof ours);
    if (differs("magic", magic, ours) || differs("version", facts.version, UIPC_RING_VERSION) ||
        differs("flavour (pointer size, C library, byte order)", facts.flavour, FLAVOUR) ||
        differs("header_bytes", facts.header_bytes, UIPC_RING_HEADER) ||
        differs("members", facts.members, UIPC_RING_MEMBERS) || differs("check", facts.check, sum(&facts)))
        return UIPC_DAMAGED;
    if (facts.kind != UIPC_QUEUE && facts.kind != UIPC_TOPIC)
        return uipc_damaged("kind", facts.kind, UIPC_QUEUE);
    uint32_t when_full = facts.how & 0xFF;
    if (when_full > UIPC_DROP_OLDEST || facts.how & ~(0xFFu | UIPC_RING_TEMPORARY))
        return uipc_damaged("how", facts.how, UIPC_WAIT);
    if (facts.capacity < UIPC_RING_SMALLEST || facts.capacity > LONGEST_CAPACITY || facts.capacity % page ||
        facts.capacity & (facts.capacity - 1))
        return uipc_damaged("capacity", facts.capacity, UIPC_RING_SMALLEST);
    if (differs("size of the file", file_bytes, UIPC_RING_HEADER + facts.capacity))
        return UIPC_DAMAGED;
    ring->kind = facts.kind, ring->when_full = when_full, ring->capacity = facts.capacity;
    ring->temporary = (facts.how & UIPC_RING_TEMPORARY) != 0;
    ring->longest = facts.capacity - 2 * UIPC_RING_UNIT;
    if (ring->longest > UINT32_MAX)
        ring->longest = UINT32_MAX;
    return UIPC_OK;
}

void uipc_ring_start(struct uipc_ring *ring, void *header, void *data, int fd) {
    ring->file = header, ring->data = data, ring->fd = fd, ring->slot = -1, ring->stuck = UIPC_NOT_STUCK;
}

uint64_t uipc_ring_used(const struct uipc_ring *ring) {
    uint64_t head = ring->kind == UIPC_TOPIC ? uipc_load64_acquire(&ring->file->tally.oldest)
                                             : uipc_load64_acquire(&ring->file->receivers.head);
    uint64_t used = uipc_load64(&ring->file->senders.lock.uipc_position) - head;
    return (int64_t)used < 0 ? 0 : used > ring->capacity ? ring->capacity : used; /* receivers may be ahead for a moment */
}
