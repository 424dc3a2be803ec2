/* The only <stdatomic.h> of the house: atomics on words that live in memory shared between processes. */
#ifndef UIPC_ATOMICS_H
#define UIPC_ATOMICS_H

#include <stdatomic.h>
#include <stdint.h>

/* A word in shared memory must mean the same to a process that was compiled without us: lock-free or nothing. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics must be lock-free to work between processes");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "an atomic word is the word");

/* SYNC word-seen: pairs with the release store or read-modify-write of whoever changes the word. */
static inline uint32_t uipc_load_acquire(const uint32_t *word) {
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_acquire);
}

/* SYNC word-seen: everything written before the store is visible to who loads the new value. */
static inline void uipc_store_release(uint32_t *word, uint32_t value) {
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_release);
}

#endif
