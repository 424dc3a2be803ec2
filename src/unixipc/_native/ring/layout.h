/* The bytes of a channel: a header, and a ring of records. A file format: every number is here, and nowhere else.
 *
 *   header, UIPC_RING_HEADER bytes
 *        0  what it is: written once, before the file has a name            struct uipc_ring_facts
 *       64  the senders' end: its lock, where the next record goes          struct uipc_ring_end
 *      128  the receivers' end: its lock, the next record to hand over      struct uipc_ring_end
 *      192  the word that receivers sleep on                                struct uipc_ring_bell
 *      256  the word that senders sleep on                                  struct uipc_ring_bell
 *      320  counters, and who was ever here                                 struct uipc_ring_tally
 *      512  members: senders (publishers), then receivers (subscribers)     struct uipc_ring_member
 *   ring, `capacity` bytes, a power of two of whole pages; each process maps it twice in a row, so no record is cut
 *        record: 16 bytes of head, then the message, up to a multiple of 16
 *        +0   uint64  word       state (bits 0..7), member (8..23), length of the message (32..63); 0: nothing yet
 *        +8   uint32  units      size of the record in units of 16 bytes, its head included
 *       +12   uint32  sequence   number of the message, from 0
 *
 * Positions are bytes since the beginning and never turn back: position & (capacity - 1) is the offset in the ring.
 * Behind the last record lies a head whose word is 0, so the record is there from the moment that its word is stored.
 *
 *     head            next                 position (of the senders' end)
 *      | done | leased | ready | reserved |0
 *
 * `head`: everything before it is free again. `next`: everything before it was handed over once.
 */
#ifndef UIPC_RING_LAYOUT_H
#define UIPC_RING_LAYOUT_H

#include "../robust/owner.h"

#define UIPC_RING_MAGIC "uipcring"
#define UIPC_RING_VERSION 1
#define UIPC_RING_HEADER 16384
#define UIPC_RING_MEMBERS 124 /* of each role */
#define UIPC_RING_UNIT 16
#define UIPC_RING_LINE 64
#define UIPC_RING_SMALLEST 4096

/* Byte UIPC_RING_LOCKS + slot of the file is locked (fcntl(2), F_OFD_SETLK) as long as the member lives; senders have
 * the slots 0.., receivers UIPC_RING_MEMBERS.. . No byte of the file is that far. */
#define UIPC_RING_LOCKS (1LL << 62)
/* Read-locked by the handles of temporary and of nameless channels; temporary ones: by the members, too. */
#define UIPC_RING_USERS (UIPC_RING_LOCKS + 2 * UIPC_RING_MEMBERS)
#define UIPC_RING_REMOVAL (UIPC_RING_USERS + 1) /* locked for the moment between the look at the name and its removal */

enum uipc_ring_kind { UIPC_QUEUE = 1, UIPC_TOPIC = 2 };
enum uipc_ring_policy { UIPC_WAIT = 0, UIPC_REFUSE = 1, UIPC_DROP_OLDEST = 2 };
#define UIPC_RING_TEMPORARY 0x100
enum uipc_ring_role { UIPC_SENDER = 0, UIPC_RECEIVER = 1 };

struct uipc_ring_facts {
    char magic[8];
    uint32_t version, kind;
    uint32_t header_bytes, members;
    uint64_t capacity;
    uint32_t how;     /* bits 0..7: what a full ring means; bit 8: the last one out removes the file */
    uint32_t flavour; /* of the lock words: pointer size, distance in the C library's list, byte order */
    uint64_t identity; /* drawn by lot */
    uint32_t check;    /* sum of the bytes before it */
    uint32_t zero[3];
};

struct uipc_ring_end {
    struct uipc_owner lock; /* its own two words: see the next two lines */
    uint64_t count, bytes;  /* messages and their bytes that went through here */
    uint64_t head;          /* receivers' end: all before it is free; senders' end: unused */
};
#define uipc_position of_the_lock[0] /* senders: end of the last record; receivers: `next` */
#define uipc_far of_the_lock[1]      /* senders: `head` as last seen; receivers: how many were given back */

struct uipc_ring_bell {
    uint32_t word; /* bit 0: somebody may sleep; above it a number that changes */
    uint32_t zero[15];
};

struct uipc_ring_tally {
    uint32_t changes; /* of the members: one more at each join and leave */
    uint32_t ever;    /* bit 0: there was a sender; bit 1: a receiver */
    uint64_t dropped, refused, aborted; /* aborted: reservations that never became a message */
    uint64_t sender_sleeps, receiver_sleeps;
    uint64_t repairs; /* members and locks whose owner had died */
    uint64_t oldest;  /* topics: everything before it may be overwritten */
    uint32_t top[2]; /* of each role: no slot from here on was ever used */
    uint64_t given_up;      /* topics: reservations before `oldest` that came to nothing: they are no messages missed */
    uint64_t next_given_up; /* what that is once `oldest` is `next_oldest`: a killed publisher's step is ended by these */
    uint64_t next_oldest;
    uint64_t zero[12];
};

struct uipc_ring_member {
    uint32_t state; /* 0: free; 1: somebody's, if its byte is locked */
    uint32_t pid;
    uint64_t since; /* CLOCK_REALTIME, ns */
    uint64_t count; /* messages */
    uint64_t position; /* topics: the next record for this subscriber */
    uint32_t tells; /* topics: 1: overruns it, and tells; 0: waits for it */
    uint32_t expected; /* topics: the sequence of its next message */
    uint64_t missed;
    uint64_t zero[2];
};

struct uipc_ring_file {
    struct uipc_ring_facts facts;
    struct uipc_ring_end senders, receivers;
    struct uipc_ring_bell messages, space;
    struct uipc_ring_tally tally;
    struct uipc_ring_member member[2][UIPC_RING_MEMBERS];
};

struct uipc_record {
    uint64_t word;
    uint32_t units, sequence;
};

enum uipc_record_state { UIPC_NOTHING = 0, UIPC_READY = 1, UIPC_RESERVED = 2, UIPC_LEASED = 3, UIPC_DONE = 4 };

_Static_assert(sizeof(struct uipc_ring_facts) == 64, "layout");
_Static_assert(sizeof(struct uipc_ring_end) == 64, "layout");
_Static_assert(sizeof(struct uipc_ring_bell) == 64, "layout");
_Static_assert(sizeof(struct uipc_ring_tally) == 192, "layout");
_Static_assert(sizeof(struct uipc_ring_member) == 64, "layout");
_Static_assert(sizeof(struct uipc_record) == UIPC_RING_UNIT, "layout");
_Static_assert(offsetof(struct uipc_ring_facts, check) == 48, "layout");
_Static_assert(offsetof(struct uipc_ring_file, senders) == 64, "layout");
_Static_assert(offsetof(struct uipc_ring_file, receivers) == 128, "layout");
_Static_assert(offsetof(struct uipc_ring_file, messages) == 192, "layout");
_Static_assert(offsetof(struct uipc_ring_file, space) == 256, "layout");
_Static_assert(offsetof(struct uipc_ring_file, tally) == 320, "layout");
_Static_assert(offsetof(struct uipc_ring_file, member) == 512, "layout");
_Static_assert(sizeof(struct uipc_ring_file) == UIPC_RING_HEADER, "layout");

#endif
