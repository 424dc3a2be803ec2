/* ring_maker channel|topic PATH: make one of ours, join it as a sender, leave a message in it, wait for the end. */
#include "ring/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void must(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void make(const char *path, uint32_t kind) {
    uint64_t capacity = uipc_ring_capacity(4096);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    must(fd >= 0 && posix_fallocate(fd, 0, (off_t)(UIPC_RING_HEADER + capacity)) == 0, path);
    void *header = mmap(NULL, UIPC_RING_HEADER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(header != MAP_FAILED, "mmap");
    uipc_ring_format(header, kind, UIPC_WAIT, capacity, 4711);
    munmap(header, UIPC_RING_HEADER);
    close(fd);
}

int main(int count, char **words) {
    struct uipc_client client;
    char byte;
    if (count < 3)
        return 2;
    int topic = !strcmp(words[1], "topic");
    make(words[2], topic ? UIPC_TOPIC : UIPC_QUEUE);
    must(uipc_client_open(&client, words[2], UIPC_SENDER) == 0, "open");
    must(topic || uipc_client_send(&client, "hello", 5, 1000) == 0, "send");
    puts("0");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    uipc_client_close(&client);
    unlink(words[2]);
    return 0;
}
