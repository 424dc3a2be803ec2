/* seqlock.h alone: one writer and several readers, in threads for the sanitizers' sake; every copy must be whole. */
#include "seqlock.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READERS = 3, BODY = 4096 + 13, ENOUGH = 100, MOST_WRITES = 2000000 };

static struct uipc_seqlock *lock;
static uint32_t finished; /* readers that have seen enough */

static void check(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "seqlock: %s\n", what);
        exit(1);
    }
}

static int uniform(const char *copy, size_t n) {
    return memcmp(copy, copy + 1, n - 1) == 0;
}

static void write_pattern(unsigned char byte) {
    char source[BODY];
    memset(source, byte, sizeof source);
    uipc_seqlock_begin(lock);
    uipc_copy_in(lock->body, source, sizeof source);
    uipc_seqlock_end(lock);
}

/* Reads from odd offsets too: the copy is made of whole accesses of eight bytes and of single ones. */
static void *read_patterns(void *arg) {
    size_t offset = (size_t)arg;
    char copy[BODY];
    int whole = 0, different = 0;
    char last = 0;
    while (whole < ENOUGH || different < 2) {
        if (!uipc_seqlock_read(lock, offset, copy, BODY - offset))
            continue;
        check(uniform(copy, BODY - offset), "a torn copy was given as whole");
        different += copy[0] != last;
        last = copy[0];
        whole++;
    }
    while (1) {
        uint32_t now = uipc_load_acquire(&finished);
        if (uipc_compare_exchange(&finished, now, now + 1))
            return NULL;
    }
}

static void readers_never_see_a_torn_copy(void) {
    pthread_t readers[READERS];
    for (size_t i = 0; i < READERS; i++)
        check(pthread_create(&readers[i], NULL, read_patterns, (void *)(i * 3)) == 0, "pthread_create");
    int writes = 0;
    while (uipc_load_acquire(&finished) < READERS) {
        check(++writes < MOST_WRITES, "the readers never got enough");
        write_pattern((unsigned char)writes);
        if (writes % 4 == 0) /* a pause, or readers on a machine of one processor would never find it closed */
            sched_yield();
    }
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    check(uipc_load_acquire(&lock->sequence) == 2u * (uint32_t)writes, "two numbers for each write");
}

static void a_reader_waits_while_it_is_being_written(void) {
    char copy[8];
    uipc_seqlock_begin(lock);
    check(!uipc_seqlock_read(lock, 0, copy, sizeof copy), "a copy from the middle of a write");
    uipc_seqlock_end(lock);
    check(uipc_seqlock_read(lock, 0, copy, sizeof copy), "no copy of what is whole");
}

/* A writer that died between begin and end left an odd number: the next one's begin keeps it odd, its end closes it. */
static void the_next_writer_heals_a_dead_one_s_write(void) {
    uipc_seqlock_begin(lock);
    uint32_t left = uipc_load_relaxed(&lock->sequence);
    check(left % 2 == 1, "odd while it is written");
    uipc_seqlock_begin(lock);
    check(uipc_load_relaxed(&lock->sequence) % 2 == 1, "odd with the next writer");
    check(uipc_load_relaxed(&lock->sequence) != left, "and another number");
    uipc_seqlock_end(lock);
    check(uipc_load_relaxed(&lock->sequence) % 2 == 0, "even again");
}

static void the_number_runs_over_without_harm(void) {
    char copy[8];
    uipc_store_relaxed(&lock->sequence, UINT32_MAX - 1);
    write_pattern('z');
    check(uipc_load_relaxed(&lock->sequence) == 0, "after the last number comes 0");
    check(uipc_seqlock_read(lock, 0, copy, sizeof copy) && copy[0] == 'z', "and it can be read");
}

/* Every offset and length up to three words: no byte beside them is touched (ASan looks at those outside). */
static void copies_are_exact(void) {
    for (size_t offset = 0; offset < 24; offset++)
        for (size_t n = 0; n <= 24; n++) {
            char *shared = malloc(offset + n), *own = malloc(n), *back = malloc(n);
            memset(shared, '.', offset + n);
            memset(own, 'x', n);
            uipc_copy_in(shared + offset, own, n);
            uipc_copy_out(back, shared + offset, n);
            check(memcmp(own, back, n) == 0, "a copy in and out");
            for (size_t i = 0; i < offset; i++)
                check(shared[i] == '.', "a byte before it was touched");
            free(shared), free(own), free(back);
        }
}

int main(void) {
    lock = aligned_alloc(64, 64 * ((sizeof *lock + BODY + 63) / 64));
    memset(lock, 0, sizeof *lock + BODY);
    readers_never_see_a_torn_copy();
    a_reader_waits_while_it_is_being_written();
    the_next_writer_heals_a_dead_one_s_write();
    the_number_runs_over_without_harm();
    copies_are_exact();
    free(lock);
    puts("seqlock: ok");
    return 0;
}
