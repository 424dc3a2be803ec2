/* throughput KIND BLOCK COUNT CPU CPU: COUNT blocks from a process on the first CPU to one on the second; nanoseconds. */
#include "common.h"

static void produce(int fd, const char *data, long block, long count)
{
    for (; count > 0; count--)
        for (long done = 0, put; done < block; done += put)
            check((put = write(fd, data + done, block - done)) > 0, "write");
}

static void consume(int fd, char *into, long block, long left)
{
    for (long got; left > 0; left -= got)
        check((got = read(fd, into, block)) > 0, "read");
}

int main(int argc, char **argv)
{
    int ends[2], status;
    long block, count;
    char *data;
    struct gate gate;
    double begin, end;
    check(argc == 6, "usage: throughput KIND BLOCK COUNT CPU CPU");
    block = atol(argv[2]), count = atol(argv[3]);
    data = memset(malloc(block), 'x', block);
    open_ends(argv[1], ends);
    gate_open(&gate);
    if (fork() == 0) {
        close(ends[0]);
        pin(atoi(argv[4]));
        memset(data, 'y', block); /* our own pages */
        gate_wait(&gate);
        produce(ends[1], data, block, count);
        _exit(0);
    }
    close(ends[1]);
    pin(atoi(argv[5]));
    begin = gate_start(&gate);
    consume(ends[0], data, block, block * count);
    end = now_ns();
    check(wait(&status) > 0 && status == 0, "producer");
    printf("%.1f\n", end - begin);
    return 0;
}
