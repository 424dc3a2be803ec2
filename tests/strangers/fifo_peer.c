/* The other side of a FIFO. fifo_peer write PATH WORD...: a frame a word. fifo_peer read PATH: each frame as a line on
 * stdout. fifo_peer bytes PATH WORD: the bytes alone, without a frame. Exit status 10 + enum uipc_frame of the end. */
#include "frame.h"
#include <fcntl.h>
#include <stdio.h>

static int write_words(int fd, int count, char **words) {
    for (int i = 0; i < count; i++)
        if (uipc_frame_write(fd, words[i], (uint32_t)strlen(words[i])) < 0)
            return 1;
    return 0;
}

static int read_lines(int fd) {
    unsigned char *body;
    uint32_t length;
    enum uipc_frame state;
    while ((state = uipc_frame_read(fd, &body, &length)) == UIPC_FRAME_OK) {
        printf("%.*s\n", (int)length, body);
        free(body);
    }
    return 10 + state;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    int reads = strcmp(argv[1], "read") == 0;
    int fd = open(argv[2], (reads ? O_RDONLY : O_WRONLY) | O_CLOEXEC); /* waits for the other side */
    if (fd < 0) {
        perror("open");
        return 1;
    }
    if (reads)
        return read_lines(fd);
    if (strcmp(argv[1], "write") == 0)
        return write_words(fd, argc - 3, argv + 3);
    return uipc_write_fully(fd, argv[3], strlen(argv[3])) < 0;
}
