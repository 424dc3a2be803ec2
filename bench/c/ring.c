/* ring MANNER one-way|round-trip BYTES COUNT CAPACITY CPU CPU: messages of BYTES bytes through a ring in shared memory,
 * from a process on the first CPU to one on the second; nanoseconds for one of them, or for one round trip. Before the
 * clock starts, the ring is filled twice.
 *
 * The plainest ring that can be had: one sender, one receiver, messages of one size, a copy at each end; it survives
 * nobody's death. MANNER of waiting: spin | futex (sleep at once) | hybrid (spin SPINS times, then sleep).
 */
#include "common.h"
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define SPINS 2000
#define LINE _Alignas(64)

struct bell {
    LINE _Atomic uint32_t asleep, rings;
};

struct shared {
    LINE _Atomic uint64_t sent;
    LINE _Atomic uint64_t received;
    struct bell messages, space;
    LINE char slots[];
};

struct end { /* one process's view */
    struct shared *shared;
    uint64_t mine, theirs, slots;
    size_t bytes, stride;
    int spins; /* -1: for ever */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void wake(struct bell *bell)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&bell->asleep, memory_order_relaxed)) {
        atomic_store(&bell->asleep, 0);
        atomic_fetch_add(&bell->rings, 1);
        syscall(SYS_futex, &bell->rings, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

/* Until *theirs is not `old` any more; its new value. */
static uint64_t wait_for(struct end *end, struct bell *bell, _Atomic uint64_t *theirs, uint64_t old)
{
    uint64_t seen;
    for (int turn = 0; end->spins < 0 || turn <= end->spins; turn++) {
        if ((seen = atomic_load_explicit(theirs, memory_order_acquire)) != old)
            return seen;
        relax();
    }
    for (;;) {
        uint32_t rings = atomic_load(&bell->rings);
        atomic_store(&bell->asleep, 1);
        if ((seen = atomic_load(theirs)) != old)
            return seen;
        syscall(SYS_futex, &bell->rings, FUTEX_WAIT, rings, NULL, NULL, 0);
    }
}

static char *slot(struct end *end) { return end->shared->slots + end->mine % end->slots * end->stride; }

static void send_one(struct end *end, const char *from)
{
    struct shared *shared = end->shared;
    if (end->mine - end->theirs == end->slots) {
        end->theirs = atomic_load_explicit(&shared->received, memory_order_acquire);
        if (end->mine - end->theirs == end->slots)
            end->theirs = wait_for(end, &shared->space, &shared->received, end->theirs);
    }
    memcpy(slot(end), from, end->bytes);
    atomic_store_explicit(&shared->sent, ++end->mine, memory_order_release);
    if (end->spins >= 0)
        wake(&shared->messages);
}

static void receive_one(struct end *end, char *into)
{
    struct shared *shared = end->shared;
    if (end->theirs == end->mine) {
        end->theirs = atomic_load_explicit(&shared->sent, memory_order_acquire);
        if (end->theirs == end->mine)
            end->theirs = wait_for(end, &shared->messages, &shared->sent, end->mine);
    }
    memcpy(into, slot(end), end->bytes);
    atomic_store_explicit(&shared->received, ++end->mine, memory_order_release);
    if (end->spins >= 0)
        wake(&shared->space);
}

static struct end new_ring(size_t bytes, size_t capacity, int spins)
{
    struct end end = {.bytes = bytes, .stride = (bytes + 31) / 16 * 16, .spins = spins};
    size_t whole = sizeof(struct shared) + capacity;
    end.slots = capacity / end.stride;
    check(end.slots > 0, "capacity");
    end.shared = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    check(end.shared != MAP_FAILED, "mmap");
    return end;
}

static void number(char *data, uint64_t i) { memcpy(data, &i, sizeof i); }

static uint64_t number_of(const char *data)
{
    uint64_t i;
    memcpy(&i, data, sizeof i);
    return i;
}

int main(int argc, char **argv)
{
    struct gate gate;
    struct end there, back;
    double begin;
    int status, spins, trips;
    long bytes, count, capacity, warm;
    char *data;
    check(argc == 8, "usage: ring MANNER one-way|round-trip BYTES COUNT CAPACITY CPU CPU");
    spins = strcmp(argv[1], "spin") == 0 ? -1 : strcmp(argv[1], "futex") == 0 ? 0 : SPINS;
    trips = strcmp(argv[2], "round-trip") == 0;
    bytes = atol(argv[3]), count = atol(argv[4]), capacity = atol(argv[5]);
    check(bytes >= 8, "BYTES");
    there = new_ring(bytes, capacity, spins), back = new_ring(bytes, capacity, spins);
    data = memset(malloc(bytes), 'x', bytes);
    warm = trips ? count / 10 : 2 * (long)there.slots;
    gate_open(&gate);
    if (fork() == 0) {
        pin(atoi(argv[6]));
        memset(data, 'y', bytes); /* our own pages */
        gate_wait(&gate);
        for (long i = -warm; i < count; i++) {
            if (trips)
                receive_one(&back, data);
            number(data, i);
            send_one(&there, data);
        }
        _exit(0);
    }
    pin(atoi(argv[7]));
    begin = gate_start(&gate);
    for (long i = -warm; i < count; i++) {
        if (i == 0)
            begin = now_ns();
        if (trips)
            send_one(&back, data);
        receive_one(&there, data);
        check(number_of(data) == (uint64_t)i, "a message is missing");
    }
    begin = now_ns() - begin;
    check(wait(&status) > 0 && status == 0, "sender");
    printf("%.1f\n", begin / count);
    return 0;
}
