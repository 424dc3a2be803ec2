/* The only <stdatomic.h> of the house: atomics on words that live in memory shared between processes. */
#ifndef UIPC_ATOMICS_H
#define UIPC_ATOMICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A word in shared memory must mean the same to a process that was compiled without us: lock-free or nothing. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics must be lock-free to work between processes");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "an atomic word is the word");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(_Atomic uint64_t) == 8, "64-bit atomics likewise");

/* SYNC word-seen: pairs with the release store or read-modify-write of whoever changes the word. */
static inline uint32_t uipc_load_acquire(const uint32_t *word) {
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_acquire);
}

/* SYNC word-seen: everything written before the store is visible to who loads the new value. */
static inline void uipc_store_release(uint32_t *word, uint32_t value) {
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_release);
}

/* For the parts of a protocol that a fence orders: the access itself must only be whole. */
static inline uint32_t uipc_load_relaxed(const uint32_t *word) {
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_relaxed);
}

static inline void uipc_store_relaxed(uint32_t *word, uint32_t value) {
    atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_relaxed);
}

static inline void uipc_fence_acquire(void) { atomic_thread_fence(memory_order_acquire); }
static inline void uipc_fence_release(void) { atomic_thread_fence(memory_order_release); }

/* Set *word to `value` if it is `expected`: whether it was. SYNC word-seen (both ways). */
static inline int uipc_compare_exchange(uint32_t *word, uint32_t expected, uint32_t value) {
    return atomic_compare_exchange_strong_explicit((_Atomic uint32_t *)word, &expected, value, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* The same for loops: on failure `*expected` is what the word is. */
static inline int uipc_exchange_if(uint32_t *word, uint32_t *expected, uint32_t value) {
    return atomic_compare_exchange_strong_explicit((_Atomic uint32_t *)word, expected, value, memory_order_seq_cst,
                                                   memory_order_acquire);
}

static inline uint32_t uipc_exchange(uint32_t *word, uint32_t value) {
    return atomic_exchange_explicit((_Atomic uint32_t *)word, value, memory_order_seq_cst);
}

static inline uint32_t uipc_fetch_add(uint32_t *word, uint32_t n) {
    return atomic_fetch_add_explicit((_Atomic uint32_t *)word, n, memory_order_seq_cst);
}

static inline uint32_t uipc_fetch_or(uint32_t *word, uint32_t bits) {
    return atomic_fetch_or_explicit((_Atomic uint32_t *)word, bits, memory_order_seq_cst);
}

static inline void uipc_fence_full(void) { atomic_thread_fence(memory_order_seq_cst); }

/* Behind an exchange: no later load is made before it. On x86 every exchange is such a fence already. */
static inline void uipc_fence_after_exchange(void) {
#if defined(__x86_64__) || defined(__i386__)
    atomic_signal_fence(memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* 64 bits, for positions and record heads. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free to work between processes");

static inline uint64_t uipc_load64_acquire(const uint64_t *word) {
    return atomic_load_explicit((const _Atomic uint64_t *)word, memory_order_acquire);
}

/* A look at a word that may be part of somebody's message by now: a guess, for whether a try is worth it. ThreadSanitizer
 * is told, so that every other look at bytes that are being written is a fault. */
#ifdef __SANITIZE_THREAD__
__attribute__((no_sanitize_thread, noinline, unused)) static uint64_t uipc_guess64(const uint64_t *word) {
#else
static inline uint64_t uipc_guess64(const uint64_t *word) {
#endif
    return atomic_load_explicit((const _Atomic uint64_t *)word, memory_order_acquire);
}

static inline uint64_t uipc_load64(const uint64_t *word) {
    return atomic_load_explicit((const _Atomic uint64_t *)word, memory_order_relaxed);
}

static inline void uipc_store64_release(uint64_t *word, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)word, value, memory_order_release);
}

static inline void uipc_store64(uint64_t *word, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)word, value, memory_order_relaxed);
}

static inline int uipc_exchange64_if(uint64_t *word, uint64_t expected, uint64_t value) {
    return atomic_compare_exchange_strong_explicit((_Atomic uint64_t *)word, &expected, value, memory_order_seq_cst,
                                                   memory_order_acquire);
}

static inline uint64_t uipc_add64(uint64_t *word, uint64_t n) {
    return atomic_fetch_add_explicit((_Atomic uint64_t *)word, n, memory_order_relaxed);
}

/* A pointer of this process that other threads read: what was written before it is seen with it. SYNC hold */
#define uipc_load_pointer(place) __atomic_load_n(place, __ATOMIC_ACQUIRE)
#define uipc_store_pointer(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)

/* In a loop that waits for another processor: let it have the memory, and its twin on this core the units. */
static inline void uipc_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Ask for a line of memory that another processor has written, in order to write it: it then gives it up altogether. */
static inline void uipc_take_line(const void *line) {
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)line)); /* where it is missing it does nothing */
#else
    __builtin_prefetch(line, 1);
#endif
}

/* Copy what was written on another processor, and will be written there again: its next write to a line that is ours
 * alone is one transfer, to a line that both have read it is a question to all processors first. Not
 * for what is larger than a processor's own cache: that has lost those lines by then. */
static inline void uipc_copy_and_take(char *to, const char *from, size_t n) {
    enum { STEP = 2048, LINE = 64, LARGEST = 1 << 18 };
    for (size_t most = n > LARGEST ? 0 : n; most > 2 * STEP; most -= STEP, n -= STEP, to += STEP, from += STEP) {
        for (size_t i = 0; i < STEP; i += LINE)
            uipc_take_line(from + STEP + i);
        __builtin_memcpy(to, from, STEP);
    }
    __builtin_memcpy(to, from, n);
}

/* For who must be sure that of two, each of which writes one word and then reads the other's, one sees the other. */
static inline uint32_t uipc_load_in_order(const uint32_t *word) {
    return atomic_load_explicit((const _Atomic uint32_t *)word, memory_order_seq_cst);
}

/* Bytes that somebody may be changing meanwhile, one whole access each: torn as a block, never undefined. */
static inline void uipc_copy_out(char *to, const char *from, size_t n) {
    for (; n && ((uintptr_t)from & 7); n--)
        *to++ = atomic_load_explicit((const _Atomic char *)from++, memory_order_relaxed);
    for (; n >= 8; n -= 8, to += 8, from += 8) {
        uint64_t eight = atomic_load_explicit((const _Atomic uint64_t *)from, memory_order_relaxed);
        __builtin_memcpy(to, &eight, 8);
    }
    for (; n; n--)
        *to++ = atomic_load_explicit((const _Atomic char *)from++, memory_order_relaxed);
}

static inline void uipc_copy_in(char *to, const char *from, size_t n) {
    for (; n && ((uintptr_t)to & 7); n--)
        atomic_store_explicit((_Atomic char *)to++, *from++, memory_order_relaxed);
    for (; n >= 8; n -= 8, to += 8, from += 8) {
        uint64_t eight;
        __builtin_memcpy(&eight, from, 8);
        atomic_store_explicit((_Atomic uint64_t *)to, eight, memory_order_relaxed);
    }
    for (; n; n--)
        atomic_store_explicit((_Atomic char *)to++, *from++, memory_order_relaxed);
}

#endif
