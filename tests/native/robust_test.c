/* The robust locks alone: owner.c among the C library's own robust mutexes, whose list it shares; deaths of threads and
 * processes; hostile bytes; and the slots of semaphores and reader-writer locks. */
#include "robust/mutex.h"
#include "robust/rwlock.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { OURS = 3, THEIRS = 2, ALL = OURS + THEIRS, THREADS = 4, TURNS = 3000, SLOTS = 3, KILLS = 60, HOSTILE = 20000 };

/* One thread takes locks in every order here, and on purpose. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "detect_deadlocks=0"; }

static void check_at(int holds, const char *what, int line) {
    if (!holds) {
        fprintf(stderr, "robust: line %d: %s\n", line, what);
        exit(1);
    }
}
#define check(holds) check_at((holds), #holds, __LINE__)

static void *shared(size_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(at != MAP_FAILED);
    return at;
}

static struct timespec in_ms(long ms) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += ms % 1000 * 1000000;
    at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static int take(struct uipc_robust *lock, struct uipc_hold *hold) {
    int result = uipc_mutex_try(lock, hold, 0);
    for (int looks = 0; result == EBUSY; looks++) {
        struct timespec until = in_ms(200);
        check(looks < 200);
        result = uipc_mutex_sleep(lock, hold, &until);
    }
    return result;
}

/* The kernel's list of this thread: how many nodes, or -1 if it is not closed. */
static int listed(void) {
    struct robust_list_head *head = NULL;
    size_t length;
    int n = 0;
    check(syscall(SYS_get_robust_list, 0, &head, &length) == 0);
    check(head->list_op_pending == NULL);
    for (struct robust_list *at = head->list.next; at != &head->list; at = ((struct robust_list *)((uintptr_t)at & ~1ul))->next)
        if (++n > 100)
            return -1;
    return n;
}

static struct uipc_robust *in_thread_lock;
static struct uipc_hold in_thread_hold;
static int in_thread_result;

static void *try_once(void *unused) {
    (void)unused;
    in_thread_result = uipc_mutex_try(in_thread_lock, &in_thread_hold, 0);
    return NULL; /* with whatever it holds */
}

static int try_in_a_thread(struct uipc_robust *lock) {
    pthread_t thread;
    in_thread_lock = lock;
    check(pthread_create(&thread, NULL, try_once, NULL) == 0 && pthread_join(thread, NULL) == 0);
    return in_thread_result;
}

/* Two mappings of one file: the same lock at two addresses. */
static void one_lock_at_two_addresses(void) {
    int fd = memfd_create("twice", 0);
    struct uipc_robust *at[2];
    struct uipc_hold hold[2] = {0}, another = {0};
    check(fd >= 0 && ftruncate(fd, 4096) == 0);
    for (int i = 0; i < 2; i++)
        check((at[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED);
    struct uipc_robust *beside = shared(4096);
    check(uipc_mutex_try(at[0], &hold[0], 0) == 0);
    check(uipc_mutex_try(at[1], &hold[1], 0) == EDEADLK);
    check(uipc_mutex_try(beside, &another, 0) == 0);
    check(uipc_mutex_try(at[1], &hold[1], 0) == EDEADLK);
    check(uipc_mutex_release(&hold[0]) == 0 && uipc_mutex_try(at[1], &hold[1], 0) == 0);
    check(uipc_mutex_try(at[0], &hold[0], 0) == EDEADLK);
    check(uipc_mutex_release(&hold[1]) == 0 && uipc_mutex_release(&another) == 0 && listed() == 0);
    close(fd);
}

/* As threads share a handle of Python: one hold, and each of them takes the lock by it. */
static struct uipc_robust *common;
static struct uipc_hold common_hold;
static uint32_t counted_in_common;

static void *count_with_the_common_hold(void *unused) {
    for (int turn = 0; turn < TURNS; turn++) {
        uint32_t pid;
        check(take(common, &common_hold) == 0);
        counted_in_common++;
        check(uipc_owner_is_mine(&common_hold) && uipc_owner_is_in_use(&common_hold));
        check(uipc_mutex_release(&common_hold) == 0);
        (void)uipc_owner_is_in_use(&common_hold);
        check(!uipc_owner_is_mine(&common_hold) && uipc_mutex_release(&common_hold) == EPERM);
        (void)uipc_owner_held(&common->owner, &pid);
    }
    return unused;
}

static void threads_share_a_hold(void) {
    pthread_t threads[THREADS];
    common = shared(4096);
    check(uipc_robust_create(common, UIPC_MUTEX, 0) == 0);
    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, count_with_the_common_hold, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        check(pthread_join(threads[i], NULL) == 0);
    check(counted_in_common == THREADS * TURNS);
    munmap(common, 4096);
}

static void *release_once(void *hold) { return (void *)(intptr_t)uipc_mutex_release(hold); }

static void one_owner_and_no_other(struct uipc_robust *lock) {
    struct uipc_hold hold = {0}, another = {0};
    pthread_t thread;
    void *result;
    uint32_t pid;
    check(uipc_robust_create(lock, UIPC_MUTEX, 0) == 0);
    check(uipc_robust_create(lock, UIPC_MUTEX, 0) == EEXIST);
    check(uipc_mutex_try(lock, &hold, 0) == 0 && listed() == 1);
    check(uipc_mutex_try(lock, &hold, 0) == EDEADLK && uipc_mutex_try(lock, &another, 0) == EDEADLK);
    check(uipc_owner_held(&lock->owner, &pid) && pid == (uint32_t)getpid());
    check(try_in_a_thread(lock) == EBUSY);
    check(pthread_create(&thread, NULL, release_once, &hold) == 0 && pthread_join(thread, &result) == 0);
    check((intptr_t)result == EPERM);
    check(uipc_mutex_release(&hold) == 0 && listed() == 0);
    check(uipc_mutex_release(&hold) == EPERM);
    check(!uipc_owner_held(&lock->owner, &pid) && pid == 0);
    memset(lock, 0, sizeof *lock);
    lock->writing = 1;
    check(uipc_robust_create(lock, UIPC_MUTEX, 0) == EILSEQ);
    memset(lock, 0, sizeof *lock);
}

/* The thread ends with it. The next one has its hold at the same address, perhaps its thread data too. */
static void a_thread_that_ends_is_a_dead_owner(struct uipc_robust *lock) {
    struct uipc_hold mine = {0};
    for (int turn = 0; turn < 50; turn++) {
        int result = try_in_a_thread(lock);
        check(turn == 0 ? result == 0 : result == EOWNERDEAD || result == EBUSY);
    }
    check(take(lock, &mine) == EOWNERDEAD && mine.dead == (uint32_t)getpid());
    check(uipc_mutex_release(&in_thread_hold) == EPERM); /* of a thread that is gone */
    check(uipc_mutex_release(&mine) == 0);
    check(take(lock, &mine) == EOWNERDEAD); /* nobody has recovered it */
    uipc_mutex_recover(lock);
    check(uipc_mutex_release(&mine) == 0 && take(lock, &mine) == 0 && uipc_mutex_release(&mine) == 0);
}

/* Among the C library's: every order of giving up, and every order of taking. */
static pthread_mutex_t *theirs;
static struct uipc_robust *ours;
static struct uipc_hold holds[OURS];

static void lock_nth(int n) {
    if (n < OURS)
        check(uipc_owner_try(&ours[n].owner, &holds[n], 0) == 0);
    else
        check(pthread_mutex_lock(&theirs[n - OURS]) == 0);
}

static void unlock_nth(int n) {
    if (n < OURS)
        check(uipc_owner_release(&holds[n]) == 0);
    else
        check(pthread_mutex_unlock(&theirs[n - OURS]) == 0);
}

static int permutation(int number, int order[ALL]) {
    int used = 0;
    for (int i = 0, base = 120; i < ALL; i++) {
        base /= ALL - i;
        int nth = number / base;
        number %= base;
        for (int each = 0; each < ALL; each++)
            if (!(used & 1 << each) && nth-- == 0)
                order[i] = each;
        used |= 1 << order[i];
    }
    return number;
}

static void make_theirs(void) {
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    for (int i = 0; i < THEIRS; i++)
        pthread_mutex_init(&theirs[i], &how);
}

static void any_order_among_the_c_library_s(void) {
    int taking[ALL], giving[ALL];
    for (int a = 0; a < 120; a++)
        for (int b = 0; b < 120; b++) {
            permutation(a, taking);
            permutation(b, giving);
            for (int i = 0; i < ALL; i++)
                lock_nth(taking[i]);
            check(listed() == ALL);
            for (int i = 0; i < ALL; i++) {
                unlock_nth(giving[i]);
                check(listed() == ALL - 1 - i);
                if (i == 2) { /* and taken once more in the middle */
                    lock_nth(giving[1]);
                    check(listed() == ALL - i);
                    unlock_nth(giving[1]);
                }
            }
        }
}

static void all_are_marked_when_the_owner_is_killed(void) {
    for (int turn = 0; turn < 120; turn += 7) {
        int order[ALL], status;
        permutation(turn, order);
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < ALL; i++)
                lock_nth(order[i]);
            raise(SIGKILL);
        }
        check(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
        for (int i = 0; i < OURS; i++) {
            check(uipc_owner_try(&ours[i].owner, &holds[i], 0) == EOWNERDEAD);
            check(holds[i].dead == (uint32_t)child && uipc_owner_release(&holds[i]) == 0);
        }
        for (int i = 0; i < THEIRS; i++) {
            check(pthread_mutex_lock(&theirs[i]) == EOWNERDEAD && pthread_mutex_consistent(&theirs[i]) == 0);
            check(pthread_mutex_unlock(&theirs[i]) == 0);
        }
    }
}

static void a_forked_child_holds_nothing(void) {
    int status;
    lock_nth(0);
    lock_nth(OURS);
    lock_nth(1);
    pid_t child = fork();
    if (child == 0) {
        check(listed() == 0);
        check(uipc_owner_release(&holds[0]) == EPERM && !uipc_owner_is_in_use(&holds[1]));
        check(uipc_owner_try(&ours[0].owner, &holds[0], 0) == EBUSY);
        lock_nth(2);
        unlock_nth(2);
        _exit(0);
    }
    check(waitpid(child, &status, 0) == child && status == 0);
    check(listed() == 3);
    unlock_nth(0);
    unlock_nth(1);
    unlock_nth(OURS);
    check(listed() == 0);
}

/* Whatever others write into the locks, the lists stay whole. (Not while the C library's are held: it believes.) */
static void hostile_bytes_break_no_list(void) {
    unsigned seed = 1;
    for (int turn = 0; turn < HOSTILE; turn++) {
        for (int step = 0; step < 4; step++) {
            int n = rand_r(&seed) % OURS, at = rand_r(&seed) % (UIPC_OWNER_BYTES / 4);
            uint32_t words[] = {0, (uint32_t)rand_r(&seed), FUTEX_OWNER_DIED, UINT32_MAX, (uint32_t)syscall(SYS_gettid)};
            ((uint32_t *)&ours[rand_r(&seed) % OURS])[at] = words[rand_r(&seed) % 5];
            if (rand_r(&seed) % 2)
                ours[rand_r(&seed) % OURS].owner.next = (uintptr_t)&ours[rand_r(&seed) % OURS].owner.next;
            if (rand_r(&seed) % 2)
                uipc_owner_try(&ours[n].owner, &holds[n], 0);
            else
                uipc_owner_release(&holds[n]);
        }
        for (int n = 0; n < OURS; n++)
            uipc_owner_release(&holds[n]);
        check(listed() == 0);
        if (turn % 100 == 0)
            memset(ours, 0, OURS * sizeof *ours);
    }
    memset(ours, 0, OURS * sizeof *ours);
}

static void *hold_two_while_words_change(void *unused) {
    struct uipc_hold a = {0}, b = {0};
    (void)unused;
    uipc_owner_try(&ours[0].owner, &a, 0);
    uipc_owner_try(&ours[1].owner, &b, 0);
    uipc_store_relaxed(&ours[0].owner.word, 0); /* free, it says */
    check(uipc_owner_try(&ours[0].owner, &a, 0) == EDEADLK && uipc_owner_try(&ours[0].owner, &b, 0) == EDEADLK);
    check(uipc_owner_release(&a) == 0 && uipc_owner_release(&b) == 0 && listed() == 0);
    return NULL;
}

static void a_lock_is_in_a_list_once(void) {
    pthread_t thread;
    check(pthread_create(&thread, NULL, hold_two_while_words_change, NULL) == 0 && pthread_join(thread, NULL) == 0);
    memset(ours, 0, OURS * sizeof *ours);
}

static void no_more_than_the_kernel_walks(void) {
    struct uipc_owner *many = shared((UIPC_OWNER_MOST + 1) * sizeof *many);
    struct uipc_hold *hold = calloc(UIPC_OWNER_MOST + 1, sizeof *hold);
    for (int i = 0; i <= UIPC_OWNER_MOST; i++)
        check(uipc_owner_try(&many[i], &hold[i], 0) == (i < UIPC_OWNER_MOST ? 0 : ENOLCK));
    for (int i = 0; i < UIPC_OWNER_MOST; i++)
        check(uipc_owner_release(&hold[i]) == 0);
    check(listed() == 0);
    free(hold);
}

/* What the locks guard, plain memory: the sanitizer sees whether anybody else is in. */
static struct uipc_robust *mutex, *semaphore, *rwlock;
static long guarded, inside_now;

static void *count_under_mutex(void *unused) {
    struct uipc_hold hold = {0};
    (void)unused;
    for (int turn = 0; turn < TURNS; turn++) {
        check(take(mutex, &hold) == 0);
        guarded++;
        if (turn % 64 == 0)
            sched_yield();
        check(uipc_mutex_release(&hold) == 0);
    }
    return NULL;
}

static void *count_under_semaphore(void *unused) {
    struct uipc_hold hold[SLOTS] = {0};
    uint32_t at = 0;
    (void)unused;
    for (int turn = 0; turn < TURNS; turn++) {
        int result, looks = 0;
        do {
            struct timespec until = in_ms(200);
            result = uipc_permits_sleep(semaphore, hold, SLOTS, &at, &until);
            check(++looks < 200);
        } while (result == EBUSY);
        check(result == 0);
        check(__atomic_add_fetch(&inside_now, 1, __ATOMIC_SEQ_CST) <= SLOTS);
        if (turn % 16 == 0)
            sched_yield();
        __atomic_sub_fetch(&inside_now, 1, __ATOMIC_SEQ_CST);
        check(uipc_permits_release(semaphore, &hold[at]) == 0);
    }
    return NULL;
}

static void read_once(struct uipc_hold *hold, uint32_t *at) {
    int result, looks = 0;
    while ((result = uipc_rwlock_try_read(rwlock, hold, SLOTS, at, 0)) == EBUSY) {
        struct timespec until = in_ms(200);
        check(++looks < 2000000);
        uipc_rwlock_wait(rwlock, SLOTS, 1, &until);
    }
    check(result == 0);
    long seen = guarded;
    sched_yield();
    check(guarded == seen);
    check(uipc_rwlock_release_read(rwlock, &hold[*at]) == 0);
}

static void write_once(struct uipc_hold *hold) {
    int result, looks = 0;
    struct timespec until = in_ms(20000);
    while ((result = uipc_rwlock_sleep_claim(rwlock, hold, &until)) == EBUSY)
        check(++looks < 2000000);
    check(result == 0);
    while ((result = uipc_rwlock_try_write(rwlock, SLOTS)) == EBUSY) {
        until = in_ms(200);
        check(++looks < 2000000);
        uipc_rwlock_wait(rwlock, SLOTS, 0, &until);
    }
    check(result == 0);
    guarded++;
    check(uipc_rwlock_release(rwlock, hold) == 0);
}

static void *read_and_write(void *number) {
    struct uipc_hold reads[SLOTS] = {0}, writes = {0};
    uint32_t at = 0;
    for (int turn = 0; turn < TURNS; turn++)
        if ((turn + (intptr_t)number) % 4)
            read_once(reads, &at);
        else
            write_once(&writes);
    return NULL;
}

static void in_threads(void *(*work)(void *)) {
    pthread_t threads[THREADS];
    guarded = inside_now = 0;
    for (intptr_t i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        check(pthread_join(threads[i], NULL) == 0);
}

/* Killed at any moment: holding, taking, giving up, asleep. */
static void work_for_ever(void) {
    struct uipc_hold hold = {0}, permits[SLOTS] = {0};
    uint32_t at = 0;
    for (;;) {
        struct timespec until = in_ms(200);
        if (take(mutex, &hold) == EOWNERDEAD)
            uipc_mutex_recover(mutex);
        if (uipc_permits_sleep(semaphore, permits, SLOTS, &at, &until) == 0)
            uipc_permits_release(semaphore, &permits[at]);
        uipc_mutex_release(&hold);
        uipc_rwlock_try_read(rwlock, permits, SLOTS, &at, 0);
        uipc_rwlock_release_read(rwlock, &permits[at]);
        if (uipc_rwlock_try_claim(rwlock, &hold, 0) == 0) {
            uipc_rwlock_try_write(rwlock, SLOTS);
            uipc_mutex_recover(rwlock);
            uipc_rwlock_release(rwlock, &hold);
        }
    }
}

static void whoever_is_killed_hangs_nobody(void) {
    struct uipc_hold hold = {0}, permits[SLOTS] = {0};
    uint32_t at = 0;
    unsigned seed = 7;
    for (int turn = 0; turn < KILLS; turn++) {
        pid_t children[3];
        int status, result;
        for (int i = 0; i < 3; i++)
            if ((children[i] = fork()) == 0)
                work_for_ever();
        usleep(rand_r(&seed) % 3000);
        for (int i = 0; i < 3; i++) {
            check(kill(children[i], SIGKILL) == 0 && waitpid(children[i], &status, 0) == children[i]);
            check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* none has failed before */
        }
        result = take(mutex, &hold);
        check(result == 0 || result == EOWNERDEAD);
        if (result == EOWNERDEAD && hold.dead)
            check(hold.dead == (uint32_t)children[0] || hold.dead == (uint32_t)children[1] || hold.dead == (uint32_t)children[2]);
        uipc_mutex_recover(mutex);
        check(uipc_mutex_release(&hold) == 0);
        check(uipc_slots_free(semaphore, SLOTS) == SLOTS && uipc_slots_try(semaphore, permits, SLOTS, &at) == 0);
        check(uipc_permits_release(semaphore, &permits[at]) == 0);
        check(uipc_rwlock_try_claim(rwlock, &hold, 0) == 0);
        result = uipc_rwlock_try_write(rwlock, SLOTS);
        check(result == 0 || result == EOWNERDEAD);
        uipc_mutex_recover(rwlock);
        check(uipc_rwlock_release(rwlock, &hold) == 0);
    }
}

int main(void) {
    struct uipc_robust *one = shared(4096);
    theirs = shared(4096);
    ours = shared(4096);
    mutex = shared(4096);
    semaphore = shared(4096);
    rwlock = shared(4096);
    make_theirs();
    check(uipc_robust_create(mutex, UIPC_MUTEX, 0) == 0 && uipc_robust_create(semaphore, UIPC_SEMAPHORE, SLOTS) == 0);
    check(uipc_robust_create(rwlock, UIPC_RWLOCK, SLOTS) == 0);
    one_owner_and_no_other(one);
    a_thread_that_ends_is_a_dead_owner(one);
    one_lock_at_two_addresses();
    any_order_among_the_c_library_s();
    all_are_marked_when_the_owner_is_killed();
    a_forked_child_holds_nothing();
    hostile_bytes_break_no_list();
    a_lock_is_in_a_list_once();
    no_more_than_the_kernel_walks();
    threads_share_a_hold();
    in_threads(count_under_mutex);
    check(guarded == (long)THREADS * TURNS);
    in_threads(count_under_semaphore);
    check(uipc_slots_free(semaphore, SLOTS) == SLOTS);
    in_threads(read_and_write);
    check(guarded == (long)THREADS * TURNS / 4);
    whoever_is_killed_hangs_nobody();
    puts("robust: ok");
    return 0;
}
