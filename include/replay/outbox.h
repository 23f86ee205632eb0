/* Replayed deliveries on their way into the outbox, in batches. */
#ifndef PGHERALD_REPLAY_OUTBOX_H
#define PGHERALD_REPLAY_OUTBOX_H

#include "replay/matcher.h"
#include "replay/replay.h"

struct replay_outbox {
    struct pg_sync *conn;
    const struct replay_plan *plan;
    struct replay_counts *counts;
    struct buf rows; /* a JSON array, still open */
    size_t count;
};

void replay_outbox_init(struct replay_outbox *outbox);
void replay_outbox_fini(struct replay_outbox *outbox);

/* Finds out what the outbox has. All is borrowed. */
enum result replay_outbox_begin(struct replay_outbox *outbox, struct pg_sync *conn,
                                const struct replay_plan *plan, struct replay_counts *counts,
                                struct err *err) MUST_CHECK;

enum result replay_outbox_add(struct replay_outbox *outbox, const struct matched *matched,
                              const struct position *position, struct err *err) MUST_CHECK;

/* Writes what has gathered, in one transaction. */
enum result replay_outbox_flush(struct replay_outbox *outbox, struct err *err) MUST_CHECK;

#endif
