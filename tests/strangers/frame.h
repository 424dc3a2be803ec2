/* The frames of unixipc.framing, for C programs: an 8-byte header, then the body. Byte order: little-endian.
 *
 *   offset 0        2         4                    8
 *          +--------+---------+--------------------+----------
 *          | "uF"   | check   | length of the body | body ...
 *          +--------+---------+--------------------+----------
 *   check = 0x5546 ^ (length & 0xffff) ^ (length >> 16)
 */
#ifndef UNIXIPC_FRAME_H
#define UNIXIPC_FRAME_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UIPC_FRAME_HEADER 8

enum uipc_frame { UIPC_FRAME_OK, UIPC_FRAME_END, UIPC_FRAME_CUT, UIPC_FRAME_DAMAGED, UIPC_FRAME_ERRNO };

static inline uint16_t uipc_frame_check(uint32_t length) {
    return (uint16_t)(0x5546 ^ (length & 0xffff) ^ (length >> 16));
}

/* How many of n bytes came before the end of the stream; -1 with errno. */
static inline ssize_t uipc_read_fully(int fd, void *into, size_t n) {
    size_t got = 0;
    while (got < n) {
        ssize_t part = read(fd, (char *)into + got, n - got);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        if (part == 0)
            break;
        got += (size_t)part;
    }
    return (ssize_t)got;
}

static inline int uipc_write_fully(int fd, const void *data, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t part = write(fd, (const char *)data + done, n - done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        done += (size_t)part;
    }
    return 0;
}

/* One frame, header and body in one write: up to PIPE_BUF bytes are never mixed with another writer's. */
static inline int uipc_frame_write(int fd, const void *body, uint32_t length) {
    unsigned char *frame = malloc(UIPC_FRAME_HEADER + (size_t)length);
    uint16_t check = uipc_frame_check(length);
    if (frame == NULL)
        return -1;
    frame[0] = 'u', frame[1] = 'F';
    frame[2] = check & 0xff, frame[3] = check >> 8;
    for (int i = 0; i < 4; i++)
        frame[4 + i] = length >> (8 * i) & 0xff;
    if (length)
        memcpy(frame + UIPC_FRAME_HEADER, body, length);
    int rc = uipc_write_fully(fd, frame, UIPC_FRAME_HEADER + (size_t)length);
    free(frame);
    return rc;
}

/* The next frame's body (free it) and length. */
static inline enum uipc_frame uipc_frame_read(int fd, unsigned char **body, uint32_t *length) {
    unsigned char header[UIPC_FRAME_HEADER];
    ssize_t got = uipc_read_fully(fd, header, sizeof header);
    if (got < 0)
        return UIPC_FRAME_ERRNO;
    if (got < UIPC_FRAME_HEADER)
        return got ? UIPC_FRAME_CUT : UIPC_FRAME_END;
    *length = header[4] | (uint32_t)header[5] << 8 | (uint32_t)header[6] << 16 | (uint32_t)header[7] << 24;
    uint16_t check = (uint16_t)(header[2] | header[3] << 8);
    if (header[0] != 'u' || header[1] != 'F' || check != uipc_frame_check(*length))
        return UIPC_FRAME_DAMAGED;
    *body = malloc(*length ? *length : 1);
    if (*body == NULL)
        return UIPC_FRAME_ERRNO;
    got = uipc_read_fully(fd, *body, *length);
    if (got == (ssize_t)*length)
        return UIPC_FRAME_OK;
    free(*body);
    return got < 0 ? UIPC_FRAME_ERRNO : UIPC_FRAME_CUT;
}

#endif
