/* Start a program with its pidfd made by the kernel in the same step: no moment in which the pid could be another's.
 *
 * clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD): the child borrows our memory until it execs, so it runs plain C that
 * touches nothing but its plan, and the parent thread sleeps meanwhile. All signals are blocked around it.
 */
#ifndef UIPC_SPAWN_H
#define UIPC_SPAWN_H

#include "uipc.h"

typedef void uipc_mask_correction(sigset_t *mask, sigset_t *ignored);

struct uipc_spawn {
    char *const *candidates; /* absolute or relative paths to try in turn, NULL at the end (PATH search) */
    char *const *argv, *const *envp;
    const char *folder;      /* chdir there first, or NULL */
    int (*moves)[2];         /* {from, to}: descriptor `from` becomes the child's `to` */
    int move_count;
    int death_signal;        /* 0: none */
    int lasting;             /* start it from a thread that lasts: the death signal is for the end of that */
    int new_group, new_session;
    sigset_t mask;           /* filled by uipc_spawn: the mask the child gets */
    sigset_t ignored;        /* filled by uipc_spawn: what it ignores though we handle it */
    uipc_mask_correction *leave_out; /* or NULL: corrects both */
    pid_t parent;
    int parent_pidfd;        /* -1: none */
    int error;               /* out: errno of the step that failed in the child */
    const char *step;        /* out: its name */
};

/* 0, or an errno (plan->step says whose). On success *pid and *pidfd are the child's. */
int uipc_spawn(struct uipc_spawn *plan, pid_t *pid, int *pidfd);

/* Asked by a child that has set its death signal: whether the process that started it ended before that. */
int uipc_parent_has_ended(pid_t parent, int pidfd);

#endif
