/* A process that kills itself when it passes a named point of the ring's code for the `left`th time; with the point "?"
 * it lives, and prints each point that it passes. */
#ifndef POINTS_H
#define POINTS_H

#define UIPC_POINTS
#include "member.h"

#include <signal.h>

static const char *wanted = "?";
static int left;

void uipc_point(const char *name) {
    if (wanted[0] == '?')
        puts(name);
    else if (strcmp(name, wanted) == 0 && --left == 0)
        kill(getpid(), SIGKILL);
}

#endif
