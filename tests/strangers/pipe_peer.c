/* The other side of a pipe. pipe_peer send FD COUNT STEP: frame i has i*STEP bytes of the letter 'a' + i % 26.
 * pipe_peer echo IN OUT: sends every frame back with its bytes reversed. Exit status 10 + enum uipc_frame. */
#include "frame.h"

static int send_many(int fd, int count, uint32_t step) {
    for (int i = 0; i < count; i++) {
        char *body = malloc(i * step + 1);
        memset(body, 'a' + i % 26, i * step);
        if (uipc_frame_write(fd, body, (uint32_t)i * step) < 0)
            return 1;
        free(body);
    }
    return 0;
}

static int echo(int in, int out) {
    unsigned char *body;
    uint32_t length;
    enum uipc_frame state;
    while ((state = uipc_frame_read(in, &body, &length)) == UIPC_FRAME_OK) {
        for (uint32_t i = 0; i < length / 2; i++) {
            unsigned char kept = body[i];
            body[i] = body[length - 1 - i];
            body[length - 1 - i] = kept;
        }
        if (uipc_frame_write(out, body, length) < 0)
            return 1;
        free(body);
    }
    return 10 + state;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "send") == 0)
        return send_many(atoi(argv[2]), atoi(argv[3]), (uint32_t)atoi(argv[4]));
    if (argc == 4 && strcmp(argv[1], "echo") == 0)
        return echo(atoi(argv[2]), atoi(argv[3]));
    return 2;
}
