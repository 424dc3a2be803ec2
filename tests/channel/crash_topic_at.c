/* A publisher or subscriber that kills itself: crash_topic_at PATH OPERATION POINT NTH
 * Joins the topic, does the operation, and dies by SIGKILL when it passes the point for the NTH time: see points.h.
 */
#include "points.h"

#define check(holds) must(holds, #holds)

static struct member p, s; /* a publisher and a subscriber */
static int fd;
static struct uipc_message held, other;

static void with_publisher(void) {
    join(&p, fd, UIPC_SENDER);
    uipc_bell_prepare(&p.ring.file->messages); /* as if somebody slept: it is rung */
    uipc_bell_prepare(&p.ring.file->space);
}

static void with_subscriber(int tells) {
    join(&s, fd, UIPC_RECEIVER);
    subscribe(&s, tells);
    uipc_bell_prepare(&s.ring.file->space);
}

static void publish(const char *what) { check(uipc_queue_send(&p.ring, what, strlen(what)) == UIPC_OK); }

static void publish_several(void) {
    publish("new0"), publish("new1"), publish("new2");
}

static void publish_batch(void) {
    check(uipc_queue_begin(&p.ring) == UIPC_OK);
    check(uipc_queue_put(&p.ring, "new0", 4) == UIPC_OK && uipc_queue_put(&p.ring, "new1", 4) == UIPC_OK);
    check(uipc_queue_put(&p.ring, "new2", 4) == UIPC_OK);
    uipc_queue_end(&p.ring, 3);
}

/* Longer than what is free: `oldest` moves. */
static void publish_over(void) {
    static char bytes[1500];
    memset(bytes, 'n', sizeof bytes);
    check(uipc_queue_send(&p.ring, bytes, sizeof bytes) == UIPC_OK);
}

static void reserve(void) {
    check(uipc_queue_reserve(&p.ring, 8, &held) == UIPC_OK);
    memcpy(held.bytes, "newXXXXX", 8);
}

static void read_one(void) {
    check(uipc_topic_next(&s.ring, &other) == UIPC_OK);
    check(uipc_topic_intact(&s.ring, &other));
    uipc_topic_take(&s.ring, &other);
    uipc_topic_free(&s.ring, s.ring.cursor);
}

/* Two are looked at in place; the first one's place is free last. */
static void look_in_place(void) {
    check(uipc_topic_next(&s.ring, &held) == UIPC_OK);
    uipc_topic_take(&s.ring, &held);
    check(uipc_topic_next(&s.ring, &other) == UIPC_OK);
    uipc_topic_take(&s.ring, &other);
    uipc_topic_free(&s.ring, held.at);
    uipc_topic_free(&s.ring, s.ring.cursor);
}

static void read_behind_what_came_to_nothing(void) {
    reserve();
    publish("new0");
    check(uipc_queue_abort(&p.ring, &held) == UIPC_OK);
    read_one();
}

static void look(void) {
    check(attach(&s, fd) == UIPC_OK);
    uipc_ring_look(&s.ring);
}

static int is(const char *operation, const char *name) { return strcmp(operation, name) == 0; }

static void act(const char *what) {
    if (is(what, "look")) {
        look();
        return;
    }
    with_publisher();
    if (is(what, "publish"))
        publish("new0");
    else if (is(what, "publish-batch"))
        publish_batch();
    else if (is(what, "publish-over"))
        publish_over();
    else if (is(what, "commit")) {
        reserve();
        check(uipc_queue_commit(&p.ring, &held, 3) == UIPC_OK);
    } else if (is(what, "abort")) {
        reserve();
        check(uipc_queue_abort(&p.ring, &held) == UIPC_OK);
    } else if (is(what, "hold")) {
        reserve();
        publish("new0");
    } else if (is(what, "leave-publisher")) {
        reserve();
        leave(&p);
    } else { /* readers: they read what they have published */
        with_subscriber(is(what, "read-told"));
        publish_several();
        if (is(what, "read") || is(what, "read-told"))
            read_one(), read_one();
        else if (is(what, "look-in-place"))
            look_in_place();
        else if (is(what, "leave-subscriber"))
            leave(&s);
    }
}

static void step_over(void) {
    with_publisher(), with_subscriber(0);
    read_behind_what_came_to_nothing();
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 64;
    wanted = argv[3], left = atoi(argv[4]);
    alarm(20);
    fd = open(argv[1], O_RDWR | O_CLOEXEC);
    check(fd >= 0);
    if (is(argv[2], "step-over"))
        step_over();
    else
        act(argv[2]);
    fflush(stdout);
    _exit(0);
}
