/* What crosses from the pipeline (and the dispatcher) to the realtime loop: immutable, ref-counted
 * messages that own everything they say. This is the door where a message bus can go later. */
#ifndef PGHERALD_ROW_EVENT_H
#define PGHERALD_ROW_EVENT_H

#include "base/queue.h"
#include "row/change.h"
#include "row/stored_message.h"
#include "row/type.h"

enum event_kind {
    EVENT_ROW,     /* a committed row change */
    EVENT_MESSAGE, /* a committed message to a topic */
    EVENT_STORED,  /* effects up to an LSN are durable in the database */
    EVENT_ATTEMPT, /* a webhook delivery was tried */
    EVENT_GAP      /* some had to be left out (the queue was full): clients must start over */
};

struct event_row {
    struct change change; /* a deep copy; its views point into this very allocation */
    lsn_t commit_lsn;
    uint64_t ordinal;    /* in its transaction, from 1 */
    size_t source_bytes; /* how long the decoder's message was (the limit of error 413) */
    struct types *types; /* one reference */
};

struct event_message {
    struct stored_message message; /* its views point into this very allocation */
    lsn_t commit_lsn;
    uint64_t ordinal; /* in its transaction, from 1; rows are counted with it */
    uint32_t xid;
};

struct event_gap {
    bool rows, messages; /* what was left out */
};

struct event_stored {
    lsn_t commit_lsn; /* of the last transaction covered */
    uint64_t audit_rows, notifications, deliveries;
};

struct event_attempt {
    lsn_t commit_lsn; /* of the change that caused the delivery; 0 if unknown */
    uint64_t ordinal;
    char message_id[64];
    char event_type[192]; /* cut if longer */
    char endpoint[128]; /* the webhook's name, cut if longer; never its URL, which may be secret */
    unsigned attempt;
    unsigned duration_ms;
    int status_code; /* 0: no answer */
    bool delivered;
};

struct event {
    struct msg msg; /* first, so that a msg is an event */
    enum event_kind kind;
    union {
        struct event_row row;
        struct event_message message;
        struct event_gap gap;
        struct event_stored stored;
        struct event_attempt attempt;
    };
};

/* One allocation with copies of everything `change` points at. */
struct event *event_new_row(const struct change *change, lsn_t commit_lsn, uint64_t ordinal,
                            size_t source_bytes, struct types *types);
/* The same for a message. */
struct event *event_new_message(const struct stored_message *message,
                                const struct position *position);
struct event *event_new_stored(const struct event_stored *stored);
struct event *event_new_attempt(const struct event_attempt *attempt);
struct event *event_new_gap(const struct event_gap *gap);

static inline struct event *event_of(struct msg *msg)
{
    return (struct event *)msg;
}

#endif
