#include "owner.h"

#include <linux/futex.h>
#include <sched.h>

/* The kernel's view of it: struct robust_list_head. */
struct list_head {
    uintptr_t first; /* the address of the first node's `next`; of this field when the list is empty */
    long futex_offset;
    uintptr_t pending; /* a node that is just being added or removed */
};

struct this_thread {
    struct list_head *head; /* NULL: not looked up yet */
    struct uipc_hold *newest;
    uint64_t number; /* what a new thread finds at the same address is not its own */
    uint32_t id, pid;
    uint32_t held;
};
enum { MOST_TURNS = 1000 };

static _Thread_local UIPC_INITIAL_EXEC struct this_thread me;
static uint64_t threads; /* numbers given so far */

static void forget_after_fork(void) { /* the child holds nothing; its list is new, its ids are others */
    for (struct uipc_hold *hold = me.newest; hold; hold = hold->older)
        hold->lock = NULL;
    me = (struct this_thread){0};
}

static void prepare(void) { pthread_atfork(NULL, NULL, forget_after_fork); }

static int find_list(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct list_head *head = NULL;
    size_t length = 0;
    pthread_once(&once, prepare);
    if (syscall(SYS_get_robust_list, 0, &head, &length) < 0)
        return errno;
    if (head == NULL || length != sizeof *head || head->futex_offset != -(long)UIPC_OWNER_NEXT)
        return ENOSYS;
    me.number = uipc_add64(&threads, 1) + 1;
    me.id = (uint32_t)syscall(SYS_gettid);
    me.pid = (uint32_t)getpid();
    me.head = head;
    return 0;
}

static uintptr_t node_of(const struct uipc_owner *lock) { return (uintptr_t)&lock->next; }

/* `previous` lies in front of `next` in every node, in the C library's too, and in front of the list's head. */
static void set_previous(uintptr_t node, uintptr_t previous) {
    ((uintptr_t *)(node & ~(uintptr_t)1))[-1] = previous; /* the lowest bit marks another kind of mutex */
}

static void order(void) { atomic_signal_fence(memory_order_seq_cst); } /* for the kernel, which looks at our death */

static void set_pending(const struct uipc_owner *lock) {
    me.head->pending = lock ? node_of(lock) : 0;
    order();
}

static void push(struct uipc_owner *lock, struct uipc_hold *hold) {
    uintptr_t first = me.head->first;
    lock->next = first;
    lock->previous = (uintptr_t)me.head;
    set_previous(first, node_of(lock));
    order();
    me.head->first = node_of(lock);
    hold->behind = first;
    hold->newer = NULL;
    hold->older = me.newest;
    if (me.newest)
        me.newest->newer = hold;
    me.newest = hold;
    me.held++;
    uipc_store64(&hold->thread, me.number);
    uipc_store_relaxed(&hold->id, me.id);
    uipc_store_relaxed(&hold->pid, me.pid);
    uipc_store_pointer(&hold->lock, lock); /* SYNC hold */
}

/* The hold of this node, from `newest` on to older ones; NULL: the node is not ours. */
static struct uipc_hold *own_hold_of(uintptr_t node, struct uipc_hold *newest) {
    for (struct uipc_hold *hold = newest; hold; hold = hold->older)
        if (node_of(hold->lock) == (node & ~(uintptr_t)1))
            return hold;
    return NULL;
}

/* The node behind ours. The shared copy is believed only where the C library may have changed it: when the node that
 * was behind ours is one of its own mutexes, which may have left the list since. */
static uintptr_t behind(const struct uipc_hold *hold) {
    uintptr_t known = hold->behind, told = (uintptr_t)hold->lock->next;
#ifdef UIPC_OWNER_NESTED
    told = known;
#endif
    if (known == told || known == (uintptr_t)me.head || own_hold_of(known, hold->older))
        return known;
    return told;
}

/* Something newer is before us in the list: find it, and let it point to the node behind ours. Its address. */
static uintptr_t unlink_behind_another(uintptr_t node, uintptr_t next) {
    uintptr_t at = me.head->first;
    struct uipc_hold *newest = me.newest; /* of those that we have not passed: both lists are in the same order */
    for (int most = 4096; most && at && at != (uintptr_t)me.head; most--) {
        struct uipc_hold *own = own_hold_of(at, newest);
        if (own)
            newest = own->older;
        uintptr_t previous = at & ~(uintptr_t)1;
        at = own ? behind(own) : *(uintptr_t *)previous;
        if ((at & ~(uintptr_t)1) == node) {
            *(uintptr_t *)previous = next;
            if (own)
                own->behind = next;
            return previous;
        }
    }
    return 0;
}

static void unlink_from(struct uipc_hold *hold) {
    uintptr_t node = node_of(hold->lock), next = behind(hold), previous = (uintptr_t)me.head;
    if ((me.head->first & ~(uintptr_t)1) == node)
        me.head->first = next;
    else
        previous = unlink_behind_another(node, next);
    order();
    if (previous) /* else it was not in the list, and what was behind it may be gone */
        set_previous(next, previous);
}

static void pop(struct uipc_hold *hold) {
    unlink_from(hold);
    if (hold->newer)
        hold->newer->older = hold->older;
    else
        me.newest = hold->older;
    if (hold->older)
        hold->older->newer = hold->newer;
    me.held--;
    uipc_store_pointer(&hold->lock, NULL); /* SYNC hold */
}

static int is_in_my_list(const struct uipc_owner *lock) {
    for (struct uipc_hold *hold = me.newest; hold; hold = hold->older)
        if (hold->lock == lock)
            return 1;
    return 0;
}

/* Also if it is mapped once more, at another address: then the ids are ours, and so are the neighbours. (The ids alone
 * may be those of another pid namespace, where many a process is the first.) */
int uipc_owner_held_here(const struct uipc_owner *lock) {
    if ((uipc_load_relaxed(&lock->word) & FUTEX_TID_MASK) != me.id || me.newest == NULL)
        return 0;
    if (is_in_my_list(lock))
        return 1;
    for (struct uipc_hold *hold = me.newest; hold; hold = hold->older)
        if (hold->lock->next == lock->next && hold->lock->previous == lock->previous)
            return uipc_load_relaxed(&lock->pid) == me.pid;
    return 0;
}

int uipc_owner_is_in_use(const struct uipc_hold *hold) {
    if (uipc_load_pointer(&hold->lock) == NULL) /* SYNC hold: then its thread is known too */
        return 0;
    if (uipc_load64(&hold->thread) == me.number)
        return 1;
    /* Of another thread. It may be gone; or this is a forked child, and it was never here. */
    uint32_t pid = uipc_load_relaxed(&hold->pid);
    return pid == (uint32_t)getpid() && syscall(SYS_tgkill, pid, uipc_load_relaxed(&hold->id), 0) == 0;
}

/* The word has no owner, but who can write there can say so of any lock: what is private decides. 0, or an errno. */
static int refusal(const struct uipc_owner *lock, struct uipc_hold *hold) {
    if (is_in_my_list(lock))
        return EDEADLK;
    if (uipc_owner_is_in_use(hold))
        return uipc_owner_is_mine(hold) ? EDEADLK : EBUSY;
    return me.held < UIPC_OWNER_MOST ? 0 : ENOLCK;
}

static int take_over(struct uipc_owner *lock, struct uipc_hold *hold, uint32_t seen) {
    push(lock, hold);
    hold->dead = seen & FUTEX_OWNER_DIED ? uipc_load_relaxed(&lock->pid) : 0;
    uipc_store_relaxed(&lock->pid, me.pid);
    return seen & FUTEX_OWNER_DIED ? EOWNERDEAD : 0;
}

/* One look, and if the word has no owner one attempt to be it; `pending` is set. */
static int take(struct uipc_owner *lock, struct uipc_hold *hold, uint32_t waiters) {
    uint32_t seen = uipc_load_relaxed(&lock->word);
    int refused;
    while (!(seen & FUTEX_TID_MASK)) {
        uint32_t wanted = me.id | (seen & FUTEX_WAITERS) | waiters;
        if ((refused = refusal(lock, hold)))
            return refused;
        if (uipc_exchange_if(&lock->word, &seen, wanted)) /* SYNC owner: what the last owner wrote is seen */
            return take_over(lock, hold, seen);
    }
    return uipc_owner_held_here(lock) ? EDEADLK : EBUSY;
}

int uipc_owner_try(struct uipc_owner *lock, struct uipc_hold *hold, int waited) {
    int result;
    if (me.head == NULL && (result = find_list()))
        return result;
    set_pending(lock);
    result = take(lock, hold, waited ? FUTEX_WAITERS : 0);
    order();
    set_pending(NULL);
    return result;
}

/* Make sure that the owner knows of sleepers: 0 and the value to sleep on, or it had no owner. */
static int note_waiter(struct uipc_owner *lock, uint32_t *seen) {
    *seen = uipc_load_relaxed(&lock->word);
    while (*seen & FUTEX_TID_MASK) {
        if (*seen & FUTEX_WAITERS)
            return 1;
        if (uipc_exchange_if(&lock->word, seen, *seen | FUTEX_WAITERS)) {
            *seen |= FUTEX_WAITERS;
            return 1;
        }
    }
    return 0;
}

int uipc_owner_sleep(struct uipc_owner *lock, struct uipc_hold *hold, const struct timespec *deadline) {
    uint32_t seen;
    int result;
    if (me.head == NULL && (result = find_list()))
        return result;
    set_pending(lock);
    if (note_waiter(lock, &seen))
        uipc_futex_wait(&lock->word, seen, deadline);
    for (int turn = 0; (result = take(lock, hold, FUTEX_WAITERS)) == EBUSY; turn++) {
        if (note_waiter(lock, &seen) || turn == MOST_TURNS) /* whoever took it must wake the others */
            break;
        sched_yield(); /* free, but the thread that had it by the same hold is still on its way out */
    }
    order();
    set_pending(NULL);
    return result;
}

int uipc_owner_wait(struct uipc_owner *lock, const struct timespec *deadline) {
    uint32_t seen;
    if (note_waiter(lock, &seen))
        uipc_futex_wait(&lock->word, seen, deadline);
    return uipc_load_relaxed(&lock->word) & FUTEX_TID_MASK ? EBUSY : 0;
}

void uipc_owner_pass_on(struct uipc_owner *lock) { uipc_futex_wake(&lock->word, 1); }

int uipc_owner_is_mine(const struct uipc_hold *hold) {
    return uipc_load_pointer(&hold->lock) != NULL && uipc_load64(&hold->thread) == me.number; /* SYNC hold */
}

int uipc_owner_release(struct uipc_hold *hold) {
    if (!uipc_owner_is_mine(hold))
        return EPERM;
    struct uipc_owner *lock = hold->lock;
    set_pending(lock);
    pop(hold);
    uipc_store_relaxed(&lock->pid, 0);
    order();
    uint32_t was = uipc_exchange(&lock->word, 0); /* SYNC owner: what we wrote is seen by the next one */
    if (was & FUTEX_WAITERS)
        uipc_futex_wake(&lock->word, 1);
    order();
    set_pending(NULL);
    return 0;
}

int uipc_owner_held(const struct uipc_owner *lock, uint32_t *pid) {
    uint32_t word = uipc_load_acquire(&lock->word);
    int held = (word & FUTEX_TID_MASK) != 0;
    *pid = held ? uipc_load_relaxed(&lock->pid) : 0;
    return held;
}
