/* roundtrip KIND N CPU CPU: 64 bytes there and back, N times, between two processes; nanoseconds for one round trip. */
#include "common.h"

int main(int argc, char **argv)
{
    int there[2], back[2], status;
    long i, n;
    char data[64] = "x";
    struct gate gate;
    double begin, end;
    check(argc == 5, "usage: roundtrip KIND N CPU CPU");
    n = atol(argv[2]);
    open_ends(argv[1], there);
    if (strcmp(argv[1], "pipe") == 0)
        open_ends("pipe", back);
    else
        back[0] = there[1], back[1] = there[0]; /* a socket goes both ways */
    gate_open(&gate);
    if (fork() == 0) {
        pin(atoi(argv[3]));
        gate_wait(&gate);
        for (i = 0; i < n; i++)
            check(read(there[0], data, 64) == 64 && write(back[1], data, 64) == 64, "echo");
        _exit(0);
    }
    pin(atoi(argv[4]));
    begin = gate_start(&gate);
    for (i = 0; i < n; i++)
        check(write(there[1], data, 64) == 64 && read(back[0], data, 64) == 64, "ask");
    end = now_ns();
    check(wait(&status) > 0 && status == 0, "echo");
    printf("%.1f\n", (end - begin) / n);
    return 0;
}
