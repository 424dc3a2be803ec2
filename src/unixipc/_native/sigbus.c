#include "sigbus.h"

#include <stdlib.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define PER_CHUNK 64
#define REMEMBERED 8 /* a handler may still run by an older one while a newer is noted */

/* Chunks are never freed: the handler may be looking. */
struct chunk {
    struct uipc_guard guards[PER_CHUNK];
    struct chunk *_Atomic next;
};

static struct chunk first;
static struct sigaction remembered[REMEMBERED], original;
static struct sigaction *_Atomic before; /* who had the signal */
static unsigned times_installed;

/* Set while we hand a signal on: a handler that was installed after ours may hand it back to us. */
static __thread int handing_on __attribute__((tls_model("initial-exec")));

struct range {
    uintptr_t begin, end, page_size;
    int protection;
};

/* Whether the address is in it. A guard that is being changed is nobody's whose fault is under way: it is passed over. */
static int covers(struct uipc_guard *guard, uintptr_t address, struct range *range)
{
    uint32_t version = atomic_load(&guard->version); /* SYNC guard-range: the same before and after, or it was torn */
    range->begin = atomic_load(&guard->begin);
    range->end = atomic_load(&guard->end);
    range->page_size = atomic_load(&guard->page_size);
    range->protection = atomic_load(&guard->protection);
    return !(version & 1) && atomic_load(&guard->version) == version && range->begin && address >= range->begin &&
           address < range->end;
}

static struct uipc_guard *guard_of(uintptr_t address, struct range *range)
{
    for (struct chunk *chunk = &first; chunk; chunk = atomic_load(&chunk->next))
        for (int i = 0; i < PER_CHUNK; i++)
            if (covers(&chunk->guards[i], address, range))
                return &chunk->guards[i];
    return NULL;
}

static int put_zeros(uintptr_t begin, uintptr_t end, int protection)
{
    return mmap((void *)begin, end - begin, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* Make the access succeed that has just failed. */
static int repaired(uintptr_t address)
{
    struct range range;
    struct uipc_guard *guard = guard_of(address, &range);
    if (!guard)
        return 0;
    uintptr_t page = address & ~(range.page_size - 1);
    if (madvise((void *)page, range.page_size,
                range.protection & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0)
        return 1; /* it is back: another thread was here first, or the file has grown again */
    if (put_zeros(page, page + range.page_size, range.protection)) {
        atomic_fetch_add(&guard->damaged, 1);
        return 1;
    }
    /* Too many pieces (vm.max_map_count): the whole of it needs no new one. */
    if (!put_zeros(range.begin, range.end, range.protection))
        return 0;
    atomic_fetch_add(&guard->damaged, (uint32_t)((range.end - range.begin) / range.page_size));
    return 1;
}

static void hand_on(int number, siginfo_t *info, void *context)
{
    const struct sigaction *to = handing_on ? &original : atomic_load(&before);
    int sent = info->si_code <= 0 || info->si_code == BUS_MCEERR_AO; /* no instruction that would fault again */
    handing_on++;
    if (to->sa_flags & SA_SIGINFO)
        to->sa_sigaction(number, info, context);
    else if (to->sa_handler != SIG_DFL && to->sa_handler != SIG_IGN)
        to->sa_handler(number);
    else if (!sent || to->sa_handler == SIG_DFL) { /* it ends as it would have without us */
        sigaction(number, to, NULL);
        if (sent)
            raise(number);
    }
    handing_on--;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    if (info->si_code != BUS_ADRERR || !repaired((uintptr_t)info->si_addr)) {
        errno = kept;
        hand_on(number, info, context);
    }
    errno = kept;
}

static int same_action(const struct sigaction *a, const struct sigaction *b)
{
    if ((a->sa_flags & SA_SIGINFO) != (b->sa_flags & SA_SIGINFO))
        return 0;
    return a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction : a->sa_handler == b->sa_handler;
}

static void remember(const struct sigaction *action)
{
    struct sigaction *known = atomic_load(&before);
    if (known && same_action(known, action))
        return;
    if (!times_installed)
        original = *action;
    remembered[times_installed % REMEMBERED] = *action;
    atomic_store(&before, &remembered[times_installed++ % REMEMBERED]);
}

int uipc_guard_install(void)
{
    struct sigaction now, ours;
    if (sigaction(SIGBUS, NULL, &now) < 0)
        return -1;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault)
        return 0;
    remember(&now);
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    return sigaction(SIGBUS, &ours, NULL);
}

static int claimed(struct uipc_guard *guard)
{
    uint32_t version = atomic_load(&guard->version);
    if (version & 1 || atomic_load(&guard->begin))
        return 0;
    return atomic_compare_exchange_strong(&guard->version, &version, version + 1); /* SYNC guard-range */
}

static struct chunk *chunk_after(struct chunk *chunk)
{
    struct chunk *next = atomic_load(&chunk->next);
    if (next)
        return next;
    struct chunk *more = calloc(1, sizeof *more);
    if (!more || atomic_compare_exchange_strong(&chunk->next, &next, more))
        return more;
    free(more); /* another thread was faster */
    return next;
}

struct uipc_guard *uipc_guard_add(void *address, size_t length, size_t page_size, int protection)
{
    if (uipc_guard_install() < 0)
        return NULL;
    for (struct chunk *chunk = &first; chunk; chunk = chunk_after(chunk))
        for (int i = 0; i < PER_CHUNK; i++)
            if (claimed(&chunk->guards[i])) {
                struct uipc_guard *guard = &chunk->guards[i];
                atomic_store(&guard->damaged, 0);
                atomic_store(&guard->begin, (uintptr_t)address);
                atomic_store(&guard->end, (uintptr_t)address + length);
                atomic_store(&guard->page_size, page_size);
                atomic_store(&guard->protection, protection);
                atomic_fetch_add(&guard->version, 1);
                return guard;
            }
    return NULL;
}

void uipc_guard_protect(struct uipc_guard *guard, int protection) { atomic_store(&guard->protection, protection); }

void uipc_guard_remove(struct uipc_guard *guard)
{
    atomic_fetch_add(&guard->version, 1);
    atomic_store(&guard->begin, 0);
    atomic_fetch_add(&guard->version, 1);
}

unsigned uipc_guard_damaged(struct uipc_guard *guard) { return atomic_load(&guard->damaged); }
