/* A lock word in shared memory that knows its owner, and that the kernel marks when the owner is killed.
 *
 *   offset  0   uint32  word      0: free; else the owner's thread id, with the kernel's two flags
 *           4   uint32  pid       the owner's process, for who asks; 0 while the lock is free, and for the moment in
 *                               which it is taken: who dies then leaves no name rather than somebody else's
 *           8   16 bytes          of whoever the lock belongs to
 *          24   uint64  previous  \ the owner thread's list of robust locks (set_robust_list(2)): addresses in the
 *          32   uint64  next      / owner's memory, of no meaning to anybody else
 *          40
 *
 * The kernel walks a thread's list when the thread ends, however it ends, or calls exec: in each word that has the
 * thread's id it puts FUTEX_OWNER_DIED, and wakes a sleeper. The list is the one of the C library (its robust mutexes
 * are on it too), so the distance from word to `next` is the C library's: checked at run time, ENOSYS if it differs.
 *
 * What is in shared memory may be changed by anybody who can write there. So the list is never followed through it:
 * each owner keeps the address of the node behind its own in private memory (`struct uipc_hold`). For the same reason a
 * lock is entered once at most in a thread's list, whatever its word says, and a hold is never used twice.
 *
 * Each native module that is compiled with owner.c knows its own holds only; another's nodes are to it like the C
 * library's. A module that releases all that it took before it returns (so nothing older than its locks leaves the list
 * while it has them) is compiled with UIPC_OWNER_NESTED, and then believes no shared memory at all.
 *
 * The kernel walks 2048 nodes and no further, so a thread holds UIPC_OWNER_MOST locks at most.
 */
#ifndef UIPC_OWNER_H
#define UIPC_OWNER_H

#include "../uipc.h"

#include "../atomics.h"
#include "../futex.h"

#if defined(__x86_64__) || defined(__i386__)
#define UIPC_INITIAL_EXEC __attribute__((tls_model("initial-exec"))) /* a load instead of a call */
#else
#define UIPC_INITIAL_EXEC
#endif

#define UIPC_OWNER_BYTES 40
#define UIPC_OWNER_NEXT 32
#define UIPC_OWNER_MOST 2000

struct uipc_owner {
    uint32_t word, pid;
    uint64_t of_the_lock[2];
    uint64_t previous, next;
};
_Static_assert(sizeof(struct uipc_owner) == UIPC_OWNER_BYTES, "the layout is a file format");
_Static_assert(offsetof(struct uipc_owner, next) == UIPC_OWNER_NEXT, "what the kernel and the C library expect");

/* The private half: one for each lock that a thread holds. Zero before its first use. While it is held it must stay
 * where it is, and the lock mapped. Threads may share a hold, as they share a handle: a thread that does not hold the
 * lock reads `lock`, `thread`, `id` and `pid` while another one takes or releases it, so each access to these is one
 * whole access, and `lock` is stored last and loaded first (SYNC hold). The rest is the owner's alone. */
struct uipc_hold {
    struct uipc_owner *lock; /* NULL: not held */
    uintptr_t behind;        /* the node behind ours in the thread's list */
    struct uipc_hold *newer, *older;
    uint64_t thread;  /* which thread: a number that is never given again in this process */
    uint32_t id, pid; /* its ids in the kernel */
    uint32_t dead;    /* after EOWNERDEAD: the process whose thread has died, 0 if that is unknown */
};

/* Take the lock now. 0: held. EOWNERDEAD: held, and the last owner has died with it. EBUSY: somebody has it.
 * EDEADLK: this thread has it. ENOLCK: it holds too many. ENOSYS: this C library's list is unknown. `waited`: this
 * thread has slept for it, and others may sleep still. */
int uipc_owner_try(struct uipc_owner *lock, struct uipc_hold *hold, int waited);

/* Sleep until it may be free, at most until the deadline (CLOCK_MONOTONIC; NULL: for ever), and take it at once if it
 * is: results as above; EBUSY after any wake-up that got nothing. It is the same call because a sleeper that is killed
 * after its wake-up must not keep that to itself: the kernel then wakes the next. */
int uipc_owner_sleep(struct uipc_owner *lock, struct uipc_hold *hold, const struct timespec *deadline);

/* Sleep as above and take nothing: for who sleeps in another's place. 0: it may be free; EBUSY: look again. Who does
 * not try after it passes the wake-up on: uipc_owner_pass_on. */
int uipc_owner_wait(struct uipc_owner *lock, const struct timespec *deadline);
void uipc_owner_pass_on(struct uipc_owner *lock);

/* Give it up, and wake one sleeper. EPERM: this thread does not hold it by this hold. */
int uipc_owner_release(struct uipc_hold *hold);

/* Whether this thread holds it by this hold. */
int uipc_owner_is_mine(const struct uipc_hold *hold);

/* Whether a thread of this process that is still alive holds it by this hold. */
int uipc_owner_is_in_use(const struct uipc_hold *hold);

/* Whether this thread holds the lock, by whichever hold and at whichever address. */
int uipc_owner_held_here(const struct uipc_owner *lock);

/* Whether anybody holds it now: its process in *pid (0 for nobody). A guess by the time that it is read. */
int uipc_owner_held(const struct uipc_owner *lock, uint32_t *pid);

#endif
