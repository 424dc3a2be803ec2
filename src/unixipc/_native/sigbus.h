/* A file that somebody else makes shorter takes its pages away under our mapping: touching them is SIGBUS, and would
 * kill the interpreter. So is a first write into a hole of a file whose disk is full. So mappings of files are registered
 * here, and the handler puts a page of zeros in the place of the missing one and notes the damage; the Python side
 * reports it. Every other SIGBUS goes to whoever had the signal before: kill(2), faults elsewhere, broken hardware.
 */
#ifndef UIPC_SIGBUS_H
#define UIPC_SIGBUS_H

#include "uipc.h"

#include "atomics.h"

struct uipc_guard {
    _Atomic uint32_t version; /* odd: somebody is changing it */
    _Atomic uint32_t damaged; /* pages replaced */
    _Atomic uintptr_t begin;  /* 0: free */
    _Atomic uintptr_t end, page_size;
    _Atomic int protection;
};

/* Make sure that the handler is ours; somebody may have replaced it since. -1: errno. */
int uipc_guard_install(void);

/* Watch over [address, address + length), whole pages of this size. NULL: no memory, or no handler (errno). */
struct uipc_guard *uipc_guard_add(void *address, size_t length, size_t page_size, int protection);
void uipc_guard_protect(struct uipc_guard *guard, int protection);
void uipc_guard_remove(struct uipc_guard *guard);
unsigned uipc_guard_damaged(struct uipc_guard *guard);

#endif
