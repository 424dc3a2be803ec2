/* A member that kills itself: crash_at PATH OPERATION POINT NTH
 * Joins the channel, does the operation, and dies by SIGKILL when it passes the point for the NTH time.
 * With the point "?" it lives, and prints each point that it passes.
 */
#include "points.h"

#define check(holds) must(holds, #holds)

static struct member s, r; /* a sender and a receiver */
static int fd;
static struct uipc_message held, other;
static char bytes[1 << 16];

static void with_sender(void) {
    join(&s, fd, UIPC_SENDER);
    uipc_bell_prepare(&s.ring.file->messages); /* as if somebody slept: it is rung */
    uipc_bell_prepare(&s.ring.file->space);
}

static void with_receiver(void) {
    join(&r, fd, UIPC_RECEIVER);
    uipc_bell_prepare(&r.ring.file->space);
    uipc_bell_prepare(&r.ring.file->messages);
}

static void send_one(void) { check(uipc_queue_send(&s.ring, "new", 3) == UIPC_OK); }

static void send_several(void) {
    int rc;
    while (uipc_is_busy(rc = uipc_queue_begin(&s.ring)))
        wait_for_lock(&s.ring, rc);
    check(rc == UIPC_OK);
    check(uipc_queue_put(&s.ring, "new0", 4) == UIPC_OK && uipc_queue_put(&s.ring, "new1", 4) == UIPC_OK);
    check(uipc_queue_put(&s.ring, "new2", 4) == UIPC_OK);
    uipc_queue_end(&s.ring, 3);
}

static void reserve(void) {
    check(uipc_queue_reserve(&s.ring, 8, &held) == UIPC_OK);
    memcpy(held.bytes, "newXXXXX", 8);
}

static void commit(void) {
    reserve();
    check(uipc_queue_commit(&s.ring, &held, 3) == UIPC_OK);
}

static void give_up(void) {
    reserve();
    check(uipc_queue_abort(&s.ring, &held) == UIPC_OK);
}

static void receive_several(int most) {
    check(uipc_queue_open(&r.ring) == UIPC_OK);
    for (int i = 0; i < most && uipc_queue_next(&r.ring, &other) == UIPC_OK; i++)
        uipc_queue_consume(&r.ring, &other);
    uipc_queue_shut(&r.ring, 1);
}

static void lend(struct uipc_message *message) { check(receive_now(&r.ring, bytes, message, 1) == UIPC_OK); }

/* The one behind a message that is lent is received: its place is free only with the first one's. */
static void receive_behind(void) {
    lend(&held);
    receive_several(1);
    check(finish_waiting(&r.ring, &held, 1) == UIPC_OK);
}

static void finish(int accept) {
    lend(&held);
    check(finish_waiting(&r.ring, &held, accept) == UIPC_OK);
}

static void receive_returned(void) {
    lend(&held), lend(&other);
    check(finish_waiting(&r.ring, &other, 0) == UIPC_OK);
    receive_several(1);
}

static void step_over(void) {
    with_receiver();
    give_up();
    receive_several(4);
}

static void close_all(void) {
    with_receiver();
    reserve();
    lend(&held);
    leave(&s), leave(&r);
}

static void die_with_both(void) {
    with_receiver();
    reserve();
    lend(&held);
}

static void look(void) {
    check(attach(&r, fd) == UIPC_OK);
    uipc_ring_look(&r.ring);
}

static int is(const char *operation, const char *name) { return strcmp(operation, name) == 0; }

int main(int argc, char **argv) {
    if (argc != 5)
        return 64;
    const char *what = argv[2];
    wanted = argv[3], left = atoi(argv[4]);
    alarm(20);
    fd = open(argv[1], O_RDWR | O_CLOEXEC);
    check(fd >= 0);
    if (is(what, "look"))
        look();
    else if (strncmp(what, "receive", 7) == 0 || strncmp(what, "lease", 5) == 0)
        with_receiver();
    else
        with_sender();
    if (is(what, "send") || is(what, "drop"))
        send_one();
    else if (is(what, "send-several"))
        send_several();
    else if (is(what, "commit"))
        commit();
    else if (is(what, "abort"))
        give_up();
    else if (is(what, "receive"))
        receive_several(1);
    else if (is(what, "receive-several"))
        receive_several(3);
    else if (is(what, "receive-behind"))
        receive_behind();
    else if (is(what, "receive-returned"))
        receive_returned();
    else if (is(what, "lease-accept") || is(what, "lease-return"))
        finish(is(what, "lease-accept"));
    else if (is(what, "step-over"))
        step_over();
    else if (is(what, "close"))
        close_all();
    else if (is(what, "hold"))
        die_with_both();
    fflush(stdout);
    _exit(0);
}
