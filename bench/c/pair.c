/* pair KIND N: send and receive 64 bytes in one process; nanoseconds for one such pair. */
#include "common.h"

int main(int argc, char **argv)
{
    int ends[2], is_pipe;
    char data[64] = "x", into[64];
    long i, n;
    double begin = 0;
    check(argc == 3, "usage: pair KIND N");
    n = atol(argv[2]);
    is_pipe = strcmp(argv[1], "pipe") == 0;
    open_ends(argv[1], ends);
    for (i = -n / 20; i < n; i++) { /* below 0: warming up */
        if (i == 0)
            begin = now_ns();
        if (is_pipe)
            check(write(ends[1], data, 64) == 64 && read(ends[0], into, 64) == 64, "pair");
        else
            check(send(ends[1], data, 64, 0) == 64 && recv(ends[0], into, 64, 0) == 64, "pair");
    }
    printf("%.1f\n", (now_ns() - begin) / n);
    return 0;
}
