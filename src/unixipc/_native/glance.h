/* Looking at what is not ours without a trace: in a process of its own, for that moment. */
#ifndef UIPC_GLANCE_H
#define UIPC_GLANCE_H

#include "uipc.h"

/* A file to look at, and what was found. */
struct uipc_glance {
    const char *path;
    char *bytes; /* room for `most`: how it begins */
    size_t most;
    ssize_t count; /* how many bytes came; -1: it could not be opened, or is no regular file */
    long queue[4]; /* flags, most messages, most bytes in one, messages now; -1 in the first: it is no POSIX queue */
    int seals;     /* of a memory file; -1: it has none to ask for */
};

/* Look at each of them. 0, or the errno of clone(2) or mmap(2): then none was looked at. */
int uipc_glance_at(struct uipc_glance *files, size_t n);

/* A netlink socket of family `protocol` in the network namespace that `space` is a descriptor of; -1 and errno. */
int uipc_netlink_in(int space, int protocol);

#endif
